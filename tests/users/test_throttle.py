from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.core.accounts import Admit, NoteFailure, NoteSuccess
from sojourn.errors import ConfigurationError
from sojourn.users.throttle import Count, Limits, Rate, Throttle, address_key, gcra, lock_out, settle

HERE, THERE = "192.0.2.7", "198.51.100.9"
NO_RATES = Limits(by_name=None, by_address=None)


def fail(throttle: Throttle, now: int, name: str = "anna", address: str | None = HERE, stamp: str = "s") -> int:
    wait = throttle.admit(Admit(name, stamp, address, now))
    if wait == 0:
        throttle.note_failure(NoteFailure(name, stamp, address, now))
    return wait


def test_c13_five_failures_lock_and_the_count_lives_from_the_first_one() -> None:
    throttle = Throttle(NO_RATES)
    assert [fail(throttle, now) for now in range(5)] == [0] * 5
    assert fail(throttle, 5) == 299_995
    assert fail(throttle, 299_999) == 1  # refused tries do not prolong it
    assert [fail(throttle, 300_000 + now) for now in range(5)] == [0] * 5
    assert fail(throttle, 300_005) == 299_995  # a new count, from its own first failure


def test_c13_slow_failures_never_lock() -> None:
    throttle = Throttle(NO_RATES)
    assert all(fail(throttle, n * 75_000) == 0 for n in range(100))


def test_c13_other_addresses_other_names_and_other_passwords_are_not_affected() -> None:
    throttle = Throttle(NO_RATES)
    for now in range(5):
        fail(throttle, now)
    assert fail(throttle, 6) > 0
    assert fail(throttle, 6, address=THERE) == 0
    assert fail(throttle, 6, address=None) == 0
    assert fail(throttle, 6, name="bert") == 0
    assert fail(throttle, 6, stamp="of a new password") == 0


def test_c13_a_success_clears_the_count() -> None:
    throttle = Throttle(NO_RATES)
    for round_ in range(20):
        for now in range(4):
            assert fail(throttle, round_ * 10 + now) == 0
        throttle.note_success(NoteSuccess("anna", "s", HERE, round_ * 10 + 5))


def test_it_can_be_switched_off() -> None:
    throttle = Throttle(Limits.off())
    assert all(fail(throttle, 0) == 0 for _ in range(1_000))
    with pytest.raises(ConfigurationError):
        Throttle(Limits(failures=0))


def test_the_101st_wrong_password_is_refused_even_without_lockout() -> None:
    throttle = Throttle(Limits(failures=None))
    waits = [fail(throttle, 0) for _ in range(101)]
    assert waits[:100] == [0] * 100
    assert waits[100] > 0


def test_an_address_is_limited_over_all_names() -> None:
    throttle = Throttle(Limits())
    waits = [fail(throttle, 0, name=f"n{n}") for n in range(250)]
    assert waits.count(0) == 200
    assert fail(throttle, 0, name="n", address=THERE) == 0
    assert fail(throttle, 1_000, name="n") == 0  # one a second comes back


def test_successes_cost_nothing() -> None:
    throttle = Throttle(Limits())
    for _ in range(2_000):
        assert throttle.admit(Admit("anna", "s", HERE, 0)) == 0
        throttle.note_success(NoteSuccess("anna", "s", HERE, 0))


def test_tries_in_flight_are_counted() -> None:
    throttle = Throttle(Limits(failures=None))
    waits = [throttle.admit(Admit("anna", "s", HERE, 0)) for _ in range(150)]
    assert waits.count(0) == 100


def test_c13_tries_at_once_are_no_way_round_the_lock_out() -> None:
    throttle = Throttle(NO_RATES)
    waits = [throttle.admit(Admit("anna", "s", HERE, 0)) for _ in range(50)]
    assert waits == [0] * 5 + [1_000] * 45
    assert throttle.admit(Admit("anna", "s", THERE, 0)) == 0
    for _ in range(5):
        throttle.note_failure(NoteFailure("anna", "s", HERE, 0))
    assert throttle.admit(Admit("anna", "s", HERE, 1)) == 299_999


def test_c13_failures_and_tries_in_flight_count_together() -> None:
    throttle = Throttle(NO_RATES)
    assert [fail(throttle, now) for now in range(3)] == [0] * 3
    assert [throttle.admit(Admit("anna", "s", HERE, 10)) for _ in range(3)] == [0, 0, 1_000]
    throttle.note_failure(NoteFailure("anna", "s", HERE, 10))
    assert throttle.admit(Admit("anna", "s", HERE, 11)) == 1_000  # the failure took the place of the try
    throttle.note_success(NoteSuccess("anna", "s", HERE, 10))
    assert [throttle.admit(Admit("anna", "s", HERE, 12)) for _ in range(6)] == [0] * 5 + [1_000]


def test_c13_a_success_does_not_hide_the_other_tries_in_flight() -> None:
    throttle = Throttle(NO_RATES)
    assert [throttle.admit(Admit("anna", "s", HERE, 0)) for _ in range(5)] == [0] * 5
    throttle.note_success(NoteSuccess("anna", "s", HERE, 0))
    assert [throttle.admit(Admit("anna", "s", HERE, 1)) for _ in range(2)] == [0, 1_000]


def test_c13_a_try_that_never_ends_counts_for_a_minute() -> None:
    throttle = Throttle(NO_RATES)
    for _ in range(5):
        assert throttle.admit(Admit("anna", "s", HERE, 0)) == 0
    assert throttle.admit(Admit("anna", "s", HERE, 59_999)) == 1_000
    assert throttle.admit(Admit("anna", "s", HERE, 60_000)) == 0


def test_c13_a_try_that_ends_late_leaves_younger_ones_in_flight() -> None:
    late = Count(pending=(0, 70_000, 70_001))
    assert settle(late, 0, NO_RATES, failed=True) == Count(0, 1, (70_000, 70_001))
    assert settle(late, 0, NO_RATES, failed=False) == Count(pending=(70_000, 70_001))


def test_a_try_refused_by_a_rate_is_not_in_flight() -> None:
    throttle = Throttle(Limits(by_name=Rate(1, 1_000), by_address=None))
    assert throttle.admit(Admit("anna", "s", HERE, 0)) == 0
    assert all(throttle.admit(Admit("anna", "s", HERE, 0)) == 1_000 for _ in range(9))
    assert throttle.admit(Admit("anna", "s", HERE, 1_000)) == 0


@given(st.lists(st.tuples(st.sampled_from(["try", "fail"]), st.integers(0, 2_000)), max_size=80))
def test_no_order_of_tries_and_answers_lets_more_than_five_fail_in_a_window(steps: list[tuple[str, int]]) -> None:
    count: Count | None = None
    now, flying, failed = 0, list[int](), list[int]()
    for step, gap in steps:
        now += gap // 10
        if step == "try":
            count, wait = lock_out(count, now, NO_RATES)
            flying += [now] if wait == 0 else []
        elif flying:
            failed.append(flying.pop(0))
            count = settle(count, failed[-1], NO_RATES, failed=True)
        assert len(failed) + len(flying) <= 5


def test_keys_have_one_size_however_long_the_name_is() -> None:
    throttle = Throttle(Limits())
    for name in ("", "anna", "x" * 1_000_000, "\ud800"):
        assert fail(throttle, 0, name=name) == 0
    assert {len(key) for key in (*throttle._counts, *throttle._rates)} == {32}
    assert len(throttle._counts) == 4


def test_no_two_names_and_stamps_share_a_key() -> None:
    throttle = Throttle(Limits(failures=1))
    for name, stamp in (("ab", "c"), ("a", "bc"), ("abc", ""), ("", "abc")):
        assert fail(throttle, 0, name=name, stamp=stamp) == 0


def test_a_refused_try_costs_no_other_allowance() -> None:
    throttle = Throttle(Limits(failures=None, by_name=Rate(1, 60_000), by_address=Rate(3, 60_000)))
    assert [fail(throttle, 0) for _ in range(50)].count(0) == 1
    assert [fail(throttle, 0, name=f"n{n}") for n in range(5)].count(0) == 2


def test_memory_is_bounded() -> None:
    throttle = Throttle(Limits(capacity=100, by_address=None))
    for n in range(1_000):
        fail(throttle, n, name=f"n{n}")
    assert len(throttle._counts) <= 100
    assert len(throttle._rates) <= 100


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("::ffff:192.0.2.7", "192.0.2.7", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("no address", "no address", True),
        (None, "192.0.2.7", False),
    ],
)
def test_what_counts_as_one_address(one: str | None, other: str | None, same: bool) -> None:
    assert (address_key(one) == address_key(other)) is same


@given(
    st.lists(st.integers(0, 5_000), min_size=1, max_size=60),
    st.integers(1, 6),
    st.integers(1, 2_000),
)
def test_gcra_lets_no_window_have_more_than_its_allowance(gaps: list[int], burst: int, period_ms: int) -> None:
    """Against the definition, counted by hand: in any stretch of time t at most burst + t / period tries go on."""
    rate, full_at, now = Rate(burst, period_ms), None, 0
    passed: list[int] = []
    for gap in gaps:
        now += gap
        full_at, wait = gcra(full_at, now, rate)
        if wait == 0:
            passed.append(now)
        else:
            assert gcra(full_at, now + wait, rate)[1] == 0  # the wait that is told is enough
            assert wait == 1 or gcra(full_at, now + wait - 1, rate)[1] > 0  # and no longer than needed
    for first in range(len(passed)):
        for last in range(first, len(passed)):
            assert last - first + 1 <= burst + (passed[last] - passed[first]) / period_ms
