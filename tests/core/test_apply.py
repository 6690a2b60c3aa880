"""The reference `apply`: design 5's table row by row, and a plain-dict model that was written apart from it."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.core import changes
from sojourn.core.apply import apply
from sojourn.core.changes import ABSENT, Change
from sojourn.core.values import decode, decode_fields, encode, encode_fields
from sojourn.errors import ChangeError, Conflict, ValueRefused

MAX = 2**63 - 1


def run(data: dict[str, Any], *batch: Change) -> dict[str, Any]:
    fields, _ = apply(encode_fields(data), batch)
    return decode_fields(fields)


def answers(data: dict[str, Any], *batch: Change) -> list[Any]:
    _, found = apply(encode_fields(data), batch)
    return [None if text is None else decode(text) for text in found]


def set_(path: changes.AnyPath, value: object) -> Change:
    (change,) = changes.set_value(path, value)
    return change


# What each command does: missing, there, nested, and the values that tell implementations apart.
ROWS: list[tuple[str, dict[str, Any], Change, dict[str, Any]]] = [
    ("set missing", {}, set_("a", 1), {"a": 1}),
    ("set over", {"a": [1]}, set_("a", None), {"a": None}),
    ("set creates parents", {}, set_(("a", "b", "c"), 1), {"a": {"b": {"c": 1}}}),
    ("set beside", {"a": {"x": 1}}, set_(("a", "y"), 2), {"a": {"x": 1, "y": 2}}),
    ("set a dotted key", {"a": {"b": 1}}, set_("a.b", 2), {"a": {"b": 1}, "a.b": 2}),
    ("set a dollar key", {}, set_(("$a", "$b"), {"$c": 1}), {"$a": {"$b": {"$c": 1}}}),
    ("set an empty key", {}, set_(("", ""), 1), {"": {"": 1}}),
    ("set __proto__", {}, set_(("__proto__", "x"), True), {"__proto__": {"x": True}}),
    ("set_default missing", {}, changes.set_default(("a", "b"), []), {"a": {"b": []}}),
    ("set_default there", {"a": "other type"}, changes.set_default("a", 1), {"a": "other type"}),
    ("set_default null is there", {"a": None}, changes.set_default("a", 1), {"a": None}),
    ("unset", {"a": 1, "b": 2}, changes.unset("a"), {"b": 2}),
    ("unset missing", {"b": 2}, changes.unset("a"), {"b": 2}),
    ("unset nested", {"a": {"x": 1, "y": 2}}, changes.unset(("a", "x")), {"a": {"y": 2}}),
    ("unset leaves empty parents", {"a": {"x": 1}}, changes.unset(("a", "x")), {"a": {}}),
    ("unset below no object", {"a": 1}, changes.unset(("a", "x")), {"a": 1}),
    ("unset is no list index", {"a": [1]}, changes.unset(("a", "0")), {"a": [1]}),
    ("rename", {"a": 1}, changes.rename("a", "b"), {"b": 1}),
    ("rename missing", {"b": 2}, changes.rename("a", "b"), {"b": 2}),
    ("rename over", {"a": 1, "b": [2]}, changes.rename("a", "b"), {"b": 1}),
    ("rename down", {"a": 1}, changes.rename("a", ("b", "c")), {"b": {"c": 1}}),
    ("rename up", {"a": {"b": 1}}, changes.rename(("a", "b"), "a"), {"a": 1}),
    ("rename into itself", {"a": 1}, changes.rename("a", ("a", "b")), {"a": {"b": 1}}),
    ("rename onto itself", {"a": {"b": 1}}, changes.rename("a", "a"), {"a": {"b": 1}}),
    ("increment missing", {}, changes.increment(("a", "n"), 5), {"a": {"n": 5}}),
    ("increment", {"n": 1}, changes.increment("n"), {"n": 2}),
    ("increment to the last int", {"n": MAX - 1}, changes.increment("n"), {"n": MAX}),
    ("increment exactly", {"n": 2**53 + 1}, changes.increment("n", 2), {"n": 2**53 + 3}),
    ("increment doubles", {"n": 0.1}, changes.increment("n", 0.2), {"n": 0.1 + 0.2}),
    ("increment int by float", {"n": 1}, changes.increment("n", 1.0), {"n": 2.0}),
    ("increment to minus zero", {"n": -1.5}, changes.increment("n", 1.5), {"n": 0.0}),
    ("minimum missing", {}, changes.minimum("n", 3), {"n": 3}),
    ("minimum lowers", {"n": 5}, changes.minimum("n", 3), {"n": 3}),
    ("minimum leaves", {"n": 2}, changes.minimum("n", 3), {"n": 2}),
    ("minimum leaves the equal", {"n": 3}, changes.minimum("n", 3.0), {"n": 3}),
    ("maximum missing", {}, changes.maximum("n", -3), {"n": -3}),
    ("maximum raises", {"n": 5}, changes.maximum("n", 5.5), {"n": 5.5}),
    ("maximum leaves", {"n": 6}, changes.maximum("n", 5.5), {"n": 6}),
    ("maximum compares exactly", {"n": float(2**53)}, changes.maximum("n", 2**53 + 1), {"n": 2**53 + 1}),
    ("push missing", {}, changes.push("l", 1, "x"), {"l": [1, "x"]}),
    ("push", {"l": [1]}, changes.push("l", {"a": []}), {"l": [1, {"a": []}]}),
    ("push nothing", {}, changes.push("l"), {"l": []}),
    ("push keeps the last", {"l": [1, 2, 3]}, changes.push("l", 4, keep=2), {"l": [3, 4]}),
    ("push keeps what there is", {"l": [1]}, changes.push("l", 2, keep=9), {"l": [1, 2]}),
    ("push keeps none", {"l": [1]}, changes.push("l", 2, keep=0), {"l": []}),
    ("add_to_set missing", {}, changes.add_to_set("l", 1, 1, 2), {"l": [1, 2]}),
    ("add_to_set", {"l": [1, 1]}, changes.add_to_set("l", 1, 2), {"l": [1, 1, 2]}),
    ("three values", {"l": [1]}, changes.add_to_set("l", True, 1.0, 1), {"l": [1, True, 1.0]}),
    ("members in any order", {"l": [{"a": 1, "b": 2}]}, changes.pull("l", {"b": 2, "a": 1}), {"l": []}),
    ("pull missing", {}, changes.pull("l", 1), {}),
    ("pull every one", {"l": [1, 2, 1, 1.0]}, changes.pull("l", 1), {"l": [2, 1.0]}),
    ("pull to empty", {"l": [1]}, changes.pull("l", 1, 2), {"l": []}),
    ("pop_first", {"l": [1, 2]}, changes.pop_first("l"), {"l": [2]}),
    ("pop_last", {"l": [1, 2]}, changes.pop_last("l"), {"l": [1]}),
    ("pop of an empty list", {"l": []}, changes.pop_last("l"), {"l": []}),
    ("pop missing", {}, changes.pop_first("l"), {}),
    ("take", {"a": {"n": 1, "m": 2}}, changes.take(("a", "n")), {"a": {"m": 2}}),
    ("take missing", {"b": 1}, changes.take("a"), {"b": 1}),
    ("check holds", {"a": {"b": 1}}, changes.check(("a", "b"), 1), {"a": {"b": 1}}),
    ("check of nothing", {"a": 1}, changes.check(("a", "b"), ABSENT), {"a": 1}),
    ("clear", {"a": 1, "b": 2}, changes.clear(), {}),
]  # fmt: skip


@pytest.mark.parametrize(("data", "change", "after"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_a_command_does(data: dict[str, Any], change: Change, after: dict[str, Any]) -> None:
    fields, _ = apply(encode_fields(data), (change,))
    assert fields == encode_fields(after)  # texts, so that True, 1 and 1.0 are told apart


REFUSED: list[tuple[str, dict[str, Any], Change, type[Exception]]] = [
    ("set below a number", {"a": 1}, set_(("a", "b"), 1), ChangeError),
    ("set below a list", {"a": [{}]}, set_(("a", "0"), 1), ChangeError),
    ("set below null", {"a": None}, set_(("a", "b", "c"), 1), ChangeError),
    ("set_default below a text", {"a": "x"}, changes.set_default(("a", "b"), 1), ChangeError),
    ("rename below a number", {"a": 1, "b": 2}, changes.rename("a", ("b", "c")), ChangeError),
    ("increment a text", {"n": "1"}, changes.increment("n"), ChangeError),
    ("increment a boolean", {"n": True}, changes.increment("n"), ChangeError),
    ("increment null", {"n": None}, changes.increment("n"), ChangeError),
    ("increment past 64 bits", {"n": MAX}, changes.increment("n"), ChangeError),
    ("decrement past 64 bits", {"n": -(2**63)}, changes.increment("n", -1), ChangeError),
    ("increment past the doubles", {"n": 1.7e308}, changes.increment("n", 1.7e308), ChangeError),
    ("minimum of a text", {"n": "1"}, changes.minimum("n", 1), ChangeError),
    ("maximum of a list", {"n": []}, changes.maximum("n", 1), ChangeError),
    ("push to a text", {"l": "x"}, changes.push("l", 1), ChangeError),
    ("push to an object", {"l": {}}, changes.push("l", 1), ChangeError),
    ("add_to_set to a number", {"l": 1}, changes.add_to_set("l", 1), ChangeError),
    ("pull from null", {"l": None}, changes.pull("l", 1), ChangeError),
    ("pop_first of an object", {"l": {}}, changes.pop_first("l"), ChangeError),
    ("pop_last of a text", {"l": "abc"}, changes.pop_last("l"), ChangeError),
    ("check of another value", {"a": 1}, changes.check("a", 1.0), Conflict),
    ("check of what is missing", {}, changes.check("a", None), Conflict),
    ("check that nothing is there", {"a": None}, changes.check("a", ABSENT), Conflict),
]


@pytest.mark.parametrize(("data", "change", "error"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_command_that_does_not_fit_leaves_nothing_of_its_batch(
    data: dict[str, Any], change: Change, error: type[Exception]
) -> None:
    fields = encode_fields({"kept": {"x": [1]}, **data})
    before = copy.deepcopy(fields)
    batch = (set_("new", 1), set_(("kept", "y"), 2), changes.push(("kept", "x"), 2), change)
    with pytest.raises(error) as caught:
        apply(fields, batch)
    assert fields == before
    assert isinstance(caught.value, ChangeError)
    assert caught.value.path in (change.path, getattr(change, "new", None))  # type: ignore[union-attr]  # never Clear


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"d": value}
    return value


def test_a_batch_may_not_nest_deeper_than_values_may() -> None:
    assert run({}, set_("a", deep(64)))["a"] == deep(64)
    fields = encode_fields({"a": 1})
    with pytest.raises(ValueRefused):
        apply(fields, (set_(("b", "c"), deep(64)),))
    with pytest.raises(ValueRefused):
        apply(fields, (changes.push("b", deep(64)),))
    assert decode_fields(fields) == {"a": 1}


def test_a_batch_is_applied_in_order() -> None:
    batch = (changes.increment("n"), changes.check("n", 1), changes.rename("n", "m"), changes.increment("m", 2))
    assert run({}, *batch) == {"m": 3}
    assert run({"a": 1}, changes.clear(), set_("b", 1), changes.check("a", ABSENT)) == {"b": 1}
    assert run({"a": {"b": 1}}, set_(("a", "c"), 2), set_("a", 0), changes.increment("a")) == {"a": 1}


def test_answers_come_in_order_and_know_nothing_from_null() -> None:
    data = {"l": [1, 2, 3], "t": {"x": None}, "e": []}
    batch = (
        changes.pop_first("l"),
        changes.pop_last("l"),
        set_("z", 1),
        changes.take(("t", "x")),
        changes.pop_first("e"),
        changes.take("missing"),
        changes.take("l"),
    )
    _, found = apply(encode_fields(data), batch)
    assert found == (b"1", b"3", b"null", None, None, b"[2]")


def test_what_was_answered_was_in_the_batch_too() -> None:
    assert answers({}, changes.push("l", "a"), changes.pop_last("l"), changes.pop_last("l")) == ["a", None]


def test_untouched_values_keep_their_very_texts() -> None:
    fields = {"a": b'{"x":1}', "b": b"[1,2]"}
    after, _ = apply(fields, (changes.increment(("a", "x")),))
    assert after["b"] is fields["b"]
    assert after["a"] == b'{"x":2}'


# The model: plain dicts, commands as tuples, errors as None -----------------------------------------------------

KEYS = st.sampled_from(["a", "b", "a.b", "$set", "", "__proto__"])
PATHS = st.lists(KEYS, min_size=1, max_size=3).map(tuple)
NUMBERS = st.one_of(
    st.integers(-(2**63), MAX),
    st.sampled_from([0, 1, -1, MAX, -(2**63), 2**53 + 1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.1, 0.2, -0.0, 1e22, 5e-324, 1.7e308]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, st.sampled_from(["", "x", "\x00", "💡"]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
DATA = st.dictionaries(KEYS, VALUES, max_size=4)
COMMANDS = st.one_of(
    st.tuples(st.just("set"), PATHS, VALUES),
    st.tuples(st.just("set_default"), PATHS, VALUES),
    st.tuples(st.just("unset"), PATHS),
    st.tuples(st.just("rename"), PATHS, PATHS),
    st.tuples(st.sampled_from(["increment", "minimum", "maximum"]), PATHS, NUMBERS),
    st.tuples(st.just("push"), PATHS, st.lists(VALUES, max_size=3), st.none() | st.integers(0, 4)),
    st.tuples(st.sampled_from(["add_to_set", "pull"]), PATHS, st.lists(SCALARS, max_size=3)),
    st.tuples(st.sampled_from(["pop_first", "pop_last", "take"]), PATHS),
    st.tuples(st.just("check"), PATHS, VALUES | st.just(ABSENT)),
    st.tuples(st.just("clear")),
)
NONE = object()


class Refused(Exception):
    pass


def same(one: Any, other: Any) -> bool:
    """Equality of values, written out: types matter, order of members does not, -0.0 is 0.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def find(data: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = data
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return NONE
        value = value[key]
    return value


def place(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    parent: Any = data
    for key in path[:-1]:
        parent = parent.setdefault(key, {})
        if not isinstance(parent, dict):
            raise Refused
    parent[path[-1]] = value


def remove(data: dict[str, Any], path: tuple[str, ...]) -> None:
    parent = find(data, path[:-1]) if path[1:] else data
    if isinstance(parent, dict):
        parent.pop(path[-1], None)


def model_number(name: str, old: Any, by: Any) -> Any:
    if old is NONE:
        return by
    if isinstance(old, bool) or not isinstance(old, (int, float)):
        raise Refused
    new = {"increment": old + by, "minimum": min(old, by), "maximum": max(old, by)}[name]
    if isinstance(new, int):
        if not -(2**63) <= new <= MAX:
            raise Refused
    elif math.isinf(new):
        raise Refused
    return new


def model_list(name: str, old: Any, values: list[Any], keep: int | None = None) -> Any:
    if old is NONE:
        if name == "pull":
            return NONE
        old = []
    if not isinstance(old, list):
        raise Refused
    if name == "pull":
        return [item for item in old if not any(same(item, value) for value in values)]
    result = list(old)
    for value in values:
        if name == "push" or not any(same(value, item) for item in result):
            result.append(value)
    return result if keep is None else result[len(result) - keep :] if keep < len(result) else result


def model(data: dict[str, Any], command: tuple[Any, ...], taken: list[Any]) -> None:
    name, path, *rest = command if len(command) > 1 else (*command, ())
    old = find(data, path) if path else NONE
    if name == "clear":
        data.clear()
    elif name == "set" or (name == "set_default" and old is NONE):
        place(data, path, rest[0])
    elif name == "unset":
        remove(data, path)
    elif name == "rename" and old is not NONE and path != rest[0]:
        remove(data, path)
        place(data, rest[0], old)
    elif name in ("increment", "minimum", "maximum"):
        place(data, path, model_number(name, old, rest[0]))
    elif name in ("push", "add_to_set", "pull"):
        new = model_list(name, old, *rest)
        if new is not NONE:
            place(data, path, new)
    elif name in ("pop_first", "pop_last"):
        if old is not NONE and not isinstance(old, list):
            raise Refused
        taken.append(NONE if old is NONE or not old else old.pop(0 if name == "pop_first" else -1))
    elif name == "take":
        taken.append(old)
        remove(data, path)
    elif name == "check" and not (old is NONE if rest[0] is ABSENT else old is not NONE and same(old, rest[0])):
        raise Refused


def command_of(command: tuple[Any, ...]) -> Change:
    name, *rest = command
    if name == "set":
        return set_(*rest)
    if name == "push":
        return changes.push(rest[0], *rest[1], keep=rest[2])
    if name in ("add_to_set", "pull"):
        make = changes.add_to_set if name == "add_to_set" else changes.pull
        return make(rest[0], *rest[1])
    made: Change = getattr(changes, name)(*rest)
    return made


@given(DATA, st.lists(COMMANDS, max_size=6))
def test_apply_equals_a_plain_dict_model(data: dict[str, Any], batch: list[tuple[Any, ...]]) -> None:
    fields = encode_fields(data)
    before = dict(fields)
    expected, taken = decode_fields(fields), list[Any]()
    try:
        for command in copy.deepcopy(batch):
            model(expected, command, taken)
    except Refused:
        with pytest.raises(ChangeError):
            apply(fields, [command_of(command) for command in batch])
    else:
        after, found = apply(fields, [command_of(command) for command in batch])
        assert after == encode_fields(expected)
        assert found == tuple([None if value is NONE else encode(value) for value in taken])
        assert apply(fields, [command_of(command) for command in batch]) == (after, found)
    assert fields == before
