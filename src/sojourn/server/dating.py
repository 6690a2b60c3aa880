"""The Date header, last in the list: uvicorn's own would come first, where one client looks for Set-Cookie (couch.md).

An origin server with a clock sends one (RFC 9110 6.6.1).
"""

from __future__ import annotations

import time
from email.utils import formatdate

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Dated"]


class Dated:
    """ASGI middleware that adds Date to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._second = 0
        self._text = b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"date", self._date())]}
            await send(message)

        await self._app(scope, receive, send_dated)

    def _date(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, formatdate(second, usegmt=True).encode("ascii")
        return self._text
