"""users-session-manager (checklist A.4): each item under our own words, and its bugs not copied. See docs/seeds.md."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sojourn import (
    ConfigurationError,
    LogoutRequested,
    SessionCreated,
    SessionEnded,
    SessionExpired,
    SessionManager,
    SessionNotFound,
    UsageError,
)
from sojourn.testing import EventRecorder, FakeClock

Make = Callable[..., SessionManager]


def token_of(session: Any) -> str:
    assert session.token is not None
    return str(session.token)


def test_m1_two_managers_of_one_store_are_one(make: Make) -> None:
    assert make().open(token_of(make().create({"a": 1})))["a"] == 1


@pytest.mark.parametrize("ttl", [0, -1, "5", float("nan"), True, "soon"])
def test_m2_a_timeout_that_is_none_is_refused(make: Make, ttl: Any) -> None:
    with pytest.raises(ConfigurationError, match="ttl"):
        make(ttl=ttl)


def test_m2_the_timeout_can_be_read_and_running_sessions_keep_theirs(make: Make, clock: FakeClock) -> None:
    old = make(ttl=3000)
    assert old.policy.lifetime.ttl_ms == 3_000_000
    session = old.create()
    new = make(ttl=2.5)
    clock.advance(3000)
    assert new.open(token_of(session)).is_expired is False
    assert new.create().expires_at == clock.now + 2_500


def test_m3_a_user_may_have_many_sessions_and_each_is_stored_before_it_is_told(make: Make, clock: FakeClock) -> None:
    sessions = make()
    seen: list[Any] = []
    sessions.on(SessionCreated, lambda event: seen.append(sessions.find(event.handle).uid))
    for name in ("Gino", "Pino", "Gino"):
        session = sessions.create(uid=name)
        clock.advance(ms=1)
    assert seen == ["Gino", "Pino", "Gino"]
    assert sessions.signed_in() == ("Gino", "Pino", "Gino")
    assert (session.uid, session.created) == ("Gino", clock.now - 1)
    assert session.expires_at is not None


def test_m4_an_unknown_session_is_an_error_and_no_event(sessions: SessionManager) -> None:
    events = EventRecorder(sessions)
    session = sessions.create()
    assert sessions.open(token_of(session)).handle == session.handle
    assert sessions.find(str(session.handle)).handle == session.handle
    with pytest.raises(SessionNotFound):
        sessions.open("0123456789_0123456789")
    assert [type(event) for event in events] == [SessionCreated]


def test_m5_data_is_set_and_read(sessions: SessionManager) -> None:
    handle = str(sessions.create().handle)
    session = sessions.find(handle)
    assert session.get("actions") is None
    session["old"] = 1
    session.commit()
    session.clear()  # theirs replaces all of it
    session.update({"actions": ["logged in"]})
    session.commit()
    assert dict(sessions.find(handle)) == {"actions": ["logged in"]}
    with pytest.raises(SessionNotFound):
        sessions.find("0" * 32)


def test_m6_details_of_a_session(sessions: SessionManager, clock: FakeClock) -> None:
    session = sessions.find(str(sessions.create(uid="Gino").handle))
    assert (session.uid, session.created, dict(session)) == ("Gino", clock.now, {})


def test_m7_touch_starts_the_time_anew(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    session = sessions.create({"a": 1})
    update = session.last_update
    clock.advance(50)
    session.touch()
    assert session.expires_at == clock.now + 60_000
    assert session.last_update == update
    clock.advance(60, ms=1)
    with pytest.raises(SessionExpired):
        session.touch()
    assert sessions.revoke(session) == 1
    with pytest.raises(SessionNotFound):
        session.touch()


def test_m7_listing_and_looking_at_others_extend_nothing(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    session = sessions.create()
    clock.advance(59)
    found = sessions.find(str(session.handle))
    found.refresh()
    assert [s.expires_at for s in sessions.list()] == [session.expires_at] == [found.expires_at]


def test_m8_deleting_tells_once_and_asks_no_page(sessions: SessionManager) -> None:
    events = EventRecorder(sessions)
    handle = str(sessions.create(uid="Gino").handle)
    assert sessions.revoke(handle) == 1
    assert sessions.revoke(handle) == 0
    assert [type(event).__name__ for event in events] == ["SessionCreated", "UserLoggedIn", "SessionEnded"]


def test_m9_deleting_all_tells_of_each_after_it_is_gone(sessions: SessionManager) -> None:
    handles = {str(sessions.create(uid=name).handle) for name in ("Gino", "Pino", "Gino")}
    gone: list[Any] = []

    @sessions.on(SessionEnded)
    def check(event: SessionEnded) -> None:
        with pytest.raises(SessionNotFound):
            sessions.find(str(event.handle))
        gone.append(event.handle)

    assert sessions.revoke(everybody=True) == 3
    assert set(gone) == handles
    assert len(gone) == 3
    assert sessions.revoke(everybody=True) == 0
    assert sessions.signed_in() == ()


def test_m10_expiry_tells_after_it_is_gone_as_every_end_does(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60)
    session = sessions.create(uid="Gino")
    order: list[Any] = []

    @sessions.on(SessionEnded)
    def check(event: SessionEnded) -> None:
        order.append((event.reason.value, sessions.count()))

    clock.advance(60)
    sessions.sweep()
    assert order == []
    clock.advance(ms=1)
    sessions.sweep()
    assert order == [("expired", 0)]
    with pytest.raises(SessionNotFound):
        sessions.open(token_of(session))


def test_m11_a_logout_message_says_whether_there_is_a_session(sessions: SessionManager) -> None:
    events = EventRecorder(sessions)
    session = sessions.create(uid="Gino")
    assert sessions.notify_logout(session) is True
    assert sessions.notify_logout("0" * 32) is False
    assert events.one(LogoutRequested).handle == session.handle
    assert sessions.open(token_of(session)).uid == "Gino"


def test_m13_the_user_of_a_session(sessions: SessionManager) -> None:
    events = EventRecorder(sessions)
    session = sessions.create(uid="Gino")
    events.clear()
    assert sessions.find(str(session.handle)).uid == "Gino"
    with pytest.raises(SessionNotFound):
        sessions.find("123456789_123456789")
    assert len(events) == 0


def test_m14_the_old_and_the_new_names_of_events(sessions: SessionManager) -> None:
    heard: list[str] = []
    for name in ("sessionCreated", "newActiveUser", "sessionDeleted", "activeUserDeleted", "notifyClientToLogout"):
        sessions.on(name, lambda event, name=name: heard.append(name))
    session = sessions.create(uid="Gino")
    sessions.notify_logout(session)
    session.end()
    assert heard == ["sessionCreated", "newActiveUser", "notifyClientToLogout", "sessionDeleted", "activeUserDeleted"]


def test_m18_started_and_ended_balance_over_every_way_of_ending(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl=60, max_sessions=1)
    gauge = Counter[str]()
    sessions.on(SessionCreated, lambda event: gauge.update(active=1))
    sessions.on(SessionEnded, lambda event: gauge.update(active=-1))
    sessions.create(uid="evicted")
    sessions.create(uid="evicted")
    session = sessions.create()
    session.end()
    sessions.revoke(session.handle or "0" * 32)
    switched = sessions.create(uid="Gino")
    switched.sign_in("Pino")
    switched.commit()
    switched.regenerate()
    assert gauge["active"] == sessions.count() == 2
    clock.advance(61)
    sessions.sweep()
    sessions.create()
    assert sessions.revoke(everybody=True) == 1
    assert gauge["active"] == sessions.count() == 0
    assert sessions.started_total == sum(sessions.ended_total.values()) == 7
    assert dict(sessions.ended_total) == {"evicted": 1, "logout": 1, "replaced": 2, "expired": 2, "revoked": 1}


def test_m19_debug_logging_is_one_line_and_tells_no_token(
    sessions: SessionManager, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="sojourn"):
        session = sessions.create(uid="Gino")
    assert f"SessionCreated {session.handle}-1" in caplog.text
    assert token_of(session) not in caplog.text


KEYS = ["push", "constructor", "__proto__", "length", "0", "-1", "toString", "", "\ud800", "a" * 32, "a" * 10_000]


@pytest.mark.parametrize("key", KEYS)
def test_mb1_no_word_of_the_language_is_a_session(sessions: SessionManager, key: str) -> None:
    for call in (sessions.open, sessions.find):
        with pytest.raises(SessionNotFound):
            call(key)
    assert sessions.revoke(key) == 0
    assert sessions.notify_logout(key) is False


def test_mb2_an_unknown_key_needs_no_listener(sessions: SessionManager) -> None:
    with pytest.raises(SessionNotFound) as caught:
        sessions.open("unknown")
    assert caught.value.status_hint == 401


@pytest.mark.parametrize("ttl", ["30 days", 2**31, "100 years", None])
def test_mb3_a_long_timeout_is_long(make: Make, clock: FakeClock, ttl: Any) -> None:
    sessions = make(ttl=ttl, absolute=None)
    session = sessions.create()
    clock.advance(ms=2**31 + 1)
    assert sessions.sweep().ended == ()
    assert sessions.open(token_of(session)).handle == session.handle
    with pytest.raises(ConfigurationError):
        make(ttl=float("inf"))


def test_mb4_tokens_come_from_the_operating_system_and_never_repeat(sessions: SessionManager) -> None:
    import secrets

    assert sessions.entropy is secrets.token_bytes
    asked: list[int] = []

    def entropy(length: int) -> bytes:
        asked.append(length)
        return secrets.token_bytes(length)

    sessions.entropy = entropy
    tokens = {token_of(sessions.create()) for _ in range(50)}
    assert len(tokens) == 50
    assert len({token[:8] for token in tokens}) == 50
    assert asked == [16, 32] * 50


def test_mb5_what_revoking_answers_is_what_it_did(sessions: SessionManager) -> None:
    assert sessions.revoke(everybody=True) == 0
    sessions.create()
    assert sessions.revoke(everybody=True) == 1


@pytest.mark.parametrize("uid", ["", 7, b"Gino", "\ud800"])
def test_mb6_a_user_is_named(sessions: SessionManager, uid: Any) -> None:
    with pytest.raises(UsageError):
        sessions.create(uid=uid)
    assert sessions.signed_in() == ()


def test_mb9_sessions_outlive_the_process(tmp_path: Path, clock: FakeClock) -> None:
    url = f"sqlite:///{tmp_path}/kept.db?synchronous=NORMAL"
    with SessionManager(url, clock=clock) as before:
        token = token_of(before.create({"a": 1}, uid="Gino"))
    with SessionManager(url, clock=clock) as after:
        assert after.open(token)["a"] == 1
        assert after.signed_in() == ("Gino",)
