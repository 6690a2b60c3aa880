"""Server-sent events, by hand: `/events` for the page's own session, `/sessions/events` for administrators.

Neither touches the session: an open page does not keep it alive. Framing is that of the HTML standard, 9.2.5.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from sojourn import __version__
from sojourn.async_manager import AsyncSessionManager
from sojourn.core.events import AnyEvent, EndReason, GapNoticed, LogoutRequested, SessionEnded, encode_event
from sojourn.core.record import Record
from sojourn.errors import SessionExpired, SessionNotFound, StoreError
from sojourn.flows import visit
from sojourn.http import exchange
from sojourn.http.exchange import Terms
from sojourn.server.answers import ADMIN, GUARDS, Problem, refuse_foreign
from sojourn.server.hub import Hub, Mailbox

__all__ = ["HEARTBEAT_S", "EventStream", "frame", "push_routes"]

HEARTBEAT_S = 15.0
"""Between two comments: under the 30 to 60 seconds after which proxies drop a silent connection."""

_log = logging.getLogger("sojourn.server")
_BEAT = b": still here\n\n"
_HEADERS = {**GUARDS, "x-accel-buffering": "no"}  # nginx would hold events back otherwise


def frame(event: str, data: bytes, event_id: str | None = None, retry_ms: int | None = None) -> bytes:
    """One event as text; `data` is JSON, which holds no line break."""
    retry = b"" if retry_ms is None else b"retry: %d\n" % retry_ms
    number = b"" if event_id is None else b"id: %b\n" % event_id.encode()
    return b"%b%bevent: %b\ndata: %b\n\n" % (retry, number, event.encode(), data)


class EventStream(Response):
    """A response that sends chunks until they end, the client leaves, or it reads too slowly."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, mailbox: Mailbox, chunks: AsyncGenerator[bytes, None]) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._hub, self._mailbox, self._chunks = hub, mailbox, chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's
        """Serve it; returns when it is over, whoever ended it."""
        loop = asyncio.get_running_loop()
        sending = loop.create_task(self._send(send))
        others = [loop.create_task(_left(receive)), loop.create_task(self._mailbox.overfull.wait())]
        try:
            await asyncio.wait([sending, *others], return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
            elif self._mailbox.overfull.is_set():
                _log.warning("a client read its event stream too slowly and was let go")
        finally:
            self._hub.remove(self._mailbox)
            for task in (sending, *others):
                task.cancel()
            await asyncio.gather(sending, *others, return_exceptions=True)
            await self._chunks.aclose()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self._chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()


def push_routes(manager: AsyncSessionManager, terms: Terms, hub: Hub, heartbeat_s: float = HEARTBEAT_S) -> list[Route]:
    """`/events` and `/sessions/events`; the hub is started and stopped by the application's lifespan."""

    async def own_events(request: Request) -> Response:
        refuse_foreign(request, reading=True)
        if request.method == "HEAD":
            return Response(headers=_HEADERS, media_type=EventStream.media_type)
        address = None if request.client is None else request.client.host
        _refuse_if(hub.is_full_for(address))
        presented = exchange.read(terms, exchange.cookie_lines(request.scope["headers"]), https=_is_https(request))
        handle = "" if presented.token is None else presented.token.handle
        # First the mailbox, then the look: an end in between is in the mailbox.
        mailbox = hub.add(handle, address)
        try:
            record = await _visitor(manager, terms, request)
        except BaseException:
            hub.remove(mailbox)
            raise
        if record is None and handle:
            hub.remove(mailbox)
            mailbox = hub.add("", address)
        return EventStream(hub, mailbox, _page(manager, mailbox, record, heartbeat_s))

    async def all_events(request: Request) -> Response:
        refuse_foreign(request, reading=True)
        record = _as_admin(await _visitor(manager, terms, request))
        if request.method == "HEAD":
            return Response(headers=_HEADERS, media_type=EventStream.media_type)
        _refuse_if(hub.is_full)
        mailbox = hub.add(None)
        was_here = "last-event-id" in request.headers
        return EventStream(hub, mailbox, _feed(manager, mailbox, record, heartbeat_s, was_here=was_here))

    return [Route("/events", own_events), Route("/sessions/events", all_events)]


async def _visitor(manager: AsyncSessionManager, terms: Terms, request: Request) -> Record | None:
    """The record of the request's session, read without a trace: `request.session` would note an access."""
    presented = exchange.read(terms, exchange.cookie_lines(request.scope["headers"]), https=_is_https(request))
    if presented.token is None:
        return None
    found = await manager.run(visit.look_up(manager.policy, manager.now(), presented.token, "raise", touch=False))
    return found.record


def _as_admin(record: Record | None) -> Record:
    if record is None or record.uid is None:
        raise Problem(401, "Sign in as an administrator.")
    if ADMIN not in record.roles:
        raise Problem(403, f"This needs the role {ADMIN}.")
    return record


def _refuse_if(is_full: bool) -> None:
    if is_full:
        raise Problem(503, "No further event stream can be opened now.", {"retry-after": "5"})


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"


async def _page(
    manager: AsyncSessionManager, mailbox: Mailbox, record: Record | None, heartbeat_s: float
) -> AsyncGenerator[bytes, None]:
    """What one page hears: who it is, and when that ends."""
    about = {"handle": None} if record is None else {"handle": record.handle, "uid": record.uid}
    yield frame("hello", msgspec.json.encode(about), retry_ms=2_000)
    async for event in _taken(mailbox, heartbeat_s):
        if event is None:
            yield _BEAT
        elif isinstance(event, SessionEnded):
            yield frame("ended", msgspec.json.encode({"reason": event.reason}), event.id)
            return
        elif isinstance(event, LogoutRequested):
            yield frame("logout", b"{}", event.id)
        elif isinstance(event, GapNoticed) and record is not None:
            reason = await _gone(manager, record.handle)
            if reason is not None:
                yield frame("ended", msgspec.json.encode({"reason": reason}))
                return


async def _feed(
    manager: AsyncSessionManager, mailbox: Mailbox, admin: Record, heartbeat_s: float, *, was_here: bool
) -> AsyncGenerator[bytes, None]:
    """What an administrator hears, until their own session ends or loses the role."""
    yield frame("hello", msgspec.json.encode({"version": __version__}), retry_ms=2_000)
    if was_here:  # events between the two connections were not kept for this client
        yield _event_frame(GapNoticed(id="gap-reconnected", at=manager.now()))
    checked = 0
    async for event in _taken(mailbox, heartbeat_s):
        if event is None:
            if not await _is_still_admin(manager, admin.handle):
                return
            yield _BEAT
            continue
        if isinstance(event, SessionEnded) and event.handle == admin.handle:
            yield _event_frame(event)
            return
        if (second := manager.now() // 1_000) != checked:  # a role that was taken away ends the feed within a second
            checked = second
            if not await _is_still_admin(manager, admin.handle):
                return
        yield _event_frame(event)


async def _taken(mailbox: Mailbox, heartbeat_s: float) -> AsyncGenerator[AnyEvent | None, None]:
    """The mailbox's events as they come; None at every heartbeat, whether events came or not."""
    now: Callable[[], float] = asyncio.get_running_loop().time
    beat_at = now() + heartbeat_s
    while True:
        for event in await mailbox.take(max(0.0, beat_at - now())):
            yield event
        if not mailbox.is_open:
            return
        if now() >= beat_at:
            beat_at = now() + heartbeat_s
            yield None


def _event_frame(event: AnyEvent) -> bytes:
    tag: Any = type(event).__struct_config__.tag
    return frame(str(tag), encode_event(event), event.id)


async def _gone(manager: AsyncSessionManager, handle: str) -> EndReason | None:
    """Why a session is gone, as far as can still be told; None while it lives or the store cannot say."""
    try:
        await manager.find(handle)
    except SessionExpired:
        return EndReason.EXPIRED
    except SessionNotFound:
        return EndReason.LOST
    except StoreError:
        return None
    return None


async def _is_still_admin(manager: AsyncSessionManager, handle: str) -> bool:
    try:
        return ADMIN in (await manager.find(handle)).roles
    except SessionNotFound:
        return False
    except StoreError:
        return True  # the store will tell at the next heartbeat
