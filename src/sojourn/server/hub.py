"""One follower of the store's events per process, and the mailboxes of all open streams.

A mailbox is bounded: a client that reads more slowly than events come is let go, never buffered without end. It
connects again and is told that it may have missed some.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Iterator

from sojourn.async_manager import AsyncSessionManager
from sojourn.core.events import AnyEvent, GapNoticed

__all__ = ["ADDRESS_STREAMS", "ADMIN_STREAMS", "MAX_STREAMS", "Hub", "Mailbox"]

MAILBOX_EVENTS = 2_000
"""Four batches of the store's tail: enough for a burst, about a megabyte at most."""

MAX_STREAMS = 10_000

ADMIN_STREAMS = 100
"""Places among them that pages cannot take: who can fill the rest cannot blind the administrators."""

ADDRESS_STREAMS = 100
"""Pages' streams of one client address."""

_log = logging.getLogger("sojourn.server")


class Mailbox:
    """What one stream has still to send.

    Attributes:
        handle: The session whose events it gets; None gets everybody's, the empty text none.
        address: Where its client is, as far as known; a page's stream counts for it.
        is_open: False once the server stops or the client was too slow.
        overfull: Set when it was closed because its client was too slow.
    """

    __slots__ = ("_events", "_wake", "address", "handle", "is_open", "overfull", "room")

    def __init__(self, handle: str | None, room: int = MAILBOX_EVENTS, address: str | None = None) -> None:
        self.handle = handle
        self.address = address
        self.room = room
        self.is_open = True
        self.overfull = asyncio.Event()
        self._events: deque[AnyEvent] = deque()
        self._wake = asyncio.Event()

    def put(self, event: AnyEvent) -> None:
        """Add an event; a full mailbox is emptied and closed."""
        if len(self._events) >= self.room:
            self._events.clear()
            self.overfull.set()
            self.close()
        elif self.is_open:
            self._events.append(event)
            self._wake.set()

    def close(self) -> None:
        """Take no more; what is in it may still be taken out."""
        self.is_open = False
        self._wake.set()

    async def take(self, timeout_s: float) -> list[AnyEvent]:
        """All events that are there, as soon as there are any; none when the time is over, or it is closed."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            return []
        if self.is_open:
            self._wake.clear()
        events = list(self._events)
        self._events.clear()
        return events


class Hub:
    """Hands each event of the store to the mailboxes that it is for."""

    def __init__(
        self, manager: AsyncSessionManager, max_streams: int = MAX_STREAMS, admin_streams: int = ADMIN_STREAMS
    ) -> None:
        self._manager = manager
        self._max_streams = max_streams
        self._max_pages = max_streams - admin_streams
        self._by_address: Counter[str] = Counter()
        self._by_handle: dict[str, set[Mailbox]] = {}
        self._for_all: set[Mailbox] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False

    def __len__(self) -> int:
        return len(self._for_all) + sum(map(len, self._by_handle.values()))

    @property
    def is_full(self) -> bool:
        """Whether no further stream is taken, not even an administrator's."""
        return self._is_stopping or len(self) >= self._max_streams

    def is_full_for(self, address: str | None) -> bool:
        """Whether no further page of this client address is taken; None is a client without one (a Unix socket)."""
        pages = len(self) - len(self._for_all)
        if self.is_full or pages >= self._max_pages:
            return True
        return address is not None and self._by_address[address] >= ADDRESS_STREAMS

    async def start(self) -> None:
        """Begin to follow; every event after this call is handed on."""
        position = await self._manager.position()
        self._task = asyncio.get_running_loop().create_task(self._work(position), name="sojourn-hub")

    def add(self, handle: str | None, address: str | None = None) -> Mailbox:
        """A new mailbox, for one session's events or, with None, for everybody's; the caller asks first for room."""
        mailbox = Mailbox(handle, address=address)
        if handle is None:
            self._for_all.add(mailbox)
        else:
            self._by_handle.setdefault(handle, set()).add(mailbox)
            if address is not None:
                self._by_address[address] += 1
        if self._is_stopping:
            mailbox.close()
        return mailbox

    def remove(self, mailbox: Mailbox) -> None:
        """Forget a mailbox; nothing happens if it was forgotten."""
        mailbox.close()
        self._for_all.discard(mailbox)
        others = self._by_handle.get(mailbox.handle or "")
        if others is not None and mailbox in others:
            others.discard(mailbox)
            if not others:
                del self._by_handle[mailbox.handle or ""]
            if mailbox.address is not None:
                self._by_address[mailbox.address] -= 1
                if not self._by_address[mailbox.address]:
                    del self._by_address[mailbox.address]

    def end_streams(self) -> None:
        """Let every stream come to its end: the server is about to stop."""
        self._is_stopping = True
        for mailbox in tuple(self._everyone()):
            mailbox.close()

    async def stop(self) -> None:
        """End the streams and stop following."""
        self.end_streams()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self, position: int) -> None:
        try:
            async for event in self._manager.listen(since=position):
                for mailbox in tuple(self._audience(event)):
                    mailbox.put(event)
        except Exception:
            # A defect of ours. Streams that would stay silent end instead, so that clients notice.
            _log.exception("the hub of event streams failed; they end")
            self.end_streams()
            raise

    def _audience(self, event: AnyEvent) -> Iterator[Mailbox]:
        if isinstance(event, GapNoticed):
            yield from self._everyone()
            return
        yield from self._for_all
        if event.handle:
            yield from self._by_handle.get(event.handle, ())

    def _everyone(self) -> Iterator[Mailbox]:
        yield from self._for_all
        for some in self._by_handle.values():
            yield from some
