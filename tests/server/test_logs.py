"""Logs: a line a request, never a secret, nothing from outside that breaks out of its line."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from sojourn import AsyncSessionManager
from sojourn.core.tokens import make_token
from sojourn.server.app import make_server
from sojourn.server.directory import AsyncUserDirectory
from sojourn.server.logs import HumanFormatter, JsonFormatter, RequestLog, configure, without_secrets
from sojourn.server.services import Services
from sojourn.users.throttle import Limits

TOKEN = make_token("0123456789abcdef" * 2, b"s" * 32)
PASSWORD = "relaxed marmot 47"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a server writes as JSON; the loggers are put back afterwards."""
    root, ours = logging.getLogger(), logging.getLogger("sojourn")
    before = (root.handlers[:], root.level, ours.level)
    stream = io.StringIO()
    configure("json", stream, {})
    yield stream
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    ours.setLevel(before[2])


def parsed(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def record(message: str, name: str = "sojourn.server", level: int = logging.INFO, **fields: Any) -> logging.LogRecord:
    made = logging.LogRecord(name, level, __file__, 1, message, (), None)
    made.__dict__.update(fields)
    return made


def test_tokens_and_handles_are_cut() -> None:
    assert without_secrets(f"x {TOKEN.text} y") == "x 01234567… y"
    assert without_secrets(f"/sessions/{TOKEN.handle}") == "/sessions/01234567…"
    assert without_secrets(f"AuthSession={TOKEN.text};") == "AuthSession=01234567…;"
    assert without_secrets("0123abcd") == "0123abcd"


@pytest.mark.parametrize("formatter", [JsonFormatter(), HumanFormatter(colour=False), HumanFormatter(colour=True)])
def test_no_formatter_writes_a_token(formatter: logging.Formatter) -> None:
    try:
        raise ValueError(TOKEN.text)
    except ValueError as error:
        made = record(f"cookie {TOKEN.text}", handle=TOKEN.text, path=TOKEN.text)
        made.exc_info = (type(error), error, error.__traceback__)
    written = formatter.format(made)
    assert TOKEN.secret not in written
    assert TOKEN.handle not in written
    assert "ValueError" in written


@pytest.mark.parametrize("hostile", ["a\r\nb", "a\x1b[2Jb", "a\u2028b", "a\x9b31mb"])
def test_nothing_from_outside_begins_a_line_or_moves_the_cursor(hostile: str) -> None:
    human = HumanFormatter(colour=False).format(record(hostile))
    assert human.isprintable()
    line = JsonFormatter().format(record(hostile, path=hostile))
    assert "\n" not in line
    assert "\x1b" not in line
    assert json.loads(line)["message"] == hostile


def test_colours_only_where_they_are_wanted() -> None:
    warning = record("x", level=logging.WARNING)
    assert "\x1b[33m" in HumanFormatter(colour=True).format(warning)
    assert "\x1b" not in HumanFormatter(colour=False).format(warning)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("form", "stream", "environ", "expected"),
    [
        ("auto", Terminal(), {}, (HumanFormatter, True)),
        ("auto", Terminal(), {"NO_COLOR": "1"}, (HumanFormatter, False)),
        ("auto", io.StringIO(), {}, (JsonFormatter, False)),
        ("human", io.StringIO(), {}, (HumanFormatter, False)),
        ("json", Terminal(), {}, (JsonFormatter, False)),
    ],
)
def test_the_form_follows_the_terminal(
    form: Any, stream: io.StringIO, environ: dict[str, str], expected: Any, lines: io.StringIO
) -> None:
    configure(form, stream, environ)
    (handler,) = logging.getLogger().handlers
    logging.getLogger("sojourn.x").warning("w")
    assert (type(handler.formatter), "\x1b" in stream.getvalue()) == expected


@pytest.mark.anyio
async def test_a_request_is_one_line_without_its_query(lines: io.StringIO) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    transport = httpx2.ASGITransport(app=RequestLog(app))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        await client.get(f"/sessions/{TOKEN.handle}?password=hunter2")
        await client.get("/healthz")
    (line,) = parsed(lines)
    assert line.pop("duration_ms") >= 0
    del line["time"]
    assert line == {
        "level": "info",
        "logger": "sojourn.access",
        "method": "GET",
        "path": "/sessions/01234567…",
        "status": 204,
    }


@pytest.mark.anyio
async def test_the_last_resort_shows_nothing_and_logs_all(lines: io.StringIO) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError(f"inner detail {TOKEN.text}")

    transport = httpx2.ASGITransport(app=RequestLog(app))
    async with httpx2.AsyncClient(transport=transport, base_url="http://x") as client:
        answer = await client.get("/x")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "inner" not in answer.text
    failure, access = parsed(lines)
    assert "inner detail 01234567…" in failure["traceback"]
    assert access["status"] == 500


@pytest.mark.anyio
async def test_a_failure_in_the_middle_of_an_answer_is_logged_as_500(lines: io.StringIO) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await RequestLog(app)({"type": "http", "method": "GET", "path": "/x", "headers": []}, None, send)  # type: ignore[arg-type]  # not read
    assert sent == ["http.response.start"], "an open answer is not mended"
    assert parsed(lines)[-1]["status"] == 500


@pytest.mark.anyio
async def test_a_whole_life_leaves_no_secret_in_the_log(lines: io.StringIO) -> None:
    async with AsyncSessionManager("memory://") as manager:
        directory = AsyncUserDirectory(manager, limits=Limits.off())
        await directory.create("ada", PASSWORD, roles=["_admin"])
        app = make_server(Services(manager, directory)).app
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://127.0.0.1") as client:
            await client.post("/_session", json={"name": "ada", "password": "wrong " + PASSWORD})
            await client.post("/_session", json={"name": "ada", "password": PASSWORD})
            token = client.cookies["AuthSession"]
            await client.get("/sessions")
            await client.get(f"/sessions/{token}")
            await client.post("/_session", json={"name": "ada", "password": PASSWORD})
            await client.get("/_session", headers={"cookie": f"AuthSession={token}"})  # rotated away
            await client.delete("/sessions?everybody=true", headers={"sec-fetch-site": "cross-site"})
            await client.delete("/sessions?everybody=true")
            secrets = [token.partition(".")[2], client.cookies["AuthSession"].partition(".")[2], PASSWORD]
        await directory.aclose()
    written = lines.getvalue()
    assert not [secret for secret in secrets if secret in written]
    assert token.partition(".")[0] not in written
    security = [line for line in parsed(lines) if line["logger"] == "sojourn.security"]
    assert {"login_failed", "signed_in", "token_reused", "foreign_request", "revoked"} <= {
        line["event"] for line in security
    }
    assert {line["level"] for line in security if line["event"] != "signed_in"} == {"warning"}
    handles = [line.get("handle") for line in parsed(lines) if line.get("path") == "/sessions"]
    assert token[:8] in handles
