"""Sweeping and listening go on by themselves, through failures of the store."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from sojourn import AsyncSessionManager, GapNoticed, SessionEnded, SessionManager, StoreUnavailable, background
from sojourn.core.operations import Sweep, Tail, Tailed
from sojourn.stores.memory import MemoryStore
from sojourn.testing import FakeClock


class Store(MemoryStore):
    """A memory store that fails as often as it is told to, and that may say that it forgot something."""

    failures = 0
    error: Exception = StoreUnavailable("down")
    has_gap = False

    def perform(self, op: Any) -> Any:
        if isinstance(op, (Sweep, Tail)) and self.failures:
            self.failures -= 1
            raise self.error
        reply = super().perform(op)
        if isinstance(reply, Tailed) and self.has_gap:
            self.has_gap = False
            return Tailed(reply.events, reply.cursor, gap=True)
        return reply


@pytest.mark.anyio
async def test_it_begins_where_it_was_told_to() -> None:
    async with AsyncSessionManager("memory://") as manager:
        await manager.create()
        cursor = await manager.position()
        later = [(await manager.create()).handle for _ in range(3)]
        events = manager.listen(since=cursor)
        assert [(await anext(events)).handle for _ in range(3)] == later
        await events.aclose()


@pytest.mark.anyio
async def test_it_goes_on_where_it_was_when_the_store_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "RETRY_S", 0)
    store = Store()
    async with AsyncSessionManager(store) as manager:
        events = manager.listen(since=await manager.position())
        first = await manager.create()
        assert (await anext(events)).handle == first.handle
        store.failures = 3
        second = await manager.create()
        assert (await anext(events)).handle == second.handle
        assert store.failures == 0
        await events.aclose()


@pytest.mark.anyio
async def test_a_gap_comes_before_what_follows_it() -> None:
    store = Store()
    async with AsyncSessionManager(store) as manager:
        events = manager.listen(since=await manager.position())
        session = await manager.create()
        store.has_gap = True
        assert isinstance(await anext(events), GapNoticed)
        assert (await anext(events)).handle == session.handle
        await events.aclose()


def test_a_sync_listener_hears_what_happened_since_its_call_and_waits_for_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(background, "RETRY_S", 0)
    store = Store()
    with SessionManager(store) as manager:
        events = manager.listen(poll_interval=0.01, timeout=0.3)
        first, second = manager.create(), manager.create()
        store.failures = 2
        assert [event.handle for event in events] == [first.handle, second.handle]
        assert store.failures == 0


@pytest.mark.parametrize("error", [StoreUnavailable("down"), RuntimeError("a defect")])
def test_a_sweeper_tries_again_whatever_failed(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(background, "RETRY_S", 0)
    store, clock = Store(), FakeClock()
    store.error = error
    with SessionManager(store, ttl="1 minute", clock=clock) as manager:
        ended = threading.Event()
        manager.on(SessionEnded, lambda _: ended.set())
        manager.create()
        clock.advance("2 minutes")
        store.failures = 2
        sweeper = manager.start_sweeper()
        assert ended.wait(10)
        sweeper.stop()
        assert store.failures == 0


@pytest.mark.anyio
@pytest.mark.parametrize("error", [StoreUnavailable("down"), RuntimeError("a defect")])
async def test_an_async_sweeper_tries_again_whatever_failed(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(background, "RETRY_S", 0)
    store, clock = Store(), FakeClock()
    store.error = error
    async with AsyncSessionManager(store, ttl="1 minute", clock=clock) as manager:
        ended = asyncio.Event()
        manager.on(SessionEnded, lambda _: ended.set())
        await manager.create()
        clock.advance("2 minutes")
        store.failures = 2
        sweeper = manager.start_sweeper()
        await asyncio.wait_for(ended.wait(), 10)
        await sweeper.stop()
        assert store.failures == 0
