"""A request's visit to its session: opened when looked at, finished before the response begins.

The outcome table of design 9 is decided here and in `http.exchange`: these flows say what becomes of the session, the
exchange what becomes of the headers.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import Struct

from sojourn.core.apply import apply
from sojourn.core.changes import Change
from sojourn.core.events import SessionNotRead
from sojourn.core.intent import Intent
from sojourn.core.operations import Announce, Append, Flow, Load, StoreOp
from sojourn.core.record import FORMAT, Identity, Record, expired, proof, touch_due
from sojourn.core.session import Recording
from sojourn.core.tokens import Token, secret_hash
from sojourn.errors import (
    ChangeError,
    IdentityChanged,
    SessionNotFound,
    SessionUnreadable,
    StoreError,
    StoreUnavailable,
    ValueRefused,
)
from sojourn.flows import lifecycle
from sojourn.flows.opening import rotated_just_now
from sojourn.flows.policy import Entropy, Policy, announce

__all__ = [
    "Found",
    "LateWrites",
    "OnStoreError",
    "allow",
    "commit",
    "finish",
    "is_settled",
    "known_at_once",
    "look_up",
]

Asked: TypeAlias = "StoreOp | Announce"
LateWrites: TypeAlias = Literal["drop", "raise"]
OnStoreError: TypeAlias = Literal["raise", "anonymous"]


class Found(Struct, frozen=True):
    """What a token turned out to be.

    Attributes:
        record: The session's record, or None: the request is anonymous.
        token: Its token, where there is a record.
        rotated: The living session whose former secret the token holds, rotated away just now: another response is
            bringing the new token, so this one leaves the client's cookie alone.
        is_unreadable: The session is kept for a process that can read it, and so is its cookie.
        failure: Why the store could not be asked, where the application chose anonymous reads.
    """

    record: Record | None = None
    token: Token | None = None
    rotated: Record | None = None
    failure: StoreError | None = None
    is_unreadable: bool = False

    @property
    def keep_cookie(self) -> bool:
        """Whether the client's cookie is to be left alone although it opened nothing."""
        return self.rotated is not None or self.failure is not None or self.is_unreadable


_NOBODY = Found()


def look_up(policy: Policy, now: int, token: Token, on_store_error: OnStoreError, *, touch: bool) -> Flow[Asked, Found]:
    """Open the session of a presented token; one that opens nothing makes the request anonymous, never an error.

    Args:
        touch: Whether a due touch is noted with the read, in one round trip. Where it is not yet known whether the
            session will be used, or the read must not wait for a write, `finish` notes it instead.

    Raises:
        StoreUnavailable: The store is down, and the application did not choose anonymous reads.
        StoreError: Whatever else is wrong with the store.
    """
    try:
        record = yield from lifecycle.proven(policy, now, token, touch=touch)
    except SessionUnreadable:
        yield from announce(SessionNotRead(id=f"{token.handle}-not-read-{now}", at=now, handle=token.handle))
        return Found(is_unreadable=True)
    except SessionNotFound as error:
        return (yield from _late(now, token)) if error.is_reused else Found()
    except StoreUnavailable as error:
        if on_store_error == "anonymous":
            return Found(failure=error)
        raise
    return Found(record, token)


def known_at_once(record: Record | None, token: Token, now: int) -> Found | None:
    """What `look_up` comes to where the loaded record alone says so, as nearly always; None where it has more to ask.

    For stores that answer in place: there the generators would cost more than the read.
    """
    if record is None:
        return _NOBODY
    if record.format > FORMAT or proof(record, secret_hash(token.secret)) != "valid":
        return None
    return _NOBODY if expired(record, now) else Found(record, token)


def _late(now: int, token: Token) -> Flow[Asked, Found]:
    """Whether a rotated-away token is a request's that was under way, or comes long after."""
    record = yield from Load(token.handle, None, now)  # rare, and by now it may have been ended for the reuse
    if record is None or expired(record, now) or not rotated_just_now(record, now):
        return Found()
    return Found(rotated=record)


def is_settled(session: Recording, now: int) -> bool:
    """Whether `finish` would have nothing to do, as for most requests that only read."""
    if session.has_changes:
        return False
    record = session.record
    return record is None or not touch_due(record, now)


def allow(session: Recording, found: Found) -> None:
    """Refuse to store anything for a request that does not know its session.

    Raises:
        StoreError: The store could not be asked who this is: whatever were stored now would be somebody else's, or
            feigned. Sign-in and logout are refused too.
        SessionNotFound: The token has just been rotated away, so another response is bringing the new one: a session
            begun here would put its cookie in that one's place. A sign-in may.
    """
    if found.failure is not None:
        session.drop_changes()
        raise found.failure
    if found.rotated is not None and session.is_new and session.uid is None:
        session.drop_changes()
        raise SessionNotFound(found.rotated.handle, is_reused=True)


def commit(
    session: Recording, policy: Policy, now: int, entropy: Entropy, found: Found, *, drop_empty: bool = False
) -> Flow[Asked, None]:
    """Commit what a request recorded, as `lifecycle.commit`. A sign-in is never late, and never feigned.

    If its session ended or changed hands meanwhile, it happens as it would have without the old token.

    Raises:
        As `allow` and `lifecycle.commit`.
    """
    allow(session, found)
    changes, intent = session.recorded()
    try:
        yield from lifecycle.commit(session, policy, now, entropy, drop_empty=drop_empty)
    except (SessionNotFound, IdentityChanged):
        if not _signs_in(intent):
            raise
        yield from _begin_anew(session, policy, now, entropy, changes, intent or Intent())


def _signs_in(intent: Intent | None) -> bool:
    return intent is not None and intent.identity is not None and intent.identity.uid is not None


def _begin_anew(
    session: Recording, policy: Policy, now: int, entropy: Entropy, changes: tuple[Change, ...], intent: Intent
) -> Flow[Asked, None]:
    """Do a recorded sign-in in a new session, because the one it was meant for has ended or changed hands.

    Nothing of the old session is carried over, only what this request itself recorded, as far as it fits.
    """
    try:
        data, _ = apply({}, changes)
    except (ChangeError, ValueRefused):
        data = {}
    client = intent.client or session.client
    session.detach({})
    record, token = yield from lifecycle.create(
        policy, now, entropy, data, intent.identity or Identity(), intent.lifetime, client
    )
    session.adopt(record, token)


def finish(
    session: Recording,
    policy: Policy,
    now: int,
    entropy: Entropy,
    found: Found,
    *,
    late_writes: LateWrites,
    noticed: tuple[Append | Announce, ...] = (),
) -> Flow[Asked, None]:
    """Commit what the request recorded, or note its access.

    Args:
        found: What its token turned out to be.
        late_writes: Whether changes of a session that has ended, or is somebody else's now, are dropped or raise.
        noticed: What the look-up wanted to tell and could not await.

    Raises:
        SessionNotFound, IdentityChanged: It ended or changed hands meanwhile, and `late_writes` is "raise".
        Others as `commit`.
    """
    for op in noticed:
        yield from op
    if session.has_changes:
        try:
            yield from commit(session, policy, now, entropy, found, drop_empty=True)
        except (SessionNotFound, IdentityChanged):
            if late_writes == "raise":
                raise
        return
    record = session.record
    if record is not None and touch_due(record, now) and not expired(record, now):
        touched = yield from Load(record.handle, record.secret_hash, now)
        # Ended, or its secret rotated away, since it was looked at: the request keeps what it loaded (design 9).
        if touched is not None and proof(touched, record.secret_hash) == "valid":
            session.adopt(touched)
