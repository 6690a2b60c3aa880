from __future__ import annotations

import hashlib
import statistics
import time
import unicodedata

import pytest
from argon2 import PasswordHasher, extract_parameters

from sojourn.core.accounts import Credentials
from sojourn.errors import ConfigurationError, ValueRefused
from sojourn.users.passwords import (
    MAX_ITERATIONS,
    MAX_LENGTH,
    as_policy,
    check_password,
    common_passwords,
    hash_password,
    needs_rehash,
    verify_password,
)

GOOD = "correct horse battery"


def pbkdf2(word: str, salt: str, rounds: int, prf: str, length: int) -> str:
    return hashlib.pbkdf2_hmac(prf, word.encode(), salt.encode(), rounds, length).hex()


def simple(word: str, salt: str) -> Credentials:
    return Credentials("simple", hashlib.sha1((word + salt).encode()).hexdigest(), salt)


def test_a_hash_is_a_phc_string_with_owasps_parameters() -> None:
    made = hash_password(GOOD)
    assert made.scheme == "argon2id"
    assert made.key.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not needs_rehash(made)
    assert hash_password(GOOD).key != made.key


def test_the_right_password_verifies_and_no_other() -> None:
    made = hash_password(GOOD)
    verdict = verify_password(GOOD, made)
    assert verdict.is_right
    assert not verdict.is_stale
    for other in (GOOD + " ", GOOD.upper(), GOOD + "\0", "", GOOD[:-1], " " + GOOD):
        assert not verify_password(other, made).is_right


def test_nothing_is_cut_off() -> None:
    long = "aB3-" * 64
    made = hash_password(long)
    assert verify_password(long, made).is_right
    assert not verify_password(long[:72] + "X" + long[73:], made).is_right
    assert not verify_password(long[:-1], made).is_right
    assert not verify_password("abcdefgh\0ijkl", hash_password("abcdefgh\0ijkm")).is_right


def test_a_password_is_one_in_both_of_its_unicode_spellings() -> None:
    composed, decomposed = "Grüße aus Köln", unicodedata.normalize("NFD", "Grüße aus Köln")
    assert composed != decomposed
    assert verify_password(decomposed, hash_password(composed)).is_right


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("a2345 7", "fewer than 8"),
        ("é" * 7, "fewer than 8"),
        ("x" * (MAX_LENGTH + 1), "more than 256"),
        ("x" * 1_048_576, "more than 256"),
        ("\ud800 abcdefgh", "no valid text"),
        ("password1", "tried first"),
        ("PassWord1", "tried first"),
        ("12345678", "tried first"),
        ("qwertyuiop", "tried first"),
        ("iloveyou", "tried first"),
        ("Anneliese-Maier", "the user's name"),
    ],
)
def test_a_poor_password_is_refused_with_the_reason(password: str, why: str) -> None:
    with pytest.raises(ValueRefused, match=why) as refused:
        check_password(password, "standard", "anneliese-maier")
    assert password not in str(refused.value)


@pytest.mark.parametrize("password", ["fjord&98", "x k" * 21, "k0ala " * 42, "🦊🐻🐼🐨🦁🐮🐷🐸"])
def test_lengths_are_counted_in_code_points(password: str) -> None:
    check_password(password)


def test_length_is_counted_after_composition() -> None:
    accented = unicodedata.normalize("NFD", "é" * MAX_LENGTH)
    assert len(accented) == 2 * MAX_LENGTH
    check_password(accented)


def test_policy_none_takes_what_couchdb_takes_but_no_megabytes() -> None:
    check_password("", "none")
    check_password("a", "none")
    with pytest.raises(ValueRefused, match="more than 256"):
        check_password("x" * 257, "none")
    with pytest.raises(ConfigurationError, match="standard, none"):
        as_policy("weak")


def test_a_huge_password_costs_nothing() -> None:
    made = hash_password(GOOD)
    begun = time.process_time()
    assert not verify_password("x" * 1_048_576, made).is_right
    assert not verify_password("x" * 1_048_576, None).is_right
    assert time.process_time() - begun < 0.01


def test_the_common_passwords_are_many_and_of_the_shape_that_is_compared() -> None:
    known = common_passwords()
    assert len(known) >= 3_000
    assert all(len(entry) >= 8 and entry == entry.casefold().strip() for entry in known)
    for entry in ("password", "123456789", "qwerty123", "11111111", "football1", "sunshine", "trustno1", "1q2w3e4r"):
        assert entry in known


@pytest.mark.parametrize(
    "credentials",
    [
        simple(GOOD, "f0"),
        Credentials("pbkdf2", pbkdf2(GOOD, "salty", 10, "sha1", 20), "salty", 10),
        Credentials("pbkdf2", pbkdf2(GOOD, "salty", 10, "sha1", 20).upper(), "salty", 10, "sha1"),
        Credentials("pbkdf2", pbkdf2(GOOD, "ab" * 16, 600, "sha256", 32), "ab" * 16, 600, "sha256"),
        Credentials("pbkdf2", pbkdf2(GOOD, "ab" * 16, 600, "sha512", 64), "ab" * 16, 600, "sha512"),
    ],
)
def test_couchdbs_records_verify_and_are_stale(credentials: Credentials) -> None:
    verdict = verify_password(GOOD, credentials)
    assert verdict.is_right
    assert verdict.is_stale
    assert needs_rehash(credentials)
    assert not verify_password(GOOD + "x", credentials).is_right


@pytest.mark.parametrize(
    "credentials",
    [
        Credentials("pbkdf2", "", "s", 10),
        Credentials("pbkdf2", "ab" * 20, "s", 0),
        Credentials("pbkdf2", "ab" * 20, "s", MAX_ITERATIONS + 1),
        Credentials("pbkdf2", "ab" * 20, "s", 10, "md5"),
        Credentials("simple", "", "s"),
        Credentials("simple", "\ud800", "\ud800"),
        Credentials("argon2id", "nothing of the kind"),
        Credentials("argon2id", ""),
    ],
)
def test_broken_records_open_nothing(credentials: Credentials) -> None:
    assert not verify_password("", credentials).is_right
    assert not verify_password(GOOD, credentials).is_right
    assert needs_rehash(credentials)


def test_weaker_argon2_is_verified_and_stale() -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    assert extract_parameters(weak).memory_cost == 8
    verdict = verify_password(GOOD, Credentials("argon2id", weak))
    assert verdict.is_right
    assert verdict.is_stale


def test_credentials_never_show_their_key() -> None:
    made = simple(GOOD, "f0")
    assert made.key not in repr(made)
    assert "simple" in repr(made)


@pytest.mark.xdist_group("timing")
def test_unknown_and_legacy_users_cost_what_others_cost() -> None:
    """ASVS 6.3.8: medians of CPU time within 25 %, interleaved; a missing dummy would be off by a factor of 1,000."""
    made, legacy = hash_password(GOOD), simple(GOOD, "f0")
    verify_password("warm up", None)
    times: dict[str, list[float]] = {"known": [], "unknown": [], "legacy": []}
    for _ in range(25):
        for kind, credentials in (("known", made), ("unknown", None), ("legacy", legacy)):
            begun = time.thread_time()
            verify_password("wrong wrong wrong", credentials)
            times[kind].append(time.thread_time() - begun)
    known = statistics.median(times["known"])
    assert abs(statistics.median(times["unknown"]) / known - 1) < 0.25
    assert abs(statistics.median(times["legacy"]) / known - 1) < 0.25
