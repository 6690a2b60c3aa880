"""Event streams over real HTTP: a real server, a real command line in other processes."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from serving import PASSWORD, Served, served, watching
from sojourn import AsyncSessionManager
from sojourn.core.events import decode_event
from sojourn.http.cookies import CookiePolicy
from sojourn.http.exchange import Terms
from sojourn.server.answers import Problem
from sojourn.server.directory import AsyncUserDirectory
from sojourn.server.hub import Hub
from sojourn.server.push import EventStream, frame, push_routes
from sojourn.testing.clock import FakeClock
from sojourn.web.asgi import SessionMiddleware

pytestmark = pytest.mark.xdist_group("timing")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("push")) as running:
        running.add("ada", "_admin")
        running.add("luca")
        yield running


@asynccontextmanager
async def stream_of(manager: AsyncSessionManager, path: str, token: str) -> AsyncIterator[list[bytes]]:
    """An open stream in this process, with quick heartbeats: the bodies that it sends; the client leaves at the end."""
    terms = Terms(CookiePolicy("AuthSession", secure=False))
    hub, left, sent = Hub(manager), asyncio.Event(), list[bytes]()
    await hub.start()
    app = SessionMiddleware(Starlette(routes=push_routes(manager, terms, hub, 0.01)), manager, terms=terms)

    async def send(message: Any) -> None:
        sent.append(message.get("body", b"start"))

    async def receive() -> Any:
        await left.wait()
        return {"type": "http.disconnect"}

    headers = [(b"host", b"localhost"), (b"cookie", f"AuthSession={token}".encode())]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "query_string": b"", "scheme": "http"}
    async with asyncio.timeout(30):
        serving = asyncio.create_task(app(scope, receive, send))
        yield sent
        left.set()
        await serving
    assert len(hub) == 0
    await hub.stop()


def test_a_frame_is_framed_as_the_standard_says() -> None:
    assert frame("ended", b'{"a":1}') == b'event: ended\ndata: {"a":1}\n\n'
    assert frame("hello", b"{}", "h-1", 2000) == b"retry: 2000\nid: h-1\nevent: hello\ndata: {}\n\n"


def test_a_page_hears_within_a_second_that_its_session_was_revoked_elsewhere(server: Served) -> None:
    browser = server.client("luca")
    stream = server.events(browser, "/events")
    kind, about, _ = stream.next() or ("", {}, None)
    assert (kind, about["uid"]) == ("hello", "luca")
    with watching(server.data_dir) as watcher:
        done = server.run("sessions", "revoke", about["handle"][:8], "--json")
        assert done.stdout == '{"ended": 1}\n'
        ended = stream.next()
        heard_at = time.time() * 1000
        assert ended is not None
        assert ended[:2] == ("ended", {"reason": "revoked"})
        assert stream.next() is None, "the stream closes after the end"
        event = watcher.wait_for("session_ended", about["handle"])
        assert heard_at - event["at"] < 1_000
        assert (event["reason"], event["uid"], event["id"]) == ("revoked", "luca", ended[2])
        assert event["actor"].startswith("cli")
        later = server.client("luca").cookies["AuthSession"].partition(".")[0]
        watcher.wait_for("session_created", later)
        assert watcher.count("session_ended", about["handle"]) == 1
    assert browser.get("/_session").json()["userCtx"]["name"] is None


def test_a_page_hears_of_logout_in_another_tab(server: Served) -> None:
    browser = server.client("luca")
    stream = server.events(browser, "/events")
    stream.until("hello")
    assert browser.delete("/_session").status_code == 200
    assert stream.until("ended") == {"reason": "logout"}
    assert stream.next() is None


def test_a_page_hears_only_of_its_own_session(server: Served) -> None:
    mine, other = server.client("luca"), server.client("luca")
    stream = server.events(mine, "/events")
    stream.until("hello")
    other.delete("/_session")
    assert stream.is_quiet()


def test_an_anonymous_page_stays_connected(server: Served) -> None:
    for headers in ({}, {"cookie": "AuthSession=" + "0" * 32 + "." + "A" * 43}, {"cookie": "AuthSession=junk"}):
        stream = server.events(server.client(), "/events", headers=headers)
        assert stream.next() == ("hello", {"handle": None}, None)
        assert stream.is_quiet(0.1)
        assert "set-cookie" not in stream.headers
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/events", "/sessions/events"])
async def test_a_stream_does_not_touch_the_session(path: str) -> None:
    clock = FakeClock()
    async with AsyncSessionManager("memory://", clock=clock) as manager:
        session = await manager.create(uid="ada", roles=["_admin"])
        async with stream_of(manager, path, session.token or "") as sent:
            before = session.record
            clock.advance("1 h")  # an access would be noted now
            while len(sent) < 3:
                await asyncio.sleep(0)
            assert b"event: hello" in sent[1]
        assert (await manager.find(session.handle or "")).record == before


def test_expiry_reaches_the_page_without_anybody_asking(tmp_path: Path) -> None:
    with served(tmp_path, "--ttl", "1s") as server:
        server.add("luca")
        stream = server.events(server.client("luca"), "/events")
        stream.until("hello")
        assert stream.until("ended") == {"reason": "expired"}


def test_pages_of_other_sites_open_no_stream(server: Served) -> None:
    browser = server.client("ada")
    for path in ("/events", "/sessions/events"):
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
        ):
            answer = browser.get(path, headers=headers)
            assert answer.status_code == 403, headers
            assert answer.headers["content-type"] == "application/problem+json"


def test_a_head_request_does_not_hang(server: Served) -> None:
    assert server.client("ada").head("/events").status_code == 200
    assert server.client("ada").head("/sessions/events").status_code == 200


def test_the_feed_is_for_administrators(server: Served) -> None:
    anonymous, user = server.client().get("/sessions/events"), server.client("luca").get("/sessions/events")
    assert (anonymous.status_code, user.status_code) == (401, 403)
    assert user.json() == {"status": 403, "title": "Forbidden", "detail": "This needs the role _admin."}


def test_the_feed_tells_everything_as_our_events(server: Served) -> None:
    stream = server.events(server.client("ada"), "/sessions/events")
    assert stream.until("hello")["version"]
    browser = server.client("luca")
    handle = browser.cookies["AuthSession"].partition(".")[0]
    browser.delete("/_session")
    heard: list[tuple[str, Any, str | None]] = []
    while not heard or heard[-1][0] != "session_ended":
        found = stream.next()
        assert found is not None
        if found[1].get("handle") == handle:
            heard.append(found)
    assert [kind for kind, _, _ in heard] == ["session_created", "user_logged_in", "session_ended"]
    for kind, data, number in heard:
        event = decode_event(json.dumps(data))
        assert (event.id, type(event).__struct_config__.tag) == (number, kind)


def test_failed_sign_ins_reach_the_feed(server: Served) -> None:
    stream = server.events(server.client("ada"), "/sessions/events")
    stream.until("hello")
    server.client().post("/_session", json={"name": "nobody", "password": PASSWORD})
    assert stream.until("login_failed")["name"] == "nobody"


def test_who_comes_back_to_the_feed_is_told_of_the_gap(server: Served) -> None:
    admin = server.client("ada")
    stream = server.events(admin, "/sessions/events", headers={"last-event-id": "x-1"})
    assert [(stream.next() or ("",))[0], (stream.next() or ("",))[0]] == ["hello", "gap_noticed"]


def test_the_feed_ends_with_the_administrator_s_own_session(server: Served) -> None:
    admin = server.client("ada")
    stream = server.events(admin, "/sessions/events")
    stream.until("hello")
    handle = admin.cookies["AuthSession"].partition(".")[0]
    server.run("sessions", "revoke", handle)
    while (found := stream.next()) is not None:
        last = found
    assert (last[0], last[1]["handle"]) == ("session_ended", handle)


def test_a_client_that_left_is_forgotten(server: Served) -> None:
    host, port = server.url.removeprefix("http://").split(":")

    def over() -> int:  # each stream's line is written when it is over
        return sum(line.get("path") == "/events" for line in server.log())

    before = over()
    for _ in range(20):
        with socket.create_connection((host, int(port)), 10) as raw:
            raw.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            received = b""
            while b"hello" not in received:
                received += raw.recv(4096)
    deadline = time.monotonic() + 10
    while over() < before + 20:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.anyio
async def test_a_client_that_does_not_read_is_let_go() -> None:
    async with AsyncSessionManager("memory://") as manager:
        hub = Hub(manager)
        await hub.start()
        mailbox = hub.add(None)

        async def chunks() -> AsyncGenerator[bytes, None]:
            while events := await mailbox.take(60):
                yield b"." * len(events)

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                await asyncio.Event().wait()  # what uvicorn does while the socket takes no more

        async def receive() -> Any:
            await asyncio.Event().wait()

        serving = asyncio.create_task(EventStream(hub, mailbox, chunks())({"type": "http"}, receive, send))
        for _ in range(2 * mailbox.room + 2):
            _ = await manager.create()
        await asyncio.wait_for(serving, 10)
        assert len(hub) == 0
        await hub.stop()


@pytest.mark.anyio
async def test_who_loses_the_role_loses_the_feed_at_the_next_heartbeat() -> None:
    async with AsyncSessionManager("memory://") as manager:
        directory = AsyncUserDirectory(manager, password_policy="none")
        await directory.create("ada", "x", roles=["_admin"])
        session = await manager.create(uid="ada", roles=["_admin"])
        async with stream_of(manager, "/sessions/events", session.token or "") as sent:
            while b": still here\n\n" not in sent:
                await asyncio.sleep(0)
            await directory.set_roles("ada", [])
            while sent[-1]:  # the last chunk of an answer is empty
                await asyncio.sleep(0)
        await directory.aclose()


@pytest.mark.anyio
async def test_a_hub_is_full_at_its_number_of_streams_and_while_it_stops() -> None:
    async with AsyncSessionManager("memory://") as manager:
        hub = Hub(manager, max_streams=1)
        assert not hub.is_full
        mailbox = hub.add("")
        assert hub.is_full
        hub.remove(mailbox)
        assert not hub.is_full
        hub.end_streams()
        assert hub.is_full


@pytest.mark.anyio
async def test_the_hundred_and_first_stream_of_an_address_is_told_when_to_come_again() -> None:
    async with AsyncSessionManager("memory://") as manager:
        terms, hub = Terms(CookiePolicy("AuthSession", secure=False)), Hub(manager)
        for _ in range(100):
            hub.add("", "192.0.2.1")
        page = push_routes(manager, terms, hub)[0]
        scope = {"type": "http", "method": "GET", "path": "/events", "headers": [(b"host", b"localhost")]}
        scope |= {"query_string": b"", "scheme": "http", "client": ("192.0.2.1", 1), "server": ("localhost", 80)}
        with pytest.raises(Problem) as refused:
            await page.endpoint(Request(scope))
        assert (refused.value.status_code, refused.value.headers) == (503, {"retry-after": "5"})
        answer = await page.endpoint(Request(scope | {"client": ("192.0.2.2", 1)}))
        assert (answer.status_code, len(hub)) == (200, 101)
