"""How a session is found: by its token or its handle, once or again, with what an access leaves behind.

A part of `flows.lifecycle`, which has it all; in a file of its own because of the length.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TypeAlias

from sojourn.core.events import EndReason, TokenReused, event_id
from sojourn.core.operations import Ability, Announce, Append, Apply, Delete, Flow, Load, StoreOp
from sojourn.core.record import FORMAT, Record, deadline, expired, is_handle, proof
from sojourn.core.session import Recording
from sojourn.core.tokens import Token, parse_token, proves, secret_hash
from sojourn.errors import SessionExpired, SessionNotFound, SessionUnreadable
from sojourn.flows import login
from sojourn.flows.policy import Policy, announce, announce_ended

__all__ = ["JUST_NOW_MS", "find", "opened", "proven", "refresh", "rotated_just_now", "touch"]

Asked: TypeAlias = "StoreOp | Announce"

JUST_NOW_MS = 60_000
"""For so long after a rotation a former secret is taken for a request that was already under way.

Afterwards its client is one that never got the new token, and is to be served like one whose token opens nothing.
"""


def opened(policy: Policy, now: int, text: str) -> Flow[Asked, tuple[Record, Token]]:
    """The session that a token opens, with a due touch noted: one round trip.

    Raises:
        SessionNotFound: The token is malformed, unknown, or its secret is not the session's (any more).
        SessionExpired: The session's lifetime is over (F4: it is left for the sweep).
    """
    token = parse_token(text)
    if token is None:
        raise SessionNotFound
    return (yield from proven(policy, now, token)), token


def proven(policy: Policy, now: int, token: Token, *, touch: bool = True) -> Flow[Asked, Record]:
    """The record that a token opens, with a due touch noted unless `touch` is off; raises as `opened`."""
    presented = secret_hash(token.secret)
    record = yield from Load(token.handle, presented if touch else None, now)
    if record is None:
        raise SessionNotFound(token.handle)
    if record.format > FORMAT:
        raise SessionUnreadable(token.handle)
    shown = proof(record, presented)
    if shown == "reused":
        yield from _reused(policy, now, record)
    if shown != "valid":
        raise SessionNotFound(token.handle, is_reused=shown == "reused")
    if expired(record, now):
        raise SessionExpired(token.handle, deadline(record) or 0)
    return record


def rotated_just_now(record: Record, now: int) -> bool:
    """Whether the former secret may be that of a request which was under way when it was rotated away."""
    return record.rotated_at is not None and now - record.rotated_at <= JUST_NOW_MS


def _reused(policy: Policy, now: int, record: Record) -> Flow[Asked, None]:
    event = TokenReused(
        id=event_id(record.handle, record.seq) + f"-reused-{now}",
        at=now,
        handle=record.handle,
        seq=record.seq,
        uid=record.uid,
    )
    if Ability.EVENTS in policy.abilities:
        yield from Append((event,))
    yield from announce(event)
    if policy.on_reuse == "end" and not rotated_just_now(record, now):
        ended = yield from Delete(record.handle, now, EndReason.TOKEN_REUSED, policy.owner)
        if ended is not None:
            yield from login.left(policy, ended.record)
            yield from announce_ended(policy, ended.event)


def find(now: int, handle: str) -> Flow[Asked, Record]:
    """The record of a handle, for administrators and programs: no secret asked, no touch left.

    Raises:
        SessionNotFound, SessionExpired: As in `opened`.
    """
    if not is_handle(handle):  # what it is instead may be a secret, so it is not repeated
        raise SessionNotFound(message="no such session: a handle is 32 hexadecimal characters.")
    record = yield from Load(handle, None, now)
    if record is None:
        raise SessionNotFound(handle)
    if record.format > FORMAT:
        raise SessionUnreadable(handle)
    if expired(record, now):
        raise SessionExpired(handle, deadline(record) or 0)
    return record


def refresh(session: Recording, now: int) -> Flow[Asked, None]:
    """Read the session again; what was recorded and not sent stays on top (A12).

    Raises:
        SessionNotFound, SessionExpired: It has ended. Also where its token has been rotated away since: who held the
            former one must not see what a sign-in brought (promise 6).
    """
    before = session.living()
    with _forgetting(session):
        record = yield from find(now, before.handle)
        if session.token is not None and not proves(before.secret_hash, record.secret_hash):
            raise SessionNotFound(before.handle, is_reused=True)
    session.adopt(record)


def touch(session: Recording, now: int) -> Flow[Asked, None]:
    """Note an access now, whatever the touch interval; data and last_update stay (A13, M7)."""
    before = session.living()
    with _forgetting(session):
        applied = yield from Apply(before.handle, now, before.generation, touch_only=True)
    session.adopt(applied.record)


@contextmanager
def _forgetting(session: Recording) -> Generator[None, None, None]:
    """A session that has ended forgets what it held; one that is stored, but over or unreadable, does not."""
    try:
        yield
    except (SessionExpired, SessionUnreadable):
        raise
    except SessionNotFound:
        session.forget()
        raise
