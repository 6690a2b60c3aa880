"""A user of the directory as a value, its text in a store, and what flows ask about passwords.

Pure: hashing and counting failures are operations, performed by `users/`. A password stands in operations only, which
never show it; what is kept are `Credentials`, which never show their key.
"""

from __future__ import annotations

import json
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from sojourn.core.operations import Op
from sojourn.errors import StoreCorrupt, ValueRefused

__all__ = [
    "COLLECTION",
    "KEY_PREFIX",
    "Admit",
    "Credentials",
    "HashPassword",
    "NoteFailure",
    "NoteSuccess",
    "Scheme",
    "User",
    "UserOp",
    "Verdict",
    "VerifyPassword",
    "check_name",
    "decode_user",
    "encode_user",
    "is_possible_name",
    "key_of",
]

COLLECTION = "users"
"""The collection of documents in which the directory stands."""

KEY_PREFIX = "org.couchdb.user:"
"""How the key of a user begins: CouchDB's, so that documents can be moved (U1)."""

MAX_NAME = 256
"""Code points of a name; longer ones are unknown without asking the store."""

Scheme: TypeAlias = Literal["argon2id", "pbkdf2", "simple"]


class Credentials(Struct, frozen=True, omit_defaults=True):
    """What is kept to verify a password.

    Attributes:
        scheme: `argon2id` is ours; the others come from CouchDB's clients and are replaced at the next sign-in.
        key: The PHC string of argon2id, the hexadecimal key of the others.
        salt: Of pbkdf2 and simple, used as text.
        iterations: Of pbkdf2.
        prf: Of pbkdf2: sha (= sha1), sha224, sha256, sha384, sha512.
    """

    scheme: Scheme
    key: str
    salt: str = ""
    iterations: int = 0
    prf: str = "sha"

    def __repr__(self) -> str:
        return f"<Credentials {self.scheme}>"


class User(Struct, frozen=True):
    """A user of the directory.

    Attributes:
        name: The user's name, which is the `uid` of the sessions.
        roles: What the sessions get at sign-in, and when it changes here.
        properties: The application's own members of the document; JSON values.
        credentials: None where nobody can sign in by password.
        stamp: Changes with the password and only then; not with a mere rehash. As CouchDB's salt does (C11).
        revision: `N-<32 hex>`; what a writer has to name.
    """

    name: str
    roles: tuple[str, ...] = ()
    properties: dict[str, Any] = {}
    credentials: Credentials | None = None
    stamp: str = ""
    revision: str = ""

    @property
    def key(self) -> str:
        """The key of the user's document, its `_id`."""
        return KEY_PREFIX + self.name

    def __repr__(self) -> str:
        return f"<User {self.name!r} roles={list(self.roles)!r} revision={self.revision!r}>"


# What flows ask of users/ ----------------------------------------------------------------------------------------


class HashPassword(Op[Credentials], frozen=True):
    """Hash a new password, if the password policy takes it.

    Raises:
        ValueRefused: It is too short, too long, or among the common ones; the message says which.
    """

    password: str
    name: str

    def __repr__(self) -> str:
        return f"<HashPassword for {self.name!r}>"


class Verdict(Struct, frozen=True):
    """Whether a password is right, and whether its credentials should be made anew with it."""

    is_right: bool
    is_stale: bool = False


class VerifyPassword(Op[Verdict], frozen=True):
    """Compare a password with credentials; None costs as much time as any, so names cannot be probed (ASVS 6.3.8)."""

    password: str
    credentials: Credentials | None

    def __repr__(self) -> str:
        return "<VerifyPassword>"


class Admit(Op[int], frozen=True):
    """Ask whether a sign-in may be tried: 0, or the milliseconds until it may. A try in flight is counted.

    Attributes:
        name: As given; it need not be anybody's.
        stamp: The user's, so that a new password ends a lock-out, as in CouchDB; empty for unknown names.
        address: Where the try comes from; None where it is not known.
    """

    name: str
    stamp: str
    address: str | None
    now: int


class NoteFailure(Op[None], frozen=True):
    """Count a failed sign-in that was admitted."""

    name: str
    stamp: str
    address: str | None
    now: int


class NoteSuccess(Op[None], frozen=True):
    """Forget the failures of a name at an address: a right password came. Also gives back what `Admit` counted."""

    name: str
    stamp: str
    address: str | None
    now: int


UserOp: TypeAlias = HashPassword | VerifyPassword | Admit | NoteFailure | NoteSuccess


# Names and texts -------------------------------------------------------------------------------------------------


def key_of(name: str) -> str:
    """The key of a user's document."""
    return KEY_PREFIX + name


def is_possible_name(name: str) -> bool:
    """Whether a user can have this name; others are unknown, and no store is asked for them."""
    return bool(name) and len(name) <= MAX_NAME and not _fault(name)


def check_name(name: str) -> None:
    """Pass silently if a user can have this name.

    Raises:
        ValueRefused: With CouchDB's text where CouchDB refuses it too (C17).
    """
    if not isinstance(name, str) or not name:
        raise ValueRefused("doc.name is required", ("name",))
    if fault := _fault(name):
        raise ValueRefused(fault, ("name",))
    if len(name) > MAX_NAME:
        raise ValueRefused(f"Usernames have at most {MAX_NAME} characters.", ("name",))


def _fault(name: str) -> str:
    if name.startswith("_"):
        return "Username may not start with underscore."
    if ":" in name:
        return "Character `:` is not allowed in usernames."
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F or 0xD800 <= ord(letter) <= 0xDFFF for letter in name):
        return "Control characters are not allowed in usernames."
    return ""


def encode_user(user: User) -> bytes:
    """The text of a user's document in a store; its key and revision stand beside it."""
    kept = user.credentials
    body = {
        "format": 1,
        "name": user.name,
        "roles": list(user.roles),
        "properties": user.properties,
        "stamp": user.stamp,
        "credentials": kept
        and {
            "scheme": kept.scheme,
            "key": kept.key,
            "salt": kept.salt,
            "iterations": kept.iterations,
            "prf": kept.prf,
        },
    }
    # The standard library's codec: it keeps integers of any size, as JSON documents of CouchDB do.
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode("ascii")


def decode_user(body: bytes, revision: str) -> User:
    """The user that `encode_user` wrote.

    Raises:
        StoreCorrupt: The text is none of ours, or of a newer layout.
    """
    try:
        read = json.loads(body)
        if read["format"] != 1:
            raise ValueError(read["format"])
        kept = read["credentials"]
        return User(
            name=read["name"],
            roles=tuple(read["roles"]),
            properties=read["properties"],
            credentials=None if kept is None else Credentials(**kept),
            stamp=read["stamp"],
            revision=revision,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreCorrupt("a document of the user directory cannot be read; is it of a newer version?") from error
