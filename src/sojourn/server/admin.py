"""The JSON API of administrators: list, show and revoke sessions. The console uses nothing else.

Every route needs the role `_admin`; changes must come from our own pages or from no browser (security.md A.6).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn.async_manager import AsyncSessionManager
from sojourn.core.record import is_handle
from sojourn.errors import SessionNotFound
from sojourn.server.answers import ADMIN, Problem, as_json, refuse_foreign
from sojourn.server.views import detail, summary
from sojourn.web.visit import VisitedSession

__all__ = ["admin_routes"]

MAX_LIMIT = 500
Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]
_GONE = "There is no such session: it has ended or never was."
_PREFIX = re.compile(r"[0-9a-f]{1,32}")
_security = logging.getLogger("sojourn.security")


def admin_routes(manager: AsyncSessionManager) -> list[Route]:
    """`/sessions` and `/sessions/HANDLE`."""
    api = _Api(manager)
    return [
        Route("/sessions", _either(api.list, api.revoke_many), methods=["GET", "DELETE"]),
        Route("/sessions/{handle}", _either(api.show, api.revoke_one), methods=["GET", "DELETE"]),
    ]


class _Api:
    def __init__(self, manager: AsyncSessionManager) -> None:
        self._manager = manager

    async def list(self, request: Request) -> Response:
        me = await _require_admin(request)
        _refuse_unknown(request, "after", "limit", "uid", "q")
        after, limit = request.query_params.get("after"), _limit(request)
        uid, prefix = await _filter(self._manager, request)
        found, following = await self._manager.page(
            uid=uid, after=after, limit=limit, handle_prefix=prefix, newest_first=True
        )
        rows = [summary(session.living(), me.handle) for session in found]
        # Stores count by user or at all: under a prefix it is the page that is counted.
        count = len(rows) if prefix else await self._manager.count(uid=uid)
        return as_json({"sessions": rows, "next": following, "count": count})

    async def show(self, request: Request) -> Response:
        me = await _require_admin(request)
        try:
            found = await self._manager.find(_handle(request))
        except SessionNotFound:
            raise Problem(404, _GONE) from None
        return as_json(detail(found.living(), me.handle))

    async def revoke_one(self, request: Request) -> Response:
        me = await _require_admin(request)
        handle = _handle(request)
        ended = await self._manager.revoke(handle, actor=me.uid)
        if not ended:
            raise Problem(404, _GONE)
        return _revoked(request, me, ended, f"session {handle[:8]}")

    async def revoke_many(self, request: Request) -> Response:
        me = await _require_admin(request)
        _refuse_unknown(request, "uid", "everybody")
        uid, everybody = request.query_params.get("uid"), request.query_params.get("everybody")
        if uid and everybody is None:
            ended = await self._manager.revoke(uid=uid, actor=me.uid)
            return _revoked(request, me, ended, f"user {uid}")
        if everybody == "true" and uid is None:
            ended = await self._manager.revoke(everybody=True, keep=me, actor=me.uid)
            return _revoked(request, me, ended, "everybody else")
        raise Problem(400, "Say whose sessions to end: ?uid=NAME, or ?everybody=true for all but your own.")


def _either(get: Endpoint, delete: Endpoint) -> Endpoint:
    """One route for both methods, so that the 405 of all others names both."""

    async def endpoint(request: Request) -> Response:
        return await (delete if request.method == "DELETE" else get)(request)

    return endpoint


async def _require_admin(request: Request) -> VisitedSession:
    """The caller's session.

    Raises:
        Problem: 403 from another site's page; 401 when nobody is signed in; 403 without the role.
    """
    refuse_foreign(request)
    session: VisitedSession = request.scope["sojourn"]
    await session.load()
    if session.uid is None:
        raise Problem(401, "Sign in as an administrator: POST /_session with name and password.")
    if ADMIN not in session.roles:
        _security.warning(
            "%s asked for %s without the role %s", session.uid, request.url.path, ADMIN, extra={"event": "forbidden"}
        )
        raise Problem(403, f"This needs the role {ADMIN}.")
    return session


async def _filter(manager: AsyncSessionManager, request: Request) -> tuple[str | None, str]:
    """The user and the handle prefix to list: `q` is a user's name if that user has sessions, else a prefix."""
    uid, q = request.query_params.get("uid") or None, request.query_params.get("q", "").strip()
    if not q:
        return uid, ""
    prefix = q.lower() if _PREFIX.fullmatch(q.lower()) else ""
    if uid is not None:
        if not prefix:
            raise Problem(400, "Beside uid, q is the beginning of a handle: up to 32 hexadecimal characters.")
        return uid, prefix
    return (None, prefix) if prefix and not await manager.count(uid=q) else (q, "")


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "100")
    if len(text) > 9 or not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= MAX_LIMIT:
        raise Problem(400, f"limit is a number from 1 to {MAX_LIMIT}.")
    return int(text)


def _handle(request: Request) -> str:
    handle: str = request.path_params["handle"]
    if not is_handle(handle):
        raise Problem(404, "There is no such session: a handle has 32 hexadecimal characters.")
    return handle


def _refuse_unknown(request: Request, *known: str) -> None:
    for name in request.query_params:
        if name not in known:
            raise Problem(400, f"The query parameter {name[:40]!r} is unknown; known: {', '.join(known)}.")


def _revoked(request: Request, me: VisitedSession, ended: int, what: str) -> Response:
    _security.warning(
        "%s revoked %s: %d ended",
        me.uid,
        what,
        ended,
        extra={"event": "revoked", "address": request.client.host if request.client else None},
    )
    return as_json({"ended": ended})
