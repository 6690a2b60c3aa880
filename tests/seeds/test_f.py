"""ArangoDB's Foxx sessions app (checklist A.5): each item under our own words, and its bugs not copied."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sojourn import (
    ConfigurationError,
    EndReason,
    SessionEnded,
    SessionExpired,
    SessionManager,
    SessionNotFound,
    increment,
)
from sojourn.testing import EventRecorder, FakeClock

Make = Callable[..., SessionManager]


def token_of(session: Any) -> str:
    assert session.token is not None
    return str(session.token)


@pytest.mark.parametrize(("kind", "alive"), [("last_access", True), ("last_update", False), ("created", False)])
def test_f1_the_lifetime_counts_from_the_anchor(make: Make, clock: FakeClock, kind: Any, alive: bool) -> None:
    sessions = make(ttl=60, ttl_type=kind, touch_interval=0)
    session = sessions.create()
    clock.advance(40)
    sessions.open(token_of(session))  # an access, no update
    clock.advance(40)
    if alive:
        assert sessions.open(token_of(session)).handle == session.handle
    else:
        with pytest.raises(SessionExpired):
            sessions.open(token_of(session))


def test_f1_an_update_counts_for_last_update(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60, ttl_type="last_update")
    session = sessions.create()
    clock.advance(40)
    session["a"] = 1
    session.commit()
    clock.advance(40)
    assert sessions.open(token_of(session))["a"] == 1


def test_f1_none_never_expires_and_nothing_falls_back_silently(make: Make, clock: FakeClock) -> None:
    session = make(ttl=None, absolute=None).create()
    clock.advance("900 years")
    assert make().open(token_of(session)).expires_at is None
    for kind in ("", "lastAccess", None, "unknown"):
        with pytest.raises(ConfigurationError, match="ttl_type"):
            make(ttl_type=kind)


def test_f2_a_token_is_random_all_over(sessions: SessionManager) -> None:
    handle, secret = token_of(sessions.create()).split(".")
    assert len(bytes.fromhex(handle)) == 16
    assert len(secret) == 43  # 256 bits


def test_f3_create_saves_at_once(sessions: SessionManager, clock: FakeClock) -> None:
    session = sessions.create()
    assert (dict(session), session.uid, session.user_data) == ({}, None, {})
    assert session.created == session.last_access == session.last_update == clock.now
    assert dict(sessions.open(token_of(sessions.create({"a": 1})))) == {"a": 1}


def test_f4_open_checks_the_stored_access_and_then_notes_its_own(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60, touch_interval=0)
    session = sessions.create()
    clock.advance(60)
    found = sessions.open(token_of(session))
    assert found.last_access == clock.now
    assert sessions.find(str(session.handle)).last_access == clock.now
    assert found.last_update == session.last_update
    clock.advance(60, ms=1)
    for _ in range(2):  # the record stays until it is swept, and is not revived by looking
        with pytest.raises(SessionExpired):
            sessions.open(token_of(session))
    with pytest.raises(SessionNotFound):
        sessions.open("missing")


def test_f5_expired_is_not_found(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    session = sessions.create()
    clock.advance(61)
    with pytest.raises(SessionNotFound, match=f"session {session.handle} has expired") as caught:
        sessions.open(token_of(session))
    assert type(caught.value) is SessionExpired
    assert caught.value.handle == session.handle
    assert caught.value.expired_at == session.expires_at
    sessions.sweep()
    with pytest.raises(SessionNotFound, match="not found") as caught:
        sessions.open(token_of(session))
    assert type(caught.value) is SessionNotFound


@pytest.mark.parametrize("kind", ["last_access", "last_update", "created"])
@pytest.mark.parametrize(("ttl", "absolute"), [(60, None), (60, 3600), (3600, 60)])
def test_f6_expires_only_after_the_deadline(
    make: Make, clock: FakeClock, kind: Any, ttl: int, absolute: int | None
) -> None:
    sessions = make(ttl=ttl, ttl_type=kind, absolute=absolute)
    session = sessions.create({"n": 0})
    clock.advance(60)
    assert session.expires_at == clock.now
    assert session.is_expired is False
    assert sessions.find(str(session.handle)).handle == session.handle
    assert sessions.count() == 1
    assert sessions.sweep().ended == ()
    clock.advance(ms=1)
    assert session.is_expired is True
    assert sessions.count() == 0
    for call in (
        lambda: sessions.open(token_of(session)),
        lambda: sessions.find(str(session.handle)),
        lambda: session.enforce_lifetime(),
        lambda: session.apply(increment("n")),
    ):
        with pytest.raises(SessionExpired):
            call()


def test_f6_a_write_at_the_deadline_still_counts(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    session = sessions.create({"n": 0})
    clock.advance(60)
    session.apply(increment("n"))
    clock.advance(60)
    assert sessions.open(token_of(session))["n"] == 1


def test_f7_deleting_says_whether_there_was_one(sessions: SessionManager) -> None:
    session = sessions.create()
    again = sessions.find(str(session.handle))
    assert session.end() is True
    assert session.end() is False
    assert again.end() is False
    assert sessions.revoke(str(again.handle or "0" * 32)) == 0


def test_f8_a_commit_notes_access_and_update(sessions: SessionManager, clock: FakeClock) -> None:
    session = sessions.create()
    clock.advance(5)
    session["a"] = 1
    session.commit()
    assert session.last_access == session.last_update == clock.now
    assert sessions.find(str(session.handle)).last_update == clock.now
    session.end()
    session["a"] = 2
    with pytest.raises(SessionNotFound):
        session.commit()


def test_f9_set_user_waits_for_the_commit_and_none_removes_it(sessions: SessionManager) -> None:
    session = sessions.create({"kept": 1})
    session.set_user("luca", {"lang": "it"})
    assert (session.uid, session.user_data) == ("luca", {"lang": "it"})
    assert sessions.find(str(session.handle)).uid is None
    session.commit()
    stored = sessions.find(str(session.handle))
    assert (stored.uid, stored.user_data) == ("luca", {"lang": "it"})
    session.set_user(None)
    session.commit()
    stored = sessions.find(str(session.handle))
    assert (stored.uid, stored.user_data, dict(stored)) == (None, {}, {"kept": 1})


def test_f10_what_is_left_of_a_lifetime(make: Make, clock: FakeClock) -> None:
    session = make(ttl=60, absolute=None).create()
    assert session.expires_at == clock.now + 60_000
    assert session.time_left is not None
    assert session.time_left.total_seconds() == 60
    session.enforce_lifetime()
    clock.advance(3600)
    assert session.time_left.total_seconds() == 0
    assert session.is_expired
    with pytest.raises(SessionExpired):
        session.enforce_lifetime()
    session.end()
    with pytest.raises(SessionNotFound):
        session.enforce_lifetime()
    assert make(ttl=None, absolute=None).create().time_left is None


def test_f10_the_token_is_for_the_client(sessions: SessionManager) -> None:
    session = sessions.create()
    assert sessions.open(token_of(session)).token == session.token
    assert sessions.find(str(session.handle)).token is None


def test_f17_setup_can_be_repeated(make: Make) -> None:
    sessions = make()
    sessions.setup()
    session = sessions.create({"a": 1})
    sessions.setup()
    make().setup()
    assert sessions.open(token_of(session))["a"] == 1


def test_fb1_the_access_is_checked_before_it_is_noted(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60, ttl_type="last_access", touch_interval=0)
    token = token_of(sessions.create())
    for _ in range(3):
        clock.advance(61)
        with pytest.raises(SessionExpired):
            sessions.open(token)
    assert len(sessions.sweep().ended) == 1


def test_fb4_two_requests_that_save_lose_nothing(sessions: SessionManager) -> None:
    one = sessions.create({"n": 0})
    other = sessions.open(token_of(one))
    one["a"], other["b"] = 1, 2
    one.increment("n")
    other.increment("n")
    one.commit()
    other.commit()
    assert dict(sessions.find(str(one.handle))) == {"a": 1, "b": 2, "n": 2}


def test_fb7_what_has_expired_is_removed(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    events = EventRecorder(sessions)
    handles = [sessions.create().handle for _ in range(5)]
    clock.advance(61)
    assert {event.handle for event in sessions.sweep().ended} == set(handles)
    assert {event.reason for event in events.of(SessionEnded)} == {EndReason.EXPIRED}
    for handle in handles:
        with pytest.raises(SessionNotFound, match="not found"):
            sessions.find(str(handle))
