"""How our own routes answer: JSON, problems (RFC 9457), and who may ask.

CouchDB's routes answer in CouchDB's shapes and do not come here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from sojourn.errors import SessionError, SojournError, StoreError, UsageError
from sojourn.http.csrf import cross_origin_verdict

__all__ = [
    "ADMIN",
    "GUARDS",
    "Problem",
    "answer_error",
    "answer_failure",
    "answer_http_error",
    "as_json",
    "problem",
    "refuse_foreign",
]

ADMIN = "_admin"
"""The role of administrators, as in CouchDB."""

GUARDS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
}
"""On every answer of ours that tells of sessions: no cache keeps it, no other site embeds it."""

_WORDS = {
    "Not Found": "Nothing is served at this path.",
    "Method Not Allowed": "This path has no such method; the header Allow names those that it has.",
}

_log = logging.getLogger("sojourn.server")
_security = logging.getLogger("sojourn.security")


class Problem(HTTPException):
    """A refusal in words, thrown from anywhere in a route."""


def as_json(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer with our guards."""
    return Response(msgspec.json.encode(body), status, {**GUARDS, **(headers or {})}, "application/json")


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as `application/problem+json` (RFC 9457): status, title, detail."""
    body = {"status": status, "title": HTTPStatus(status).phrase, "detail": detail}
    return Response(msgspec.json.encode(body), status, {**GUARDS, **(headers or {})}, "application/problem+json")


def answer_http_error(_request: Request, error: Exception) -> Response:
    """What the router or a route refused."""
    if not isinstance(error, HTTPException):
        raise error
    detail = _WORDS.get(error.detail, error.detail)  # the router's own are a bare "Not Found"
    return problem(error.status_code, detail, error.headers)


def answer_error(_request: Request, error: Exception) -> Response:
    """Our own errors that no route handled. Only what the caller did is told; what failed inside is logged."""
    if not isinstance(error, SojournError):
        raise error
    if isinstance(error, StoreError):
        _log.error("the store failed: %s", error)
        return problem(503, "The session store does not answer. Try again in a moment.", {"retry-after": "1"})
    if isinstance(error, (UsageError, SessionError)) and error.status_hint < 500:
        return problem(error.status_hint, str(error))
    if isinstance(error, UsageError):
        return problem(400, str(error))
    return problem(error.status_hint, type(error).__name__)


def answer_failure(_request: Request, _error: Exception) -> Response:
    """The last resort (ASVS 16.5.4): nothing of what went wrong is shown; `logs.RequestLog` writes it down."""
    return problem(500, "The server failed at this request. Its log says why.")


def refuse_foreign(request: Request, *, reading: bool = False) -> None:
    """Refuse what another site's page started, by the table of security.md A.6.

    Args:
        reading: Judge a GET as strictly as a change: it opens a stream or tells of sessions.

    Raises:
        Problem: 403, with the reason.
    """
    headers = request.headers
    verdict = cross_origin_verdict(
        "READING" if reading else request.method,
        headers.get("host"),
        _joined(headers.getlist("origin")),
        _joined(headers.getlist("sec-fetch-site")),
        https=request.url.scheme == "https",
    )
    if not verdict.is_allowed:
        _security.warning(
            "refused %s %s: %s", request.method, request.url.path, verdict.reason, extra={"event": "foreign_request"}
        )
        raise Problem(403, f"The request was refused: {verdict.reason}.")


def _joined(values: list[str]) -> Any:
    return ", ".join(values) if values else None
