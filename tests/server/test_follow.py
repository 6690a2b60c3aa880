"""Following the outbox through failures of the store."""

from __future__ import annotations

from typing import Any

import pytest

from sojourn import AsyncSessionManager, GapNoticed, StoreUnavailable
from sojourn.core.operations import Tail, Tailed
from sojourn.server import follow as follow_module
from sojourn.server.follow import follow, here
from sojourn.stores.memory import MemoryStore

pytestmark = pytest.mark.anyio


class Store(MemoryStore):
    """A memory store that fails as often as it is told to, and that may say that it forgot something."""

    failures = 0
    has_gap = False

    async def aperform(self, op: Any) -> Any:
        if isinstance(op, Tail) and self.failures:
            self.failures -= 1
            raise StoreUnavailable("down")
        reply = await super().aperform(op)
        if isinstance(reply, Tailed) and self.has_gap:
            self.has_gap = False
            return Tailed(reply.events, reply.cursor, gap=True)
        return reply


async def test_it_begins_where_it_was_told_to() -> None:
    async with AsyncSessionManager("memory://") as manager:
        await manager.create()
        cursor = await here(manager)
        later = [(await manager.create()).handle for _ in range(3)]
        events = follow(manager, cursor)
        assert [(await anext(events)).handle for _ in range(3)] == later
        await events.aclose()


async def test_it_goes_on_where_it_was_when_the_store_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow_module, "RETRY_S", 0)
    store = Store()
    async with AsyncSessionManager(store) as manager:
        events = follow(manager, await here(manager))
        first = await manager.create()
        assert (await anext(events)).handle == first.handle
        store.failures = 3
        second = await manager.create()
        assert (await anext(events)).handle == second.handle
        assert store.failures == 0
        await events.aclose()


async def test_a_gap_comes_before_what_follows_it() -> None:
    store = Store()
    async with AsyncSessionManager(store) as manager:
        events = follow(manager, await here(manager))
        session = await manager.create()
        store.has_gap = True
        assert isinstance(await anext(events), GapNoticed)
        assert (await anext(events)).handle == session.handle
        await events.aclose()
