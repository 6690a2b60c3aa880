"""koa-atomic-session (checklist A.7): each item under our own words, and its bugs not copied."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sojourn import (
    ABSENT,
    ConfigurationError,
    Conflict,
    CsrfError,
    SessionExpired,
    SessionManager,
    SessionNotFound,
    StoreUnavailable,
    check,
    increment,
    pop_first,
    push,
    rename,
    take,
    unset,
)
from sojourn.stores.memory import MemoryStore
from sojourn.testing import FakeClock

Make = Callable[..., SessionManager]


def token_of(session: Any) -> str:
    assert session.token is not None
    return str(session.token)


def stored(sessions: SessionManager, session: Any) -> dict[str, Any]:
    return dict(sessions.find(str(session.handle)))


def test_a1_a_lifetime_is_seconds_text_or_timedelta_and_nothing_else(make: Make, clock: FakeClock) -> None:
    for ttl in (1_209_600, "14 days", timedelta(days=14)):
        assert make(ttl=ttl).create().expires_at == clock.now + 14 * 86_400_000
    assert make().create().expires_at == clock.now + 14 * 86_400_000
    for wrong in ([], {}, True, b"1 day", "1209600"):
        with pytest.raises(ConfigurationError):
            make(ttl=wrong)


def test_a2_one_month_works(make: Make, clock: FakeClock) -> None:
    month = 2_629_800_000  # 30.4375 days
    assert make(ttl="1 month", absolute=None).create().expires_at == clock.now + month


def test_a4_set_up_is_done_on_first_use_and_can_be_repeated(make: Make) -> None:
    sessions = make()
    session = sessions.create()  # no call of setup before
    assert sessions.setup() is None  # type: ignore[func-returns-value]  # theirs resolves to nothing
    assert sessions.open(token_of(session)).handle == session.handle


def test_a9_every_field_can_be_had(sessions: SessionManager) -> None:
    session = sessions.create({"message": "hello", "user": {"name": "luca"}})
    found = sessions.open(token_of(session))
    assert found["message"] == "hello"
    assert found["user"]["name"] == "luca"
    assert found.handle == session.handle


def test_a10_chained_commands_are_one_step(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    session = sessions.create({"b": 1, "n": 1, "l": [1, 2, 1], "old": "x"})
    clock.advance(30)
    session["a"] = 1
    session.unset("b")
    session.push("c", 1)
    session.increment("n", 2)
    session.minimum("low", 5)
    session.maximum("high", 5)
    session.add_to_set("l", 2, 3)
    session.pull("l", 1)
    session.set_default("a", 9)
    session.rename("old", "new")
    assert stored(sessions, session)["n"] == 1
    session.commit()
    assert stored(sessions, session) == {
        "a": 1, "c": [1], "n": 3, "low": 5, "high": 5, "l": [2, 3], "new": "x",
    }  # fmt: skip
    assert session.expires_at == clock.now + 60_000  # each commit is an access too


def test_a10_chained_commands_succeed_or_fail_together(sessions: SessionManager) -> None:
    session = sessions.create({"n": 1})
    with pytest.raises(Conflict):
        session.apply(increment("n"), unset("n"), push("l", 1), check("z", 1))
    assert stored(sessions, session) == {"n": 1}


def test_a11_the_forms_of_set_unset_increment_and_rename(sessions: SessionManager) -> None:
    session = sessions.create()
    session.set("a", 1)
    session.set({"b": 2, "c": 3, "d": 4})
    session.set(("deep", "er"), 1)
    session.unset("a", "b")
    session.increment("n")
    session.rename("c", "e")
    session.commit()
    assert stored(sessions, session) == {"d": 4, "e": 3, "n": 1, "deep": {"er": 1}}


def test_a12_a_command_shows_what_the_store_then_holds(sessions: SessionManager) -> None:
    session = sessions.create({"message": "hi", "gone": 1, "n": 1})
    other = sessions.open(token_of(session))
    other["new"] = 1
    del other["gone"]
    other.increment("n")
    other.commit()
    session["message"] = "hello"
    session.commit()
    assert dict(session) == {"message": "hello", "new": 1, "n": 2}
    other.refresh()
    assert dict(other) == dict(session)
    assert list(other) == sorted(other)


def test_a13_touch_renews_the_lifetime(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    session = sessions.create({"a": 1})
    clock.advance(59)
    session.touch()
    assert session.expires_at == clock.now + 60_000
    clock.advance(59)
    assert sessions.open(token_of(session))["a"] == 1


def test_a14_end_makes_no_new_session_and_regenerate_one_without_the_data(sessions: SessionManager) -> None:
    session = sessions.create({"a": 1})
    session.end()
    assert sessions.count() == 0
    with pytest.raises(SessionNotFound):
        session.refresh()
    session = sessions.create({"a": 1})
    token, csrf = token_of(session), session.create_csrf()
    session.regenerate()
    assert dict(session) == stored(sessions, session) == {}
    assert token_of(session).split(".")[0] != token.split(".")[0]
    with pytest.raises(SessionNotFound):
        sessions.open(token)
    with pytest.raises(CsrfError):
        session.assert_csrf(csrf)
    session["b"] = 1
    session.regenerate(keep=True)
    assert stored(sessions, session) == {"b": 1}


def test_a15_csrf_tokens_differ_and_pass_silently(sessions: SessionManager) -> None:
    session = sessions.create()
    tokens = {session.create_csrf() for _ in range(5)}
    assert len(tokens) == 5
    again = sessions.open(token_of(session))
    for token in tokens:
        again.assert_csrf(token)
    stranger = sessions.create().create_csrf()
    for wrong in (None, "", 1, [], "nonsense", stranger, next(iter(tokens)) + "x"):
        with pytest.raises(CsrfError, match=r"^Invalid CSRF Token\.$"):
            session.assert_csrf(wrong)
    assert stored(sessions, session) == {}


def test_a16_a_lifetime_of_its_own_survives(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    session = sessions.create()
    session.set_lifetime("30 days")
    session.commit()
    clock.advance("10 days")
    found = make(ttl=5).open(token_of(session))
    assert found.expires_at == clock.now + 20 * 86_400_000  # 30 days in all


def test_ab1_a_write_after_the_end_is_an_error(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    for end in (lambda session: sessions.revoke(str(session.handle)), lambda session: clock.advance(61)):
        session = sessions.create({"n": 1, "l": [1]})
        end(session)
        for write in (
            lambda s: s.apply(increment("n")),
            lambda s: s.take("n"),
            lambda s: s.apply(pop_first("l"), rename("n", "m"), take("n"), check("z", ABSENT)),
            lambda s: s.__setitem__("a", 1) or s.commit(),
            lambda s: s.touch(),
        ):
            late = type(session)(sessions, session.record)
            with pytest.raises(SessionNotFound):
                write(late)
    assert sessions.count() == 0


def test_ab2_expiry_is_checked_on_read_not_when_swept(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    session = sessions.create()
    clock.advance(60, ms=1)
    with pytest.raises(SessionExpired):
        sessions.open(token_of(session))
    assert list(sessions.list()) == []


def test_ab3_the_object_form_extends_the_lifetime_too(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    session = sessions.create()
    clock.advance(30)
    session.set({"a": 1})
    session.commit()
    assert sessions.find(str(session.handle)).expires_at == clock.now + 60_000


@pytest.mark.parametrize("key", ["path", "domain", "secure", "httpOnly", "touch", "commit", "token", "expires", "_id"])
def test_ab4_data_has_a_namespace_of_its_own(sessions: SessionManager, key: str) -> None:
    session = sessions.create()
    token, touch = session.token, session.touch
    session[key] = "/evil"
    session.commit()
    assert session.token == token
    assert session.touch == touch
    session.touch()
    assert sessions.open(token_of(session))[key] == "/evil"


def test_ab6_a_token_cannot_be_guessed(sessions: SessionManager) -> None:
    first, second = token_of(sessions.create()), token_of(sessions.create())
    same = sum(a == b for a, b in zip(first, second, strict=True))
    assert same < len(first) // 2  # a time or a counter would leave most of it alike


def test_ab7_a_failed_load_is_not_kept(clock: FakeClock) -> None:
    class Flaky(MemoryStore):
        down = False

        def perform(self, op: Any) -> Any:
            if self.down:
                raise StoreUnavailable("the store is down")
            return super().perform(op)

    store = Flaky()
    sessions = SessionManager(store, clock=clock)
    session = sessions.create({"a": 1})
    session["a"] = 2
    store.down = True
    for call in (session.refresh, session.commit, lambda: sessions.open(token_of(session))):
        with pytest.raises(StoreUnavailable):
            call()
    store.down = False
    session.commit()
    assert sessions.open(token_of(session))["a"] == 2


def test_ab8_a_token_is_given_only_for_what_is_stored(clock: FakeClock) -> None:
    class Full(MemoryStore):
        def perform(self, op: Any) -> Any:
            raise StoreUnavailable("the store is down")

    session = SessionManager(Full(), clock=clock).new()
    session["a"] = 1
    with pytest.raises(StoreUnavailable):
        session.commit()
    assert session.token is None
    assert session.is_new


def test_ab9_looking_stores_nothing(sessions: SessionManager) -> None:
    session = sessions.new()
    assert session.get("cart") is None
    assert len(session) == 0
    assert sessions.count() == 0


def test_ab10_no_name_is_reserved(sessions: SessionManager) -> None:
    names = ["expires", "maxAge", "created", "secret", "_id", "$set", "a.b", "", "__proto__", "uid", "data"]
    session = sessions.create(dict.fromkeys(names, 1))
    for name in names:
        session.increment(name)
    session.commit()
    assert stored(sessions, session) == dict.fromkeys(names, 2)
    assert session.expires_at is not None
