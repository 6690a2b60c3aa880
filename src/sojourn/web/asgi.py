"""Sessions for any ASGI application, Starlette among them: `app = SessionMiddleware(app, "sqlite:///sojourn.db")`.

Pure ASGI, no framework imported. The session stands in `scope["session"]`, where Starlette's `request.session` looks.
It translates only: what happens to sessions is decided in `flows`, what happens to headers in `http.exchange`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Literal, TypeAlias

from sojourn.async_manager import AsyncSessionManager, AsyncSweeper
from sojourn.errors import ConfigurationError, SojournError, StoreError
from sojourn.flows.visit import LateWrites, OnStoreError
from sojourn.http.cookies import CookiePolicy
from sojourn.http.exchange import SignStyle, Terms
from sojourn.http.signing import Signer
from sojourn.stores.base import SessionStore
from sojourn.web.visit import Conduct, VisitedSession

__all__ = ["SessionMiddleware"]

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

_BEGINS = frozenset(("http.response.start", "websocket.accept", "websocket.http.response.start"))


class SessionMiddleware:
    """Puts a session on every request and WebSocket; one that nobody looks at costs no I/O, cookie or cache header.

    Its lifespan opens the store, sweeps expired sessions in a task, and closes what it opened.

    Args:
        app: The application.
        sessions: A store's URL, a store, or an `AsyncSessionManager` (whose options are then set there).
        cookie: The cookie's name, or a whole `CookiePolicy`.
        secrets: At least 32 bytes each; the first signs the cookie, all verify. Opaque tokens need none.
        sign_style: `value` or `companion`, see `http.exchange.Terms`.
        load: When a network store is asked: `eager` before the handler, or `lazy` by `await request.session.load()`.
            Embedded stores are read where the session is first looked at, and need neither.
        late_writes: Changes of a request whose session ended meanwhile are dropped (`drop`) or raise.
        on_store_error: A dead store answers 503 (`raise`), or reads are `anonymous`.
        persistent: Whether the cookie outlives the browser.
        plain_http: Where cookies may go without https: on `loopback` only, or `anywhere`.
        terms: All of the cookie's terms at once, instead of the options above.
        options: As of `AsyncSessionManager`: ttl, absolute, max_sessions, ...

    Raises:
        ConfigurationError: An option cannot work or is unsafe; the message says what to write.
    """

    def __init__(
        self,
        app: App,
        sessions: str | SessionStore | AsyncSessionManager = "memory://",
        *,
        cookie: str | CookiePolicy = "sid",
        secrets: tuple[str | bytes, ...] | list[str | bytes] = (),
        sign_style: SignStyle = "value",
        load: Literal["eager", "lazy"] = "eager",
        late_writes: LateWrites = "drop",
        on_store_error: OnStoreError = "raise",
        persistent: bool = True,
        plain_http: Literal["loopback", "anywhere"] = "loopback",
        terms: Terms | None = None,
        **options: Any,
    ) -> None:
        self.app = app
        self._owns = not isinstance(sessions, AsyncSessionManager)
        if isinstance(sessions, AsyncSessionManager):
            if options:
                raise ConfigurationError(f"give {', '.join(sorted(options))} to the AsyncSessionManager that you made")
            self.manager = sessions
        else:
            self.manager = AsyncSessionManager(sessions, **options)
        policy = CookiePolicy.default(cookie) if isinstance(cookie, str) else cookie
        signer = Signer(secrets, f"session:{policy.name}") if secrets else None
        self.terms = terms or Terms(policy, signer, sign_style, persistent=persistent, plain_http=plain_http)
        self._conduct = Conduct(self.terms, late_writes, on_store_error)
        if load not in ("eager", "lazy"):
            raise ConfigurationError(f"load is 'eager' or 'lazy', not {load!r}")
        self._eager = load == "eager" and not self.manager.store.embedded
        self._sweeper: AsyncSweeper | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            if kind == "lifespan":
                await _Lifespan(self.app, self._open, self._close).run(scope, receive, send)
            else:
                await self.app(scope, receive, send)
            return
        peer = scope.get("client")
        session = VisitedSession(
            self.manager,
            self._conduct,
            scope["headers"],
            None if peer is None else peer[0],
            https=scope.get("scheme") in ("https", "wss"),
        )
        scope["session"] = scope["sojourn"] = session
        begun = False

        async def send_after_commit(message: Message) -> None:
            nonlocal begun
            if message["type"] in _BEGINS and not begun:
                begun = True
                if session.is_used:
                    await _begin(session, message)
                else:
                    session.write_headers([])
            await send(message)

        try:
            if self._eager:
                await session.preload()
            await self.app(scope, receive, send_after_commit)
        except SojournError as error:
            if (begun and not session.is_own_error(error)) or kind == "websocket":
                raise
            if not isinstance(error, StoreError) and not session.is_own_error(error):
                raise
            await _answer(send, error)
            return
        if session.is_used and session.has_changes:  # what a stream or a socket wrote after it had begun
            await session.finish(drop=not begun)

    async def _open(self) -> None:
        await self.manager.setup()
        self._sweeper = self.manager.start_sweeper()

    async def _close(self) -> None:
        if self._sweeper is not None:
            sweeper, self._sweeper = self._sweeper, None
            await sweeper.stop()
            if self._owns:
                await self.manager.aclose()


async def _begin(session: VisitedSession, message: Message) -> None:
    await session.finish(drop=message.get("status", 200) >= 500)
    headers = list(message.get("headers") or ())
    session.write_headers(headers)
    message["headers"] = headers


async def _answer(send: Send, error: SojournError) -> None:
    """The answer to an error of the session itself, where no handler's answer has begun."""
    body = f"{type(error).__name__}\n".encode()
    headers = [(b"content-type", b"text/plain"), (b"cache-control", b"no-store")]
    if error.status_hint == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": error.status_hint, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Lifespan:
    """The application's lifespan with ours around it; ours alone where the application has none."""

    def __init__(
        self, app: App, opening: Callable[[], Awaitable[None]], closing: Callable[[], Awaitable[None]]
    ) -> None:
        self._app = app
        self._opening = opening
        self._closing = closing
        self._taken_up = False

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_after_opening() -> Message:
            message = await receive()
            if not self._taken_up:
                self._taken_up = True
                await self._opening()
            return message

        async def send_after_closing(message: Message) -> None:
            if message["type"] in ("lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await self._closing()
            await send(message)

        try:
            await self._app(scope, receive_after_opening, send_after_closing)
        except BaseException:
            if self._taken_up:
                await self._closing()
                raise
        if not self._taken_up:  # the application knows no lifespan: many plain ones do not
            await self._alone(receive, send)

    async def _alone(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self._opening()
                except SojournError as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._closing()
                await send({"type": "lifespan.shutdown.complete"})
                return
