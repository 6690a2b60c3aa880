"""Who stands in a user's index: admitted at sign-in, within the limit, and taken out when identity or session ends.

No transaction over several keys is needed, only order (design 7): the session is signed in first, with a secret that
nobody has yet; then it is enlisted, atomically; then those who must go are ended; only then is the sign-in
acknowledged. So of two sign-ins at once under a limit of one, never both stand, and a sign-in that races a revoke-all
comes after it or is revoked.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TypeAlias

from sojourn.core.events import EndReason, UserLoggedIn, event_id
from sojourn.core.operations import Ability, Announce, Append, Apply, Delete, Delist, Enlist, Flow, Load, StoreOp
from sojourn.core.record import Record, expired, identity_of
from sojourn.errors import LimitReached, SessionError, StoreError
from sojourn.flows.policy import Policy, announce, announce_ended

__all__ = ["admit", "identity_changed", "left", "take_back"]

Asked: TypeAlias = "StoreOp | Announce"


def identity_changed(policy: Policy, now: int, before: Record, after: Record) -> Flow[Asked, None]:
    """Bring the indexes in line with a session's new identity; admit it if it is signed in.

    Raises:
        LimitReached: It may not stand beside the user's others; its former identity and secret are restored.
    """
    if before.uid is not None and before.uid != after.uid:
        yield from left(policy, before)
    if after.uid is not None:
        yield from admit(policy, now, after, before)


def left(policy: Policy, record: Record) -> Flow[Asked, None]:
    """Take a session out of its user's index."""
    if record.uid is not None and Ability.USER_INDEX in policy.abilities:
        with suppress(StoreError):  # what ended has ended; the entry is repaired when met
            yield from Delist(record.uid, record.handle)


def admit(policy: Policy, now: int, record: Record, before: Record | None) -> Flow[Asked, None]:
    """Enlist a signed-in session and end those that must make room, or refuse it and take the identity back."""
    uid = record.uid
    assert uid is not None  # noqa: S101 - callers have looked
    event = UserLoggedIn(
        id=event_id(record.handle, record.seq) + f"-login-{record.generation}",
        at=now,
        handle=record.handle,
        seq=record.seq,
        uid=uid,
        client=record.client,
    )
    if Ability.USER_INDEX not in policy.abilities:
        if Ability.EVENTS in policy.abilities:
            yield from Append((event,))
        yield from announce(event)
        return
    limit, refuse = policy.max_sessions, policy.at_limit == "refuse"
    enlisted = yield from Enlist(uid, record.handle, limit, refuse, event)
    if limit is not None and not enlisted.admitted:
        living = yield from _living(policy, now, uid, enlisted.members)
        if len(living) < limit:  # some entries were of sessions that are gone; they no longer count
            enlisted = yield from Enlist(uid, record.handle, limit, refuse, event)
        if not enlisted.admitted:
            yield from take_back(policy, now, record, before)
            raise LimitReached(uid, limit, record.handle)
    elif limit is not None and enlisted.members:
        living = yield from _living(policy, now, uid, enlisted.members)
        others = [handle for handle in living if handle != record.handle]  # signing in again may be the oldest's act
        yield from _evict(policy, now, uid, others[: max(0, len(living) - limit)])
    yield from announce(event)


def _living(policy: Policy, now: int, uid: str, members: tuple[str, ...]) -> Flow[Asked, list[str]]:
    """Those members that still live as this user's sessions; entries of the others are repaired."""
    living: list[str] = []
    for handle in members:
        record = yield from Load(handle, None, now)
        if record is not None and record.uid == uid and not expired(record, now):
            living.append(handle)
            continue
        if record is not None and record.uid == uid:
            ended = yield from Delete(handle, now, EndReason.EXPIRED, policy.owner, only_expired=True)
            if ended is not None:
                yield from announce_ended(policy, ended.event)
        yield from Delist(uid, handle)
    return living


def _evict(policy: Policy, now: int, uid: str, handles: list[str]) -> Flow[Asked, None]:
    for handle in handles:
        ended = yield from Delete(handle, now, EndReason.EVICTED, policy.owner, only_uid=uid)
        yield from Delist(uid, handle)
        if ended is not None:
            yield from announce_ended(policy, ended.event)


def take_back(policy: Policy, now: int, record: Record, before: Record | None) -> Flow[Asked, None]:
    """Undo a sign-in that is not granted: the former identity and secret are restored, or a new session is ended."""
    if before is None:
        ended = yield from Delete(record.handle, now, EndReason.EVICTED, policy.owner)
        if ended is not None:
            yield from announce_ended(policy, ended.event)
        return
    try:
        restored = yield from Apply(
            record.handle,
            now,
            record.generation,
            new_hash=before.secret_hash,
            identity=identity_of(before),
        )
    except SessionError:
        return  # it ended meanwhile: nothing to take back
    yield from announce(*restored.events)
