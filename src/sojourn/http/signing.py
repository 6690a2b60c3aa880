"""Signatures over what the client holds: `value.signature`, or the seeds' second cookie `NAME_sig` (F12).

Opaque tokens need no signature, because their secret proves them. One is for those who want forged tokens
refused before the store is asked, and for clients of the seeds.

Theory of operation: from each secret two keys are derived, one per form, by HMAC over the purpose. So a
signature made for one purpose, form or site is nothing to another (ASVS 9.2.3; security.md A.9 #18), though
the operator keeps a single secret. Signatures are compared as text, never decoded: each has one spelling.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import NamedTuple

from sojourn.errors import ConfigurationError, UsageError

__all__ = ["MIN_SECRET_OCTETS", "Signed", "Signer", "keyed_digest"]

MIN_SECRET_OCTETS = 32
"""A secret is at least as long as the HMAC's output (RFC 2104 section 3)."""


def keyed_digest(key: bytes, message: bytes) -> bytes:
    """The HMAC-SHA256 of `message`, 32 octets: the only keyed hash in http/ (ASVS 9.1.2: no choice, no none)."""
    return hmac.digest(key, message, "sha256")


class Signed(NamedTuple):
    """A value whose signature is good.

    Attributes:
        value: What was signed.
        stale: Whether an old secret signed it: hand it out again, signed anew (A8).
    """

    value: str
    stale: bool


class Signer:
    """Signs with the first secret and verifies with all of them, by HMAC-SHA256.

    To change secrets put the new one in front, and take the old one away when the longest session is over:
    nobody is signed out (A.9 #17).

    Args:
        secrets: At least one, each of at least 32 octets (text counts in UTF-8), newest first.
        purpose: What the signatures are for, and for which site when several share secrets, such as
            `"session:example.org"`. Another purpose never verifies.

    Raises:
        ConfigurationError: No secret, a short one, or no purpose; the text never shows a secret.
    """

    __slots__ = ("_companion_keys", "_keys", "_purpose")

    def __init__(self, secrets: Sequence[str | bytes], purpose: str) -> None:
        if isinstance(secrets, (str, bytes)):
            msg = "secrets is a single text, not a list: write secrets=[secret], the newest first."
            raise ConfigurationError(msg)
        if not purpose:
            msg = "purpose is empty: write what the signatures are for, such as 'session:example.org'."
            raise ConfigurationError(msg)
        if not secrets:
            raise ConfigurationError("secrets is empty: " + _HOW_TO_MAKE_ONE)
        raw = [_checked(secret, number) for number, secret in enumerate(secrets, 1)]
        self._purpose = purpose
        self._keys = [_derive(secret, "value.signature", purpose) for secret in raw]
        self._companion_keys = [_derive(secret, "NAME_sig", purpose) for secret in raw]

    def __repr__(self) -> str:
        return f"Signer(purpose={self._purpose!r}, secrets={len(self._keys)})"

    def sign(self, value: str) -> str:
        """`value.signature`, the signature in 43 characters of base64url.

        Raises:
            UsageError: The value is not ASCII, so that it could not stand in a cookie.
        """
        return f"{value}.{_signature(self._keys[0], _octets(value))}"

    def unsign(self, text: str) -> Signed | None:
        """The value of a signed text, or None for anything else; nothing is told about the reason.

        The signature is compared in constant time before the value is looked at (ASVS 9.1.1). There is no way
        around it: whatever cannot be verified is None (A.9 #2).
        """
        value, dot, signature = text.rpartition(".")
        if not dot or not text.isascii():
            return None
        octets, given = value.encode("ascii"), signature.encode("ascii")
        for number, key in enumerate(self._keys):
            if hmac.compare_digest(_signature(key, octets).encode("ascii"), given):
                return Signed(value, stale=number > 0)
        return None

    def signature(self, value: str) -> str:
        """What the second cookie `NAME_sig` holds: 64 hexadecimal digits over the value alone (F12).

        Raises:
            UsageError: The value is not ASCII, so that it could not stand in a cookie.
        """
        return keyed_digest(self._companion_keys[0], _octets(value)).hex()

    def verify(self, value: str, signature: str | None) -> Signed | None:
        """Whether `signature` is the value's, in constant time; a missing one is a mismatch (F11, F12)."""
        if not signature or not signature.isascii() or not value.isascii():
            return None
        octets, given = value.encode("ascii"), signature.encode("ascii")
        for number, key in enumerate(self._companion_keys):
            if hmac.compare_digest(keyed_digest(key, octets).hex().encode("ascii"), given):
                return Signed(value, stale=number > 0)
        return None


_HOW_TO_MAKE_ONE = (
    f"write one of at least {MIN_SECRET_OCTETS} octets, made with "
    "`python -c 'import secrets; print(secrets.token_urlsafe(32))'` and kept out of the code."
)


def _checked(secret: object, number: int) -> bytes:
    """The secret's octets, or an error that names its place and length only."""
    if not isinstance(secret, (str, bytes)):
        msg = f"secret {number} is a {type(secret).__name__}, neither str nor bytes: " + _HOW_TO_MAKE_ONE
        raise ConfigurationError(msg)
    try:
        raw = secret.encode() if isinstance(secret, str) else secret
    except UnicodeEncodeError:
        # `from None`: the codec's error carries the whole secret.
        raise ConfigurationError(f"secret {number} holds a lone surrogate: " + _HOW_TO_MAKE_ONE) from None
    if len(raw) < MIN_SECRET_OCTETS:
        raise ConfigurationError(f"secret {number} has {len(raw)} octets: " + _HOW_TO_MAKE_ONE)
    return raw


def _derive(secret: bytes, form: str, purpose: str) -> bytes:
    # The form is one of two constants without NUL, so the text is unambiguous, whatever the purpose holds.
    return keyed_digest(secret, f"sojourn signature 1\0{form}\0{purpose}".encode())


def _signature(key: bytes, value: bytes) -> str:
    return base64.urlsafe_b64encode(keyed_digest(key, value)).rstrip(b"=").decode("ascii")


def _octets(value: str) -> bytes:
    if not value.isascii():
        msg = "only ASCII can be signed, since it is to stand in a cookie or header: use base64url."
        raise UsageError(msg)
    return value.encode("ascii")
