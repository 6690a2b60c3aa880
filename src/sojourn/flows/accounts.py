"""A sign-in by name and password: tried, counted, compared, and held against the directory once more at its end.

The order makes it safe without a transaction (design 7). Whoever changes an account saves it first and then looks for
its sessions; whoever signs in enlists the session first and then, in `confirm`, reads the account again. So a session
of a closed account, of an old password or with old roles is met by one of the two.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec.structs import replace

from sojourn.core.accounts import (
    COLLECTION,
    Admit,
    HashPassword,
    NoteFailure,
    NoteSuccess,
    User,
    UserOp,
    VerifyPassword,
    decode_user,
    encode_user,
    is_possible_name,
    key_of,
)
from sojourn.core.events import EndReason, LoginFailed
from sojourn.core.operations import (
    Ability,
    Announce,
    Append,
    Apply,
    Document,
    FindByUser,
    Flow,
    Load,
    LoadDocument,
    SaveDocument,
    StoreOp,
)
from sojourn.core.record import identity_of
from sojourn.errors import AbilityMissing, AccountLocked, IdentityChanged, SessionError, ValueRefused, WrongCredentials
from sojourn.flows import revoke
from sojourn.flows.policy import Entropy, Policy, announce

__all__ = ["authenticate", "confirm", "find", "follow_roles"]

Asked: TypeAlias = "StoreOp | UserOp | Announce"

_ROUNDS = 5
"""How often a step is repeated when somebody else was quicker; each round means that another one was done."""


def find(policy: Policy, name: str) -> Flow[Asked, User | None]:
    """The user of this name, or None; a name that nobody can have costs no question."""
    if Ability.DOCUMENTS not in policy.abilities:
        raise AbilityMissing("a user directory needs a store that declares DOCUMENTS; memory and sqlite do")
    if not is_possible_name(name):
        return None
    document = yield from LoadDocument(COLLECTION, key_of(name))
    return None if document is None else decode_user(document.body, document.revision)


def authenticate(
    policy: Policy, now: int, entropy: Entropy, name: str, password: str, address: str | None
) -> Flow[Asked, User]:
    """The user whose name and password these are. Credentials that are stale are made anew, under the same revision.

    Raises:
        AccountLocked: Too many failures; the password was not looked at.
        WrongCredentials: Unknown name, wrong password, or a user without one: the same answer at the same cost.
    """
    user = yield from find(policy, name)
    stamp = "" if user is None else user.stamp
    wait_ms = yield from Admit(name, stamp, address, now)
    if wait_ms > 0:
        yield from _tell_failure(policy, now, entropy, name, address, locked=True)
        raise AccountLocked(wait_ms)
    verdict = yield from VerifyPassword(password, None if user is None else user.credentials)
    if user is None or not verdict.is_right:
        yield from NoteFailure(name, stamp, address, now)
        yield from _tell_failure(policy, now, entropy, name, address, locked=False)
        raise WrongCredentials
    yield from NoteSuccess(name, stamp, address, now)
    if verdict.is_stale:
        yield from _rehash(user, password)
    return user


def _tell_failure(
    policy: Policy, now: int, entropy: Entropy, name: str, address: str | None, *, locked: bool
) -> Flow[Asked, None]:
    shown = name[:256].encode("utf-8", "replace").decode()
    event = LoginFailed(id=f"login-failed-{entropy(8).hex()}", at=now, name=shown, address=address, locked=locked)
    if Ability.EVENTS in policy.abilities:
        yield from Append((event,))
    yield from announce(event)


def _rehash(user: User, password: str) -> Flow[Asked, None]:
    """Keep better credentials of the same password. Revision and stamp stay: nothing that anybody sees has changed.

    If somebody else saves the document meanwhile, theirs stands and the next sign-in tries again.
    """
    try:
        credentials = yield from HashPassword(password, user.name)
    except ValueRefused:
        return  # today's policy would not take it; that is for its owner to change, not for this sign-in to refuse
    body = encode_user(replace(user, credentials=credentials))
    _ = yield from SaveDocument(COLLECTION, Document(user.key, user.revision, body), user.revision)


def confirm(policy: Policy, now: int, handle: str, user: User) -> Flow[Asked, User]:
    """Hold a session that has just been signed in against the directory once more, and answer the user as it is now.

    To be called after the session's commit, before its token leaves the house.

    Raises:
        WrongCredentials: The account was closed or its password changed meanwhile; the session has been ended.
    """
    now_user = yield from find(policy, user.name)
    if now_user is None or now_user.stamp != user.stamp:
        reason = EndReason.ACCOUNT_CLOSED if now_user is None else EndReason.PASSWORD_CHANGED
        _ = yield from revoke.revoke_one(policy, now, handle, reason)
        raise WrongCredentials
    if now_user.roles != user.roles:
        yield from _give_roles(now, handle, now_user)
    return now_user


def follow_roles(policy: Policy, now: int, name: str) -> Flow[Asked, int]:
    """Let all living sessions of a user have the roles that the directory says; answers how many were changed.

    Their generation is raised, so a request that loaded the old roles writes nothing more (design 7). Of two changes
    at once the later one wins: the directory is read again after each round.
    """
    if Ability.USER_INDEX not in policy.abilities:
        return 0
    changed = 0
    user = yield from find(policy, name)
    for _ in range(_ROUNDS):
        if user is None:
            break
        for handle in (yield from FindByUser(name)):
            changed += yield from _give_roles(now, handle, user)
        before, user = user, (yield from find(policy, name))
        if user is None or user.roles == before.roles:
            break
    return changed


def _give_roles(now: int, handle: str, user: User) -> Flow[Asked, int]:
    for _ in range(_ROUNDS):
        record = yield from Load(handle, None, now)
        if record is None or record.uid != user.name or record.roles == user.roles:
            return 0
        try:
            applied = yield from Apply(
                handle, now, record.generation, identity=replace(identity_of(record), roles=user.roles)
            )
        except IdentityChanged:
            continue
        except SessionError:
            return 0  # it has ended
        yield from announce(*applied.events)
        return 1
    return 0
