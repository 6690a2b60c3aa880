"""Who performs what behaviours ask: the store, and for many flows at once threads or tasks of the kit's own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from random import Random
from typing import Any

from sojourn.core.operations import Announce
from sojourn.drive import adrive, drive
from sojourn.errors import SojournError
from sojourn.stores.base import SessionStore
from sojourn.testing.conformance.asking import Came, Cancelled, Mark, SetUpAgain, Together

__all__ = ["Performer"]

_THREADS = 16
_PATIENCE_S = 60.0


class Performer:
    """Performs over one store, in either colour. Events that flows announce are for nobody here.

    Args:
        store: Who performs what is a store's.
        seed: Chooses how tasks are interleaved; threads are interleaved by the machine.
    """

    def __init__(self, store: SessionStore, seed: int = 0) -> None:
        self._store = store
        self._random = Random(seed)  # noqa: S311 - an order, not a secret

    def perform(self, op: Any) -> Any:
        """Do one thing, blocking."""
        match op:
            case Announce():
                return None
            case Together():
                return self._threads(op.flows)
            case Cancelled():
                self._store.perform(op.op)
                return False
            case Mark():
                return self._store.event_mark()
            case SetUpAgain():
                return self._store.setup()
            case _:
                return self._store.perform(op)

    async def aperform(self, op: Any) -> Any:
        """Do one thing, awaiting it."""
        match op:
            case Announce():
                return None
            case Together():
                return tuple(await asyncio.gather(*[self._task(flow) for flow in op.flows]))
            case Cancelled():
                return await self._cancel(op)
            case Mark():
                return self._store.event_mark()
            case SetUpAgain():
                return await self._store.asetup()
            case _:
                return await self._store.aperform(op)

    def _threads(self, flows: tuple[Generator[Any, Any, Any], ...]) -> tuple[Came, ...]:
        size = min(_THREADS, len(flows))
        outcomes: list[Came | None] = [None] * len(flows)
        broken: list[BaseException] = []
        start = threading.Barrier(size) if size else None

        def work(first: int) -> None:
            assert start is not None
            try:
                start.wait(_PATIENCE_S)
                for index in range(first, len(flows), size):  # neighbours run side by side, in different threads
                    outcomes[index] = self._outcome(flows[index])
            except BaseException as error:  # noqa: BLE001 - it is raised where the behaviour runs
                broken.append(error)

        threads = [threading.Thread(target=work, args=(first,), daemon=True) for first in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(_PATIENCE_S)
        if broken:
            raise broken[0]
        if any(thread.is_alive() for thread in threads):
            raise TimeoutError(f"flows that ran at once had not ended after {_PATIENCE_S:.0f} s")
        return tuple([outcome for outcome in outcomes if outcome is not None])

    def _outcome(self, flow: Generator[Any, Any, Any]) -> Came:
        try:
            return Came(drive(flow, self.perform))
        except SojournError as error:
            return Came(error=error)

    async def _task(self, flow: Generator[Any, Any, Any]) -> Came:
        try:
            return Came(await adrive(flow, self._yielding))
        except SojournError as error:
            return Came(error=error)

    async def _yielding(self, op: Any) -> Any:
        # An embedded store may answer without ever yielding to the loop; then tasks would only follow each other.
        for _ in range(self._random.randrange(3)):
            await asyncio.sleep(0)
        return await self.aperform(op)

    async def _cancel(self, op: Cancelled) -> bool:
        task = asyncio.ensure_future(self._store.aperform(op.op))
        for _ in range(op.turns):
            await asyncio.sleep(0)
        was_done = not task.cancel()
        try:
            await asyncio.wait_for(asyncio.wait([task]), _PATIENCE_S)
            await task
        except asyncio.CancelledError:
            return True
        return not was_done
