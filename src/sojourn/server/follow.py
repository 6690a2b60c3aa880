"""Everybody's events from a known place on, whatever happens to the store meanwhile: for the hub and the command line.

`AsyncSessionManager.listen` ends with the store's first error. This goes on from where it was once the store answers
again; whether something was forgotten in between, the store says itself (`GapNoticed`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from sojourn.async_manager import AsyncSessionManager
from sojourn.core.events import AnyEvent, GapNoticed
from sojourn.core.operations import Tail, Tailed
from sojourn.errors import StoreError

__all__ = ["POLL_S", "follow", "here"]

POLL_S = 0.02
"""How often the store is asked whether anything may be new; with SQLite that takes some microseconds."""

RETRY_S = 0.5

_log = logging.getLogger("sojourn.server")


async def here(manager: AsyncSessionManager) -> int:
    """The end of the outbox now: what happens after this call, `follow` from it will tell."""
    tailed: Tailed = await manager.store.aperform(Tail(None))
    return tailed.cursor


async def follow(manager: AsyncSessionManager, cursor: int) -> AsyncIterator[AnyEvent]:
    """Events after `cursor`, in order, each once; waits while there are none, also while the store is down."""
    mark, is_down = manager.store.event_mark(), False
    while True:
        try:
            tailed: Tailed = await manager.store.aperform(Tail(cursor))
        except StoreError as error:
            if not is_down:
                _log.warning("events wait for the store: %s", error)
            is_down = True
            await asyncio.sleep(RETRY_S)
            continue
        is_down, cursor = False, tailed.cursor
        if tailed.gap:
            yield GapNoticed(id=f"gap-{cursor}", at=manager.now())
        for event in tailed.events:
            yield event
        if tailed.events:
            await asyncio.sleep(0)  # who listens gets a turn between two batches
            continue
        while True:
            before, mark = mark, _mark(manager, mark)
            if mark != before:
                break
            await asyncio.sleep(POLL_S)


def _mark(manager: AsyncSessionManager, before: int) -> int:
    try:
        return manager.store.event_mark()
    except StoreError:
        return before + 1  # the next Tail will tell
