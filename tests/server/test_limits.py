"""Bounds on what a connection may take before it has asked for anything, over real sockets."""

from __future__ import annotations

import asyncio
import itertools
import socket
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.requests import Request

from sojourn.server import bodies, limits
from sojourn.server.couch_answers import Refusal
from sojourn.server.limits import HEAD_OCTETS, BoundedProtocol, connections_at_most

pytestmark = pytest.mark.xdist_group("timing")

QUICK_S = 0.3


class Quick(BoundedProtocol):
    head_s = QUICK_S


async def app(scope: Any, receive: Any, send: Any) -> None:
    """`/slow` streams for longer than a head may take, `/body` reads, everything else answers at once."""
    if scope["path"] == "/body":
        while (await receive()).get("more_body"):
            pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/slow":
        for _ in range(8):
            await send({"type": "http.response.body", "body": b"tick ", "more_body": True})
            await asyncio.sleep(QUICK_S / 4)
    await send({"type": "http.response.body", "body": b"done"})


@contextmanager
def listening(protocol: type[BoundedProtocol]) -> Iterator[int]:
    config = uvicorn.Config(app, http=protocol, ws="none", lifespan="off", log_config=None, port=0)
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listening(BoundedProtocol) as found:
        yield found


@pytest.fixture(scope="module")
def quick_port() -> Iterator[int]:
    with listening(Quick) as found:
        yield found


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), 20) as raw:
        yield raw


def until(raw: socket.socket, mark: bytes) -> bytes:
    received = b""
    while mark not in received:
        part = raw.recv(65_536)
        assert part, received
        received += part
    return received


def rest(raw: socket.socket) -> bytes:
    received = b""
    while part := raw.recv(65_536):
        received += part
    return received


def send_until_closed(raw: socket.socket, parts: Iterable[bytes], pause_s: float = 0.02) -> None:
    deadline = time.monotonic() + 20
    try:
        for part in parts:
            assert time.monotonic() < deadline
            raw.sendall(part)
            time.sleep(pause_s)
    except ConnectionError:
        return


def head(octets: int, lines: int = 1) -> bytes:
    """A head of exactly so many octets."""
    start = b"GET / HTTP/1.1\r\nHost: x\r\n"
    left = octets - len(start) - 2
    padding = [b"X: " + b"a" * (left // lines - 5) + b"\r\n" for _ in range(lines - 1)]
    padding.append(b"X: " + b"a" * (left - sum(map(len, padding)) - 5) + b"\r\n")
    made = start + b"".join(padding) + b"\r\n"
    assert len(made) == octets
    return made


@pytest.mark.parametrize("lines", [1, 50])
def test_a_head_may_have_just_so_many_octets(port: int, lines: int) -> None:
    with connected(port) as raw:
        for _ in range(2):  # each head is counted for itself
            raw.sendall(head(HEAD_OCTETS, lines))
            assert b"200 OK" in until(raw, b"0\r\n\r\n")
        raw.sendall(head(HEAD_OCTETS + 1, lines))
        answer = rest(raw)
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer
    assert b'"status":431' in answer


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\nX: b\r\nX"])
def test_a_head_that_never_ends_is_431(port: int, start: bytes) -> None:
    with connected(port) as raw:
        raw.sendall(start.ljust(HEAD_OCTETS + 1, b"a"))
        assert rest(raw).startswith(b"HTTP/1.1 431 ")


def test_a_body_is_no_head_and_its_trailers_are(port: int) -> None:
    size = 4 * HEAD_OCTETS
    with connected(port) as raw:
        raw.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"." * size)
        assert b"200 OK" in until(raw, b"0\r\n\r\n")
        # Two requests at once: the second one's head is not charged with the first one's body.
        raw.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"." * size + head(1000))
        assert until(raw, b"0\r\n\r\n")
        raw.sendall(b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        trailer = b"X: " + b"a" * 1000 + b"\r\n"
        send_until_closed(raw, itertools.repeat(trailer), 0.001)  # no answer: the route still reads


def test_many_requests_at_once_are_counted_one_by_one(port: int) -> None:
    with connected(port) as raw:
        raw.sendall(head(2_000) * 99)
        received = b""
        while received.count(b"0\r\n\r\n") < 99:
            received += raw.recv(65_536)
        assert b" 431 " not in received


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
def test_a_head_that_does_not_come_is_not_waited_for(quick_port: int, sent: bytes) -> None:
    with connected(quick_port) as raw:
        began = time.monotonic()
        raw.sendall(sent)
        assert rest(raw) == b""
        assert QUICK_S * 0.9 < time.monotonic() - began < 5


def test_octet_by_octet_does_not_help(quick_port: int) -> None:
    with connected(quick_port) as raw:
        began = time.monotonic()
        send_until_closed(raw, itertools.chain([b"G", b"E", b"T", b" "], itertools.repeat(b"/")))
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("sent", [b"\r\n", b"GET / HTTP/1.1\r\n"])
def test_a_further_head_has_as_long_as_the_first(quick_port: int, sent: bytes) -> None:
    with connected(quick_port) as raw:
        raw.sendall(head(100))
        until(raw, b"0\r\n\r\n")
        time.sleep(QUICK_S * 2)
        raw.sendall(head(100))  # idle between two requests is uvicorn's affair, and longer
        until(raw, b"0\r\n\r\n")
        began = time.monotonic()
        raw.sendall(sent)
        assert rest(raw) == b""
        assert QUICK_S * 0.9 < time.monotonic() - began < 4


@pytest.mark.parametrize("meanwhile", [b"", b"\r\n", b"GET / HTTP/1.1\r\n"])
def test_a_streaming_answer_is_finished(quick_port: int, meanwhile: bytes) -> None:
    with connected(quick_port) as raw:
        raw.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        received = until(raw, b"tick ")
        raw.sendall(meanwhile)
        received += until(raw, b"0\r\n\r\n")
        assert received.count(b"tick ") == 8
        assert b"done" in received


def test_a_body_that_goes_on_after_its_answer_is_not_waited_for(quick_port: int) -> None:
    with connected(quick_port) as raw:
        raw.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n.")
        until(raw, b"0\r\n\r\n")
        began = time.monotonic()
        send_until_closed(raw, itertools.repeat(b"."))
        assert time.monotonic() - began < 5


@pytest.mark.anyio
async def test_a_body_that_does_not_come_is_408(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_S", 0.01)

    async def receive() -> Any:
        await asyncio.sleep(0.004)
        return {"type": "http.request", "body": b".", "more_body": True}

    with pytest.raises(Refusal, match=r"within 0.01 seconds") as refused:
        await bodies.read_body(Request({"type": "http", "method": "POST", "headers": []}, receive))
    assert (refused.value.status, refused.value.headers) == (408, {"Connection": "close"})


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such bound")
@pytest.mark.parametrize(
    ("files", "expected"), [(1024, 960), (1_048_576, 20_000), (-1, 20_000), (100, 50), (20_063, 19_999), (1, 1)]
)
def test_fewer_connections_than_files(files: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    monkeypatch.setattr(resource, "RLIM_INFINITY", -1)
    assert connections_at_most() == expected
    assert limits.MAX_CONNECTIONS == 20_000
