"""A request's visit to its session: opened when looked at, finished before the response begins.

The outcome table of design 9 is decided here and in `http.exchange`: this flow says what becomes of the session, the
exchange what becomes of the headers.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from sojourn.core.operations import Announce, Flow, Load, StoreOp
from sojourn.core.record import Record, expired, touch_due
from sojourn.core.session import Recording
from sojourn.core.tokens import Token
from sojourn.errors import IdentityChanged, SessionNotFound, StoreUnavailable
from sojourn.flows import lifecycle
from sojourn.flows.policy import Entropy, Policy

__all__ = ["Found", "LateWrites", "OnStoreError", "finish", "is_settled", "look_up"]

Asked: TypeAlias = "StoreOp | Announce"
LateWrites: TypeAlias = Literal["drop", "raise"]
OnStoreError: TypeAlias = Literal["raise", "anonymous"]


class Found(Struct, frozen=True):
    """What a token turned out to be.

    Attributes:
        record: The session's record, or None: the request is anonymous.
        token: Its token, where there is a record.
        keep_cookie: The client's cookie is to be left alone although it opened nothing: its secret has just been
            rotated away, so another response is bringing the new one; or the store could not be asked.
    """

    record: Record | None = None
    token: Token | None = None
    keep_cookie: bool = False


def look_up(policy: Policy, now: int, token: Token, on_store_error: OnStoreError, *, touch: bool) -> Flow[Asked, Found]:
    """Open the session of a presented token; one that opens nothing makes the request anonymous, never an error.

    Args:
        touch: Whether a due touch is noted with the read, in one round trip. Embedded stores, which are read in
            place on an event loop, note it in `finish` instead, where it can be awaited.

    Raises:
        StoreUnavailable: The store is down, and the application did not choose anonymous reads.
    """
    try:
        record = yield from lifecycle.proven(policy, now, token, touch=touch)
    except SessionNotFound as error:
        return Found(keep_cookie=error.is_reused)
    except StoreUnavailable:
        if on_store_error == "anonymous":
            return Found(keep_cookie=True)
        raise
    return Found(record, token)


def is_settled(session: Recording, now: int, *, drop: bool) -> bool:
    """Whether `finish` would have nothing to do, as for most requests that only read."""
    if not drop and session.has_changes:
        return False
    record = session.record
    return record is None or not touch_due(record, now)


def finish(
    session: Recording, policy: Policy, now: int, entropy: Entropy, *, late_writes: LateWrites, drop: bool
) -> Flow[Asked, bool]:
    """Commit what the request recorded, or note its access; True if the session ended meanwhile and nothing was stored.

    Args:
        drop: The handler failed (an exception or a 5xx): what it recorded is dropped.

    Raises:
        SessionNotFound, IdentityChanged: It ended or changed hands meanwhile, and `late_writes` is "raise". A sign-in
            is not late: it begins a session of its own.
        Others as `lifecycle.commit`.
    """
    if drop:
        session.drop_changes()
    if session.has_changes:
        changes, intent = session.recorded()
        try:
            yield from lifecycle.commit(session, policy, now, entropy, drop_empty=True)
        except (SessionNotFound, IdentityChanged) as error:
            if intent is not None and intent.identity is not None and intent.identity.uid is not None:
                # A sign-in is never feigned: it happens as it would have without the old token.
                yield from lifecycle.begin_anew(session, policy, now, entropy, changes, intent)
                return False
            if late_writes == "raise":
                raise
            if isinstance(error, SessionNotFound):
                session.forget()
                return True
        return False
    record = session.record
    if record is not None and touch_due(record, now) and not expired(record, now):
        touched = yield from Load(record.handle, record.secret_hash, now)
        if touched is None:
            session.forget()
            return True
        session.adopt(touched)
    return False
