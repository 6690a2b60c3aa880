"""An ASGI application's lifespan with ours around it: the store is opened before its start-up, closed after its end.

Many applications know no lifespan: they raise, return at once, or answer it as if it were a request. The
specification has servers go on without one then; ours goes on alone, so that the store is opened and swept all the
same, and a store that cannot be opened is told to the server, which then does not start.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

__all__ = ["App", "Lifespan", "Message", "Receive", "Scope", "Send"]

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = logging.getLogger("sojourn.web")
_ANSWERS = frozenset(
    (
        "lifespan.startup.complete",
        "lifespan.startup.failed",
        "lifespan.shutdown.complete",
        "lifespan.shutdown.failed",
    )
)


class Lifespan:
    """One lifespan.

    Args:
        app: The application.
        opening: What opens; an error of its ends the start-up, with its text.
        closing: What closes; it is asked once after an opening, whatever the application does.
    """

    def __init__(
        self, app: App, opening: Callable[[], Awaitable[None]], closing: Callable[[], Awaitable[None]]
    ) -> None:
        self._app = app
        self._opening = opening
        self._closing = closing
        self._asked: set[str] = set()  # what the server has asked for
        self._is_open = self._is_refused = self._is_started = self._is_over = False

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it to its end.

        Raises:
            Exception: What the application raises after it has told the server that it failed.
        """

        async def receive_and_open() -> Message:
            return await self._receive(receive, send)

        async def send_and_close(message: Message) -> None:
            await self._send(message, send)

        try:
            await self._app(scope, receive_and_open, send_and_close)
        except Exception:
            if self._is_refused:
                return  # ours, and the server knows
            if self._is_over:
                raise
            level = logging.ERROR if self._is_started else logging.DEBUG  # before: it knows no lifespan, as many
            _log.log(level, "the application left its lifespan; the sessions' goes on", exc_info=True)
        except BaseException:
            await self._close()
            raise
        if not self._is_over:
            await self._go_on_alone(receive, send)

    async def _receive(self, receive: Receive, send: Send) -> Message:
        message = await receive()
        is_first = not self._asked
        self._asked.add(message["type"])
        if is_first:
            try:
                await self._opening()
            except Exception as error:
                self._is_refused = self._is_over = True
                await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
                raise
            self._is_open = True
        return message

    async def _send(self, message: Message, send: Send) -> None:
        if message["type"] not in _ANSWERS:
            raise RuntimeError(f"{message['type']} is no answer to a lifespan")  # as servers do
        if self._is_over:
            return
        if message["type"] == "lifespan.startup.complete":
            self._is_started = True
        else:
            self._is_over = True
            await self._close()
        await send(message)

    async def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            await self._closing()

    async def _go_on_alone(self, receive: Receive, send: Send) -> None:
        """From wherever the application has stopped."""
        try:
            if not self._asked:
                _ = await self._receive(receive, send)
            if not self._is_started:
                await self._send({"type": "lifespan.startup.complete"}, send)
            if "lifespan.shutdown" not in self._asked:
                _ = await self._receive(receive, send)
            await self._send({"type": "lifespan.shutdown.complete"}, send)
        except Exception:
            if not self._is_refused:
                raise
        finally:
            await self._close()
