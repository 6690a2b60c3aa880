"""The ASGI middleware around whole applications: failures, streams, WebSockets, cancellation, caches, and Starlette."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from asgi_client import Answer, Browser, over, page, request
from asgi_site import Site, made_up
from sojourn import AsyncSessionManager
from sojourn.core.events import SessionCreated
from sojourn.errors import (
    ConfigurationError,
    OutcomeUnknown,
    SessionNotFound,
    SessionTooLarge,
    StoreUnavailable,
    UsageError,
    ValueRefused,
)
from sojourn.http.cookies import CookiePolicy
from sojourn.http.exchange import Terms
from sojourn.testing import EventRecorder
from sojourn.web.asgi import SessionMiddleware

pytestmark = pytest.mark.anyio

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
BODY = {"type": "http.response.body", "body": b"same for all"}


# Failures -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503, 599])
@pytest.mark.parametrize("is_new", [False, True])
async def test_a_5xx_drops_what_was_recorded(site: Site, status: int, is_new: bool) -> None:
    browser = Browser(None) if is_new else await site.visitor()

    async def handler(session: Any) -> None:
        session["n"] = 2
        session.sign_in("ada")

    answer = await site.visit(browser, handler, status=status)
    assert (answer.status, answer.cookie) == (status, "none")
    assert await site.manager.count() == (not is_new)
    if not is_new:
        session = await site.manager.open(browser.token or "")
        assert (dict(session), session.uid) == ({"n": 1}, None)


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404, 499])
async def test_any_other_status_saves(site: Site, status: int) -> None:
    browser = await site.visitor()

    async def handler(session: Any) -> None:
        session["n"] = 2

    await site.visit(browser, handler, status=status)
    assert await site.data(browser) == {"n": 2}


async def test_an_exception_drops_what_was_recorded_and_is_raised_on(site: Site) -> None:
    browser = await site.visitor()

    async def handler(session: Any) -> None:
        session["n"] = 2
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await site.visit(browser, handler)
    assert await site.data(browser) == {"n": 1}


async def test_an_early_rotation_reaches_its_client_though_the_page_fails(site: Site) -> None:
    browser = await site.visitor()

    async def handler(session: Any) -> None:
        session.sign_in("ada")
        await session.commit()
        session["n"] = 2
        raise ZeroDivisionError

    sent: list[Any] = []
    app = site.app(handler)

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        async def keep(message: Any) -> None:
            sent.append(message)

        with pytest.raises(ZeroDivisionError):  # for the server's log
            await app(scope, receive, keep)
        for message in sent:
            await send(message)

    browser.app = outer
    answer = await browser.get()
    assert (answer.status, answer.cookie, answer.body) == (500, "set", b"Internal Server Error\n")
    session = await site.manager.open(browser.token or "")
    assert (session.uid, dict(session)) == ("ada", {"n": 1})


async def test_an_early_rotation_reaches_its_client_with_a_5xx(site: Site) -> None:
    browser = await site.visitor()

    async def handler(session: Any) -> None:
        session.sign_in("ada")
        await session.commit()

    assert (await site.visit(browser, handler, status=500)).cookie == "set"
    assert (await site.manager.open(browser.token or "")).uid == "ada"


async def test_a_value_made_unstorable_in_place_is_refused_when_the_answer_begins(site: Site) -> None:
    browser = await site.visitor()

    async def fill(session: Any) -> None:
        session["a"] = {"b": []}

    async def spoil(session: Any) -> None:
        session["a"]["b"].append(object())
        session["n"] = 2

    await site.visit(browser, fill)
    answer = await site.visit(browser, spoil)
    assert (answer.status, answer.body) == (400, b"ValueRefused\n")
    assert await site.data(browser) == {"n": 1, "a": {"b": []}}


async def test_too_much_is_refused_with_its_status_and_nothing_is_stored(site: Site) -> None:
    browser = await site.visitor()

    async def handler(session: Any) -> None:
        session["n"] = "x" * 2_000_000

    answer = await site.visit(browser, handler)
    assert (answer.status, answer.body) == (413, f"{SessionTooLarge.__name__}\n".encode())
    assert await site.data(browser) == {"n": 1}


async def test_what_the_program_does_wrong_is_no_fault_of_its_client(site: Site) -> None:
    async def handler(session: Any) -> None:
        session["n"] = object()

    with pytest.raises(ValueRefused):
        await site.visit(Browser(None), handler)


async def test_a_csrf_error_that_nobody_handles_is_a_403(site: Site) -> None:
    async def handler(session: Any) -> None:
        session.assert_csrf("forged")

    assert (await site.visit(await site.visitor(), handler)).status == 403


async def test_an_unknown_outcome_is_a_503_and_nothing_is_sent_twice(site: Site) -> None:
    browser = await site.visitor()

    async def handler(session: Any) -> None:
        session.increment("n")
        site.store.failure = OutcomeUnknown("no answer came")

    answer = await site.visit(browser, handler)
    assert (answer.status, answer.body) == (503, b"OutcomeUnknown\n")
    assert site.store.taken() == ["Load", "Apply"]


async def test_errors_are_logged_without_secrets(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    browser = await site.visitor("ada")

    async def handler(session: Any) -> None:
        session["n"] = 2
        await site.manager.revoke(session.handle)

    token = browser.token or ""
    assert (await site.visit(browser, handler, late_writes="raise")).status == 401
    assert "answered 401: SessionNotFound" in caplog.text
    assert token.partition(".")[2] not in caplog.text  # A.9 #28


async def test_a_page_that_answers_an_error_of_the_session_is_told_to_caches(site: Site) -> None:
    browser = await site.visitor()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        session = scope["session"]
        session["n"] = 2
        await site.manager.revoke(session.handle)
        try:
            await send(dict(START))
        except SessionNotFound:
            await send({"type": "http.response.start", "status": 403})
            await send({"type": "http.response.body", "body": b"sorry"})

    browser.app = site.raw(app, late_writes="raise")
    answer = await browser.get()
    assert (answer.status, answer.body, answer.cookie) == (403, b"sorry", "cleared")
    assert answer.is_private


async def test_a_page_that_answers_a_dead_store_is_told_to_caches(site: Site) -> None:
    browser = await site.visitor()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        with pytest.raises(StoreUnavailable):
            scope["session"].get("n")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"try later"})

    site.store.failure = StoreUnavailable("down")
    browser.app = site.raw(app)
    answer = await browser.get()
    assert (answer.body, answer.cookie, answer.is_private) == (b"try later", "none", True)


async def test_no_answer_saves_nothing(site: Site) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["n"] = 1

    async def send(message: Any) -> None: ...

    await site.raw(app)({"type": "http", "headers": [], "scheme": "http"}, send, send)
    assert site.store.taken() == []


# What goes out ------------------------------------------------------------------------------------------------------


async def test_an_answer_that_is_a_constant_keeps_nobodys_cookie(site: Site) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["n"] = 1
        await send(START)
        await send(BODY)

    wrapped = site.raw(app)
    answers = [await request(wrapped) for _ in range(3)]
    assert [len(answer.all("set-cookie")) for answer in answers] == [1, 1, 1]
    assert len({answer.all("set-cookie")[0] for answer in answers}) == 3
    assert START["headers"] == [(b"content-type", b"text/plain")]


async def test_an_answer_without_headers_gets_some(site: Site) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["n"] = 1
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    assert (await request(site.raw(app))).cookie == "set"


async def test_the_headers_of_the_application_stay(site: Site) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["n"] = 1
        headers = [[b"Vary", b"Accept"], [b"set-cookie", b"lang=en"], [b"Cache-Control", b"public, max-age=60"]]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body"})

    answer = await request(site.raw(app))
    assert answer.get("vary") == "Accept, Cookie"
    assert answer.get("cache-control") == "max-age=60, private, no-store"
    assert [line.partition("=")[0] for line in answer.all("set-cookie")] == ["sid", "lang"]


async def test_untouched_the_very_messages_go_through(site: Site) -> None:
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(BODY)

    async def send(message: Any) -> None:
        got.append(message)

    await site.raw(app)({"type": "http", "headers": []}, send, send)
    assert got[0] is START
    assert got[1] is BODY
    assert site.store.taken() == []


@pytest.mark.parametrize("https", [False, True])
async def test_the_guards_of_the_cookie(memory: Site, https: bool) -> None:
    async def handler(session: Any) -> None:
        session["n"] = 1

    (line,) = (await memory.visit(Browser(None, https=https), handler)).all("set-cookie")
    name, attributes = line.split("=")[0], set(line.split("; ")[1:])
    assert name == ("__Host-sid" if https else "sid")
    assert attributes == {"Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=2592000"} | ({"Secure"} if https else set())


async def test_secrets_sign_and_may_be_changed(memory: Site) -> None:
    async def handler(session: Any) -> Any:
        return session.increment("n")

    browser = Browser(None)
    for secrets in (["a" * 32], ["b" * 32, "a" * 32], ["b" * 32]):
        answer = await memory.visit(browser, handler, secrets=secrets)
    assert answer.body == b"3"
    answer = await memory.visit(browser, handler, secrets=["c" * 32])
    assert answer.body == b"1"
    assert memory.store.taken().count("Load") == 2  # a forged one is refused before the store is asked


@pytest.mark.parametrize(
    "lines",
    [
        [b"sid=" + b"x" * 100_000],
        [b"a=;" * 20_000],
        [b"sid"],
        [b"sid=null"],
        [b"sid=\xff\xfe"],
        [b'sid="quoted"'],
        [b"sid=../../etc/passwd\x00"],
        [b"sid= "],
        [b"=__Host-sid=bad"],
        [b"%73id=1"],
        [b"sid=a", b"sid=b"],
        [b"sid=" + made_up().encode() + b"; sid=other"],
        [made_up().encode()],
    ],
)
async def test_a9_hostile_cookies_are_anonymous_and_never_an_error(memory: Site, lines: list[bytes]) -> None:
    async def handler(session: Any) -> Any:
        return session.uid, dict(session)

    answer = await request(memory.app(handler), cookies=lines)
    assert (answer.status, answer.body) == (200, b"(None, {})")
    assert memory.store.taken() == []


async def test_a9_6_two_different_tokens_are_nobodys(site: Site) -> None:
    ada, bob = await site.visitor("ada"), await site.visitor("bob")

    async def handler(session: Any) -> Any:
        return session.uid

    for first, second in ((ada, bob), (bob, ada)):
        lines = [f"sid={first.token}".encode(), f"sid={second.token}".encode()]
        answer = await request(site.app(handler), cookies=lines)
        assert (answer.body, answer.cookie) == (b"None", "cleared")


async def test_a9_12_anonymous_visitors_leave_no_rows(site: Site) -> None:
    async def handler(session: Any) -> Any:
        return session.get("n"), session.uid, await session.end()

    app = site.app(handler)
    for _ in range(1000):
        await request(app)
    assert site.store.taken() == []


async def test_a9_29_a_token_elsewhere_than_in_the_cookie_opens_nothing(site: Site) -> None:
    browser = await site.visitor("ada")

    async def handler(session: Any) -> Any:
        return session.uid

    token = (browser.token or "").encode()
    answer = await request(site.app(handler), f"/?sid={browser.token}", headers=((b"sid", token), (b"referer", token)))
    assert answer.body == b"None"


# Streams ------------------------------------------------------------------------------------------------------------


def stream(steps: Any) -> Any:
    """An application whose answer begins before the steps run; the session is looked at before."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        session = scope["session"]
        await session.load()
        await send(dict(START))
        async for part in steps(session):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    return app


async def test_what_a_stream_writes_is_saved_midway_and_at_its_end(site: Site) -> None:
    browser = await site.visitor()
    seen: list[Any] = []

    async def steps(session: Any) -> Any:
        session["midway"] = True
        yield b"1"
        assert "midway" not in await site.data(browser)
        await session.commit()
        seen.append(await site.data(browser))
        yield b"2"
        session.increment("n")

    browser.app = site.raw(stream(steps))
    answer = await browser.get()
    assert answer.body == b"12"
    assert seen == [{"n": 1, "midway": True}]
    assert await site.data(browser) == {"n": 2, "midway": True}


async def test_a_stream_whose_session_ended_is_told_at_commit_and_dropped_at_its_end(site: Site) -> None:
    browser = await site.visitor()
    told: list[str] = []

    async def steps(session: Any) -> Any:
        yield b"1"
        await site.manager.revoke(session.handle)
        session["n"] = 2
        try:
            await session.commit()
        except SessionNotFound:
            told.append("ended")
        session["n"] = 3
        with pytest.raises(SessionNotFound):
            await session.commit()
        session["n"] = 4

    browser.app = site.raw(stream(steps))
    assert (await browser.get()).body == b"1"
    assert told == ["ended"]
    assert await site.manager.count() == 0


@pytest.mark.parametrize("act", ["sign_in", "rotate", "regenerate", "create", "take", "lifetime"])
async def test_a_new_token_after_the_response_began_is_refused(site: Site, act: str) -> None:
    browser = Browser(None) if act in ("create", "take") else await site.visitor()

    async def steps(session: Any) -> Any:
        yield b"1"
        if act == "sign_in":
            session.sign_in("ada")
        elif act == "rotate":
            session.rotate()
        elif act == "create":
            session["n"] = 1
        elif act == "lifetime":
            session.set_lifetime("1 hour")
        with pytest.raises(UsageError, match="the response has begun"):
            await {"take": lambda: session.take("n"), "regenerate": session.regenerate}.get(act, session.commit)()
        session.drop_changes()

    browser.app = site.raw(stream(steps))
    await browser.get()
    assert await site.manager.count() == (0 if browser.token is None else 1)
    if browser.token is not None:
        assert (await site.manager.open(browser.token)).uid is None


async def test_a_sign_in_left_to_the_end_of_a_stream_is_raised_and_not_stored(site: Site) -> None:
    browser = await site.visitor()

    async def steps(session: Any) -> Any:
        yield b"1"
        session.sign_in("ada")

    browser.app = site.raw(stream(steps))
    with pytest.raises(UsageError, match="the response has begun"):
        await browser.get()
    assert (await site.manager.open(browser.token or "")).uid is None


async def test_a_commit_without_anything_recorded_is_no_error_in_a_stream(site: Site) -> None:
    async def steps(session: Any) -> Any:
        yield b"1"
        await session.commit()

    browser = await site.visitor()
    browser.app = site.raw(stream(steps))
    assert (await browser.get()).body == b"1"


async def test_a_stream_of_a_5xx_saves_nothing_at_its_end(site: Site) -> None:
    browser = await site.visitor()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["n"] = 2
        await send({"type": "http.response.start", "status": 500})
        scope["session"]["n"] = 3
        await send({"type": "http.response.body"})

    browser.app = site.raw(app)
    await browser.get()
    assert await site.data(browser) == {"n": 1}


async def test_a7_a_first_look_while_the_body_is_sent_is_refused_since_no_cache_was_told(site: Site) -> None:
    browser = await site.visitor()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(dict(START))
        with pytest.raises(UsageError, match="told caches nothing"):
            scope["session"].get("n")
        await send({"type": "http.response.body", "body": b"1"})
        scope["session"]["after"] = scope["session"]["n"]  # the whole answer is sent: a background task may look

    browser.app = site.raw(app)
    assert (await browser.get()).get("vary") is None
    if site.kind != "network":
        assert await site.data(browser) == {"n": 1, "after": 1}


# WebSockets ---------------------------------------------------------------------------------------------------------


class Socket:
    """A client's end of a WebSocket, driven message by message."""

    def __init__(self, app: Any, browser: Browser, **scope: Any) -> None:
        lines = "; ".join(f"{name}={value}" for name, value in browser.jar.items())
        headers = [(b"host", b"localhost"), *([(b"cookie", lines.encode())] if lines else [])]
        self.scope = {"type": "websocket", "scheme": "ws", "path": "/", "headers": headers, "client": None, **scope}
        self.browser = browser
        self.inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.outbox: asyncio.Queue[Any] = asyncio.Queue()
        self.inbox.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(self.scope, self.inbox.get, self.outbox.put))

    async def opened(self) -> Answer:
        message = await self.outbox.get()
        answer = Answer(101, list(message.get("headers", ())))
        assert message["type"] == "websocket.accept"
        self.browser.take(answer)
        return answer

    def say(self, text: str) -> None:
        self.inbox.put_nowait({"type": "websocket.receive", "text": text})

    async def heard(self) -> str:
        return str((await self.outbox.get()).get("text"))

    async def close(self) -> None:
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await self.task


async def talk(scope: Any, receive: Any, send: Any) -> None:
    """Answers commands about the session: `add`, `commit`, `in NAME`, `read`."""
    socket, session = WebSocket(scope, receive, send), scope["session"]
    session.setdefault("visits", 0)
    await socket.accept()
    try:
        while True:
            match (await socket.receive_text()).split():
                case ["add"]:
                    session.increment("visits")
                case ["commit"]:
                    await session.commit()
                case ["in", name]:
                    session.sign_in(name)
            await socket.send_text(repr(session.get("visits")))
    except WebSocketDisconnect:
        return
    except (SessionNotFound, UsageError) as error:
        await socket.send_text(type(error).__name__)
        session.drop_changes()


async def test_a_websocket_brings_its_cookie_with_the_handshake_and_saves(site: Site) -> None:
    browser = Browser(None)
    socket = Socket(site.raw(talk), browser)
    assert (await socket.opened()).cookie == "set"
    socket.say("add")
    assert await socket.heard() == "1"
    assert await site.data(browser) == {"visits": 0}
    socket.say("commit")
    await socket.heard()
    assert await site.data(browser) == {"visits": 1}
    socket.say("add")
    await socket.heard()
    await socket.close()
    assert await site.data(browser) == {"visits": 2}  # at the close, too

    again = Socket(site.raw(talk), browser)
    assert (await again.opened()).cookie == "none"
    again.say("read")
    assert await again.heard() == "2"
    await again.close()


async def test_a_websocket_whose_session_ended_elsewhere_is_told_at_commit(site: Site) -> None:
    browser = await site.visitor("ada")
    socket = Socket(site.raw(talk), browser)
    await socket.opened()
    await site.manager.revoke(uid="ada")
    socket.say("add")
    await socket.heard()
    socket.say("commit")
    assert await socket.heard() == "SessionNotFound"
    await socket.task
    assert await site.manager.count() == 0


async def test_a_websocket_cannot_sign_in_once_it_is_open(site: Site) -> None:
    browser = await site.visitor()
    socket = Socket(site.raw(talk), browser)
    await socket.opened()
    socket.say("in ada")
    await socket.heard()
    socket.say("commit")
    assert await socket.heard() == "UsageError"
    await socket.task
    assert (await site.manager.open(browser.token or "")).uid is None


async def test_a_websocket_may_first_look_after_its_handshake(site: Site) -> None:
    browser = await site.visitor()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        scope["session"].increment("n")

    socket = Socket(site.raw(app), browser)
    assert (await socket.opened()).headers == []
    await socket.task
    assert await site.data(browser) == {"n": 2}


@pytest.mark.parametrize("how", ["close", "denial"])
async def test_a_refused_handshake(site: Site, how: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["session"]["n"] = 2
        if how == "close":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await send({"type": "websocket.http.response.start", "status": 403, "headers": []})
            await send({"type": "websocket.http.response.body", "body": b""})

    browser = await site.visitor()
    socket = Socket(site.raw(app), browser)
    await socket.task
    assert await site.data(browser) == {"n": 1 if how == "close" else 2}  # a denial is an answer like any other
    if how == "denial":
        assert Answer(403, (await socket.outbox.get())["headers"]).is_private


async def test_a_secure_websocket_reads_the_prefixed_cookie(memory: Site) -> None:
    browser = await memory.visitor("ada", https=True)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "headers": [(b"x-uid", str(scope["session"].uid).encode())]})

    for scheme, uid in (("wss", "ada"), ("ws", "None")):
        assert (await Socket(memory.raw(app), browser, scheme=scheme).opened()).get("x-uid") == uid


# Cancellation: a client that leaves, at every await ---------------------------------------------------------------


class Steps:
    """Cancels a task at its n-th time of waiting for the store or the network."""

    def __init__(self, at: int) -> None:
        self.left = at

    async def wait(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise asyncio.CancelledError
        await asyncio.sleep(0)


@pytest.mark.parametrize("is_embedded", [True, False])
async def test_cancelled_at_any_await_the_store_is_before_or_after(network: Site, is_embedded: bool) -> None:
    site = network
    site.store.embedded = is_embedded
    seen: set[str] = set()
    for at in range(1, 12):
        browser = await site.visitor()
        handle = (browser.token or "").partition(".")[0]
        steps = Steps(at)
        perform = site.store.aperform

        async def aperform(op: Any, steps: Steps = steps, perform: Any = perform) -> Any:
            await steps.wait()
            reply = await perform(op)
            await steps.wait()
            return reply

        async def app(scope: Any, receive: Any, send: Any, steps: Steps = steps) -> None:
            session = scope["session"]
            session["n"], session["m"] = 2, 2
            await steps.wait()
            await send(dict(START))
            await steps.wait()
            session["late"] = True
            await send(dict(BODY))

        site.store.aperform = aperform  # type: ignore[method-assign]
        try:
            answer = await request(site.raw(app), cookies=[f"sid={browser.token}".encode()])
            seen.add(f"answered {answer.status}")
        except asyncio.CancelledError:
            seen.add("cancelled")
        finally:
            site.store.aperform = perform  # type: ignore[method-assign]
        data = dict(await site.manager.find(handle))
        assert data in ({"n": 1}, {"n": 2, "m": 2}, {"n": 2, "m": 2, "late": True}), at
        seen.add(repr(data))
    assert len(seen) == 5  # each of the three states, cancelled and answered


async def test_identities_never_cross(network: Site) -> None:
    """20,000 interleaved reads of 50 users, one in ten cancelled on its way (A.9 #30, #31; row 17)."""
    site = network
    users = [await site.visitor(f"user{number}") for number in range(50)]
    chance = random.Random(7)
    wrong: list[str] = []
    done = 0

    async def handler(session: Any) -> str:
        before = session.uid
        await asyncio.sleep(0)
        return f"{before} {session.uid}"

    app = site.app(handler)

    async def visits(count: int) -> None:
        nonlocal done
        for _ in range(count):
            number = chance.randrange(50)
            read = request(app, cookies=[f"sid={users[number].token}".encode()])
            if chance.random() < 0.1:
                task = asyncio.ensure_future(read)
                for _ in range(chance.randrange(1, 5)):
                    await asyncio.sleep(0)
                task.cancel()
                answer = (await asyncio.gather(task, return_exceptions=True))[0]
            else:
                answer = await read
            done += 1
            if isinstance(answer, Answer) and answer.body != f"user{number} user{number}".encode():
                wrong.append(f"{number}: {answer.body!r}")

    await asyncio.gather(*(visits(500) for _ in range(40)))
    assert (done, wrong) == (20_000, [])


# Caches -------------------------------------------------------------------------------------------------------------


class SharedCache:
    """A caching proxy by RFC 9111: stores what it may, and answers whom it may from what it stored."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.stored: dict[str, list[tuple[dict[str, str], Answer]]] = {}
        self.hits = 0

    async def get(self, path: str, jar: dict[str, str]) -> Answer:
        fields = {"cookie": "; ".join(f"{name}={value}" for name, value in jar.items())}
        for selecting, answer in self.stored.get(path, ()):
            if all(
                fields.get(name, "") == value for name, value in selecting.items()
            ):  # 4.1: calculating keys with Vary
                self.hits += 1
                return answer
        answer = await request(self.app, path, cookies=[fields["cookie"].encode()] if jar else [])
        if self._may_store(answer):
            names = [name.strip().lower() for line in answer.all("vary") for name in line.split(",")]
            kept = {name: fields.get(name, "") for name in names}
            self.stored.setdefault(path, []).append((kept, answer))
        return answer

    @staticmethod
    def _may_store(answer: Answer) -> bool:
        """3: not if no-store or private; 4.2.2: without an age of its own by heuristics, as many caches do."""
        directives = {
            part.strip().partition("=")[0] for line in answer.all("cache-control") for part in line.split(",")
        }
        return (
            not directives & {"no-store", "private"} and "*" not in answer.all("vary") and answer.status in (200, 404)
        )


async def personal(scope: Any, receive: Any, send: Any) -> None:
    """Pages for all and for one, some of which claim to be public."""
    session, path = scope["session"], scope["path"]
    headers: list[Any] = [(b"cache-control", b"public, max-age=60")] if path.endswith("public") else []
    if path.startswith("/in/"):
        session.sign_in(path.split("/")[2])
    elif path.startswith("/out"):
        await session.end()
    elif path.startswith("/write"):
        session.increment("n")
    text = "for all"
    if path.startswith("/has"):
        text = f"{'n' in session} {session.uid}"
    elif path.startswith(("/me", "/write", "/in/")):
        text = f"page of {session.uid}"
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})


async def test_a7_a_shared_cache_serves_nobody_anothers_page_or_cookie(site: Site) -> None:
    cache = SharedCache(site.raw(personal))
    chance = random.Random(11)
    browsers = {"ada": Browser(None), "bob": Browser(None)}
    uid: dict[str, str | None] = {"ada": None, "bob": None}
    owners: dict[str, str] = {}
    paths = ["/", "/public", "/me", "/me/public", "/has", "/has/public", "/write", "/write/public", "/in/", "/out"]
    for _ in range(1000):
        name, path = chance.choice(["ada", "bob"]), chance.choice(paths)
        answer = await cache.get(f"/in/{name}" if path == "/in/" else path, browsers[name].jar)
        for line in answer.all("set-cookie"):
            value = line.partition(";")[0].partition("=")[2]
            assert not value or owners.setdefault(value, name) == name, "a foreign cookie"
        browsers[name].take(answer)
        if path in ("/in/", "/out"):
            uid[name] = name if path == "/in/" else None
        if path not in ("/", "/public", "/out"):
            assert answer.body.decode().endswith(f" {uid[name]}"), "a foreign page"
    assert cache.hits > 100  # pages that look at no session stay cacheable


# Options ------------------------------------------------------------------------------------------------------------


async def test_another_name_and_policy(memory: Site) -> None:
    async def handler(session: Any) -> None:
        session["n"] = 1

    answer = await memory.visit(Browser(None, https=True), handler, cookie="shop")
    assert answer.all("set-cookie")[0].startswith("__Host-shop=")
    policy = CookiePolicy("AuthSession", secure=False, same_site="strict")
    (line,) = (await memory.visit(Browser(None), handler, terms=Terms(policy, persistent=False))).all("set-cookie")
    assert line.startswith("AuthSession=")
    assert line.endswith("SameSite=Strict")


async def test_the_second_cookie(memory: Site) -> None:
    async def handler(session: Any) -> Any:
        return session.increment("n")

    options: dict[str, Any] = {"secrets": ["s" * 32], "sign_style": "companion"}
    browser = Browser(None)
    await memory.visit(browser, handler, **options)
    assert list(browser.jar) == ["sid_sig", "sid"] or list(browser.jar) == ["sid", "sid_sig"]
    assert (await memory.visit(browser, handler, **options)).body == b"2"
    del browser.jar["sid_sig"]
    assert (await memory.visit(browser, handler, **options)).body == b"1"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"load": "sometimes"}, "load is 'eager' or 'lazy'"),
        ({"late_writes": "keep"}, "late_writes"),
        ({"on_store_error": "hide"}, "on_store_error"),
        ({"secrets": ["short"]}, "octets"),
        ({"cookie": "no name"}, "cookie name"),
        ({"ttl": "14"}, "ttl"),
        ({"sessions": "mysql://"}, "no store for"),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        SessionMiddleware(page(lambda session: asyncio.sleep(0)), **options)


def test_options_of_sessions_belong_to_the_manager_that_is_given() -> None:
    with pytest.raises(ConfigurationError, match="give ttl to the AsyncSessionManager"):
        SessionMiddleware(page(lambda session: asyncio.sleep(0)), AsyncSessionManager(), ttl="1 hour")


async def test_options_reach_the_manager_that_is_made() -> None:
    async def handler(session: Any) -> Any:
        session["n"] = 1
        await session.commit()
        return session.time_left.days

    assert (await request(over(handler, "memory://", ttl="3 days"))).body in (b"2", b"3")


async def test_other_kinds_of_scopes_go_through(memory: Site) -> None:
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.append(scope)

    scope = {"type": "something.else"}
    await memory.raw(app)(scope, app, app)  # type: ignore[arg-type]
    assert got == [{"type": "something.else"}]


# Starlette ----------------------------------------------------------------------------------------------------------


def shop() -> list[Any]:
    async def count(request: Request) -> Response:
        return PlainTextResponse(str(request.session.setdefault("n", 0)))

    async def add(request: Request) -> Response:
        request.session["n"] = request.session.get("n", 0) + 1
        return PlainTextResponse("added")

    async def sign_in(request: Request) -> Response:
        request.session.sign_in("ada")  # type: ignore[attr-defined]
        return PlainTextResponse("welcome")

    async def plain(request: Request) -> Response:
        return PlainTextResponse("plain")

    async def teapot(request: Request) -> Response:
        request.session["n"] = 99
        raise HTTPException(int(request.path_params["status"]))

    async def streamed(request: Request) -> Response:
        session = request.session

        async def parts() -> Any:
            for number in range(3):
                session["part"] = number
                yield f"{number}"
                await session.commit()  # type: ignore[attr-defined]

        session["part"] = None
        return StreamingResponse(parts())

    async def socket(websocket: WebSocket) -> None:
        websocket.session["socket"] = True
        await websocket.accept(headers=[(b"x-own", b"1")])
        await websocket.send_text(str(websocket.session.get("n")))
        await websocket.close()

    return [
        Route("/count", count),
        Route("/add", add, methods=["GET", "POST"]),
        Route("/in", sign_in),
        Route("/plain", plain),
        Route("/fail/{status}", teapot),
        Route("/stream", streamed),
        WebSocketRoute("/socket", socket),
    ]


@pytest.fixture
def starlette(site: Site) -> Any:
    routes = [*shop(), Mount("/mounted", routes=shop())]
    return Starlette(routes=routes, middleware=[Middleware(SessionMiddleware, sessions=site.manager)])


@pytest.mark.parametrize("root", ["", "/mounted"])
async def test_starlette(site: Site, starlette: Any, root: str) -> None:
    browser = Browser(starlette)
    plain = await browser.get(f"{root}/plain")
    assert (plain.body, plain.get("vary"), plain.cookie) == (b"plain", None, "none")
    assert (await browser.get(f"{root}/add")).cookie == "set"
    assert (await browser.get(f"{root}/count")).body == b"1"
    before = browser.token
    assert (await browser.get(f"{root}/in")).cookie == "set"
    assert browser.token != before
    assert (await browser.get(f"{root}/fail/404")).status == 404
    assert (await browser.get(f"{root}/count")).body == b"99"
    assert (await browser.get(f"{root}/add")).cookie == "none"
    assert (await browser.get(f"{root}/fail/503")).status == 503
    assert (await browser.get(f"{root}/count")).body == b"100"
    assert (await browser.get(f"{root}/stream")).body == b"012"
    assert (await site.data(browser))["part"] == 2
    assert (await site.manager.open(browser.token or "")).uid == "ada"


async def test_starlette_websockets(site: Site, starlette: Any) -> None:
    browser = await site.visitor()
    socket = Socket(starlette, browser, path="/socket", query_string=b"", subprotocols=[])
    opened = await socket.opened()
    assert opened.get("x-own") == "1"
    assert await socket.heard() == "1"
    await socket.task
    assert await site.data(browser) == {"n": 1, "socket": True}


async def test_starlettes_own_error_page_saves_nothing(site: Site) -> None:
    async def boom(request: Request) -> Response:
        request.session["n"] = 2
        raise ZeroDivisionError

    app = Starlette(routes=[Route("/", boom)], middleware=[Middleware(SessionMiddleware, sessions=site.manager)])
    browser = await site.visitor()
    browser.app = app
    with pytest.raises(ZeroDivisionError):
        await browser.get()
    assert await site.data(browser) == {"n": 1}


async def test_starlettes_handlers_may_answer_our_errors(site: Site) -> None:
    async def late(request: Request) -> Response:
        request.session["n"] = 2
        await site.manager.revoke(request.session.handle)  # type: ignore[attr-defined]
        await request.session.commit()  # type: ignore[attr-defined]
        return PlainTextResponse("never")

    async def sorry(request: Request, error: Exception) -> Response:
        return PlainTextResponse("signed out", status_code=403)

    app = Starlette(
        routes=[Route("/", late)],
        exception_handlers={SessionNotFound: sorry},
        middleware=[Middleware(SessionMiddleware, sessions=site.manager)],
    )
    browser = await site.visitor()
    browser.app = app
    answer = await browser.get()
    assert (answer.status, answer.body, answer.cookie) == (403, b"signed out", "cleared")
    assert answer.is_private


async def test_each_session_begins_once_under_parallel_first_visits(site: Site) -> None:
    events = EventRecorder(site.manager)

    async def handler(session: Any) -> None:
        session["n"] = 1

    app = site.app(handler)
    answers = await asyncio.gather(*(request(app) for _ in range(20)))
    assert len({answer.all("set-cookie")[0] for answer in answers}) == 20
    assert len(events.of(SessionCreated)) == 20
