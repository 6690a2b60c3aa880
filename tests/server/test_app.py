"""The application as a whole: its answers to what nobody handles, its pages' headers, its life."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from sojourn import AsyncSessionManager, StoreUnavailable, __version__
from sojourn.core.operations import Load, Ping
from sojourn.server.app import create_app, make_server
from sojourn.server.console import CSP
from sojourn.server.directory import AsyncUserDirectory
from sojourn.server.services import Services
from sojourn.server.settings import Settings
from sojourn.stores.memory import MemoryStore
from sojourn.users.throttle import Limits

pytestmark = pytest.mark.anyio


class Store(MemoryStore):
    """A memory store that can be down, and that notes how it was closed."""

    is_down = False
    is_closed = False

    async def aperform(self, op: Any) -> Any:
        if self.is_down:
            raise StoreUnavailable("secret detail of /var/lib/x")
        assert not self.is_closed
        return await super().aperform(op)

    def perform(self, op: Any) -> Any:
        if self.is_down:
            raise StoreUnavailable("secret detail of /var/lib/x")
        return super().perform(op)

    async def aclose(self) -> None:
        self.is_closed = True
        await super().aclose()


@asynccontextmanager
async def running(store: Store, scheme: str = "http") -> AsyncIterator[httpx2.AsyncClient]:
    """The application within its lifespan, and a client of it."""
    manager = AsyncSessionManager(store)
    app = create_app(Services(manager, AsyncUserDirectory(manager, limits=Limits.off())))
    said, told = anyio.create_memory_object_stream[str](4), anyio.create_memory_object_stream[str](4)
    with said[0], said[1], told[0], told[1]:

        async def receive() -> Any:
            return {"type": await told[1].receive()}

        async def send(message: Any) -> None:
            await said[0].send(message["type"])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app, {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
            await told[0].send("lifespan.startup")
            assert await said[1].receive() == "lifespan.startup.complete"
            transport = httpx2.ASGITransport(app=app, raise_app_exceptions=True)
            async with httpx2.AsyncClient(transport=transport, base_url=f"{scheme}://127.0.0.1") as client:
                yield client
            await told[0].send("lifespan.shutdown")
            assert await said[1].receive() == "lifespan.shutdown.complete"
            assert store.is_closed, "it is closed before the server is told that all is over"


async def test_unknown_paths_and_methods_are_problems() -> None:
    async with running(Store()) as client:
        answer = await client.get("/nowhere")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert answer.json() == {"status": 404, "title": "Not Found", "detail": "Nothing is served at this path."}
        answer = await client.put("/sessions")
        assert (answer.status_code, answer.json()["title"]) == (405, "Method Not Allowed")
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "DELETE"}
        assert "vary" not in answer.headers, "nobody looked at the session"


async def test_health_tells_of_the_store() -> None:
    store = Store()
    async with running(store) as client:
        answer = await client.get("/healthz")
        assert answer.status_code == 200
        assert answer.json() == {
            "ok": True,
            "store": "memory",
            "version": __version__,
            "durability": (await store.aperform(Ping())).durability,
        }
        store.is_down = True
        answer = await client.get("/healthz")
        assert (answer.status_code, answer.json()["ok"]) == (503, False)
        assert "secret detail" not in answer.text
        store.is_down = False


async def test_a_store_that_is_down_is_503_without_details() -> None:
    store = Store()
    async with running(store) as client:
        cookie = {"cookie": "AuthSession=" + "0" * 32 + "." + "A" * 43}
        store.is_down = True
        for path in ("/sessions", "/sessions/events", "/events"):
            answer = await client.get(path, headers=cookie)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1"), path
            assert "secret detail" not in answer.text
        store.is_down = False


async def test_a_defect_is_500_without_details(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store()

    def broken(op: Any) -> Any:
        if isinstance(op, Load):
            raise RuntimeError("inner detail")
        return MemoryStore.perform(store, op)

    async with running(store) as client:
        monkeypatch.setattr(store, "perform", broken)
        answer = await client.get("/sessions", headers={"cookie": "AuthSession=" + "0" * 32 + "." + "A" * 43})
        assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
        assert "inner detail" not in answer.text


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_console_comes_with_its_guards(scheme: str) -> None:
    async with running(Store(), scheme) as client:
        page = await client.get("/console")
        assert page.status_code == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["content-security-policy"] == CSP
        assert page.headers["cache-control"] == "no-store"
        assert ("strict-transport-security" in page.headers) == (scheme == "https")
        script = await client.get("/console/app.js")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        for answer in (page, script):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"
            assert "set-cookie" not in answer.headers
        same = await client.get("/console/app.js", headers={"if-none-match": script.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")
        assert (await client.get("/console/")).headers["location"] == "/console"


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "%2e%2e/settings.py", "console.html", "nothing.js", ""])
async def test_nothing_but_static_files_is_served(name: str) -> None:
    async with running(Store()) as client:
        answer = await client.get(f"/console/{name}")
        assert answer.status_code in (308, 404)
        assert b"import" not in answer.content


async def test_the_cookie_follows_how_clients_come() -> None:
    for settings, secure in (
        (Settings(store="memory://"), False),
        (Settings(store="memory://", behind_proxy=("127.0.0.1",)), True),
    ):
        server = make_server(settings)
        await server.services.directory.create("luca", "relaxed marmot 47")
        scheme = "https" if secure else "http"
        transport = httpx2.ASGITransport(app=server.app)
        async with httpx2.AsyncClient(transport=transport, base_url=f"{scheme}://127.0.0.1") as client:
            answer = await client.post("/_session", json={"name": "luca", "password": "relaxed marmot 47"})
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("AuthSession=")
        assert ("; Secure" in cookie) == secure
        assert "; Expires=" in cookie
        await server.services.directory.aclose()


async def test_settings_reach_the_sessions(tmp_path: Path) -> None:
    settings = Settings(store="memory://", ttl="2 h", absolute="3 h", max_sessions=2, open_users=True)
    server = make_server(settings)
    policy = server.services.manager.policy
    assert (policy.lifetime.ttl_ms, policy.lifetime.absolute_ms) == (7_200_000, 10_800_000)
    assert (policy.max_sessions, server.services.open_users) == (2, True)
    await server.services.directory.aclose()
