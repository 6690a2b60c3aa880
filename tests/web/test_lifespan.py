"""The store is opened, swept and closed with the application's lifespan, whatever the application makes of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from asgi_client import WatchedStore, request
from sojourn import AsyncSessionManager, SessionEnded
from sojourn.errors import StoreUnavailable
from sojourn.testing import FakeClock
from sojourn.web.asgi import SessionMiddleware

pytestmark = pytest.mark.anyio


class Server:
    """The server's end of a lifespan."""

    def __init__(self, app: Any) -> None:
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.outbox: asyncio.Queue[Any] = asyncio.Queue()
        self.task = asyncio.create_task(app({"type": "lifespan"}, self.inbox.get, self._take))

    async def _take(self, message: Any) -> None:
        assert message["type"].startswith("lifespan."), "a server refuses anything else"
        await self.outbox.put(message)

    async def start(self) -> Any:
        await self.inbox.put({"type": "lifespan.startup"})
        return await asyncio.wait_for(self.outbox.get(), 5)

    async def stop(self) -> Any:
        await self.inbox.put({"type": "lifespan.shutdown"})
        answer = await asyncio.wait_for(self.outbox.get(), 5)
        await self.task
        return answer


async def knows_it(scope: Any, receive: Any, send: Any) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def returns_at_once(scope: Any, receive: Any, send: Any) -> None:
    return


async def raises_at_once(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"


async def answers_as_if_asked(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})


async def takes_it_and_raises(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    raise KeyError("path")


async def takes_it_and_returns(scope: Any, receive: Any, send: Any) -> None:
    await receive()


async def starts_and_returns(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


APPS = [knows_it, returns_at_once, raises_at_once, answers_as_if_asked, takes_it_and_raises, takes_it_and_returns,
        starts_and_returns]  # fmt: skip


class Site:
    """A middleware that believes to have opened its watched store itself."""

    def __init__(self, app: Any) -> None:
        self.store = WatchedStore()
        self.clock = FakeClock()
        self.middleware = SessionMiddleware(app, self.store, clock=self.clock)
        self.middleware._url = "memory://"  # else a store that was given stays open


@pytest.mark.parametrize("app", APPS)
async def test_the_store_is_opened_swept_and_closed_around_any_application(app: Any) -> None:
    site = Site(app)
    manager = site.middleware.manager
    handled: asyncio.Queue[Any] = asyncio.Queue()
    manager.on(SessionEnded, handled.put)
    await manager.create(uid="ada")
    site.clock.advance("15 days")
    server = Server(site.middleware)
    assert site.store.calls == []
    assert await server.start() == {"type": "lifespan.startup.complete"}
    assert site.store.calls == ["setup"]
    assert (await asyncio.wait_for(handled.get(), 5)).reason.value == "expired"  # swept at once, nobody waited
    assert await server.stop() == {"type": "lifespan.shutdown.complete"}
    assert site.store.calls == ["setup", "close"]
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "sojourn-sweeper"]


async def test_a_store_that_was_given_stays_open() -> None:
    store = WatchedStore()
    for sessions in (store, AsyncSessionManager(store)):
        server = Server(SessionMiddleware(knows_it, sessions))
        await server.start()
        await server.stop()
    assert store.calls == ["setup", "setup"]


@pytest.mark.parametrize("app", APPS)
async def test_a_store_that_cannot_be_opened_stops_the_server_with_the_reason(app: Any) -> None:
    site = Site(app)

    async def asetup() -> None:
        raise StoreUnavailable("nobody answers at example:6379")

    site.store.asetup = asetup  # type: ignore[method-assign]
    server = Server(site.middleware)
    failed = await server.start()
    assert failed["type"] == "lifespan.startup.failed"
    assert failed["message"] == "StoreUnavailable: nobody answers at example:6379"
    await server.task
    assert server.outbox.empty()


async def test_a_start_up_that_fails_closes_the_store() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no port"})
        raise OSError("no port")

    site = Site(app)
    server = Server(site.middleware)
    assert (await server.start())["message"] == "no port"
    with pytest.raises(OSError, match="no port"):
        await server.task
    assert site.store.calls == ["setup", "close"]


async def test_an_application_that_crashes_later_is_told_in_the_log_and_the_store_stays_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crash = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await crash.wait()
        raise ZeroDivisionError

    site = Site(app)
    server = Server(site.middleware)
    await server.start()
    crash.set()
    with caplog.at_level(logging.ERROR, "sojourn.web"):
        assert await server.stop() == {"type": "lifespan.shutdown.complete"}
    assert "ZeroDivisionError" in caplog.text
    assert site.store.calls == ["setup", "close"]


async def test_a_crash_while_it_stops_still_closes_the_store() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise ZeroDivisionError

    site = Site(app)
    server = Server(site.middleware)
    await server.start()
    assert await server.stop() == {"type": "lifespan.shutdown.complete"}
    assert site.store.calls == ["setup", "close"]


@pytest.mark.parametrize("app", [knows_it, returns_at_once])
async def test_a_cancelled_lifespan_closes_the_store(app: Any) -> None:
    site = Site(app)
    server = Server(site.middleware)
    await server.start()
    server.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await server.task
    assert site.store.calls == ["setup", "close"]


async def test_a_dead_store_does_not_stop_the_sweeper() -> None:
    site = Site(knows_it)
    site.store.failure = StoreUnavailable("down")
    server = Server(site.middleware)
    await server.start()
    for _ in range(3):
        await asyncio.sleep(0)
    assert [task.done() for task in asyncio.all_tasks() if task.get_name() == "sojourn-sweeper"] == [False]
    site.store.failure = None
    await server.stop()


async def test_without_a_lifespan_requests_are_served_all_the_same() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["n"] = 1
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    assert (await request(SessionMiddleware(app))).cookie == "set"


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_starlette_may_be_started_again(kind: str, tmp_path: Path) -> None:
    async def count(request: Any) -> Any:
        return PlainTextResponse(str(request.session.increment("n")))

    order: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        order.append("started")
        yield {"told": "state"}
        order.append("stopped")

    app = Starlette(routes=[Route("/", count)], lifespan=lifespan)
    url = "memory://" if kind == "memory" else f"sqlite:///{tmp_path / 's.db'}?synchronous=NORMAL"
    app.add_middleware(SessionMiddleware, sessions=url)
    cookies: dict[str, str] = {}
    for again in range(2):
        with TestClient(app, cookies=cookies) as client:
            first = 3 if again and kind == "sqlite" else 1
            assert [client.get("/").text for _ in range(2)] == [str(first), str(first + 1)]
            cookies = dict(client.cookies) if kind == "sqlite" else {}  # one in memory is gone
    assert order == ["started", "stopped"] * 2
