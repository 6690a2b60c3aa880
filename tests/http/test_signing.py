"""Signed values: rotation (A8, A.9 #17), purposes (A.9 #18), the second cookie (F11, F12), tampering."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.errors import ConfigurationError, UsageError
from sojourn.http.signing import Signed, Signer

OLD = "old-secret-of-at-least-32-octets-0"
NEW = "new-secret-of-at-least-32-octets-1"
TOKEN = "0123456789abcdef0123456789abcdef.c2VjcmV0"
PRINTABLE = [chr(code) for code in range(0x20, 0x7F)]


def test_a_signed_value_comes_back() -> None:
    signer = Signer([NEW], "session")
    text = signer.sign(TOKEN)
    assert text.startswith(TOKEN + ".")
    assert len(text) == len(TOKEN) + 1 + 43
    assert set(text) <= set(string.ascii_letters + string.digits + "._-")
    assert signer.unsign(text) == Signed(TOKEN, stale=False)


@given(st.text(st.characters(max_codepoint=127), max_size=40))
def test_any_ascii_value_comes_back_in_both_forms(value: str) -> None:
    signer = Signer([NEW], "session")
    assert signer.unsign(signer.sign(value)) == Signed(value, stale=False)
    assert signer.verify(value, signer.signature(value)) == Signed(value, stale=False)


@given(st.text(max_size=60))
def test_no_text_makes_verifying_raise(text: str) -> None:
    signer = Signer([NEW], "session")
    assert signer.unsign(text) is None
    assert signer.verify(text, text) is None
    assert signer.verify("abc", text) is None


def test_values_that_no_cookie_holds_are_not_signed() -> None:
    signer = Signer([NEW], "session")
    for value in ("é", "\ud800"):
        with pytest.raises(UsageError, match="base64url"):
            signer.sign(value)
        with pytest.raises(UsageError, match="base64url"):
            signer.signature(value)


def single_changes(text: str) -> list[str]:
    """Every text that differs by one character: replaced, dropped, doubled or put in."""
    changed = set()
    for at in range(len(text) + 1):
        changed.update(text[:at] + one + text[at:] for one in PRINTABLE)
        if at < len(text):
            changed.add(text[:at] + text[at + 1 :])
            changed.update(text[:at] + one + text[at + 1 :] for one in PRINTABLE)
            changed.add(text[:at] + chr(ord(text[at]) + 0xFEE0) + text[at + 1 :])  # its full-width look-alike
    changed.discard(text)
    return sorted(changed)


def test_every_change_of_one_character_is_refused() -> None:
    signer = Signer([NEW, OLD], "session")
    text = signer.sign(TOKEN)
    changed = single_changes(text)
    assert len(changed) > 10_000
    assert [one for one in changed if signer.unsign(one) is not None] == []


def test_every_change_of_one_bit_is_refused() -> None:
    signer = Signer([NEW], "session")
    raw = signer.sign(TOKEN).encode()
    for at in range(len(raw) * 8):
        flipped = bytearray(raw)
        flipped[at // 8] ^= 1 << at % 8
        assert signer.unsign(flipped.decode("latin-1")) is None


def test_f12_every_change_of_the_second_cookie_is_refused() -> None:
    signer = Signer([NEW], "session")
    signature = signer.signature(TOKEN)
    changed = single_changes(signature)
    assert signature.upper() != signature
    assert [one for one in [*changed, signature.upper()] if signer.verify(TOKEN, one) is not None] == []
    assert [one for one in single_changes(TOKEN) if signer.verify(one, signature) is not None] == []


def test_f12_the_second_cookie_is_hexadecimal_over_the_value_alone() -> None:
    signature = Signer([NEW], "session").signature(TOKEN)
    assert len(signature) == 64
    assert set(signature) <= set("0123456789abcdef")
    assert signature == Signer([NEW, OLD], "session").signature(TOKEN)


@pytest.mark.parametrize("signature", [None, "", "0" * 64, "é" * 64])
def test_f11_a_missing_or_bad_second_cookie_is_a_mismatch(signature: str | None) -> None:
    assert Signer([NEW], "session").verify(TOKEN, signature) is None


def test_a_companion_of_another_session_is_refused() -> None:
    signer = Signer([NEW], "session")
    assert signer.verify(TOKEN, signer.signature(TOKEN[::-1])) is None


@pytest.mark.parametrize("text", ["", ".", "..", TOKEN, TOKEN + ".", "." + TOKEN])
def test_a9_2_what_is_not_signed_is_nothing(text: str) -> None:
    assert Signer([NEW], "session").unsign(text) is None


def test_a_signature_alone_is_not_the_empty_value() -> None:
    signer = Signer([NEW], "session")
    assert signer.unsign(signer.sign("")) == Signed("", stale=False)
    assert signer.unsign(signer.sign("").removeprefix(".")) is None


def test_a9_17_the_first_secret_signs_and_all_verify() -> None:
    before, during, after = (Signer(each, "session") for each in ([OLD], [NEW, OLD], [NEW]))
    fresh, old = during.sign(TOKEN), before.sign(TOKEN)
    assert after.unsign(fresh) == Signed(TOKEN, stale=False)
    assert before.unsign(fresh) is None
    assert after.unsign(old) is None
    assert after.verify(TOKEN, during.signature(TOKEN)) == Signed(TOKEN, stale=False)
    assert after.verify(TOKEN, before.signature(TOKEN)) is None


def test_a8_what_an_old_secret_signed_is_stale() -> None:
    before, during = Signer([OLD], "session"), Signer([NEW, OLD], "session")
    assert during.unsign(before.sign(TOKEN)) == Signed(TOKEN, stale=True)
    assert during.verify(TOKEN, before.signature(TOKEN)) == Signed(TOKEN, stale=True)
    assert during.unsign(during.sign(TOKEN)) == Signed(TOKEN, stale=False)


@pytest.mark.parametrize("other", ["csrf", "session:b.example", "Session", "session ", "session\0", "s\0ession"])
def test_a9_18_another_purpose_or_site_never_verifies(other: str) -> None:
    ours, theirs = Signer([NEW], "session"), Signer([NEW], other)
    assert theirs.unsign(ours.sign(TOKEN)) is None
    assert theirs.verify(TOKEN, ours.signature(TOKEN)) is None


def test_the_two_forms_never_stand_for_each_other() -> None:
    signer = Signer([NEW], "session")
    assert signer.unsign(f"{TOKEN}.{signer.signature(TOKEN)}") is None
    inline = signer.sign(TOKEN).rpartition(".")[2]
    assert signer.verify(TOKEN, inline) is None
    # Not in the other's letters either: the keys differ, not only the spelling.
    assert signer.verify(TOKEN, base64.urlsafe_b64decode(inline + "=").hex()) is None


@pytest.mark.parametrize(
    "secrets",
    [
        [],
        "x" * 64,
        b"x" * 64,
        [""],
        ["hunter2"],
        [NEW, "hunter2" * 4],
        [b"h" * 31],
        [None],
        [7],
        ["hunter2\ud800" * 9],
    ],
)
def test_a9_18_no_short_or_missing_secret_starts(secrets: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Signer(secrets, "session")
    assert "write" in str(caught.value)
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_secret_is_measured_in_octets() -> None:
    assert Signer(["é" * 16], "session").unsign("x") is None
    assert Signer([b"\xff" * 32], "session").unsign("x") is None
    with pytest.raises(ConfigurationError, match="secret 2 has 31 octets"):
        Signer([NEW, "x" * 31], "session")


def test_text_and_octets_of_one_secret_are_the_same() -> None:
    assert Signer([NEW], "p").sign("v") == Signer([NEW.encode()], "p").sign("v")


def test_a_purpose_is_needed() -> None:
    with pytest.raises(ConfigurationError, match="purpose"):
        Signer([NEW], "")


def test_repr_hides_the_secrets_and_their_keys() -> None:
    signer = Signer([NEW, OLD], "session")
    assert repr(signer) == "Signer(purpose='session', secrets=2)"
    assert not hasattr(signer, "__dict__")
