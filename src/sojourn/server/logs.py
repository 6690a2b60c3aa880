"""The server's logs: lines for people on a terminal, one JSON object a line for programs; never a secret.

`configure` is called by the running server only: importing sets up nothing. Loggers: `sojourn.access` has one line a
request, `sojourn.security` what an administrator should look at (as warnings), `sojourn.server` the rest.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sojourn.async_manager import AsyncSessionManager
from sojourn.core.events import LoginFailed, TokenReused, UserLoggedIn
from sojourn.errors import SojournError
from sojourn.server.answers import answer_failure

__all__ = ["HumanFormatter", "JsonFormatter", "RequestLog", "configure", "report_security", "without_secrets"]

_access = logging.getLogger("sojourn.access")
_security = logging.getLogger("sojourn.security")
_server = logging.getLogger("sojourn.server")

# A token, or the handle of one: what stands in a path or a message is cut to the 8 characters that people compare.
_TOKEN = re.compile(r"([0-9a-f]{8})[0-9a-f]{24}(?:\.[A-Za-z0-9_-]{43})?(?![0-9A-Za-z])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_FIELDS = ("event", "method", "path", "status", "duration_ms", "handle", "address", "uid")
_COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}


def without_secrets(text: str) -> str:
    """The text with every token and handle cut to its first 8 characters."""
    return _TOKEN.sub(r"\1…", text)


def configure(form: Literal["auto", "human", "json"], stream: TextIO, environ: Mapping[str, str]) -> None:
    """Send the logs of this process to `stream`, and to nowhere else."""
    is_terminal = stream.isatty()
    formatter: logging.Formatter = JsonFormatter()
    if form == "human" or (form == "auto" and is_terminal):
        formatter = HumanFormatter(colour=is_terminal and not environ.get("NO_COLOR"))
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("sojourn").setLevel(logging.INFO)
    logging.getLogger("uvicorn.error").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether uvicorn tells something that we have not: why an answer was cut short, we know and wrote down."""
    return not str(record.msg).startswith("ASGI callable returned without completing response")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, then the fields of the line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; what is not ASCII is escaped by JSON, line separators and bidi marks too (ASVS 16.4.1)."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: record.__dict__[name] for name in _FIELDS if record.__dict__.get(name) is not None}
        if record.name == _access.name:
            del line["message"]  # it says the same as the fields
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return without_secrets(json.dumps(line, ensure_ascii=True, default=str))


class HumanFormatter(logging.Formatter):
    """`12:40:03 warning sojourn.security: ...`, and requests without their logger's name."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """The line; what could move the cursor or begin a new line is replaced (ASVS 16.4.1)."""
        at = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        text = _CONTROL.sub("�", record.getMessage())
        if record.name != _access.name:
            text = f"{record.levelname.lower()} {record.name}: {text}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        text = without_secrets(f"{at} {text}")
        code = _COLOURS.get(record.levelno) if self._colour else None
        return text if code is None else f"\x1b[{code}m{text}\x1b[0m"


class RequestLog:
    """ASGI middleware, the outermost: one line a request, and the last resort where all else failed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun_at, status = time.perf_counter(), 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except Exception:  # noqa: BLE001 - it is the last resort, and logs it
            # An open answer cannot be mended: the server closes the connection, and the line says 500.
            _server.exception("%s %s failed", scope["method"], scope["path"])
            if status == 0:
                await answer_failure(Request(scope), RuntimeError())(scope, receive, send_noting)
            status = 500
        _note(scope, status, (time.perf_counter() - begun_at) * 1000)


def _note(scope: Scope, status: int, duration_ms: float) -> None:
    level = logging.DEBUG if scope["path"] == "/healthz" else logging.INFO
    shown = _handle(scope)
    _access.log(
        level,
        "%s %s %d %.1f ms%s",
        scope["method"],
        scope["path"],
        status,
        duration_ms,
        f" {shown}" if shown else "",
        extra={
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "duration_ms": round(duration_ms, 1),
            "handle": shown,
        },
    )


def _handle(scope: Scope) -> str | None:
    """The first characters of the session that the request looked at; never reads one."""
    session = scope.get("sojourn")
    if session is None or not session.is_used:
        return None
    try:
        handle: str | None = session.handle
    except SojournError:  # it was looked at while the store was down
        return None
    return None if handle is None else handle[:8]


def report_security(manager: AsyncSessionManager) -> None:
    """Write sign-ins to `sojourn.security`, and what an administrator should look at as warnings (ASVS 16.3.1)."""

    def failed(event: LoginFailed) -> None:
        _security.warning(
            "sign-in refused for %r from %s%s",
            event.name[:128],
            event.address,
            ", locked" if event.locked else "",
            extra={"event": "login_failed", "address": event.address},
        )

    def reused(event: TokenReused) -> None:
        _security.warning(
            "a token of session %s came back after it was rotated away: late request, or stolen",
            (event.handle or "")[:8],
            extra={"event": "token_reused", "uid": event.uid},
        )

    def signed_in(event: UserLoggedIn) -> None:
        _security.info(
            "%s signed in from %s",
            event.uid,
            event.client.ip,
            extra={"event": "signed_in", "handle": (event.handle or "")[:8], "address": event.client.ip},
        )

    manager.on(UserLoggedIn, signed_in)
    manager.on(LoginFailed, failed)
    manager.on(TokenReused, reused)
