"""Tokens: one spelling only, nothing of a secret shown, and CSRF tokens that die with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.core.tokens import (
    CSRF_SALT_BYTES,
    HANDLE_BYTES,
    SECRET_BYTES,
    Token,
    csrf_matches,
    csrf_token,
    make_handle,
    make_token,
    mask,
    parse_token,
    proves,
    secret_hash,
)
from sojourn.errors import UsageError

HANDLE = make_handle(bytes(range(16)))
TOKEN = make_token(HANDLE, bytes(range(32)))
OTHER = make_token(HANDLE, bytes(range(1, 33)))
SALT = bytes(range(100, 116))
SIGNS = string.printable + "\0\u00e9\u0661\u2028\U0001f600\ud800"


def changes(text: str) -> list[str]:
    """Each text with one character replaced, left out or put in."""
    replaced = [text[:i] + c + text[i + 1 :] for i in range(len(text)) for c in SIGNS if c != text[i]]
    shorter = [text[:i] + text[i + 1 :] for i in range(len(text))]
    return replaced + shorter + [text[:i] + c + text[i:] for i in range(len(text) + 1) for c in SIGNS]


def test_the_shape_of_a_token() -> None:
    assert (HANDLE_BYTES, SECRET_BYTES) == (16, 32)
    assert HANDLE == "000102030405060708090a0b0c0d0e0f"
    assert TOKEN.text == f"{HANDLE}.AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert (TOKEN.handle, len(TOKEN.secret)) == (HANDLE, 43)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32))
def test_a_token_comes_back_and_holds_all_its_entropy(entropy16: bytes, entropy32: bytes) -> None:
    token = make_token(make_handle(entropy16), entropy32)
    assert parse_token(token.text) == token
    assert bytes.fromhex(token.handle) == entropy16
    assert base64.urlsafe_b64decode(token.secret + "=") == entropy32


@pytest.mark.parametrize("length", [0, 8, 15, 17, 31, 33])
def test_too_little_or_too_much_entropy_is_refused(length: int) -> None:
    with pytest.raises(UsageError, match="octets of entropy"):
        make_handle(bytes(length))
    with pytest.raises(UsageError, match="octets of entropy"):
        make_token(HANDLE, bytes(length))
    with pytest.raises(UsageError, match="octets of entropy"):
        csrf_token(TOKEN.secret, bytes(length))


@pytest.mark.parametrize("handle", ["", HANDLE[:-1], HANDLE.upper(), HANDLE + "\n", "g" * 32])
def test_a_token_needs_a_handle(handle: str) -> None:
    with pytest.raises(UsageError, match="handle"):
        make_token(handle, bytes(32))


def test_every_change_of_one_character_is_no_token_or_another() -> None:
    accepted = [token for text in changes(TOKEN.text) if (token := parse_token(text))]
    assert accepted, "some changes give other well-formed tokens"
    for token in accepted:
        assert token != TOKEN
        assert len(token.text) == len(TOKEN.text)
        # A changed secret proves nothing; a changed handle names another session.
        assert token.handle != HANDLE or not proves(token.secret, secret_hash(TOKEN.secret))


def test_a_secret_has_one_spelling() -> None:
    """The last character has two bits to spare: lenient decoders take four characters for each."""
    kept = [c for c in string.ascii_letters + string.digits + "-_" if parse_token(TOKEN.text[:-1] + c)]
    assert len(kept) == 16
    decoded = {base64.urlsafe_b64decode(TOKEN.secret[:-1] + c + "=") for c in kept}
    assert len(decoded) == 16


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", HANDLE, TOKEN.secret, f"{HANDLE}.", f".{TOKEN.secret}", f"{TOKEN.text}=", f" {TOKEN.text}"),
        *(TOKEN.text.upper(), TOKEN.text.replace(".", "-"), f"{TOKEN.secret}.{HANDLE}", TOKEN.text + TOKEN.text),
        *(TOKEN.text.replace("0", "\uff10"), TOKEN.text[:-1] + "\n", "%30" + TOKEN.text[1:], "a" * 10_000_000),
        *(None, 5, b"x" * 76, TOKEN.text.encode(), [TOKEN.text], TOKEN),
    ],
    ids=lambda text: ascii(text)[:30],
)
def test_what_is_no_token_is_none(text: object) -> None:
    assert parse_token(text) is None


@given(st.text() | st.text(alphabet="0123456789abcdefAQ._-", min_size=76, max_size=76))
def test_any_text_is_answered(text: str) -> None:
    token = parse_token(text)
    assert token is None or token.text == text


def test_the_secret_is_shown_nowhere() -> None:
    shown = [repr(TOKEN), str(TOKEN), f"{TOKEN}", f"{TOKEN!r}", f"{[TOKEN]}", ascii(TOKEN), "%s" % TOKEN]  # noqa: UP031
    for text in shown:
        assert TOKEN.secret[:4] not in text
        assert HANDLE[:7] not in text
        assert HANDLE[:6] + "\u2026" in text or "\\u2026" in text


def test_a_token_cannot_be_altered() -> None:
    with pytest.raises(AttributeError):
        TOKEN.secret = "x"  # type: ignore[misc]  # that is the point
    assert not hasattr(TOKEN, "__dict__")


def test_tokens_compare_by_their_text() -> None:
    assert parse_token(TOKEN.text) == TOKEN
    assert hash(parse_token(TOKEN.text)) == hash(TOKEN)
    assert TOKEN not in (OTHER, TOKEN.text, None)
    assert len({TOKEN, OTHER, Token(TOKEN.handle, TOKEN.secret)}) == 2


@pytest.mark.parametrize("text", [HANDLE, TOKEN.text])
def test_mask_shows_the_head_of_a_handle(text: str) -> None:
    assert mask(text) == "000102\u2026"


@pytest.mark.parametrize(
    "text", ["", "abc", TOKEN.secret, f"{TOKEN.secret}.{HANDLE}", HANDLE + "x", None, 5, b"000102"]
)
def test_mask_shows_nothing_of_anything_else(text: object) -> None:
    assert mask(text) == "\u2026"


def test_the_hash_is_of_the_text() -> None:
    assert secret_hash(TOKEN.secret) == hashlib.sha256(TOKEN.secret.encode()).digest()
    respelled = TOKEN.secret[:-1] + "9"
    assert base64.urlsafe_b64decode(respelled + "=") == base64.urlsafe_b64decode(TOKEN.secret + "=")
    assert not proves(respelled, secret_hash(TOKEN.secret))


def test_a_secret_that_is_none_is_refused_without_showing_it() -> None:
    secret = "hunter2".swapcase() + "\u00e9"  # put together, for a traceback shows the source
    with pytest.raises(UsageError) as raised:
        secret_hash(secret)
    assert secret not in "".join(traceback.format_exception(raised.value))
    assert raised.value.__context__ is None


def test_proof() -> None:
    expected = secret_hash(TOKEN.secret)
    assert proves(TOKEN.secret, expected)
    assert proves(secret_hash(TOKEN.secret), expected)
    for wrong in (OTHER.secret, secret_hash(OTHER.secret), "", b"", "\u00e9", "\ud800", expected[:-1], expected.hex()):
        assert not proves(wrong, expected)


def test_nothing_proves_a_record_without_a_hash() -> None:
    for nothing in (b"", "", bytes(32)):
        assert not proves(nothing, b"")
    assert not proves(expected := secret_hash(TOKEN.secret)[:16], expected)


def test_a15_a_csrf_token_is_another_each_time_and_matches() -> None:
    tokens = {csrf_token(TOKEN.secret, bytes([i] * CSRF_SALT_BYTES)) for i in range(50)}
    assert len(tokens) == 50
    assert len({token.split(".")[1] for token in tokens}) == 50
    assert all(csrf_matches(token, TOKEN.secret) for token in tokens)
    assert not any(csrf_matches(token, OTHER.secret) for token in tokens)


def test_the_form_of_a_csrf_token_is_fixed() -> None:
    """Pages that were sent before an upgrade are submitted after it."""
    mac = hmac.new(TOKEN.secret.encode(), b"sojourn csrf 1\0" + SALT, hashlib.sha256).digest()
    parts = [base64.urlsafe_b64encode(octets).rstrip(b"=").decode() for octets in (SALT, mac)]
    assert csrf_token(TOKEN.secret, SALT) == ".".join(parts)


def test_a14_a_csrf_token_dies_with_the_secret() -> None:
    rotated = make_token(HANDLE, b"r" * 32)
    assert not csrf_matches(csrf_token(TOKEN.secret, SALT), rotated.secret)


def test_a_csrf_token_tells_nothing_of_the_secret() -> None:
    token = csrf_token(TOKEN.secret, SALT)
    assert TOKEN.secret[:6] not in token
    # The purpose is bound in: a bare HMAC over the salt, as another part of a program may make, is not accepted.
    bare = base64.urlsafe_b64encode(hashlib.sha256(TOKEN.secret.encode() + SALT).digest()).rstrip(b"=").decode()
    assert not csrf_matches(f"{token.split('.')[0]}.{bare}", TOKEN.secret)


def test_every_change_of_a_csrf_token_is_refused() -> None:
    assert not any(csrf_matches(text, TOKEN.secret) for text in changes(csrf_token(TOKEN.secret, SALT)))


@pytest.mark.parametrize("token", [None, 5, b"x", [], "", ".", TOKEN.text, "\u00e9" * 66, "a" * 66, "a" * 10_000_000])
def test_a15_what_is_no_csrf_token_does_not_match(token: object) -> None:
    assert csrf_matches(token, TOKEN.secret) is False


@given(st.text() | st.text(alphabet="AQgw._-", min_size=66, max_size=66))
def test_any_text_is_no_csrf_token(text: str) -> None:
    assert not csrf_matches(text, TOKEN.secret)
