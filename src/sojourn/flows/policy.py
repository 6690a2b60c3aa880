"""What a manager was set to, as one frozen value that its flows read."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from sojourn.core.events import AnyEvent, SessionEnded
from sojourn.core.operations import Ability, Acknowledge, Announce, StoreOp
from sojourn.core.record import Lifetime
from sojourn.core.values import DEFAULT_MAX_BYTES
from sojourn.errors import StoreError

__all__ = ["Entropy", "Policy", "announce", "announce_ended"]

Entropy: TypeAlias = Callable[[int], bytes]
"""So many random bytes from the operating system; handed in, so that flows stay pure and tests can choose."""


AT_ONCE = 16
"""How many ends are handled before they are acknowledged together."""


class Policy(Struct, frozen=True):
    """The choices that flows follow.

    Attributes:
        lifetime: Of new sessions.
        abilities: What the store offers.
        max_sessions: Per user; None = no limit.
        at_limit: What a sign-in beyond the limit does: `evict` ends the oldest, `refuse` raises `LimitReached`.
        max_bytes: Of a session's canonical text.
        change_events: Whether changes of data are events too.
        on_reuse: What a rotated-away secret does besides its event: `notify` nothing, `end` ends the session.
        owner: The name under which this process runs handlers of ended sessions; None if it has none.
    """

    lifetime: Lifetime
    abilities: Ability
    max_sessions: int | None = None
    at_limit: Literal["evict", "refuse"] = "evict"
    max_bytes: int = DEFAULT_MAX_BYTES
    change_events: bool = False
    on_reuse: Literal["notify", "end"] = "notify"
    owner: str | None = None


def announce(*events: AnyEvent) -> Generator[Announce, Any, None]:
    """Run this process's handlers for events that need no acknowledgement."""
    if events:
        yield from Announce(events)


def announce_ended(policy: Policy, *events: SessionEnded) -> Generator[Announce | StoreOp, Any, None]:
    """Run the handlers of ends that this process owns, then acknowledge them.

    If the process dies in between, the lease in the outbox runs out and another one runs the handlers, with the same
    event ids (promise 3). Without handlers here, the events are left to a process that has some. It goes a few at a
    time, so that a crash, or handlers slower than the lease of 30 seconds, repeat a few and not a whole sweep.
    """
    for first in range(0, len(events), AT_ONCE):
        some = events[first : first + AT_ONCE]
        yield from Announce(some)
        if policy.owner is not None and Ability.EVENTS in policy.abilities:
            # The ends stand and were handled; unacknowledged, they are handled again, with the same ids.
            with suppress(StoreError):
                yield from Acknowledge(tuple([event.id for event in some]))
