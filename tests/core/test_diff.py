"""How a value that was altered in place becomes commands, as small as what was done."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.core.apply import apply
from sojourn.core.changes import Change, Push, Set, Unset
from sojourn.core.diff import difference, renew
from sojourn.core.values import decode, encode
from sojourn.errors import ValueRefused

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.0, -0.0, 1.0, 1e22]), st.sampled_from(["", "x"])
)
KEYS = st.sampled_from(["a", "b", "a.b", "$a"])
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)
LISTS = st.lists(VALUES, max_size=4)


def changed(old: object, new: object) -> list[Change]:
    return difference(("k",), encode(old), new)


@given(VALUES, VALUES)
def test_the_difference_leads_from_old_to_new(old: Any, new: Any) -> None:
    found = changed(old, new)
    after, _ = apply({"k": encode(old)}, found)
    assert after == {"k": encode(new)}
    assert (found == []) == (encode(old) == encode(new))


@given(LISTS, LISTS, LISTS)
def test_concurrent_appends_all_stay(old: list[Any], mine: list[Any], yours: list[Any]) -> None:
    batch = [*changed({"l": old}, {"l": old + mine}), *changed({"l": old}, {"l": old + yours})]
    after, _ = apply({"k": encode({"l": old})}, batch)
    assert after == {"k": encode({"l": old + mine + yours})}


@given(st.dictionaries(KEYS, SCALARS), st.dictionaries(KEYS, SCALARS))
def test_members_set_by_two_both_stay(mine: dict[str, Any], yours: dict[str, Any]) -> None:
    yours = {key: value for key, value in yours.items() if key not in mine}
    old = {"kept": 1}
    batch = [*changed(old, old | mine), *changed(old, old | yours)]
    after, _ = apply({"k": encode(old)}, batch)
    assert decode(after["k"]) == decode(encode(old | mine | yours))


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ([1, 2], [1, 2, 3, 4], [Push(("k",), (b"3", b"4"))]),
        ([], ["x"], [Push(("k",), (b'"x"',))]),
        ({"l": []}, {"l": [1]}, [Push(("k", "l"), (b"1",))]),
        ({"a": 1, "b": 2}, {"a": 1, "b": 3}, [Set(("k", "b"), b"3")]),
        ({"a": 1, "b": 2}, {"b": 2}, [Unset(("k", "a"))]),
        ({}, {"a": {}}, [Set(("k", "a"), b"{}")]),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": 1, "d.e": 2}}}, [Set(("k", "a", "b", "d.e"), b"2")]),
        ({"n": 1}, {"n": 1.0}, [Set(("k", "n"), b"1.0")]),
        ({"n": 1}, {"n": True}, [Set(("k", "n"), b"true")]),
        ({"n": 0.0}, {"n": -0.0}, []),
        ([1, 2], [2], [Set(("k",), b"[2]")]),
        ([1, 2], [1, 3, 4], [Set(("k",), b"[1,3,4]")]),
        ([{"a": 1}], [{"a": 2}], [Set(("k",), b'[{"a":2}]')]),
        ([{"a": 1}], [{"a": 1}, 2], [Push(("k",), (b"2",))]),
        ({"a": 1}, [1], [Set(("k",), b"[1]")]),
        ([1], (1, 2), [Push(("k",), (b"2",))]),
    ],
)
def test_it_is_as_small_as_what_was_done(old: object, new: object, found: list[Change]) -> None:
    assert changed(old, new) == found


def test_what_cannot_be_stored_is_refused_with_its_place() -> None:
    with pytest.raises(ValueRefused) as caught:
        changed({"a": [1]}, {"a": [1, {"b": object()}]})
    assert caught.value.path == ("k", "a", 1, "b")


@given(VALUES, VALUES)
def test_renew_makes_equal_in_place_or_does_nothing(old: Any, new: Any) -> None:
    old, new, before = decode(encode(old)), decode(encode(new)), encode(old)
    if renew(old, new):
        assert encode(old) == encode(new)
    else:
        assert encode(old) == before
        assert type(old) is not type(new) or not isinstance(old, (dict, list))


def test_renew_keeps_the_objects_inside() -> None:
    old = {"cart": {"items": [1]}, "gone": {}, "list": [{"n": 1}, {"m": 1}]}
    items, first = old["cart"]["items"], old["list"][0]  # type: ignore[index]  # nested as written
    assert renew(old, {"cart": {"items": [1, 2]}, "list": [{"n": 2}], "new": 1})
    assert old == {"cart": {"items": [1, 2]}, "list": [{"n": 2}], "new": 1}
    assert old["cart"]["items"] is items  # type: ignore[index]  # nested as written
    assert old["list"][0] is first  # type: ignore[index]  # nested as written
