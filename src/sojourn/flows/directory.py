"""The user directory: users made, changed and removed under revisions, and what that means for their sessions.

A changed password ends the user's other sessions, a removed user loses all of them, and roles follow at once (C11,
security.md A.9 #25). The document is saved first, then the sessions are looked for: see `flows.accounts` for why.
If the process dies in between, the sessions stay until the change is repeated; it may be repeated at any time.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

from msgspec import Struct

from sojourn.core.accounts import (
    COLLECTION,
    KEY_PREFIX,
    Credentials,
    HashPassword,
    User,
    UserOp,
    check_name,
    decode_user,
    encode_user,
    key_of,
)
from sojourn.core.events import EndReason
from sojourn.core.operations import (
    Ability,
    Announce,
    DeleteDocument,
    Document,
    Flow,
    ListDocuments,
    SaveDocument,
    StoreOp,
)
from sojourn.core.record import as_roles
from sojourn.errors import DocumentConflict, ValueRefused
from sojourn.flows import revoke
from sojourn.flows.accounts import find, follow_roles
from sojourn.flows.policy import Entropy, Policy

__all__ = ["Draft", "change", "create", "delete", "list_users", "save"]

Asked: TypeAlias = "StoreOp | UserOp | Announce"

_REVISION = re.compile(r"([1-9][0-9]{0,8})-[0-9a-f]{32}")
_PAST_PREFIX = KEY_PREFIX[:-1] + ";"  # the character after the colon: no key of a user comes later
_ROUNDS = 5


class Draft(Struct, frozen=True):
    """What a user is to be: the whole of it, but for the password.

    Attributes:
        name: Checked already, as are the roles.
        roles: All of them.
        properties: All of them.
        password: A new one; None keeps the credentials that there are, or takes `credentials`.
        credentials: Made elsewhere (CouchDB's clients hash for themselves); None keeps those that there are.
    """

    name: str
    roles: tuple[str, ...] = ()
    properties: dict[str, Any] = {}
    password: str | None = None
    credentials: Credentials | None = None

    def __repr__(self) -> str:
        return f"<Draft of {self.name!r}>"


def create(
    policy: Policy,
    now: int,
    entropy: Entropy,
    name: str,
    password: str | None,
    roles: tuple[str, ...] = (),
    properties: dict[str, Any] | None = None,
) -> Flow[Asked, User]:
    """Store a new user. Without a password nobody can sign in by one.

    Raises:
        ValueRefused: The name or the password is not accepted.
        DocumentConflict: There is a user of this name.
    """
    check_name(name)
    draft = Draft(name, as_roles(roles), properties or {}, password)
    return (yield from save(policy, now, entropy, draft, None))


def save(
    policy: Policy,
    now: int,
    entropy: Entropy,
    draft: Draft,
    old: User | None,
    keep: str | None = None,
    actor: str | None = None,
) -> Flow[Asked, User]:
    """Store a draft in place of the user that was read before, or as a new one; then see to the sessions.

    Args:
        keep: The handle of a session that a new password leaves alone: the one of its owner who changes it.
        actor: Who does it, for the events of ended sessions.

    Raises:
        ValueRefused: The password is not accepted.
        DocumentConflict: Somebody else has changed, made or removed the user since `old` was read.
    """
    credentials = draft.credentials
    if draft.password is not None:
        credentials = yield from HashPassword(draft.password, draft.name)
    is_new_password = old is None or credentials is not None
    user = User(
        name=draft.name,
        roles=draft.roles,
        properties=draft.properties,
        credentials=credentials or (None if old is None else old.credentials),
        stamp=entropy(16).hex() if old is None or is_new_password else old.stamp,
        revision=_next(None if old is None else old.revision, entropy),
    )
    document = Document(user.key, user.revision, encode_user(user))
    if not (yield from SaveDocument(COLLECTION, document, None if old is None else old.revision)):
        raise DocumentConflict(user.key)
    if is_new_password:
        # For a new user too: sessions of a former user of this name are not to become theirs.
        reason = EndReason.PASSWORD_CHANGED if old is not None else EndReason.ACCOUNT_CLOSED
        yield from _end_sessions(policy, now, user.name, keep, reason, actor)
    if old is not None and old.roles != user.roles:
        _ = yield from follow_roles(policy, now, user.name)
    return user


def change(
    policy: Policy,
    now: int,
    entropy: Entropy,
    name: str,
    *,
    roles: tuple[str, ...] | None = None,
    properties: dict[str, Any] | None = None,
    password: str | None = None,
    revision: str | None = None,
    keep: str | None = None,
    actor: str | None = None,
) -> Flow[Asked, User]:
    """Change what is named and leave the rest: None keeps roles, properties, password (U6; unlike UB1).

    With a `revision`, only that one is changed; without, the change is made again on what others saved meanwhile.

    Raises:
        ValueRefused: There is no such user, or the password is not accepted.
        DocumentConflict: The revision is another one, or others were quicker each time.
    """
    for _ in range(_ROUNDS):
        old = yield from find(policy, name)
        if old is None:
            raise ValueRefused(f"there is no user {name!r}", ("name",))
        if revision is not None and revision != old.revision:
            break
        draft = Draft(
            name,
            old.roles if roles is None else as_roles(roles),
            old.properties if properties is None else properties,
            password,
        )
        try:
            return (yield from save(policy, now, entropy, draft, old, keep, actor))
        except DocumentConflict:
            continue
    raise DocumentConflict(key_of(name))


def delete(
    policy: Policy, now: int, name: str, revision: str | None = None, actor: str | None = None
) -> Flow[Asked, bool]:
    """Remove a user and end all of their sessions (ASVS 7.4.2); False if there is none.

    Raises:
        DocumentConflict: The revision is another one, or others were quicker each time.
    """
    for _ in range(_ROUNDS):
        old = yield from find(policy, name)
        if old is None:
            return False
        if revision is not None and revision != old.revision:
            break
        if (yield from DeleteDocument(COLLECTION, old.key, old.revision)):
            yield from _end_sessions(policy, now, name, None, EndReason.ACCOUNT_CLOSED, actor)
            return True
    raise DocumentConflict(key_of(name))


def list_users(start: str = "", limit: int = 100) -> Flow[Asked, tuple[tuple[User, ...], str | None]]:
    """Users by name from `start` on, at most `limit`, and the name to start the next page with, None after the last."""
    found = yield from ListDocuments(COLLECTION, KEY_PREFIX + start, _PAST_PREFIX, limit + 1)
    users = tuple([decode_user(document.body, document.revision) for document in found])
    return users[:limit], users[limit].name if len(users) > limit else None


def _end_sessions(
    policy: Policy, now: int, name: str, keep: str | None, reason: EndReason, actor: str | None
) -> Flow[Asked, None]:
    if Ability.USER_INDEX in policy.abilities:
        _ = yield from revoke.revoke_user(policy, now, name, keep, reason, actor)


def _next(revision: str | None, entropy: Entropy) -> str:
    """The revision after this one. The part behind the number is random: it only has to differ."""
    found = None if revision is None else _REVISION.fullmatch(revision)
    return f"{1 if found is None else int(found[1]) + 1}-{entropy(16).hex()}"
