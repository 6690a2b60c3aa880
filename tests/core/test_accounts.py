from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.core.accounts import (
    Credentials,
    HashPassword,
    User,
    VerifyPassword,
    check_name,
    decode_user,
    encode_user,
    is_possible_name,
    key_of,
)
from sojourn.errors import StoreCorrupt, ValueRefused

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
credentials = st.none() | st.builds(
    Credentials,
    st.sampled_from(["argon2id", "pbkdf2", "simple"]),
    st.text(),
    st.text(),
    st.integers(0, 2_000_000),
    st.sampled_from(["sha", "sha256"]),
)


@given(st.text(), st.lists(st.text()), st.dictionaries(st.text(), values, max_size=4), credentials, st.text())
def test_a_user_survives_its_text(
    name: str, roles: list[str], properties: dict[str, Any], kept: Credentials | None, stamp: str
) -> None:
    user = User(name, tuple(roles), properties, kept, stamp, "3-" + "a" * 32)
    again = decode_user(encode_user(user), user.revision)
    assert again == user
    assert json.dumps(again.properties) == json.dumps(properties)  # 1, 1.0 and True are three values


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"null", b'{"format":2}', b'{"format":1}', b"\xff",
     b'{"format":1,"name":"a","roles":[],"properties":{},"stamp":"","credentials":{"scheme":"simple"}}'],
)  # fmt: skip
def test_other_texts_are_corrupt_and_said_so_without_showing_them(body: bytes) -> None:
    with pytest.raises(StoreCorrupt, match="user directory"):
        decode_user(body, "1-x")


@pytest.mark.parametrize("name", ["a", "Änne Müller", "名前", "x@example.org", "a/b", "x" * 256, "'; drop", "a_"])
def test_possible_names(name: str) -> None:
    assert is_possible_name(name)
    check_name(name)
    assert key_of(name) == User(name).key == "org.couchdb.user:" + name


@pytest.mark.parametrize("name", ["", "_a", "a:b", "a\0", "a\n", "\x7f", "\ud800", "x" * 257])
def test_impossible_names(name: str) -> None:
    assert not is_possible_name(name)
    with pytest.raises(ValueRefused):
        check_name(name)


def test_operations_and_values_show_no_secret() -> None:
    kept = Credentials("simple", "k3y", "salt")
    for shown in (HashPassword("pa55", "anna"), VerifyPassword("pa55", kept), kept, User("anna", credentials=kept)):
        assert "pa55" not in repr(shown)
        assert "k3y" not in repr(shown)
