"""What goes on by itself once it is started: sweeping, and listening to everybody's events.

Both outlive failures of the store: a sweeper tries again, a listener goes on from where it was; whether something was
forgotten in between, the store says itself (`GapNoticed`). Hand-written in both colours, since a stream is no single
logic that ends; what they decide is in `flows.sweep` and in the store's `Tail`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Final

from sojourn.core.events import AnyEvent, GapNoticed
from sojourn.core.operations import Tail, Tailed
from sojourn.errors import StoreError
from sojourn.flows import sweep
from sojourn.stores.base import SessionStore

if TYPE_CHECKING:
    from sojourn.async_manager import AsyncSessionManager
    from sojourn.manager import SessionManager

__all__ = ["POLL_S", "AsyncSweeper", "Sweeper", "alisten", "listen"]

POLL_S: Final = 0.02
"""How often the store is asked whether anything may be new; with SQLite that takes some microseconds."""

RETRY_S: Final = 0.5
"""How long a store that failed is left alone."""

_log = logging.getLogger("sojourn.events")


def listen(manager: SessionManager, cursor: int, poll_interval: float, timeout: float | None) -> Iterator[AnyEvent]:
    """Events after `cursor`, in order, each once; waits while there are none, also while the store is down."""
    place = _Place(manager.store, cursor)
    while True:
        try:
            tailed: Tailed = manager.store.perform(Tail(place.cursor))
        except StoreError as error:
            place.failed(error)
            if timeout is not None and place.quiet_s() > timeout:
                return
            time.sleep(RETRY_S)
            continue
        yield from place.reached(tailed, manager.now())
        while not place.may_have_more():
            if timeout is not None and place.quiet_s() > timeout:
                return
            time.sleep(poll_interval)


async def alisten(
    manager: AsyncSessionManager,
    cursor: int,
    poll_interval: float,
    timeout: float | None,  # noqa: ASYNC109 - of quiet, not of the call
) -> AsyncIterator[AnyEvent]:
    """`listen`, awaiting."""
    import asyncio

    place = _Place(manager.store, cursor)
    while True:
        try:
            tailed: Tailed = await manager.store.aperform(Tail(place.cursor))
        except StoreError as error:
            place.failed(error)
            if timeout is not None and place.quiet_s() > timeout:
                return
            await asyncio.sleep(RETRY_S)
            continue
        for event in place.reached(tailed, manager.now()):
            yield event
        await asyncio.sleep(0)  # whoever else is on the loop gets a turn between two batches
        while not place.may_have_more():
            if timeout is not None and place.quiet_s() > timeout:
                return
            await asyncio.sleep(poll_interval)


class _Place:
    """Where a listener is in the outbox."""

    def __init__(self, store: SessionStore, cursor: int) -> None:
        self.cursor = cursor
        self._store = store
        self._mark = self._asked()
        self._is_down = self._has_more = False
        self._quiet_since = time.monotonic()

    def reached(self, tailed: Tailed, now: int) -> Iterator[AnyEvent]:
        self._is_down, self._has_more = False, bool(tailed.events)
        self.cursor = tailed.cursor
        if tailed.gap:
            yield GapNoticed(id=f"gap-{tailed.cursor}", at=now)
        yield from tailed.events
        if tailed.events:
            self._quiet_since = time.monotonic()

    def may_have_more(self) -> bool:
        """Whether to ask again: the last answer had events, or the store's mark has moved since."""
        before, self._mark = self._mark, self._asked()
        return self._has_more or self._mark is None or self._mark != before

    def quiet_s(self) -> float:
        return time.monotonic() - self._quiet_since

    def failed(self, error: StoreError) -> None:
        if not self._is_down:
            _log.warning("events wait for the store: %s", error)
        self._is_down = True

    def _asked(self) -> int | None:
        try:
            return self._store.event_mark()
        except StoreError:
            return None  # the next Tail will tell


class Sweeper:
    """A thread that sweeps until stopped. Errors are logged and the next sweep tries again."""

    def __init__(self, manager: SessionManager) -> None:
        self._manager = manager
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sojourn-sweeper", daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 5.0) -> None:
        """Ask it to stop and wait until it has, at most `timeout` seconds."""
        self._stopped.set()
        self._thread.join(timeout)

    def _work(self) -> None:
        pause_s = 0.0
        while not self._stopped.wait(pause_s):
            try:
                swept = self._manager.sweep()
                pause_s = sweep.pause_ms(swept, self._manager.now()) / 1000
            except Exception as error:  # noqa: BLE001 - whatever it is, sessions must go on expiring
                _failed(error)
                pause_s = RETRY_S


class AsyncSweeper:
    """A task that sweeps until stopped. Errors are logged and the next sweep tries again."""

    def __init__(self, manager: AsyncSessionManager) -> None:
        import asyncio

        self._manager = manager
        self._task = asyncio.get_running_loop().create_task(self._work(), name="sojourn-sweeper")

    async def stop(self) -> None:
        """Stop it; a sweep under way is finished by the store whole or not at all."""
        import asyncio

        self._task.cancel()
        try:
            await self._task
        except asyncio.CancelledError:
            if not self._task.cancelled():
                raise

    async def _work(self) -> None:
        import asyncio

        while True:
            try:
                swept = await self._manager.sweep()
                pause_s = sweep.pause_ms(swept, self._manager.now()) / 1000
            except Exception as error:  # noqa: BLE001 - whatever it is, sessions must go on expiring
                _failed(error)
                pause_s = RETRY_S
            await asyncio.sleep(pause_s)


def _failed(error: Exception) -> None:
    if isinstance(error, StoreError):
        _log.warning("sweeping waits for the store: %s", error)
    else:
        _log.error("a sweep failed; the next one tries again", exc_info=error)
