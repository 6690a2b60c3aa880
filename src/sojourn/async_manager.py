"""`AsyncSessionManager`: the methods of `SessionManager`, awaited. The contracts are written there.

asyncio is imported only where a call sleeps, so that synchronous programs never pay for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from sojourn.background import POLL_S, AsyncSweeper, alisten
from sojourn.base_manager import BaseManager
from sojourn.core.events import AnyEvent, EndReason
from sojourn.core.operations import Announce, Flow, Health, Ping, StoreOp, Swept, Tail, Tailed
from sojourn.core.record import Client, Lifetime
from sojourn.core.session import Recording
from sojourn.drive import adrive
from sojourn.faces import AsyncSession
from sojourn.flows import lifecycle, revoke, sweep

__all__ = ["AsyncSessionManager"]

Result = TypeVar("Result")


class AsyncSessionManager(BaseManager):
    """The sessions of an application that runs on an event loop; options as of `SessionManager`."""

    _colour = "async"

    async def run(self, flow: Flow[StoreOp | Announce, Result]) -> Result:
        """Drive a flow over this manager's store and handlers, to its result."""
        return await adrive(flow, self._perform)

    def _perform(self, op: StoreOp | Announce) -> Awaitable[Any]:
        if isinstance(op, Announce):
            return self.dispatcher.arun(op.events)
        return self.store.aperform(op)

    async def create(
        self,
        data: Mapping[str, object] | None = None,
        *,
        uid: str | None = None,
        roles: Sequence[str] = (),
        user_data: Mapping[str, object] | None = None,
        lifetime: Lifetime | None = None,
        client: Client | None = None,
    ) -> AsyncSession:
        """As `SessionManager.create`."""
        record, token = await self.run(
            lifecycle.create(
                self.policy,
                self.now(),
                self.entropy,
                self._fields(data),
                self._identity(uid, roles, user_data),
                lifetime,
                client or Client(),
            )
        )
        return AsyncSession(self, record, token)

    async def open(self, token: str) -> AsyncSession:
        """As `SessionManager.open`."""
        return AsyncSession(self, *await self.run(lifecycle.opened(self.policy, self.now(), token)))

    async def find(self, handle: str) -> AsyncSession:
        """As `SessionManager.find`."""
        return AsyncSession(self, await self.run(lifecycle.find(self.now(), handle)))

    def new(self) -> AsyncSession:
        """As `SessionManager.new`."""
        return AsyncSession(self)

    async def list(
        self, *, uid: str | None = None, handle_prefix: str = "", newest_first: bool = False, page_size: int = 100
    ) -> AsyncIterator[AsyncSession]:
        """As `SessionManager.list`, with `async for`."""
        cursor: str | None = None
        while True:
            found = await self.run(
                revoke.page(self.policy, self.now(), uid, cursor, page_size, handle_prefix, newest_first=newest_first)
            )
            for record in found.records:
                yield AsyncSession(self, record)
            cursor = found.next
            if cursor is None:
                return

    async def page(
        self,
        *,
        uid: str | None = None,
        after: str | None = None,
        limit: int = 100,
        handle_prefix: str = "",
        newest_first: bool = False,
    ) -> tuple[tuple[AsyncSession, ...], str | None]:
        """As `SessionManager.page`."""
        found = await self.run(
            revoke.page(self.policy, self.now(), uid, after, limit, handle_prefix, newest_first=newest_first)
        )
        return tuple([AsyncSession(self, record) for record in found.records]), found.next

    async def count(self, *, uid: str | None = None) -> int:
        """As `SessionManager.count`."""
        return await self.run(revoke.count(self.policy, self.now(), uid))

    async def signed_in(self) -> tuple[str, ...]:
        """As `SessionManager.signed_in`."""
        return tuple([session.uid async for session in self.list() if session.uid is not None])

    async def revoke(
        self,
        session: str | Recording | None = None,
        *,
        uid: str | None = None,
        everybody: bool = False,
        keep: str | Recording | None = None,
        reason: EndReason | str = EndReason.REVOKED,
        actor: str | None = None,
    ) -> int:
        """As `SessionManager.revoke`."""
        handle, kept, why = self._handle(session), self._handle(keep), self._reason(reason)
        self._target(handle, uid, everybody)
        if handle is not None:
            return int(await self.run(revoke.revoke_one(self.policy, self.now(), handle, why, actor)))
        if uid is not None:
            return await self.run(revoke.revoke_user(self.policy, self.now(), uid, kept, why, actor))
        return await self.run(revoke.revoke_everybody(self.policy, self.now(), kept, why, actor))

    async def notify_logout(self, session: str | Recording, *, actor: str | None = None) -> bool:
        """As `SessionManager.notify_logout`."""
        return await self.run(revoke.notify_logout(self.policy, self.now(), self._handle(session) or "", actor))

    async def sweep(self, limit: int = 500) -> Swept:
        """As `SessionManager.sweep`."""
        await self.run(sweep.drain(self.policy, self.now()))
        return await self.run(sweep.sweep(self.policy, self.now(), self.owner, limit))

    def start_sweeper(self) -> AsyncSweeper:
        """Sweep in a task of the running loop until `await stop()`; adapters do this in the lifespan."""
        return AsyncSweeper(self)

    async def position(self) -> int:
        """As `SessionManager.position`."""
        tailed: Tailed = await self.store.aperform(Tail(None))
        return tailed.cursor

    async def listen(
        self,
        *,
        since: int | None = None,
        poll_interval: float = POLL_S,
        timeout: float | None = None,  # noqa: ASYNC109 - of quiet, not of the call
    ) -> AsyncIterator[AnyEvent]:
        """As `SessionManager.listen`, with `async for`; without `since` from the first step of the iteration on."""
        async for event in alisten(self, await self.position() if since is None else since, poll_interval, timeout):
            yield event

    async def health(self) -> Health:
        """As `SessionManager.health`."""
        health: Health = await self.store.aperform(Ping())
        return health

    async def setup(self) -> None:
        """As `SessionManager.setup`."""
        await self.store.asetup()

    async def aclose(self) -> None:
        """As `SessionManager.close`."""
        await self.store.aclose()

    async def __aenter__(self) -> Self:
        await self.setup()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
