"""What a store keeps of a session, and when its lifetime is over. Times are integer milliseconds UTC.

A record holds its data as canonical texts by top-level key, so that a store can keep, compare and hand out each of
them without decoding, and a session decodes only what is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from sojourn.core.tokens import proves
from sojourn.core.values import Fields, encode
from sojourn.errors import SessionTooLarge, ValueRefused

__all__ = [
    "FORMAT",
    "MAX_USER_DATA_BYTES",
    "Client",
    "Identity",
    "Lifetime",
    "Proof",
    "Record",
    "TtlType",
    "as_client",
    "as_roles",
    "as_uid",
    "as_user_data",
    "cursor_of",
    "deadline",
    "expired",
    "identity_of",
    "is_handle",
    "parse_cursor",
    "proof",
    "touch_due",
]

FORMAT = 1
"""The version of a record's layout. A record of a newer one is kept, and its request is anonymous."""

MAX_USER_DATA_BYTES = 65_536
"""The most that the canonical text of `user_data` may have: it is read with every request."""

TtlType: TypeAlias = Literal["last_access", "last_update", "created"]
"""What `ttl` counts from: seed item F1."""

Proof: TypeAlias = Literal["valid", "reused", "none"]


class Lifetime(Struct, frozen=True):
    """How long a session lives. It is kept with the session, so "remember me" survives (A16).

    Attributes:
        ttl_ms: Milliseconds from the anchor that `ttl_type` names; None = no such limit.
        ttl_type: The anchor.
        absolute_ms: Milliseconds from creation, whatever happens; None = no such limit.
        touch_ms: An access is noted when the last noted one is older than this.
    """

    ttl_ms: int | None
    ttl_type: TtlType
    absolute_ms: int | None
    touch_ms: int


class Client(Struct, frozen=True):
    """What is known of the device. Texts come from outside and are capped where they enter."""

    ip: str | None = None
    user_agent: str | None = None
    label: str | None = None


class Identity(Struct, frozen=True):
    """Who is signed in; the anonymous identity is `Identity()`.

    Attributes:
        uid: The user, or None.
        roles: Copied from the directory at sign-in and when they change.
        user_data: Canonical text of an object that the application keeps about the user (F9).
        authenticated_at: When the person last proved to be that user.
        acting_as: The name of the administrator who acts as this user, if any.
    """

    uid: str | None = None
    roles: tuple[str, ...] = ()
    user_data: bytes = b"{}"
    authenticated_at: int | None = None
    acting_as: str | None = None


class Record(Struct, frozen=True):
    """Everything a store keeps of one session; the fields are described in design 4.

    Attributes:
        handle: The public name and the store's key: 32 hexadecimal characters.
        secret_hash: SHA-256 of the token's secret. The secret itself is nowhere but with the client.
        previous_hash: The hash before the last rotation, so that its coming back is noticed (`TokenReused`).
        data: Canonical texts by top-level key.
        generation: Raised whenever the identity changes; a write must name the one it loaded.
        rotated_at: When that rotation was, in milliseconds.
        seq: The number of this session's last event.
    """

    handle: str
    secret_hash: bytes
    created: int
    last_access: int
    last_update: int
    lifetime: Lifetime
    data: Fields = {}
    uid: str | None = None
    roles: tuple[str, ...] = ()
    user_data: bytes = b"{}"
    authenticated_at: int | None = None
    acting_as: str | None = None
    client: Client = Client()
    generation: int = 0
    previous_hash: bytes | None = None
    seq: int = 0
    format: int = FORMAT
    rotated_at: int | None = None

    def __repr__(self) -> str:
        return f"<Record {self.handle} uid={self.uid!r} keys={len(self.data)}>"


def as_user_data(user_data: Mapping[str, object] | None) -> bytes:
    """What the application keeps about a user, as canonical text.

    Raises:
        ValueRefused: It holds something that cannot be stored; `path` says where.
        SessionTooLarge: Its text is over `MAX_USER_DATA_BYTES`.
    """
    text = encode(dict(user_data or {}), ("user_data",))
    if len(text) > MAX_USER_DATA_BYTES:
        raise SessionTooLarge(
            f"user_data has {len(text)} bytes, more than {MAX_USER_DATA_BYTES}; keep the user's key and look it up",
            ("user_data",),
        )
    return text


def as_roles(roles: Sequence[str]) -> tuple[str, ...]:
    """Roles as a tuple.

    Raises:
        ValueRefused: If it is one string, which is a sequence of letters, or holds something that is no string.
    """
    if isinstance(roles, str) or not all(isinstance(role, str) and role for role in roles):
        raise ValueRefused(f"roles are a list of names, such as ['editor'], not {type(roles).__name__}", ("roles",))
    return tuple([_name(role, "roles") for role in roles])


def as_uid(uid: str) -> str:
    """A user's id, checked where it enters, since stores keep it as a key.

    Raises:
        ValueRefused: It is no string, empty, or holds U+0000 or a lone surrogate.
    """
    if not isinstance(uid, str) or not uid:
        raise ValueRefused(f"a user's id is a string that is not empty, not {type(uid).__name__}", ("uid",))
    return _name(uid, "uid")


def _name(text: str, what: str) -> str:
    if "\x00" in text:
        raise ValueRefused(f"{what}: a name must not hold U+0000", (what,))
    _ = encode(text, (what,))  # refuses lone surrogates
    return str.__str__(text)


_CLIENT_CHARS = 512


def as_client(client: Client) -> Client:
    """The client with texts that come from outside cut at 512 characters, and what is no character replaced."""
    return Client(*[None if text is None else _cut(text) for text in (client.ip, client.user_agent, client.label)])


def _cut(text: str) -> str:
    return text[:_CLIENT_CHARS].encode("utf-8", "replace").decode("utf-8").replace("\x00", "?")


def identity_of(record: Record) -> Identity:
    """The identity part of a record."""
    return Identity(record.uid, record.roles, record.user_data, record.authenticated_at, record.acting_as)


def deadline(record: Record) -> int | None:
    """The last millisecond at which the session lives, or None if it never expires."""
    life = record.lifetime
    ttl, absolute = life.ttl_ms, life.absolute_ms
    if ttl is None:
        return None if absolute is None else record.created + absolute
    if life.ttl_type == "last_access":
        idle = record.last_access + ttl
    elif life.ttl_type == "last_update":
        idle = record.last_update + ttl
    else:
        idle = record.created + ttl
    return idle if absolute is None else min(idle, record.created + absolute)


def expired(record: Record, now: int) -> bool:
    """Whether the lifetime is over: only when now is past the deadline, not at it (F6)."""
    end = deadline(record)
    return end is not None and now > end


def touch_due(record: Record, now: int) -> bool:
    """Whether an access at `now` is to be noted: the last noted one is older than the touch interval."""
    return now - record.last_access > record.lifetime.touch_ms


def proof(record: Record, presented: bytes) -> Proof:
    """What the hash of a presented secret proves, in constant time.

    `reused` is a secret that was rotated away: it opens nothing, and its coming back is worth an event.
    """
    if proves(presented, record.secret_hash):
        return "valid"
    if record.previous_hash is not None and proves(presented, record.previous_hash):
        return "reused"
    return "none"


_HANDLE = re.compile(r"[0-9a-f]{32}")
_CURSOR = re.compile(r"([0-9]{15})-([0-9a-f]{32})")


def is_handle(text: str) -> bool:
    """Whether a text can be the handle of a session; what cannot is not asked of a store."""
    return _HANDLE.fullmatch(text) is not None


def cursor_of(record: Record) -> str:
    """Where a record stands in a listing by creation, as text that sorts in that order."""
    return f"{record.created:015d}-{record.handle}"


def parse_cursor(text: str) -> tuple[int, str]:
    """The creation time and handle that `cursor_of` wrote.

    Raises:
        ValueRefused: If the text is no cursor.
    """
    found = _CURSOR.fullmatch(text)
    if found is None:
        raise ValueRefused(f"{text[:64]!r} is no cursor of a listing; use the one that the last page answered")
    return int(found[1]), found[2]
