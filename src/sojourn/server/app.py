"""The stand-alone server as one ASGI application: every route, the sessions around them, the log around all."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sojourn import __version__
from sojourn.async_manager import AsyncSessionManager
from sojourn.errors import SojournError, StoreError
from sojourn.http.cookies import CookiePolicy
from sojourn.http.exchange import Terms
from sojourn.server.admin import admin_routes
from sojourn.server.answers import answer_error, answer_failure, answer_http_error, as_json
from sojourn.server.console import console_routes
from sojourn.server.couch import couch_routes
from sojourn.server.directory import AsyncUserDirectory
from sojourn.server.hub import Hub
from sojourn.server.logs import RequestLog, report_security
from sojourn.server.push import push_routes
from sojourn.server.services import Services
from sojourn.server.settings import Settings
from sojourn.web.asgi import SessionMiddleware

__all__ = ["Server", "create_app", "make_server"]


@dataclass(frozen=True, slots=True)
class Server:
    """An application and the parts that whoever runs it has to reach.

    Attributes:
        app: The ASGI application; its lifespan opens the store, sweeps, and closes everything.
        services: The sessions and the users.
        hub: The open event streams, which have to end before a graceful stop can.
    """

    app: ASGIApp
    services: Services
    hub: Hub


def create_app(settings: Settings | Services) -> ASGIApp:
    """The application alone, for any ASGI server: `create_app(load({}, os.environ))`."""
    return make_server(settings).app


def make_server(settings: Settings | Services) -> Server:
    """The server that these settings describe, or one around services that exist; plain http then, on loopback.

    Raises:
        ConfigurationError: An option cannot work; the message says what to write.
    """
    if isinstance(settings, Services):
        services, settings = settings, Settings()
    else:
        services = _services(settings)
    manager, terms = services.manager, _terms(settings)
    hub = Hub(manager)
    routes = [
        *couch_routes(services),
        *push_routes(manager, terms, hub),
        *admin_routes(manager),
        *console_routes(),
        Route("/healthz", _health(manager)),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None, None]:
        await hub.start()
        try:
            yield
        finally:
            await hub.stop()

    pages = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            HTTPException: answer_http_error,
            SojournError: answer_error,
            Exception: answer_failure,
        },
    )
    pages.router.redirect_slashes = False
    report_security(manager)
    return Server(RequestLog(_Closing(SessionMiddleware(pages, manager, terms=terms), services)), services, hub)


def _services(settings: Settings) -> Services:
    manager = AsyncSessionManager(
        settings.store,
        ttl=settings.ttl,
        absolute=settings.absolute,
        max_sessions=settings.max_sessions,
    )
    directory = AsyncUserDirectory(manager, password_policy=settings.password_policy)
    return Services(manager, directory, open_users=settings.open_users)


def _terms(settings: Settings) -> Terms:
    """CouchDB's clients look for the name AuthSession, so it has no `__Host-`; and for Expires (couch.md)."""
    cookie = CookiePolicy("AuthSession", secure=settings.https)
    return Terms(cookie, expires=True, plain_http=settings.plain_http)


def _health(manager: AsyncSessionManager) -> Callable[[Request], Awaitable[Response]]:
    async def health(_request: Request) -> Response:
        try:
            found = await manager.health()
        except StoreError as error:
            return as_json({"ok": False, "version": __version__, "error": type(error).__name__}, 503)
        return as_json({"ok": True, "store": found.store, "version": __version__, "durability": found.durability})

    return health


class _Closing:
    """Closes store and password threads when everything inside has stopped, before the server is told so."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return

        async def send_after_closing(message: Message) -> None:
            if message["type"] in ("lifespan.startup.failed", "lifespan.shutdown.complete", "lifespan.shutdown.failed"):
                await self._services.directory.aclose()
                await self._services.manager.aclose()
            await send(message)

        await self._app(scope, receive, send_after_closing)
