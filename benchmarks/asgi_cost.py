"""What a session costs a request, in process, over bare Starlette; the peers in the same run.

One request is one call of the ASGI application with a fresh scope: no socket, no server. `untouched` does not look at
the session, `read` gets one key of three, `write` increments a number (ours as the atomic command, theirs as read,
add, write: that is all they have).
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import starsessions
from measure import Row, ainterleave, table
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware as StarletteSessions
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sojourn.web.asgi import SessionMiddleware

App = Callable[..., Awaitable[None]]


async def untouched(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def read(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok" if request.session.get("theme") == "dark" else "no")


async def write_ours(request: Request) -> PlainTextResponse:
    request.session.increment("n")
    return PlainTextResponse("ok")


async def write_theirs(request: Request) -> PlainTextResponse:
    request.session["n"] = request.session.get("n", 0) + 1
    return PlainTextResponse("ok")


async def fill(request: Request) -> PlainTextResponse:
    request.session.update({"theme": "dark", "n": 0, "cart": ["tea", "milk"]})
    return PlainTextResponse("ok")


def application(write: Callable[[Request], Awaitable[PlainTextResponse]]) -> Starlette:
    return Starlette(
        routes=[Route("/untouched", untouched), Route("/read", read), Route("/write", write), Route("/fill", fill)]
    )


def contestants(folder: Path) -> list[tuple[str, App]]:
    stars = starsessions.InMemoryStore()
    return [
        ("bare Starlette", application(write_theirs)),
        ("Sojourn, memory", SessionMiddleware(application(write_ours), "memory://")),
        (
            "Sojourn, SQLite FULL",
            SessionMiddleware(application(write_ours), f"sqlite:///{folder}/full.db"),
        ),
        (
            "Sojourn, SQLite NORMAL",
            SessionMiddleware(application(write_ours), f"sqlite:///{folder}/normal.db?synchronous=NORMAL"),
        ),
        ("Starlette's SessionMiddleware", StarletteSessions(application(write_theirs), secret_key="x" * 32)),
        (
            "starsessions, memory, autoload",
            starsessions.SessionMiddleware(
                starsessions.SessionAutoloadMiddleware(application(write_theirs)), store=stars, cookie_https_only=False
            ),
        ),
    ]


async def call(app: App, path: str, cookie: bytes) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "http_version": "1.1",
        "scheme": "http",
        "headers": [(b"host", b"localhost"), (b"user-agent", b"bench"), (b"cookie", b"lang=de; " + cookie)],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, send)
    return sent


def worker(app: App, path: str, cookie: bytes) -> Callable[[int], Awaitable[None]]:
    async def work(times: int) -> None:
        for _ in range(times):
            await call(app, path, cookie)

    return work


async def measure(rounds: int, times: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        apps = contestants(Path(name))
        cookies: list[bytes] = []
        for label, app in apps:
            if label == "bare Starlette":
                cookies.append(b"")
                continue
            sent = await call(app, "/fill", b"")
            cookies.append(next(v.split(b";")[0] for k, v in sent[0]["headers"] if k.lower() == b"set-cookie"))
            answer = await call(app, "/read", cookies[-1])
            assert answer[1]["body"] == b"ok", f"{label} did not remember"
        columns: dict[str, list[Row]] = {}
        for path in ("/untouched", "/read", "/write"):
            work = [
                (label, worker(app, path if label != "bare Starlette" else "/untouched", cookie))
                for (label, app), cookie in zip(apps, cookies, strict=True)
            ]
            slow = path == "/write"
            columns[path] = await ainterleave(work, rounds=rounds, times=times // 4 if slow else times)
        lines = []
        for index, (label, _) in enumerate(apps):
            cells = [label]
            for path in columns:
                bare, row = columns[path][0], columns[path][index]
                cells.append(f"{row.median - bare.median:+.1f} ({row.median_cpu - bare.median_cpu:+.1f} CPU)")
            lines.append(cells)
        bare = columns["/untouched"][0]
        table(
            f"microseconds a request over bare Starlette ({bare.median:.1f} us); median of {rounds} rounds x {times}",
            ["", "untouched", "read", "write"],
            lines,
        )


def main(rounds: int = 9, times: int = 2000) -> None:
    asyncio.run(measure(rounds, times))


if __name__ == "__main__":
    main()
