"""Sessions for any ASGI application, Starlette among them: `app = SessionMiddleware(app, "sqlite:///sojourn.db")`.

Pure ASGI, no framework imported. The session stands in `scope["session"]`, where Starlette's `request.session` looks.
It translates only: what happens to sessions is decided in `flows`, what happens to headers in `http.exchange`.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any, Literal

from sojourn.async_manager import AsyncSessionManager
from sojourn.background import AsyncSweeper
from sojourn.errors import ConfigurationError, SojournError, StoreError, UsageError
from sojourn.flows.visit import LateWrites, OnStoreError
from sojourn.http.cookies import CookiePolicy
from sojourn.http.exchange import SignStyle, Terms
from sojourn.http.headers import Headers
from sojourn.http.signing import Signer
from sojourn.stores.base import SessionStore
from sojourn.stores.opening import open_store
from sojourn.web.lifespan import App, Lifespan, Message, Receive, Scope, Send
from sojourn.web.visit import Conduct, VisitedSession

__all__ = ["SessionMiddleware"]

_log = logging.getLogger("sojourn.web")
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
        /,  # Starlette's Middleware(SessionMiddleware, ...) is typed so
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
        self._url = sessions if isinstance(sessions, str) else None
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
        self._is_closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        kind = scope["type"]
        if kind == "http" or kind == "websocket":  # the quickest way to ask, on every request
            await self._serve(scope, receive, send)
        elif kind == "lifespan":
            await Lifespan(self.app, self._open, self._close).run(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        session = VisitedSession(self.manager, self._conduct, scope)
        scope["session"] = scope["sojourn"] = session
        is_failed = False

        async def send_after_commit(message: Message) -> None:
            nonlocal is_failed
            stage = session.stage
            if stage == "before" and message["type"] in _BEGINS:
                is_failed = message.get("status", 200) >= 500
                if session.is_used:
                    if is_failed or not session.is_settled():
                        await session.finish(drop=is_failed)
                    message = _told(session, message)
                session.stage = "during" if message["type"] == "http.response.start" else "after"
            elif stage == "during" and not message.get("more_body"):
                session.stage = "after"
            await send(message)

        try:
            if self._eager:
                await session.preload()
            await self.app(scope, receive, send_after_commit)
        except Exception as error:
            if scope["type"] == "websocket" or session.stage != "before":
                raise
            if not await _answered(session, send, error):
                raise
            return
        if session.is_used and session.is_unfinished:  # what a stream or a socket did after it had begun
            await session.finish(drop=is_failed or session.stage == "before")  # without an answer nothing counts

    async def _open(self) -> None:
        if self._is_closed and self._url is not None:  # a second lifespan, as tests have them
            self.manager.store = open_store(self._url)
        await self.manager.setup()
        self._sweeper = self.manager.start_sweeper()

    async def _close(self) -> None:
        sweeper, self._sweeper = self._sweeper, None
        if sweeper is not None:
            await sweeper.stop()
        if self._url is not None:
            self._is_closed = True
            await self.manager.aclose()


def _told(session: VisitedSession, message: Message) -> Message:
    headers: Headers = list(message.get("headers") or ())
    session.write_headers(headers)
    return {**message, "headers": headers}  # the application's own may be a constant that other requests share


async def _answered(session: VisitedSession, send: Send, error: Exception) -> bool:
    """Answer an error of the session, where no handler's answer has begun; False if it is for the server to tell.

    Whose fault it is decides (`errors`): what the session's own end or a store did is answered by its status. What the
    program did wrong is raised on, but a token that was changed early still reaches its client.
    """
    is_own = session.is_own_error(error)
    if not is_own and not isinstance(error, StoreError):
        with suppress(SojournError):  # the handler's error is the one to tell
            await session.finish(drop=True)
    status = error.status_hint if isinstance(error, SojournError) else 500
    is_theirs = status != 500 and (is_own or not isinstance(error, UsageError))
    if not is_theirs:
        status = 500
        if not is_own and not session.has_new_token:
            return False
    text = type(error).__name__ if is_theirs else "Internal Server Error"
    headers: Headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"private, no-store")]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    if session.is_used:
        with suppress(SojournError):  # no cookie over plain http, and that is what is being told
            session.write_headers(headers)
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode() + b"\n"})
    if is_theirs:
        _log.warning("answered %d: %s: %s", status, text, error)
    return is_theirs
