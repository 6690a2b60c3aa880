"""Ending what has expired, and running handlers that a process left behind."""

from __future__ import annotations

from typing import TypeAlias

from sojourn.core.operations import Ability, Announce, Claim, Flow, StoreOp, Sweep, Swept
from sojourn.flows.policy import Policy, announce_ended

__all__ = ["MAX_PAUSE_MS", "drain", "pause_ms", "sweep"]

Asked: TypeAlias = "StoreOp | Announce"

MAX_PAUSE_MS = 500
"""The longest sleep between two looks: sessions made elsewhere with a short lifetime are seen in time, and another
process's lease, a second long, is taken over soon after it died."""


def sweep(policy: Policy, now: int, owner: str, limit: int = 500) -> Flow[Asked, Swept]:
    """End up to `limit` expired sessions if the store's sweep lease can be had; run their handlers and acknowledge."""
    swept = yield from Sweep(now, owner, limit, claim_events=policy.owner is not None)
    yield from announce_ended(policy, *swept.ended)
    return swept


def drain(policy: Policy, now: int, limit: int = 100) -> Flow[Asked, int]:
    """Run the handlers of ends that nobody owns any more; answers how many. Nothing to do without handlers here."""
    if policy.owner is None or Ability.EVENTS not in policy.abilities:
        return 0
    events = yield from Claim(now, policy.owner, limit)
    yield from announce_ended(policy, *events)
    return len(events)


def pause_ms(swept: Swept, now: int, limit: int = 500) -> int:
    """How long a sweeper sleeps after a sweep, in milliseconds; 0 when more may be waiting."""
    if swept.held and len(swept.ended) + swept.refiled >= limit:
        return 0
    if not swept.held or swept.next_due is None:
        return MAX_PAUSE_MS
    return max(1, min(MAX_PAUSE_MS, swept.next_due + 1 - now))
