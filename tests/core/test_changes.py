"""The makers of commands: what they accept, what they refuse, and that commands are values."""

from __future__ import annotations

import copy
import enum

import msgspec
import pytest

from sojourn.core import changes
from sojourn.core.changes import ABSENT, Change, Check, Increment, Push, Set, as_path, show_path
from sojourn.errors import ValueRefused


class Text(str):
    __slots__ = ()


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ("a", ("a",)),
        ("a.b", ("a.b",)),
        ("", ("",)),
        ("$set", ("$set",)),
        ("__proto__", ("__proto__",)),
        (("a", "b"), ("a", "b")),
        (("a.b", "$c"), ("a.b", "$c")),
        ("💡", ("💡",)),
    ],
)
def test_a_path_is_one_key_or_a_tuple_of_keys(given: changes.AnyPath, path: tuple[str, ...]) -> None:
    assert as_path(given) == path


def test_a_path_keeps_plain_texts_only() -> None:
    keys = as_path((Text("a"), Colour.RED))
    assert keys == ("a", "red")
    assert [type(key) for key in keys] == [str, str]


@pytest.mark.parametrize("given", [(), 1, None, ["a"], ("a", 1), ("a", None), b"a", "a\x00", ("a", "\ud800"), "\udfff"])
def test_what_is_no_path_is_refused(given: object) -> None:
    with pytest.raises(ValueRefused):
        as_path(given)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**63, object(), {1: 2}, "\ud800", {"a\x00": 1}])
def test_every_maker_refuses_what_cannot_be_kept(value: object) -> None:
    for make in (changes.set_value, changes.set_default, changes.push, changes.add_to_set, changes.pull, changes.check):
        with pytest.raises(ValueRefused) as caught:
            make("basket", value)
        assert caught.value.path[0] == "basket"


@pytest.mark.parametrize("by", [True, None, "1", float("nan"), float("-inf"), 2**63, -(2**63) - 1, 1j])
def test_numbers_only_where_numbers_belong(by: object) -> None:
    for make in (changes.increment, changes.minimum, changes.maximum):
        with pytest.raises(ValueRefused):
            make("n", by)  # type: ignore[arg-type]  # that is the test


@pytest.mark.parametrize("keep", [-1, True, 1.5, "3"])
def test_push_keeps_a_number_of_elements(keep: object) -> None:
    with pytest.raises(ValueRefused):
        changes.push("list", 1, keep=keep)  # type: ignore[arg-type]  # that is the test
    assert changes.push("list", 1, keep=0) == Push(("list",), (b"1",), 0)


def test_set_takes_a_path_and_a_value_or_one_mapping() -> None:
    assert changes.set_value("a", 1) == (Set(("a",), b"1"),)
    assert changes.set_value({"a": 1, "b.c": None}) == (Set(("a",), b"1"), Set(("b.c",), b"null"))
    with pytest.raises(ValueRefused):
        changes.set_value({"a": 1}, 2)
    with pytest.raises(ValueRefused):
        changes.set_value("a")


def test_set_of_a_mapping_is_refused_as_a_whole() -> None:
    with pytest.raises(ValueRefused) as caught:
        changes.set_value({"good": 1, "bad": object()})
    assert caught.value.path == ("bad",)


def test_absent_is_no_value_but_an_expectation() -> None:
    assert changes.check("a", ABSENT) == Check(("a",), None)
    assert changes.check("a", None) == Check(("a",), b"null")
    assert repr(ABSENT) == "ABSENT"
    assert copy.deepcopy(ABSENT) is ABSENT


def test_commands_are_values() -> None:
    assert changes.increment("n") == Increment(("n",), 1)
    assert hash(changes.increment("n", 2)) == hash(changes.increment("n", 2))
    assert changes.increment("n", 1) != changes.increment("m", 1)
    with pytest.raises(AttributeError):
        changes.take("n").path = ("m",)  # type: ignore[misc]  # that is the test


def test_commands_travel_as_json() -> None:
    batch: list[Change] = [
        *changes.set_value(("a", "b"), 1),
        changes.set_default("a", None),
        changes.unset("a"),
        changes.rename("a", ("b", "c")),
        changes.increment("n", 2.5),
        changes.minimum("n", 1),
        changes.maximum("n", 1),
        changes.push("l", 1, "x", keep=3),
        changes.add_to_set("l", 1),
        changes.pull("l", 1),
        changes.pop_first("l"),
        changes.pop_last("l"),
        changes.take("t"),
        changes.check("c", ABSENT),
        changes.clear(),
    ]
    text = msgspec.json.encode(batch)
    assert msgspec.json.decode(text, type=list[Change]) == batch
    assert len({type(change) for change in batch}) == 15


def test_a_path_for_people() -> None:
    assert show_path(("cart", "items")) == "cart / items"
    assert show_path(()) == "(the data)"
