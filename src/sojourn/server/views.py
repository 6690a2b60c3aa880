"""Sessions as administrators see them, on the console and on the command line: never a token, hash or secret."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, cast

import msgspec

from sojourn.core.record import Record, deadline
from sojourn.core.values import join, size

__all__ = ["MASK", "detail", "masked", "summary"]

MASK = "•••"
"""What stands for a value whose key says that it is a secret."""

_SECRET_WORDS = frozenset(
    (
        *("password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "tokens", "jwt", "bearer"),
        *("authorization", "credential", "credentials", "apikey", "csrf", "xsrf", "nonce", "otp", "totp", "pin"),
        *("cvv", "cvc", "iban", "ssn", "signature", "cookie", "verifier"),
    )
)
_SECRET_PAIRS = frozenset(("api key", "private key", "access key", "secret key", "card number", "session id"))


def summary(record: Record, own_handle: str | None = None) -> dict[str, Any]:
    """One row of a listing: times in milliseconds, keys of the data but no values.

    Args:
        record: The session's record.
        own_handle: The caller's own session, which is marked `current`.
    """
    client = record.client
    return {
        "handle": record.handle,
        "uid": record.uid,
        "roles": list(record.roles),
        "created": record.created,
        "last_access": record.last_access,
        "last_update": record.last_update,
        "expires_at": deadline(record),
        "client": {"ip": client.ip, "user_agent": client.user_agent, "label": client.label},
        "keys": sorted(record.data),
        "bytes": size(record.data),
        "current": record.handle == own_handle,
    }


def detail(record: Record, own_handle: str | None = None) -> dict[str, Any]:
    """A row with the session's data: dates and other types as tagged in the store, secret-looking keys masked."""
    return {**summary(record, own_handle), "data": masked(msgspec.json.decode(join(record.data)))}


def masked(value: object, key: str = "") -> object:
    """A copy of JSON data in which whatever stands under a secret-looking key is masked."""
    if _looks_secret(key):
        return MASK
    if isinstance(value, dict):
        return {inner: masked(item, inner) for inner, item in cast("dict[str, object]", value).items()}
    if isinstance(value, list):
        return [masked(item) for item in cast("list[object]", value)]
    return value


def _looks_secret(key: str) -> bool:
    """Whether one of the words that a key is made of names a secret: `csrfToken`, `api_key`, `PASSWORD`."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", key)]
    if not _SECRET_WORDS.isdisjoint(words):
        return True
    return any(f"{first} {second}" in _SECRET_PAIRS for first, second in pairwise(words))
