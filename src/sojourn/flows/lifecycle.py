"""What happens to one session: created, opened, changed, rotated, ended. Read this file for the whole idea.

Each function is a flow: it asks for operations and decides by their answers. Nothing here does I/O, looks at a clock or
makes random bytes: `now` and `entropy` are handed in, and tests feed replies by hand.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TypeAlias

from msgspec.structs import replace

from sojourn.core.apply import Answers, apply
from sojourn.core.changes import Change
from sojourn.core.events import EndReason, session_created
from sojourn.core.intent import Intent
from sojourn.core.operations import (
    Announce,
    Apply,
    Create,
    Delete,
    Ended,
    Flow,
    StoreOp,
)
from sojourn.core.record import (
    Client,
    Identity,
    Lifetime,
    Record,
    as_client,
)
from sojourn.core.session import Recording
from sojourn.core.tokens import Token, make_handle, make_token, secret_hash
from sojourn.core.values import Fields, size
from sojourn.errors import (
    ChangeError,
    IdentityChanged,
    LimitReached,
    OutcomeUnknown,
    SessionNotFound,
    SessionTooLarge,
    SessionUnreadable,
    StoreError,
    ValueRefused,
)
from sojourn.flows import login
from sojourn.flows.opening import find, opened, proven, refresh, touch
from sojourn.flows.policy import Entropy, Policy, announce, announce_ended

__all__ = [
    "act",
    "commit",
    "create",
    "end",
    "find",
    "opened",
    "proven",
    "refresh",
    "regenerate",
    "touch",
]

Asked: TypeAlias = "StoreOp | Announce"


def create(
    policy: Policy,
    now: int,
    entropy: Entropy,
    data: Fields,
    identity: Identity = Identity(),  # noqa: B008 - frozen
    lifetime: Lifetime | None = None,
    client: Client = Client(),  # noqa: B008 - frozen
) -> Flow[Asked, tuple[Record, Token]]:
    """Store a new session under a new handle and answer it with its token (F3).

    Raises:
        SessionTooLarge: The data is over `max_bytes`.
        LimitReached: The user has `max_sessions` and the policy is to refuse; nothing is left behind.
    """
    if (length := size(data)) > policy.max_bytes:
        raise SessionTooLarge(f"the new session's data has {length} bytes, more than max_bytes={policy.max_bytes}")
    if identity.uid is not None:
        identity = replace(identity, authenticated_at=now)
    for _ in range(3):  # G3: a handle that exists is not a reason to fail; with 128 random bits it is a broken source
        token = make_token(make_handle(entropy(16)), entropy(32))
        record = Record(
            handle=token.handle,
            secret_hash=secret_hash(token.secret),
            created=now,
            last_access=now,
            last_update=now,
            lifetime=lifetime or policy.lifetime,
            data=data,
            uid=identity.uid,
            roles=identity.roles,
            user_data=identity.user_data,
            authenticated_at=identity.authenticated_at,
            acting_as=identity.acting_as,
            client=as_client(client),
            seq=1,
        )
        if (yield from Create(record)):
            break
    else:
        raise StoreError("three new handles existed already: the source of random bytes repeats itself")
    yield from announce(session_created(record))
    if record.uid is not None:
        yield from login.admit(policy, now, record, None)
    return record, token


def commit(
    session: Recording, policy: Policy, now: int, entropy: Entropy, *, drop_empty: bool = False
) -> Flow[Asked, None]:
    """Send what was recorded as one batch and refresh the session: at most one round trip without a sign-in.

    A session that is not stored yet is created. With `drop_empty`, one that is anonymous and empty afterwards is not
    stored, or is ended as `emptied`, unless somebody else has written to it meanwhile.

    Raises:
        SessionNotFound, SessionExpired: It has ended; what was recorded is lost, and this says so (AB1).
        IdentityChanged, ChangeError, Conflict, ValueRefused: Nothing was applied; the recorded changes are dropped.
        StoreUnavailable: Nothing was done; what was recorded is kept, so commit may be called again.
        OutcomeUnknown: The answer did not come; what was recorded is not sent twice.
    """
    if not session.has_changes and (drop_empty or not session.is_new):
        return
    if session.record is None:
        if session.ended:
            session.drop_changes()
            raise SessionNotFound(message="this session has ended; what was changed since is not stored")
        changes, intent = session.swap_out()
        if drop_empty and not session and session.uid is None and (intent is None or intent.identity is None):
            return
    else:
        changes, intent = session.swap_out()
    try:
        if session.record is None:
            yield from _store_new(session, policy, now, entropy, changes, intent)
        else:
            yield from _write(session, policy, now, entropy, changes, intent)
    except (ChangeError, ValueRefused, IdentityChanged):
        session.drop_changes()
        raise
    if drop_empty and not session and session.uid is None:
        yield from _drop_empty(session, policy, now)


def act(
    session: Recording, policy: Policy, now: int, entropy: Entropy, changes: tuple[Change, ...]
) -> Flow[Asked, Answers]:
    """Apply commands now, after what was recorded, in one batch; answer what they took out.

    Refused, nothing is applied, and what was recorded before stays recorded. A session that is not stored yet, or is
    about to be replaced, is committed first.
    """
    if session.is_new or session.is_replaced:
        yield from commit(session, policy, now, entropy)
    pending, intent = session.swap_out()
    try:
        return (yield from _write(session, policy, now, entropy, pending + changes, intent))
    except (ChangeError, ValueRefused, IdentityChanged):
        session.put_back(pending, intent)
        raise


def _store_new(
    session: Recording, policy: Policy, now: int, entropy: Entropy, changes: tuple[Change, ...], intent: Intent | None
) -> Flow[Asked, None]:
    wish = intent or Intent()
    try:
        record, token = yield from create(
            policy,
            now,
            entropy,
            dict(session.texts()),  # the session goes on writing into its own
            wish.identity or Identity(),
            wish.lifetime,
            wish.client or Client(),
        )
    except OutcomeUnknown:
        raise
    except StoreError:
        session.put_back(changes, intent)
        raise
    session.adopt(record, token)


def _write(
    session: Recording, policy: Policy, now: int, entropy: Entropy, changes: tuple[Change, ...], intent: Intent | None
) -> Flow[Asked, Answers]:
    before = session.living()
    wish = intent or Intent()
    if wish.replace:
        yield from _replace(session, policy, now, entropy, changes, wish)
        return ()
    token = make_token(before.handle, entropy(32)) if wish.identity is not None or wish.rotate else None
    identity = wish.identity
    if identity is not None and identity.uid is not None:
        identity = replace(identity, authenticated_at=now)
    try:
        applied = yield from Apply(
            before.handle,
            now,
            before.generation,
            changes,
            new_hash=None if token is None else secret_hash(token.secret),
            old_hash=before.secret_hash,
            identity=identity,
            lifetime=wish.lifetime,
            client=wish.client,
            max_bytes=policy.max_bytes,
            events=policy.change_events,
        )
    except OutcomeUnknown:
        raise
    except StoreError:
        session.put_back(changes, intent)
        raise
    except SessionUnreadable:
        session.drop_changes()
        raise
    except SessionNotFound:
        session.forget()
        raise
    yield from announce(*applied.events)
    if identity is not None:
        try:
            yield from login.identity_changed(policy, now, before, applied.record)
        except LimitReached:
            yield from refresh(session, now)  # the data was written, the identity is the former one
            raise
        except StoreError as error:
            yield from _take_back_unknown(session, policy, now, before, applied.record)
            raise OutcomeUnknown(
                "the data is stored, the sign-in is not: the store did not say whether the user's index has the "
                "session. Open it again and sign in again."
            ) from error
    session.adopt(applied.record, token)
    return applied.answers


def _take_back_unknown(
    session: Recording, policy: Policy, now: int, before: Record, after: Record
) -> Flow[Asked, None]:
    """Undo a sign-in whose enlisting failed: unlisted, a revoke-all would not find it. The store may fail again."""
    with suppress(StoreError, SessionNotFound):  # then nobody has its secret, and it ends by itself
        yield from login.take_back(policy, now, after, before)
        yield from refresh(session, now)


def _replace(
    session: Recording, policy: Policy, now: int, entropy: Entropy, changes: tuple[Change, ...], wish: Intent
) -> Flow[Asked, None]:
    """Another user signs in where one was: end the old session, begin one that knows nothing of it.

    If the store fails in between, the session counts as not stored yet, and the next commit begins the new one.
    """
    try:
        yield from _end(session, policy, now, EndReason.REPLACED)
    except StoreError:
        session.put_back(changes, wish)
        raise
    session.detach(dict(session.texts()))
    wish.replace = False
    yield from _store_new(session, policy, now, entropy, changes, wish)


def regenerate(
    session: Recording, policy: Policy, now: int, entropy: Entropy, *, keep: bool = False
) -> Flow[Asked, None]:
    """End the session and begin a new one in its place: new handle, new secret, anonymous (A14).

    Its data is carried over only with `keep`; what was recorded and not sent counts as data. What is known of the
    device stays; a lifetime of its own does not.

    Raises:
        SessionNotFound: With `keep`, and it has ended meanwhile: logout is final, also for the data (promise 2).
    """
    wish = Intent()
    wish.client = session.client
    changes, intent = session.swap_out()
    data = dict(session.texts())
    if not session.is_new:
        try:
            ended = yield from _end(session, policy, now, EndReason.REPLACED)
        except StoreError:
            session.put_back(changes, intent)
            raise
        if keep:
            data = _carried(session, ended, changes)
    session.detach(data if keep else {})
    yield from _store_new(session, policy, now, entropy, (), wish)


def _carried(session: Recording, ended: Ended | None, changes: tuple[Change, ...]) -> Fields:
    """The data of a session that was just ended, others' last changes included, with this request's on top."""
    before = session.living()
    if ended is None or ended.record.generation != before.generation:
        session.forget()
        raise SessionNotFound(before.handle) if ended is None else IdentityChanged(before.handle)
    try:
        return apply(ended.record.data, changes)[0]
    except ChangeError:  # they no longer fit what others wrote; the session has ended, so theirs is what is left
        return ended.record.data


def end(session: Recording, policy: Policy, now: int, reason: EndReason = EndReason.LOGOUT) -> Flow[Asked, bool]:
    """End the session at once, for good; True if this very call ended it (F7).

    Whatever is recorded is dropped. The handlers have run when it returns.
    """
    if session.record is None:
        session.forget()
        return False
    ended = yield from _end(session, policy, now, reason)
    session.forget()
    return ended is not None


def _end(session: Recording, policy: Policy, now: int, reason: EndReason) -> Flow[Asked, Ended | None]:
    ended = yield from Delete(session.living().handle, now, reason, policy.owner)
    if ended is not None:
        yield from login.left(policy, ended.record)
        yield from announce_ended(policy, ended.event)
    return ended


def _drop_empty(session: Recording, policy: Policy, now: int) -> Flow[Asked, None]:
    ended = yield from Delete(session.living().handle, now, EndReason.EMPTIED, policy.owner, only_empty=True)
    if ended is not None:
        session.forget()
        yield from announce_ended(policy, ended.event)
