"""`AsyncSessionManager`, every method, over memory and SQLite. What each does is tested with `SessionManager`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from sojourn import (
    AsyncSession,
    AsyncSessionManager,
    Conflict,
    EndReason,
    SessionEnded,
    SessionExpired,
    SessionManager,
    SessionNotFound,
    StoreUnavailable,
    UsageError,
    check,
    increment,
    pop_last,
)
from sojourn.stores.memory import MemoryStore
from sojourn.testing import EventRecorder, FakeClock

pytestmark = pytest.mark.anyio
Make = Callable[..., AsyncSessionManager]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
async def make(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Make]:
    """Makes managers on one store that they share."""
    made: list[AsyncSessionManager] = []
    shared = MemoryStore() if request.param == "memory" else f"sqlite:///{tmp_path}/sessions.db?synchronous=NORMAL"

    def build(**options: Any) -> AsyncSessionManager:
        made.append(AsyncSessionManager(shared, **{"clock": clock, **options}))
        return made[-1]

    yield build
    for manager in made:
        await manager.aclose()


def token_of(session: AsyncSession) -> str:
    assert session.token is not None
    return session.token


async def test_the_first_lines_in_the_other_colour(make: Make) -> None:
    sessions = make()
    session = await sessions.open(token_of(await sessions.create()))
    session["theme"] = "dark"
    session["cart"] = {"items": []}
    session["cart"]["items"].append("tea")
    await session.commit()
    session.sign_in("luca", roles=["editor"])
    await session.commit()
    assert await session.apply(increment("n"), check("theme", "dark")) == ()
    with pytest.raises(Conflict):
        await session.apply(check("theme", "light"))
    assert dict(await sessions.open(token_of(session))) == {"theme": "dark", "cart": {"items": ["tea"]}, "n": 1}
    heard: list[Any] = []

    async def listen() -> None:
        async for event in sessions.listen(poll_interval=0.001):
            heard.append(event)
            break

    task = asyncio.create_task(listen())
    while not task.done():
        await (await sessions.create(uid="luca")).end()
        await asyncio.sleep(0.005)
    await task
    assert len(heard) == 1


async def test_a_session_through_its_life(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl="1 hour")
    session = sessions.new()
    session["q"] = [1, 2, 3]
    await session.commit()
    assert (await session.pop_first("q"), await session.pop_last("q"), await session.take("z", 9)) == (1, 3, 9)
    assert await session.apply(pop_last("q"), pop_last("q")) == (2, None)
    other = await sessions.find(str(session.handle))
    other["b"] = 1
    await other.commit()
    await session.refresh()
    assert session["b"] == 1
    clock.advance("10 min")
    await session.touch()
    assert session.last_access == clock.now
    token = token_of(session)
    await session.regenerate(keep=True)
    assert session["b"] == 1
    with pytest.raises(SessionNotFound):
        await sessions.open(token)
    assert await session.end() is True
    assert await session.end() is False
    assert await sessions.count() == 0


async def test_looking_and_revoking(make: Make, clock: FakeClock) -> None:
    sessions = make()
    events = EventRecorder(sessions)
    made = []
    for uid in ("luca", "anna", "luca", None):
        made.append(await sessions.create(uid=uid))
        clock.advance(ms=1)
    assert [session.handle async for session in sessions.list(page_size=2)] == [session.handle for session in made]
    page, cursor = await sessions.page(uid="luca", limit=1)
    rest, end = await sessions.page(uid="luca", after=cursor)
    assert [session.handle for session in (*page, *rest)] == [made[0].handle, made[2].handle]
    assert end is None
    assert await sessions.count(uid="luca") == 2
    assert await sessions.signed_in() == ("luca", "anna", "luca")
    assert await sessions.notify_logout(made[1]) is True
    assert await sessions.revoke(made[1], actor="root") == 1
    assert await sessions.revoke(uid="luca", keep=made[0]) == 1
    assert await sessions.revoke(everybody=True) == 2
    assert [event.reason for event in events.of(SessionEnded)] == [EndReason.REVOKED] * 4
    with pytest.raises(UsageError):
        await sessions.revoke()


async def test_async_handlers_are_awaited_before_the_end_is_acknowledged(make: Make) -> None:
    sessions = make()
    heard: list[str] = []

    @sessions.on(SessionEnded)
    async def goodbye(event: SessionEnded) -> None:
        await asyncio.sleep(0)
        heard.append(str(event.handle))

    session = await sessions.create()
    handle = session.handle
    await session.end()
    assert heard == [handle]


async def test_sweeping(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl="1 min")
    events = EventRecorder(sessions)
    session = await sessions.create()
    clock.advance("2 min")
    with pytest.raises(SessionExpired):
        await sessions.open(token_of(session))
    assert (await sessions.sweep()).held
    assert events.one(SessionEnded).reason is EndReason.EXPIRED


async def test_the_sweeper_task_sweeps_and_stops(make: Make) -> None:
    sessions = make(ttl="0.05 s", clock=lambda: time.time_ns() // 1_000_000)
    ended = asyncio.Event()
    sessions.on(SessionEnded, lambda event: ended.set())
    await sessions.create()
    sweeper = sessions.start_sweeper()
    await asyncio.wait_for(ended.wait(), 10)
    await sweeper.stop()
    assert not any(task.get_name() == "sojourn-sweeper" for task in asyncio.all_tasks())


async def test_many_tasks_on_one_session_lose_nothing(make: Make) -> None:
    sessions = make()
    token = token_of(await sessions.create({"n": 0, "l": []}))

    async def request(number: int) -> None:
        session = await sessions.open(token)
        session.increment("n")
        session["l"].append(number)
        await session.commit()

    await asyncio.gather(*[request(number) for number in range(50)])
    session = await sessions.open(token)
    assert session["n"] == 50
    assert sorted(session["l"]) == list(range(50))


async def test_both_colours_share_a_store(make: Make) -> None:
    sessions = make()
    session = await sessions.create({"a": 1})
    other = SessionManager(sessions.store, clock=sessions.now)
    assert other.open(token_of(session))["a"] == 1


async def test_health_and_closing(make: Make) -> None:
    sessions = make()
    await sessions.setup()
    assert (await sessions.health()).durability
    async with make() as inside:
        session = await inside.create()
    with pytest.raises(StoreUnavailable):
        await inside.open(token_of(session))
