"""What a client holds: `handle.secret`, and everything that is derived from it. Only this module makes or hashes one.

The handle (128 random bits, lower-case hex) names the session for its whole life and is public. The secret (256
bits, unpadded base64url) proves it; stores keep only its SHA-256. A fast hash suffices because the secret cannot be
guessed, unlike a password (ASVS 7.2.3 asks for 128 bits). All entropy is handed in: nothing here is random.
"""

from __future__ import annotations

import base64
import hmac
import re
from hashlib import sha256

from msgspec import Struct

from sojourn.errors import UsageError

__all__ = [
    "CSRF_SALT_BYTES",
    "HANDLE_BYTES",
    "SECRET_BYTES",
    "Token",
    "csrf_matches",
    "csrf_token",
    "make_handle",
    "make_token",
    "mask",
    "parse_token",
    "proves",
    "secret_hash",
]

HANDLE_BYTES = 16
"""Octets of entropy in a handle."""

SECRET_BYTES = 32
"""Octets of entropy in a secret."""

CSRF_SALT_BYTES = 16
"""Octets of entropy in the salt of a CSRF token."""

_HASH_BYTES = 32
_TOKEN_LENGTH = 76
_CSRF_LENGTH = 66
# 43 characters carry 258 bits and 22 carry 132, so the last one has zero bits that a lenient decoder ignores.
# Only the characters in which they are zero are accepted: each secret has one spelling.
_PROOF = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
_HANDLE = "[0-9a-f]{32}"
_is_handle = re.compile(_HANDLE).fullmatch
_is_token = re.compile(rf"({_HANDLE})\.({_PROOF})").fullmatch
_is_csrf = re.compile(rf"([A-Za-z0-9_-]{{21}}[AQgw])\.{_PROOF}").fullmatch
_CSRF_PURPOSE = b"sojourn csrf 1\0"


class Token(Struct, frozen=True, eq=False, gc=False):
    """A handle and the secret that proves it. Printed, it shows neither whole.

    Attributes:
        handle: The session's public name, 32 characters of lower-case hex.
        secret: What proves it, 43 characters of base64url. Never log or store it.
    """

    handle: str
    secret: str

    @property
    def text(self) -> str:
        """What the client is given: `handle.secret`."""
        return f"{self.handle}.{self.secret}"

    def __repr__(self) -> str:
        return f"Token({mask(self.handle)})"

    def __str__(self) -> str:
        return mask(self.handle)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Token):
            return NotImplemented
        # Constant in time; through bytes, because compare_digest refuses a str that is not ASCII.
        return hmac.compare_digest(self.text.encode(), other.text.encode())

    def __hash__(self) -> int:
        return hash(self.handle)


def make_handle(entropy16: bytes) -> str:
    """Give the handle that is made of these 16 octets from the operating system.

    Raises:
        UsageError: There are fewer or more.
    """
    _check_entropy(entropy16, HANDLE_BYTES, "handle")
    return entropy16.hex()


def make_token(handle: str, entropy32: bytes) -> Token:
    """Give a token for a handle, new or old, with the secret that is made of these 32 octets.

    Raises:
        UsageError: There are fewer or more octets, or the handle is none.
    """
    if not _is_handle(handle):
        raise UsageError("a token needs a handle of 32 lower-case hex characters; use make_handle.")
    _check_entropy(entropy32, SECRET_BYTES, "token")
    return Token(handle, _base64url(entropy32))


def parse_token(text: object) -> Token | None:
    """Give the token that a client presented, or None if this is not the exact text of one.

    Never raises, whatever it is given; takes constant time for any wrong length. That a token is well formed says
    nothing about whether its session exists.
    """
    if not isinstance(text, str) or len(text) != _TOKEN_LENGTH:
        return None
    found = _is_token(text)
    return None if found is None else Token(found[1], found[2])


def secret_hash(secret: str) -> bytes:
    """Give what a store keeps of a secret: SHA-256 of its text, 32 octets.

    Of the text, not of the bits behind it: another base64 spelling of the same bits is another secret.

    Raises:
        UsageError: The text is not ASCII, so it is no secret.
    """
    if not secret.isascii():
        raise UsageError("a secret is ASCII text; check it by parse_token first.")
    return sha256(secret.encode("ascii")).digest()


def proves(secret_or_hash: str | bytes, expected_hash: bytes) -> bool:
    """Tell in constant time whether a secret (str), or the hash of one (bytes), is the one that a record expects.

    False, never an error, for a secret that is not ASCII and for anything that is not the length of a hash.
    """
    if isinstance(secret_or_hash, str):
        if not secret_or_hash.isascii():
            return False
        secret_or_hash = secret_hash(secret_or_hash)
    # Two empty texts are equal too: a record without a hash must not be proved by nothing.
    return len(expected_hash) == _HASH_BYTES and hmac.compare_digest(secret_or_hash, expected_hash)


def mask(text: object) -> str:
    """Give what logs may show of a token or a handle: the first 6 characters of the handle and `…`.

    Of anything else only `…`: a malformed token may begin with its secret.
    """
    if isinstance(text, str) and (_is_handle(text) or _is_token(text)):
        return text[:6] + "…"
    return "…"


def csrf_token(secret: str, salt: bytes) -> str:
    """Give a CSRF token of a session: `salt.mac` in base64url, another text for each salt. Seed item A15.

    HMAC-SHA256 under the token's secret, so nothing is stored, it dies with rotation (A14; OWASP: bound to a value
    that changes at login) and cannot be turned back into the secret. As each one differs, compression of the page
    gives nothing away (BREACH).

    Args:
        secret: The session token's secret.
        salt: 16 new octets from the operating system each time.

    Raises:
        UsageError: The salt is shorter or longer.
    """
    _check_entropy(salt, CSRF_SALT_BYTES, "CSRF token")
    mac = hmac.digest(secret.encode(), _CSRF_PURPOSE + salt, "sha256")
    return f"{_base64url(salt)}.{_base64url(mac)}"


def csrf_matches(token: object, secret: str) -> bool:
    """Tell in constant time whether a CSRF token belongs to the secret. Never raises: anything malformed is False."""
    if not isinstance(token, str) or len(token) != _CSRF_LENGTH:
        return False
    found = _is_csrf(token)
    if found is None:
        return False
    salt = base64.urlsafe_b64decode(found[1] + "==")
    return hmac.compare_digest(csrf_token(secret, salt), token)


def _check_entropy(entropy: bytes, length: int, what: str) -> None:
    if len(entropy) != length:
        raise UsageError(f"a {what} is made of {length} octets of entropy, not of {len(entropy)}.")


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
