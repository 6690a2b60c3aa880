"""The loop behind `sojourn sessions watch`."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

import click

from sojourn.async_manager import AsyncSessionManager
from sojourn.cli.common import Output, clock
from sojourn.core.events import AnyEvent, LoginFailed, SessionEnded, encode_event

__all__ = ["Once", "in_words", "watch_events"]

REMEMBERED = 10_000


class Once:
    """Remembers the ids of the latest events: a crash may repeat one, with the same id (promise 3)."""

    def __init__(self, room: int = REMEMBERED) -> None:
        self._room = room
        self._ids: OrderedDict[str, None] = OrderedDict()

    def is_new(self, event_id: str) -> bool:
        """Whether this id was not asked for before."""
        if event_id in self._ids:
            return False
        self._ids[event_id] = None
        if len(self._ids) > self._room:
            self._ids.popitem(last=False)
        return True


def watch_events(url: str, uid: str | None, output: Output) -> None:
    """Print events until interrupted."""
    asyncio.run(_watch(url, uid, output))


async def _watch(url: str, uid: str | None, output: Output) -> None:
    once = Once()
    async with AsyncSessionManager(url) as manager:
        position = await manager.position()
        click.echo("watching; Ctrl-C stops it", err=True)
        async for event in manager.listen(since=position):
            if (uid is None or event.uid == uid) and once.is_new(event.id):
                click.echo(encode_event(event).decode() if output.as_json else in_words(event))


def in_words(event: AnyEvent) -> str:
    """One line for people."""
    parts = [clock(event.at), str(type(event).__struct_config__.tag), (event.handle or "")[:12], event.uid or ""]
    if isinstance(event, SessionEnded):
        parts.append(event.reason.value)
    elif isinstance(event, LoginFailed):
        parts += [event.name[:64], event.address or ""]
    if event.actor:
        parts.append(f"by {event.actor}")
    line = " ".join(part for part in parts if part)
    return "".join(letter if letter.isprintable() else "�" for letter in line)
