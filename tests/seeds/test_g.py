"""Foxx 3.x sessions (checklist A.6): what of it is a store's and a manager's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sojourn import ConfigurationError, SessionExpired, SessionManager, SessionNotFound, open_store
from sojourn.stores.memory import MemoryStore
from sojourn.testing import FakeClock

Make = Callable[..., SessionManager]


def token_of(session: Any) -> str:
    assert session.token is not None
    return str(session.token)


def test_g1_a_misspelt_option_is_never_passed_over() -> None:
    with pytest.raises(TypeError, match="storages"):
        SessionManager(storages="memory://")  # type: ignore[call-arg]  # that is the test
    with pytest.raises(ConfigurationError, match="known: capacity"):
        open_store("memory://?capasity=5")


def test_g3_each_read_extends_where_accesses_count(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=3600)
    token = token_of(sessions.create())
    for _ in range(3):
        clock.advance(3600)
        assert sessions.open(token).last_access == clock.now
    fixed = make(ttl=3600, ttl_type="created")
    token = token_of(fixed.create())
    clock.advance(3600)
    fixed.open(token)
    clock.advance(ms=1)
    with pytest.raises(SessionExpired):
        fixed.open(token)


def test_g3_pruning_answers_what_it_removed(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    gone, kept = sessions.create(), sessions.create()
    clock.advance(40)
    kept.touch()
    clock.advance(30)
    assert [event.handle for event in sessions.sweep().ended] == [gone.handle]


def test_g3_clearing_says_whether_there_was_one(sessions: SessionManager) -> None:
    session = sessions.create()
    same = sessions.open(token_of(session))
    assert session.end() is True
    assert same.end() is False


def test_g3_a_new_session_is_empty_and_not_stored(sessions: SessionManager) -> None:
    session = sessions.new()
    assert (session.uid, dict(session), session.is_new) == (None, {}, True)
    assert sessions.count() == 0


def test_g3_a_handle_that_exists_is_tried_again(clock: FakeClock) -> None:
    numbers = iter([1, 2, 1, 3, 4, 5])
    sessions = SessionManager(MemoryStore(), clock=clock, entropy=lambda length: bytes([next(numbers)]) * length)
    first = sessions.create({"a": 1})
    second = sessions.create({"a": 2})
    assert first.handle != second.handle
    assert sessions.open(token_of(first))["a"] == 1
    assert sessions.open(token_of(second))["a"] == 2


def test_g3_unknown_and_expired_are_told_apart_from_a_dead_store(sessions: SessionManager) -> None:
    with pytest.raises(SessionNotFound):
        sessions.open("unknown")


def test_g4_a_token_says_nothing_and_cannot_be_made(sessions: SessionManager) -> None:
    session = sessions.create({"role": "user"}, uid="luca")
    token = token_of(session)
    handle, secret = token.split(".")
    for forged in (handle, f"{handle}.", f"{handle}.{'A' * 43}", f"{token}.{secret}", f"eyJhbGciOiJub25lIn0.{secret}."):
        with pytest.raises(SessionNotFound):
            sessions.open(forged)
    assert sessions.open(token).uid == "luca"


def test_g_bugs_an_expiry_is_in_milliseconds_everywhere(make: Make, clock: FakeClock) -> None:
    session = make(ttl=2, absolute=None).create()
    assert session.expires_at == clock.now + 2_000
    clock.advance(2)
    assert not session.is_expired
    clock.advance(ms=1)
    assert session.is_expired
