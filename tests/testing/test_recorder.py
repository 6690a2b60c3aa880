"""sojourn.testing.recorder: what a manager's handlers were told."""

from __future__ import annotations

import doctest

import pytest

from sojourn import (
    AsyncSessionManager,
    EndReason,
    Event,
    SessionCreated,
    SessionEnded,
    SessionManager,
    SessionRotated,
)
from sojourn.testing import EventRecorder, FakeClock, recorder


def test_it_hears_everything_in_order() -> None:
    sessions = SessionManager("memory://")
    heard = EventRecorder(sessions)
    session = sessions.create()
    session.rotate()
    session.commit()
    handle = session.handle
    session.end()
    assert [type(event) for event in heard] == [SessionCreated, SessionRotated, SessionEnded]
    assert len(heard) == len(heard.of(Event)) == len(heard.events) == 3
    assert heard.ended() == heard.ended("logout") == [handle]
    assert heard.ended(EndReason.EXPIRED) == []
    assert heard.one(SessionEnded).reason is EndReason.LOGOUT
    assert heard.repeated() == []
    assert repr(heard) == "<EventRecorder of 3 events>"


def test_one_tells_what_was_heard_instead() -> None:
    sessions = SessionManager("memory://")
    heard = EventRecorder(sessions)
    with pytest.raises(AssertionError, match="expected one SessionCreated, heard 0"):
        heard.one(SessionCreated)
    sessions.create()
    sessions.create()
    with pytest.raises(AssertionError, match="heard 2"):
        heard.one(SessionCreated)
    heard.clear()
    assert not heard.events


def test_it_knows_repetitions() -> None:
    sessions = SessionManager("memory://")
    heard = EventRecorder(sessions, sessions)
    sessions.create()
    assert heard.repeated() == [heard.of(SessionCreated)[0].id]


@pytest.mark.anyio
async def test_it_hears_an_async_manager() -> None:
    clock = FakeClock()
    sessions = AsyncSessionManager("memory://", ttl="1 min", clock=clock)
    heard = EventRecorder(sessions)
    session = await sessions.create()
    clock.advance("1 min", ms=1)
    await sessions.sweep()
    assert heard.ended("expired") == [session.handle]


def test_its_examples_run() -> None:
    assert doctest.testmod(recorder).failed == 0
    assert doctest.testmod(recorder).attempted > 0
