"""A server of CouchDB's routes in this process, for test_session_routes.py and test_users_routes.py."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import httpx2
from starlette.applications import Starlette

from sojourn import AsyncSessionManager
from sojourn.core.accounts import Credentials
from sojourn.flows.directory import Draft
from sojourn.http.cookies import CookiePolicy
from sojourn.http.csrf import AllowedOrigins
from sojourn.http.exchange import Terms
from sojourn.server.couch import couch_routes
from sojourn.server.directory import AsyncUserDirectory
from sojourn.server.services import Services
from sojourn.users.passwords import hash_password
from sojourn.users.throttle import Limits
from sojourn.web.asgi import SessionMiddleware

__all__ = ["PASSWORD", "Client", "Server", "basic", "server"]

PASSWORD = "relaxed marmot 47"
HOST = "127.0.0.1"


@cache
def _hashed() -> Credentials:
    """Of PASSWORD, made once: hashing it for three users before each test would take longer than the tests."""
    return hash_password(PASSWORD)


class Clock:
    def __init__(self) -> None:
        self.ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


class Client(httpx2.AsyncClient):
    """A browser without scripts: it has a cookie jar, and an address of its own."""

    @property
    def token(self) -> str | None:
        return self.cookies.get("AuthSession")

    async def sign_in(self, name: str, password: str = PASSWORD) -> httpx2.Response:
        return await self.post("/_session", json={"name": name, "password": password})

    async def who(self) -> str | None:
        name: str | None = (await self.get("/_session")).json()["userCtx"]["name"]
        return name


class Server:
    def __init__(self, services: Services, app: Any, clock: Clock) -> None:
        self.services = services
        self.manager = services.manager
        self.directory = services.directory
        self.clock = clock
        self._app = app

    def client(self, address: str = "192.0.2.1", **options: Any) -> Client:
        transport = httpx2.ASGITransport(app=self._app, client=(address, 1234))
        return Client(transport=transport, base_url=f"http://{HOST}", **options)


@asynccontextmanager
async def server(*, limits: Limits | None = None, policy: Any = "standard", **options: Any) -> AsyncIterator[Server]:
    """The routes over a new memory store, with the users anna (editor), bert and root (_admin)."""
    clock = Clock()
    origins = AllowedOrigins(["https://shop.example.org"])
    async with AsyncSessionManager("memory://", clock=clock, **options.pop("manager", {})) as manager:
        directory = AsyncUserDirectory(manager, password_policy=policy, limits=limits or Limits.off())
        services = Services(manager, directory, allowed_origins=origins, **options)
        for name, roles in (("anna", ("editor",)), ("bert", ()), ("root", ("_admin",))):
            await directory.save(Draft(name, roles, credentials=_hashed()), None)
        terms = Terms(CookiePolicy("AuthSession", secure=False), expires=True)
        app = SessionMiddleware(Starlette(routes=couch_routes(services)), manager, terms=terms)
        try:
            yield Server(services, app, clock)
        finally:
            await directory.aclose()


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}
