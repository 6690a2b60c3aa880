"""Ending sessions from outside: one, the others, all of a user's, everybody's. And looking at them."""

from __future__ import annotations

import re
from typing import TypeAlias

from sojourn.core.events import EndReason, LogoutRequested, SessionEnded, event_id
from sojourn.core.operations import (
    Ability,
    Announce,
    Append,
    Count,
    Delete,
    Delist,
    FindByUser,
    Flow,
    List,
    Load,
    Page,
    StoreOp,
)
from sojourn.core.record import as_uid, expired, is_handle, parse_cursor
from sojourn.errors import AbilityMissing, UsageError
from sojourn.flows import login
from sojourn.flows.policy import Policy, announce, announce_ended

__all__ = ["count", "notify_logout", "page", "revoke_everybody", "revoke_one", "revoke_user"]

Asked: TypeAlias = "StoreOp | Announce"

MAX_PAGE = 1_000
"""Most sessions in one page: a listing never loads them all at once."""

_PREFIX = re.compile("[0-9a-f]{0,32}")


def revoke_one(
    policy: Policy, now: int, handle: str, reason: EndReason = EndReason.REVOKED, actor: str | None = None
) -> Flow[Asked, bool]:
    """End the session of a handle; True if this very call ended it, False if there was none."""
    if not is_handle(handle):
        return False
    ended = yield from Delete(handle, now, reason, policy.owner, actor)
    if ended is None:
        return False
    yield from login.left(policy, ended.record)
    yield from announce_ended(policy, ended.event)
    return True


def revoke_user(
    policy: Policy,
    now: int,
    uid: str,
    keep: str | None = None,
    reason: EndReason = EndReason.REVOKED,
    actor: str | None = None,
) -> Flow[Asked, int]:
    """End all sessions of a user, but for the one named by `keep`; answers how many this call ended.

    A sign-in at the same time is ended too or comes after: it is enlisted before it is acknowledged.
    """
    _need(policy, Ability.USER_INDEX, "revoking by user")
    handles = yield from FindByUser(as_uid(uid))
    events: list[SessionEnded] = []
    for handle in handles:
        if handle == keep:
            continue
        ended = yield from Delete(handle, now, reason, policy.owner, actor, only_uid=uid)
        yield from Delist(uid, handle)
        if ended is not None:
            events.append(ended.event)
    yield from announce_ended(policy, *events)
    return len(events)


def revoke_everybody(
    policy: Policy,
    now: int,
    keep: str | None = None,
    reason: EndReason = EndReason.REVOKED,
    actor: str | None = None,
    page_size: int = 200,
) -> Flow[Asked, int]:
    """End every session but the one named by `keep`, page by page; answers how many this call ended.

    The events of a page are handled before the next page begins, so memory stays bounded.
    """
    _need(policy, Ability.LISTING, "revoking everybody")
    cursor: str | None = None
    total = 0
    while True:
        found = yield from List(cursor, page_size)
        events: list[SessionEnded] = []
        for record in found.records:
            if record.handle != keep:
                ended = yield from Delete(record.handle, now, reason, policy.owner, actor)
                if ended is not None:
                    yield from login.left(policy, ended.record)
                    events.append(ended.event)
        yield from announce_ended(policy, *events)
        total += len(events)
        cursor = found.next
        if cursor is None:
            return total


def page(
    policy: Policy,
    now: int,
    uid: str | None = None,
    after: str | None = None,
    limit: int = 100,
    handle_prefix: str = "",
    *,
    newest_first: bool = False,
) -> Flow[Asked, Page]:
    """Living sessions by creation, a page at a time; a page may be short where expired ones were left out."""
    _need(policy, Ability.LISTING, "listing")
    if after is not None:
        _ = parse_cursor(after)
    if isinstance(limit, bool) or not 1 <= limit <= MAX_PAGE:
        raise UsageError(f"a page has from 1 to {MAX_PAGE} sessions, not {limit!r}")
    if _PREFIX.fullmatch(handle_prefix) is None:
        raise UsageError("handle_prefix is the beginning of a handle: hexadecimal characters, at most 32")
    found = yield from List(after, limit, None if uid is None else as_uid(uid), handle_prefix, newest_first)
    return Page(tuple([record for record in found.records if not expired(record, now)]), found.next)


def count(policy: Policy, now: int, uid: str | None = None) -> Flow[Asked, int]:
    """How many sessions live, of everybody or of one user."""
    _need(policy, Ability.COUNT, "counting")
    return (yield from Count(now, None if uid is None else as_uid(uid)))


def notify_logout(policy: Policy, now: int, handle: str, actor: str | None = None) -> Flow[Asked, bool]:
    """Ask the open pages of a session to log out, wherever they are connected; the session stays (M11).

    True if the session lives, so that there may be somebody to hear it.
    """
    _need(policy, Ability.EVENTS, "notify_logout")
    if not is_handle(handle):
        return False
    record = yield from Load(handle, None, now)
    if record is None or expired(record, now):
        return False
    event = LogoutRequested(
        id=event_id(handle, record.seq) + f"-notice-{now}",
        at=now,
        handle=handle,
        seq=record.seq,
        uid=record.uid,
        actor=actor,
    )
    yield from Append((event,))
    yield from announce(event)
    return True


def _need(policy: Policy, ability: Ability, what: str) -> None:
    if ability not in policy.abilities:
        raise AbilityMissing(f"{what} needs a store that declares {ability.name}; memory and sqlite do")
