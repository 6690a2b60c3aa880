"""A browser and a store for tests of the ASGI adapter: what is sent is kept as it went over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from sojourn.core.operations import StoreOp
from sojourn.stores.memory import MemoryStore
from sojourn.web.asgi import SessionMiddleware
from sojourn.web.visit import VisitedSession

__all__ = ["Answer", "Browser", "Handler", "WatchedStore", "over", "page", "request"]

Handler = Callable[[VisitedSession], Awaitable[object]]


class WatchedStore:
    """A store around another one: it notes what is asked, and can be slow, distant or dead.

    Attributes:
        asked: The names of the operations, in order.
        failure: Raised instead of performing, while it is set.
        gates: Events that an operation of that name waits for before it is performed (awaited calls only).
        pauses: Whether each awaited operation lets other tasks run before and after, as a network does.
    """

    def __init__(self, inner: Any = None, *, embedded: bool = True, pauses: bool = False) -> None:
        self.inner = MemoryStore() if inner is None else inner
        self.abilities = self.inner.abilities
        self.embedded = embedded
        self.pauses = pauses
        self.asked: list[str] = []
        self.failure: Exception | None = None
        self.gates: dict[str, asyncio.Event] = {}
        self.calls: list[str] = []

    def _note(self, op: StoreOp) -> None:
        self.asked.append(type(op).__name__)
        if self.failure is not None:
            raise self.failure

    def perform(self, op: StoreOp) -> Any:
        assert self.embedded, "a network store is never asked in place"
        self._note(op)
        return self.inner.perform(op)

    async def aperform(self, op: StoreOp) -> Any:
        self._note(op)
        if gate := self.gates.get(type(op).__name__):
            await gate.wait()
        if self.pauses:
            await asyncio.sleep(0)
        reply = await self.inner.aperform(op)
        if self.pauses:
            await asyncio.sleep(0)
        return reply

    def taken(self) -> list[str]:
        """What was asked since the last look."""
        taken, self.asked = self.asked, []
        return taken

    def setup(self) -> None:
        self.inner.setup()

    async def asetup(self) -> None:
        self.calls.append("setup")
        await self.inner.asetup()

    def event_mark(self) -> int:
        mark: int = self.inner.event_mark()
        return mark

    def close(self) -> None:
        self.inner.close()

    async def aclose(self) -> None:
        self.calls.append("close")
        await self.inner.aclose()


@dataclass
class Answer:
    """A response as it was sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == name.encode()]

    def get(self, name: str) -> str | None:
        found = self.all(name)
        assert len(found) < 2, found
        return found[0] if found else None

    @property
    def cookie(self) -> str:
        """What became of the session's cookie: `none`, `set` or `cleared`."""
        lines = self.all("set-cookie")
        if not lines:
            return "none"
        return "cleared" if "Max-Age=0" in lines[0] else "set"

    @property
    def is_private(self) -> bool:
        """Whether caches are kept from it, by both headers that A.7 asks for."""
        return self.get("vary") == "Cookie" and self.get("cache-control") == "private, no-store"


@dataclass
class Browser:
    """Sends requests to an application and keeps cookies as browsers do: by name, until cleared."""

    app: Any
    https: bool = False
    host: str = "localhost"
    jar: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str = "/", **options: Any) -> Answer:
        """One request with this browser's cookies; what the answer sets is kept."""
        lines = [f"{name}={value}" for name, value in self.jar.items()]
        cookies = [b"; ".join(line.encode() for line in lines)] if lines else []
        answer = await request(self.app, path, cookies=cookies, https=self.https, host=self.host, **options)
        self.take(answer)
        return answer

    def take(self, answer: Answer) -> None:
        """Keep what an answer sets and drop what it clears."""
        for line in answer.all("set-cookie"):
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            if "Max-Age=0" in attributes:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value

    @property
    def token(self) -> str | None:
        """The session's token, where the cookie is not signed."""
        return self.jar.get("__Host-sid" if self.https else "sid")


async def request(
    app: Any,
    path: str = "/",
    *,
    cookies: list[bytes] | tuple[bytes, ...] = (),
    https: bool = False,
    host: str = "localhost",
    method: str = "GET",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Answer:
    """Send one request in process and gather the answer."""
    sent: list[Any] = []
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": method,
        "scheme": "https" if https else "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "server": (host, 443 if https else 80),
        "client": ("192.0.2.7", 4711),
        "headers": [
            (b"host", host.encode()),
            (b"user-agent", b"Test/1"),
            *headers,
            *((b"cookie", line) for line in cookies),
        ],
    }

    bodies = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if not bodies:
            await asyncio.Event().wait()  # nobody leaves: who listens for that is cancelled when the answer is sent
        return bodies.pop()

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    starts = [message for message in sent if message["type"] == "http.response.start"]
    assert len(starts) == 1, f"{len(starts)} answers began"
    body = b"".join(message.get("body", b"") for message in sent if message["type"] == "http.response.body")
    return Answer(starts[0]["status"], list(starts[0].get("headers", ())), body)


def page(handler: Handler, status: int = 200) -> Any:
    """An application that runs the handler on the request's session, then answers `text/plain`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = await handler(scope["session"])
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": str(body).encode()})

    return app


def over(handler: Handler, sessions: Any = "memory://", *, status: int = 200, **options: Any) -> SessionMiddleware:
    """The middleware around such an application."""
    return SessionMiddleware(page(handler, status), sessions, **options)
