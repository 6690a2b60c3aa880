"""The hub hands each event to whom it is for, and never more than a mailbox holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sojourn import AsyncSessionManager, GapNoticed, SessionCreated, SessionEnded
from sojourn.server.hub import ADDRESS_STREAMS, Hub, Mailbox

pytestmark = pytest.mark.anyio


def created(number: int) -> SessionCreated:
    return SessionCreated(id=f"h-{number}", at=number, handle="h")


@asynccontextmanager
async def hub_of(manager: AsyncSessionManager) -> AsyncIterator[Hub]:
    hub = Hub(manager)
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()


async def test_a_mailbox_gives_all_at_once_in_order() -> None:
    mailbox = Mailbox("h")
    for number in range(3):
        mailbox.put(created(number))
    assert [event.at for event in await mailbox.take(5)] == [0, 1, 2]
    assert await mailbox.take(0) == []


async def test_a_mailbox_that_was_closed_is_emptied_first() -> None:
    mailbox = Mailbox("h")
    mailbox.put(created(1))
    mailbox.close()
    mailbox.put(created(2))
    assert [event.at for event in await mailbox.take(5)] == [1]
    assert await mailbox.take(5) == []


async def test_a_full_mailbox_is_closed_and_holds_nothing() -> None:
    mailbox = Mailbox("h", room=3)
    for number in range(3):
        mailbox.put(created(number))
    assert mailbox.is_open
    mailbox.put(created(3))
    assert not mailbox.is_open
    assert mailbox.overfull.is_set()
    assert await mailbox.take(5) == []


async def test_each_hears_its_own_and_some_hear_all() -> None:
    async with AsyncSessionManager("memory://") as manager:
        mine, other = await manager.create(), await manager.create()
        my_handle, other_handle = mine.handle, other.handle
        async with hub_of(manager) as hub:
            own, everything, anonymous = hub.add(mine.handle), hub.add(None), hub.add("")
            await other.end()
            await mine.end()
            heard = await own.take(5)
            assert [(event.handle, type(event)) for event in heard] == [(my_handle, SessionEnded)]
            assert [event.handle for event in await everything.take(5)] == [other_handle, my_handle]
            assert await anonymous.take(0) == []
            assert len(hub) == 3
            for mailbox in (own, everything, anonymous, own):
                hub.remove(mailbox)
            assert len(hub) == 0


async def test_a_gap_is_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    async def listen(*_: object, **__: object) -> AsyncIterator[GapNoticed]:
        yield GapNoticed(id="gap-1", at=1)

    monkeypatch.setattr(AsyncSessionManager, "listen", listen)
    async with AsyncSessionManager("memory://") as manager, hub_of(manager) as hub:
        boxes = [hub.add("a"), hub.add("b"), hub.add(None), hub.add("")]
        for box in boxes:
            assert [event.id for event in await box.take(5)] == ["gap-1"]


async def test_a_hub_that_fails_ends_its_streams_loudly(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def listen(*_: object, **__: object) -> AsyncIterator[GapNoticed]:
        raise RuntimeError("a defect")
        yield

    monkeypatch.setattr(AsyncSessionManager, "listen", listen)
    async with AsyncSessionManager("memory://") as manager, hub_of(manager) as hub:
        mailbox = hub.add(None)
        with caplog.at_level(logging.ERROR):
            assert await mailbox.take(5) == []
        assert not mailbox.is_open
        assert hub.is_full
        await asyncio.sleep(0)
        assert "event streams failed" in caplog.text


async def test_one_address_cannot_take_every_place() -> None:
    async with AsyncSessionManager("memory://") as manager:
        hub = Hub(manager)
        boxes = [hub.add("h", "192.0.2.1") for _ in range(ADDRESS_STREAMS)]
        assert hub.is_full_for("192.0.2.1")
        assert not hub.is_full_for("192.0.2.2")
        assert not hub.is_full_for(None)
        assert not hub.is_full, "an administrator at this address is let in"
        for _ in range(2):  # forgotten twice, counted once
            hub.remove(boxes[0])
        assert not hub.is_full_for("192.0.2.1")
        hub.add("", "192.0.2.1")
        assert hub.is_full_for("192.0.2.1")


async def test_some_places_are_kept_for_administrators() -> None:
    async with AsyncSessionManager("memory://") as manager:
        hub = Hub(manager, max_streams=5, admin_streams=2)
        boxes = [hub.add("h") for _ in range(3)]
        assert hub.is_full_for(None)
        assert not hub.is_full
        boxes += [hub.add(None), hub.add(None)]
        assert hub.is_full
        hub.remove(boxes[0])
        assert not hub.is_full_for(None)
        hub.end_streams()
        assert hub.is_full_for(None)
