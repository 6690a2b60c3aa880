"""The administrators' JSON API, in this process, over memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from sojourn import AsyncSessionManager, SessionEnded
from sojourn.server.app import create_app
from sojourn.server.directory import AsyncUserDirectory
from sojourn.server.services import Services
from sojourn.testing.clock import FakeClock
from sojourn.users.throttle import Limits

pytestmark = pytest.mark.anyio

PASSWORD = "relaxed marmot 47"


class House:
    """A server's parts, and clients of it.

    Attributes:
        ended: Every end, as handler of the process.
    """

    def __init__(self, manager: AsyncSessionManager, clock: FakeClock) -> None:
        self.manager, self.clock = manager, clock
        self.directory = AsyncUserDirectory(manager, limits=Limits.off())
        self.app = create_app(Services(manager, self.directory))
        self.ended: list[SessionEnded] = []
        manager.on(SessionEnded, self.ended.append)

    async def client(self, name: str | None = None, **headers: str) -> httpx2.AsyncClient:
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app), base_url="http://127.0.0.1", headers=headers
        )
        if name is not None:
            answer = await client.post("/_session", json={"name": name, "password": PASSWORD})
            assert answer.status_code == 200
        return client


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    clock = FakeClock()
    async with AsyncSessionManager("memory://", clock=clock) as manager:
        made = House(manager, clock)
        await made.directory.create("ada", PASSWORD, roles=["_admin"])
        await made.directory.create("luca", PASSWORD, roles=["editor"])
        yield made
        await made.directory.aclose()


def handle_of(client: httpx2.AsyncClient) -> str:
    return client.cookies["AuthSession"].partition(".")[0]


ROUTES = [
    ("GET", "/sessions"),
    ("GET", "/sessions/" + "0" * 32),
    ("DELETE", "/sessions/" + "0" * 32),
    ("DELETE", "/sessions?uid=luca"),
    ("DELETE", "/sessions?everybody=true"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_only_administrators_may(method: str, path: str) -> None:
    async with house() as made:
        for name, status in ((None, 401), ("luca", 403)):
            answer = await (await made.client(name)).request(method, path)
            assert (answer.status_code, answer.json()["status"]) == (status, status)
            assert answer.headers["content-type"] == "application/problem+json"
        assert not [event for event in made.ended if event.reason == "revoked"]


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] == "DELETE"])
async def test_pages_of_other_sites_end_nothing(method: str, path: str) -> None:
    async with house() as made:
        await made.client("luca")
        admin = await made.client("ada")
        for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}):
            answer = await admin.request(method, path, headers=headers)
            assert answer.status_code == 403
        assert made.ended == []
        assert (await admin.get("/sessions")).json()["count"] == 2


async def test_a_listing_is_newest_first_and_complete_over_pages() -> None:
    async with house() as made:
        admin = await made.client("ada")
        handles = [handle_of(admin)]
        for number in range(6):
            made.clock.advance("1 s")
            handles.insert(0, (await made.manager.create({"n": number}, uid=f"user{number % 2}")).handle or "")
        found: list[dict[str, Any]] = []
        after = ""
        for _ in range(4):
            page = (await admin.get(f"/sessions?limit=2{after}")).json()
            assert page["count"] == 7
            found += page["sessions"]
            after = f"&after={page['next']}"
            if page["next"] is None:
                break
        assert [row["handle"] for row in found] == handles
        assert [row["current"] for row in found] == [False] * 6 + [True]
        assert "token" not in str(found).lower()


async def test_a_filter_is_a_user_or_the_beginning_of_a_handle() -> None:
    async with house() as made:
        admin = await made.client("ada")  # "ada" is hexadecimal too
        one = await made.manager.create(uid="user")
        other = await made.manager.create(uid="user")

        async def listed(query: str) -> tuple[list[str], int]:
            answer = (await admin.get(f"/sessions?{query}")).json()
            return sorted(row["handle"] for row in answer["sessions"]), answer["count"]

        both = sorted([one.handle or "", other.handle or ""])
        assert await listed("uid=user") == (both, 2)
        assert await listed("q=user") == (both, 2)
        assert await listed("q=ada") == ([handle_of(admin)], 1)
        assert await listed(f"q={(one.handle or '')[:12].upper()}") == ([one.handle], 1)
        assert await listed(f"uid=user&q={(one.handle or '')[:12]}") == ([one.handle], 1)
        assert await listed("q=nobody") == ([], 0)
        assert await listed("q=") == (sorted([*both, handle_of(admin)]), 3)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "limit=x", "after=x", "page=2", "uid=luca&q=nothex", "limit=٣"]
)
async def test_a_wrong_query_is_400_and_says_what_is_right(query: str) -> None:
    async with house() as made:
        answer = await (await made.client("ada")).get(f"/sessions?{query}")
        assert answer.status_code == 400
        assert len(answer.json()["detail"]) > 20


async def test_one_session_is_shown_with_its_data_but_no_secrets() -> None:
    async with house() as made:
        admin = await made.client("ada")
        session = await made.manager.create({"theme": "dark", "csrf": "hunter2", "n": [1, 2.0, {"pwd": "x"}]})
        answer = await admin.get(f"/sessions/{session.handle}")
        assert answer.json()["data"] == {"theme": "dark", "csrf": "•••", "n": [1, 2.0, {"pwd": "•••"}]}
        assert answer.headers["cache-control"] in ("no-store", "private, no-store", "no-store, private")
        for unknown in ("0" * 32, "short", session.token):
            answer = await admin.get(f"/sessions/{unknown}")
            assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")


async def test_looking_at_a_session_leaves_no_trace() -> None:
    async with house() as made:
        admin = await made.client("ada")
        session = await made.manager.create({"a": 1}, uid="luca")
        made.clock.advance("1 h")
        before = (await made.manager.find(session.handle or "")).record
        await admin.get(f"/sessions/{session.handle}")
        await admin.get("/sessions")
        assert (await made.manager.find(session.handle or "")).record == before


async def test_revoking_one_tells_who_did_it() -> None:
    async with house() as made:
        admin, user = await made.client("ada"), await made.client("luca")
        handle = handle_of(user)
        answer = await admin.delete(f"/sessions/{handle}")
        assert answer.json() == {"ended": 1}
        assert [(event.handle, event.reason, event.actor) for event in made.ended] == [(handle, "revoked", "ada")]
        assert (await user.get("/_session")).json()["userCtx"]["name"] is None
        assert (await admin.delete(f"/sessions/{handle}")).status_code == 404


async def test_revoking_a_user_ends_all_of_theirs_and_no_other() -> None:
    async with house() as made:
        admin = await made.client("ada")
        for _ in range(3):
            await made.client("luca")
        assert (await admin.delete("/sessions?uid=luca")).json() == {"ended": 3}
        assert (await admin.delete("/sessions?uid=luca")).json() == {"ended": 0}
        assert (await admin.get("/sessions")).json()["count"] == 1


async def test_revoking_everybody_keeps_the_administrator() -> None:
    async with house() as made:
        admin = await made.client("ada")
        await made.client("luca")
        await made.client("ada")
        assert (await admin.delete("/sessions?everybody=true")).json() == {"ended": 2}
        rows = (await admin.get("/sessions")).json()["sessions"]
        assert [row["handle"] for row in rows] == [handle_of(admin)]


@pytest.mark.parametrize("query", ["", "?everybody=1", "?uid=", "?uid=luca&everybody=true", "?user=luca"])
async def test_revoking_without_saying_whom_ends_nobody(query: str) -> None:
    async with house() as made:
        await made.client("luca")
        answer = await (await made.client("ada")).delete(f"/sessions{query}")
        assert answer.status_code == 400
        assert made.ended == []


async def test_revoking_oneself_signs_out() -> None:
    async with house() as made:
        admin = await made.client("ada")
        assert (await admin.delete(f"/sessions/{handle_of(admin)}")).json() == {"ended": 1}
        assert (await admin.get("/sessions")).status_code == 401
