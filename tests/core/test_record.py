"""Deadlines as tables, the touch, proofs, cursors, and what is checked where names enter."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sojourn.core.record import (
    Client,
    Identity,
    Lifetime,
    Record,
    TtlType,
    as_client,
    as_roles,
    as_uid,
    cursor_of,
    deadline,
    expired,
    identity_of,
    is_handle,
    parse_cursor,
    proof,
    touch_due,
)
from sojourn.errors import ValueRefused

HANDLE = "0123456789abcdef" * 2


def make(
    ttl: int | None = None, kind: TtlType = "last_access", absolute: int | None = None, touch: int = 0, **more: Any
) -> Record:
    fields: dict[str, Any] = {"created": 1_000, "last_access": 3_000, "last_update": 2_000, **more}
    return Record(
        handle=HANDLE, secret_hash=b"a" * 32, lifetime=Lifetime(ttl, kind, absolute, touch), **fields
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ttl", "kind", "absolute", "end"),
    [
        (None, "last_access", None, None),
        (None, "last_update", None, None),
        (None, "created", None, None),
        (None, "last_access", 500, 1_500),
        (None, "created", 500, 1_500),
        (100, "last_access", None, 3_100),
        (100, "last_update", None, 2_100),
        (100, "created", None, 1_100),
        (100, "last_access", 9_000, 3_100),
        (100, "last_update", 9_000, 2_100),
        (100, "last_access", 2_050, 3_050),
        (100, "last_access", 2_100, 3_100),
        (9_000, "created", 500, 1_500),
        (500, "created", 9_000, 1_500),
    ],
)
def test_the_deadline_is_the_first_of_both_limits(
    ttl: int | None, kind: TtlType, absolute: int | None, end: int | None
) -> None:
    record = make(ttl, kind, absolute)
    assert deadline(record) == end
    if end is None:
        assert not expired(record, 2**62)
    else:  # F6: alive at the deadline, over one millisecond later
        assert not expired(record, end)
        assert expired(record, end + 1)


@given(
    st.none() | st.integers(1, 10**6),
    st.sampled_from(["last_access", "last_update", "created"]),
    st.none() | st.integers(1, 10**6),
    st.integers(0, 10**6),
)
def test_an_access_never_brings_the_deadline_nearer(
    ttl: int | None, kind: TtlType, absolute: int | None, later: int
) -> None:
    record = make(ttl, kind, absolute)
    accessed = replace(record, last_access=record.last_access + later)
    before, after = deadline(record), deadline(accessed)
    if before is None:
        assert after is None
    else:
        assert after is not None
        assert after >= before
        assert absolute is None or after <= record.created + absolute
        assert kind == "last_access" or after == before


@pytest.mark.parametrize(
    ("touch", "now", "due"), [(0, 3_000, False), (0, 3_001, True), (60, 3_060, False), (60, 3_061, True), (0, 1, False)]
)
def test_a_touch_is_due_when_the_last_one_is_older_than_the_interval(touch: int, now: int, due: bool) -> None:
    assert touch_due(make(touch=touch), now) is due


def test_what_a_secret_proves() -> None:
    record = make(previous_hash=b"b" * 32)
    assert proof(record, b"a" * 32) == "valid"
    assert proof(record, b"b" * 32) == "reused"
    assert proof(record, b"c" * 32) == "none"
    assert proof(record, b"") == "none"
    assert proof(make(), b"b" * 32) == "none"
    assert proof(make(previous_hash=b""), b"") == "none"


def test_cursors_sort_as_listings_do_and_come_back() -> None:
    records = [make(created=created) for created in (0, 9, 10, 1_780_000_000_000)]
    texts = [cursor_of(record) for record in records]
    assert texts == sorted(texts)
    assert [parse_cursor(text) for text in texts] == [(record.created, HANDLE) for record in records]


@pytest.mark.parametrize(
    "text",
    ["", "1", f"12-{HANDLE}", f"{'1' * 15}-{HANDLE.upper()}", f"{'1' * 15}-{HANDLE}\n", "\u0661" * 15 + f"-{HANDLE}"],
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueRefused):
        parse_cursor(text)


@pytest.mark.parametrize("text", ["", HANDLE[1:], HANDLE + "0", HANDLE.upper(), HANDLE + "\n", f"{HANDLE}.x", "é" * 32])
def test_only_a_handle_is_one(text: str) -> None:
    assert is_handle(HANDLE)
    assert not is_handle(text)


@pytest.mark.parametrize("uid", ["luca", "org.couchdb.user:luca", "💡", " ", "x" * 10_000])
def test_names_are_kept(uid: str) -> None:
    assert as_uid(uid) == uid
    assert as_roles([uid]) == (uid,)


@pytest.mark.parametrize("uid", ["", None, 1, b"luca", True, "a\x00b", "\ud800", ["luca"]])
def test_names_that_a_store_could_not_keep_are_refused(uid: Any) -> None:
    with pytest.raises(ValueRefused) as caught:
        as_uid(uid)
    assert caught.value.path == ("uid",)
    with pytest.raises(ValueRefused):
        as_roles([uid])


def test_clients_are_cut_where_they_enter() -> None:
    assert as_client(Client()) == Client()
    cut = as_client(Client("\ud800", "é" * 600, "a\x00b"))
    assert cut == Client("?", "é" * 512, "a?b")


def test_the_identity_part_of_a_record() -> None:
    who = Identity("luca", ("r",), b'{"a":1}', 5, "root")
    record = make(uid="luca", roles=("r",), user_data=b'{"a":1}', authenticated_at=5, acting_as="root")
    assert identity_of(record) == who
    assert identity_of(make()) == Identity()


def test_the_repr_of_a_record_shows_no_hash_and_no_data() -> None:
    record = make(data={"password": b'"hunter2"'}, uid="luca")
    assert repr(record) == f"<Record {HANDLE} uid='luca' keys=1>"
