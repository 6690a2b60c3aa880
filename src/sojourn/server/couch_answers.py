"""Answers as CouchDB words them, and the frame that all of its routes share.

The wire is ../shared/couch.md to the letter: `Content-Type: application/json` without a charset (Kanso compares the
whole string), a body that ends with a newline, `error` and `reason`, 405 with its `Allow`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sojourn.errors import AccountLocked, DocumentConflict, SojournError, StoreError
from sojourn.http.csrf import cross_origin_verdict
from sojourn.server.services import Services

__all__ = ["CouchRoute", "Handler", "Refusal", "answer", "require_own_origin"]

_log = logging.getLogger("sojourn.server")


class Refusal(Exception):
    """An answer other than the good one.

    Attributes:
        status: The HTTP status.
        error: CouchDB's word for it.
        reason: The text beside it.
        headers: Further ones.
    """

    def __init__(self, status: int, error: str, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.error = error
        self.reason = reason
        self.headers = dict(headers or {})


Handler: TypeAlias = Callable[[Request, Services], Awaitable[Response]]


_PERSONAL = {
    # CouchDB says must-revalidate alone, which lets shared caches keep answers to Basic credentials (RFC 9111 3.5).
    "Cache-Control": "must-revalidate, private, no-store",
    "Vary": "Cookie, Authorization",
    "X-Content-Type-Options": "nosniff",
}


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer as CouchDB sends it."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False, allow_nan=False) + "\n"
    response = Response(text.encode("utf-8"), status, {**_PERSONAL, **(headers or {})})
    response.headers["Content-Type"] = "application/json"
    return response


def require_own_origin(request: Request, services: Services) -> None:
    """Pass silently if the request comes from our own pages, or from no browser at all (security.md A.6, A.9 #40).

    Raises:
        Refusal: 403, with the reason in words.
    """
    verdict = cross_origin_verdict(
        request.method,
        request.headers.get("host"),
        ",".join(request.headers.getlist("origin")) or None,
        request.headers.get("sec-fetch-site"),
        services.allowed_origins,
        https=request.url.scheme == "https",
    )
    if not verdict.is_allowed:
        raise Refusal(403, "forbidden", f"The request is refused: {verdict.reason}.")


class CouchRoute:
    """One path: a handler for each method, everything else 405; refusals and errors become CouchDB's answers."""

    def __init__(self, services: Services, **handlers: Handler) -> None:
        self._services = services
        self._handlers = dict(handlers)
        if "GET" in handlers:
            self._handlers["HEAD"] = handlers["GET"]
        order = ("GET", "HEAD", "POST", "PUT", "DELETE")
        self._allow = ",".join(method for method in order if method in self._handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request = Request(scope, receive)
        try:
            response = await self._handle(request)
        except Refusal as refusal:
            response = self._refused(request, refusal)
        if scope["method"] == "HEAD":
            response.body = b""  # Content-Length stays that of the whole
        await response(scope, receive, send)

    async def _handle(self, request: Request) -> Response:
        handler = self._handlers.get(request.method)
        if handler is None:
            raise Refusal(405, "method_not_allowed", f"Only {self._allow} allowed", {"Allow": self._allow})
        try:
            return await handler(request, self._services)
        except DocumentConflict:
            raise Refusal(409, "conflict", "Document update conflict.") from None
        except AccountLocked as error:
            seconds = str(-(-error.retry_after_ms // 1000))
            raise Refusal(self._services.lockout_status, "forbidden", str(error), {"Retry-After": seconds}) from None
        except StoreError as error:
            _log.error("%s %s: %s: %s", request.method, request.url.path, type(error).__name__, error)
            raise Refusal(503, "service_unavailable", "The store does not answer.", {"Retry-After": "1"}) from error
        except SojournError as error:
            if error.status_hint >= 500:
                raise
            raise Refusal(error.status_hint, "bad_request", str(error)) from None

    def _refused(self, request: Request, refusal: Refusal) -> Response:
        body: dict[str, Any] = {"error": refusal.error, "reason": refusal.reason}
        headers = dict(refusal.headers)
        headers["X-Couch-Request-ID"] = self._services.manager.entropy(5).hex()
        asked = request.headers.get("x-couchdb-www-authenticate")
        if refusal.status == 401 and asked:
            headers["WWW-Authenticate"] = asked
        return answer(body, refusal.status, headers)
