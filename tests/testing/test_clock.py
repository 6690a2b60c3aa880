"""sojourn.testing.clock: it stands still, moves when told, and a manager follows it."""

from __future__ import annotations

import doctest
import threading
from datetime import timedelta

import pytest

from sojourn import ConfigurationError, SessionExpired, SessionManager
from sojourn.testing import FakeClock, clock


@pytest.mark.parametrize(
    ("by", "milliseconds"),
    [("15 min", 900_000), (2, 2_000), (0.25, 250), (timedelta(hours=1), 3_600_000), ("1 month", 2_629_800_000)],
)
def test_it_moves_by_whatever_is_a_duration(by: str | float | timedelta, milliseconds: int) -> None:
    fake = FakeClock(start_ms=1_000)
    assert fake.advance(by) == 1_000 + milliseconds
    assert fake() == fake.now == 1_000 + milliseconds


def test_it_moves_by_single_milliseconds_and_back() -> None:
    fake = FakeClock()
    start = fake.now
    assert fake.advance(ms=1) == start + 1
    assert fake.advance("1 s", ms=1) == start + 1_002
    fake.set(5)
    assert fake.now == 5
    assert repr(fake) == "FakeClock(start_ms=5)"


@pytest.mark.parametrize("by", ["soon", "5", -1, 0, float("nan")])
def test_it_refuses_what_is_no_duration(by: str | float) -> None:
    with pytest.raises(ConfigurationError):
        FakeClock().advance(by)


def test_it_refuses_to_advance_backwards() -> None:
    fake = FakeClock(start_ms=10)
    with pytest.raises(ConfigurationError, match="set"):
        fake.advance(ms=-1)
    assert fake.now == 10


def test_a_manager_expires_by_it_to_the_millisecond() -> None:
    fake = FakeClock()
    sessions = SessionManager("memory://", ttl="1 minute", clock=fake)
    token = sessions.create().token or ""
    fake.advance("1 minute")
    fake.set(fake.now)
    assert sessions.find(token.partition(".")[0]).handle
    fake.advance(ms=1)
    with pytest.raises(SessionExpired):
        sessions.open(token)


def test_threads_lose_no_step() -> None:
    fake = FakeClock(start_ms=0)

    def step() -> None:
        for _ in range(2_000):
            fake.advance(ms=1)

    threads = [threading.Thread(target=step) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake.now == 8_000


def test_its_examples_run() -> None:
    assert doctest.testmod(clock).failed == 0
    assert doctest.testmod(clock).attempted > 0
