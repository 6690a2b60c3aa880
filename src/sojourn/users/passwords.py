"""Passwords: what is accepted, how it is hashed, how it is compared. argon2-cffi is loaded when one is first hashed.

New passwords become argon2id with OWASP's parameters (security.md A.8) as a PHC string. CouchDB's own records, `pbkdf2`
and `simple`, are verified by the standard library and told to be stale, so a sign-in replaces them. A password is a
text of code points in NFC; longer ones than `MAX_LENGTH` are refused before any work (CVE-2013-1443).
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from sojourn.core.accounts import Credentials, Verdict
from sojourn.errors import ConfigurationError, ValueRefused

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = [
    "MAX_ITERATIONS",
    "MAX_LENGTH",
    "MIN_LENGTH",
    "PasswordPolicy",
    "as_policy",
    "check_password",
    "common_passwords",
    "hash_password",
    "needs_rehash",
    "verify_password",
]

MIN_LENGTH = 8
"""Code points (ASVS 6.2.1)."""

MAX_LENGTH = 256
"""Code points; ASVS 6.2.9 asks for at least 64."""

MAX_ITERATIONS = 2_000_000
"""Of an imported pbkdf2 record: about a second. More would let whoever signs up burn our time."""

PasswordPolicy: TypeAlias = Literal["standard", "none"]
"""`standard`: `MIN_LENGTH` and not among the common ones. `none`: whatever CouchDB takes, for tests against it."""

_MEMORY_KIB, _TIME_COST, _PARALLELISM = 19_456, 2, 1
_PRFS = {"sha": "sha1", "sha1": "sha1", "sha224": "sha224", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}


def as_policy(policy: str) -> PasswordPolicy:
    """The policy of this name.

    Raises:
        ConfigurationError: There is none.
    """
    if policy == "standard":
        return "standard"
    if policy == "none":
        return "none"
    raise ConfigurationError(f"password_policy is one of {', '.join(get_args(PasswordPolicy))}, not {policy!r}")


def check_password(password: str, policy: PasswordPolicy = "standard", name: str = "") -> None:
    """Pass silently if a new password is accepted.

    Raises:
        ValueRefused: Too short, too long, common, the user's own name, or no text that can be encoded.
    """
    text = _normal(password)
    if text is None:
        raise ValueRefused(f"The password has more than {MAX_LENGTH} characters or is no valid text.", ("password",))
    if policy == "none":
        return
    if len(text) < MIN_LENGTH:
        raise ValueRefused(f"The password has fewer than {MIN_LENGTH} characters.", ("password",))
    if text.casefold() in common_passwords():
        raise ValueRefused("The password is one of those that are tried first.", ("password",))
    if text.casefold() == name.casefold():
        raise ValueRefused("The password is the user's name.", ("password",))


def hash_password(password: str, policy: PasswordPolicy = "standard", name: str = "") -> Credentials:
    """Credentials of a new password: about 20 ms of one core and 19 MiB. Never call it on an event loop.

    Raises:
        ValueRefused: As `check_password`.
    """
    check_password(password, policy, name)
    return Credentials("argon2id", _hasher().hash(_normal(password) or ""))


def verify_password(password: str, credentials: Credentials | None) -> Verdict:
    """Whether the password is right. Never call it on an event loop.

    Without credentials, and after a failure with records of another kind than ours, an argon2id verification of the
    same cost is done for nothing, so that the time does not tell who exists (ASVS 6.3.8, A.9 #41).
    """
    text = _normal(password)
    if text is None:  # as quick for everybody
        return Verdict(is_right=False)
    if credentials is not None and credentials.scheme == "argon2id":
        return Verdict(_verify_argon2(credentials.key, text), needs_rehash(credentials))
    if credentials is not None and _verify_legacy(password, credentials):
        return Verdict(is_right=True, is_stale=True)
    _ = _verify_argon2(_decoy(), text)
    return Verdict(is_right=False)


def needs_rehash(credentials: Credentials) -> bool:
    """Whether the credentials are of another scheme, or weaker or otherwise made, than those of new passwords."""
    if credentials.scheme != "argon2id":
        return True
    from argon2.exceptions import InvalidHashError

    try:
        return _hasher().check_needs_rehash(credentials.key)
    except InvalidHashError:
        return True


def _normal(password: str) -> str | None:
    """The password in NFC (NIST SP 800-63B-4 3.1.1.2), or None if it is too long or cannot be encoded."""
    if len(password) > 4 * MAX_LENGTH:  # composing shortens a text to a third at most
        return None
    text = unicodedata.normalize("NFC", password)
    if len(text) > MAX_LENGTH:
        return None
    try:
        _ = text.encode()
    except UnicodeEncodeError:
        return None
    return text


@functools.cache
def _hasher() -> PasswordHasher:
    try:
        from argon2 import PasswordHasher as Hasher
    except ModuleNotFoundError as error:
        raise ConfigurationError("passwords need argon2-cffi: pip install 'sojourn[server]'") from error
    return Hasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=_PARALLELISM)


@functools.cache
def _decoy() -> str:
    """A hash with today's parameters that nobody's password has: its input is longer than any that is accepted."""
    return _hasher().hash("x" * (MAX_LENGTH + 1))


def _verify_argon2(phc: str, text: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(phc, text)
    except (InvalidHashError, VerificationError):
        return False


def _verify_legacy(password: str, credentials: Credentials) -> bool:
    """CouchDB's records, over the password's octets as they came: CouchDB normalises nothing."""
    word, salt = password.encode(), credentials.salt.encode("utf-8", "surrogatepass")
    if credentials.scheme == "simple":
        # SHA-1 is what CouchDB 1.x wrote; it is verified once more and then replaced (ASVS 11.4.1).
        made = hashlib.sha1(word + salt, usedforsecurity=False).hexdigest()
    else:
        prf = _PRFS.get(credentials.prf)
        if prf is None or not 1 <= credentials.iterations <= MAX_ITERATIONS:
            return False
        length = max(1, min(64, len(credentials.key) // 2))
        made = hashlib.pbkdf2_hmac(prf, word, salt, credentials.iterations, length).hex()
    return hmac.compare_digest(made.encode(), credentials.key.lower().encode("utf-8", "replace"))


@functools.cache
def common_passwords() -> frozenset[str]:
    """The passwords that are tried first, in lower case: `common_passwords.txt`, made by scripts/common-passwords."""
    text = Path(__file__).with_name("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
