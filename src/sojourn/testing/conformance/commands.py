"""The commands: for each a table of data and batches, on which the store must do what the reference does.

The reference is `core.transitions.apply`, which the stores next to the core call themselves; scripts and SQL of others
are held against it here. A case that the reference refuses must be refused with the same error and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from sojourn.core import changes as c
from sojourn.core import transitions
from sojourn.core.changes import Change
from sojourn.core.operations import Apply, Create
from sojourn.core.values import encode_fields
from sojourn.errors import SojournError
from sojourn.testing.conformance.asking import Body
from sojourn.testing.conformance.behaviour import NOTHING, Trial, register
from sojourn.testing.conformance.expecting import refuses, same, stands
from sojourn.testing.conformance.hard_values import HARD_KEYS, HARD_NUMBERS, HARD_VALUES, nested

__all__ = ["CASES", "Case", "apply_like_the_reference"]

Case: TypeAlias = "tuple[str, dict[str, Any], tuple[Change, ...]]"
"""What is tried, the data before, the batch."""

_KINDS: dict[str, object] = {
    "text": "x", "list": [1, "b"], "object": {"k": 1, "deep": {"l": []}}, "int": 5, "float": 5.5, "true": True,
    "null": None,
}  # fmt: skip
_PATHS: dict[str, c.AnyPath] = {"top": "at", "inside": ("o", "at"), "deep": ("o", "p", "q", "at")}


def _everywhere(make: Callable[[c.AnyPath], Change], **more: object) -> Iterator[Case]:
    """A command at each depth, over nothing, over each kind of value, and below something that is no object."""
    for place, path in _PATHS.items():
        yield f"{place}, over nothing", dict(more), (make(path),)
        yield f"{place}, with parents there", {"o": {"p": {"q": {}}}, **more}, (make(path),)
        for kind, value in _KINDS.items():
            at: object = value
            for key in reversed(c.as_path(path)[1:]):
                at = {key: at}
            yield f"{place}, over {kind}", {c.as_path(path)[0]: at, "other": 1}, (make(path),)
    for kind, value in _KINDS.items():
        yield f"below {kind}", {"o": value}, (make(("o", "p", "at")),)


def _set() -> Iterator[Case]:
    yield from _everywhere(lambda path: c.set_value(path, {"new": [1]})[0])
    for what, value in HARD_VALUES.items():
        yield what, {"o": {}}, (*c.set_value("at", value), *c.set_value(("o", "at"), value if "64" not in what else 1))
    for key in HARD_KEYS:
        yield f"the key {key[:20]!r}", {key: 1}, c.set_value(key, 2)
        yield f"below the key {key[:20]!r}", {}, c.set_value((key, key, key), 3)
    yield "too deep", {}, (*c.set_value("a", nested(60)), *c.set_value(("a", "in"), nested(64)))


def _set_default() -> Iterator[Case]:
    yield from _everywhere(lambda path: c.set_default(path, "new"))
    for key in HARD_KEYS:
        yield f"the key {key[:20]!r}", {key: 0}, (c.set_default(key, 2), c.set_default((key + "2", key), 3))


def _unset() -> Iterator[Case]:
    yield from _everywhere(c.unset)
    for key in HARD_KEYS:
        yield f"the key {key[:20]!r}", {key: 1, "o": {key: 1, "b": 2}}, (c.unset(key), c.unset(("o", key)))
    yield "the last member", {"o": {"at": 1}}, (c.unset(("o", "at")),)


def _rename() -> Iterator[Case]:
    yield from _everywhere(lambda path: c.rename(path, "new"))
    yield from _everywhere(lambda path: c.rename("other", path), other=[1.0, {"$x": 1}])
    yield from _everywhere(lambda path: c.rename(path, path))
    yield "over a value", {"a": 1, "b": [2]}, (c.rename("a", "b"),)
    yield "below itself", {"a": {"b": 1}}, (c.rename("a", ("a", "b")),)
    yield "above itself", {"a": {"b": {"c": 1}}}, (c.rename(("a", "b"), "a"),)
    yield (
        "too deep",
        {"a": nested(60), "b": {"c": {"d": {"e": {"f": {}}}}}},
        (c.rename("a", ("b", "c", "d", "e", "f")),),
    )
    for key in HARD_KEYS:
        yield f"the key {key[:20]!r}", {"a": 1, key: 2}, (c.rename(key, "b"), c.rename("a", ("o", key)))


def _increment() -> Iterator[Case]:
    yield from _everywhere(lambda path: c.increment(path, 2))
    yield from _everywhere(lambda path: c.increment(path, 0.5))
    for what, number in HARD_NUMBERS.items():
        for by in (1, -1, 0, 0.1, 2**53 + 1, 1.0):
            yield (
                f"{what} by {by}",
                {"n": number, "o": {"n": number}},
                (c.increment("n", by), c.increment(("o", "n"), by)),
            )
    yield "0.1 by 0.2", {"n": 0.1}, (c.increment("n", 0.2),)
    yield "past 64 bits upwards", {"n": 2**63 - 1}, (c.increment("n"),)
    yield "past 64 bits downwards", {"n": -(2**63)}, (c.increment("n", -1),)
    yield "past the largest double", {"n": 1.7e308}, (c.increment("n", 1.7e308),)
    yield "to the edge of 64 bits", {"n": 2**62}, (c.increment("n", 2**62 - 1),)
    yield "an int that a float would round, by a float", {"n": 2**53 + 1}, (c.increment("n", 0.0),)
    yield "a Decimal, which is no number here", dict(HARD_VALUES), (c.increment("Decimal"),)


def _extremes(make: Callable[[c.AnyPath, int | float], Change]) -> Iterator[Case]:
    yield from _everywhere(lambda path: make(path, 5))
    yield from _everywhere(lambda path: make(path, 5.25))
    for what, number in HARD_NUMBERS.items():
        for by in (0, -0.0, 1, 1.0, 2**53, float(2**53), 2**63 - 1, 1e300):
            yield f"{what} against {by!r}", {"n": number}, (make("n", by),)


def _push() -> Iterator[Case]:
    yield from _everywhere(lambda path: c.push(path, 1, "b", [2]))
    yield from _everywhere(lambda path: c.push(path, 1, 2, 3, keep=2))
    for keep in (0, 1, 2, 3, 5):
        yield f"keep {keep}", {"at": [1, 2]}, (c.push("at", 3, keep=keep),)
    yield "nothing", {"at": [1]}, (c.push("at"), c.push("new"))
    for what, value in HARD_VALUES.items():
        if "64" not in what:
            yield what, {"at": [value]}, (c.push("at", value, value),)
    yield "too deep", {"at": []}, (c.push("at", nested(64)),)


def _sets(make: Callable[..., Change]) -> Iterator[Case]:
    yield from _everywhere(lambda path: make(path, 1, "b", {"k": 1}))
    values = [value for what, value in HARD_VALUES.items() if "64" not in what]
    for what, value in HARD_VALUES.items():
        if "64" not in what:
            yield what, {"at": values, "few": [0, "", None]}, (make("at", value), make("few", value, value))
    yield "True, 1 and 1.0 are three", {"at": [True, 1, 1.0]}, (make("at", 1),)
    yield "1.0 is not 1", {"at": [1]}, (make("at", 1.0, True),)
    yield "objects whose members stand otherwise", {"at": [{"a": 1, "b": 2}]}, (make("at", {"b": 2, "a": 1}),)
    yield "many times", {"at": ["x", 1, "x", [], "x"]}, (make("at", "x"),)
    yield "the last element", {"at": ["x"], "o": {"at": ["x"]}}, (make("at", "x"), make(("o", "at"), "x"))


def _taking(make: Callable[[c.AnyPath], Change]) -> Iterator[Case]:
    yield from _everywhere(make)
    for what, value in HARD_VALUES.items():
        inner = value if "64" not in what else 1
        yield what, {"v": value, "at": [inner, 2, inner], "o": {"v": inner}}, (make("at"), make("at"))
    yield "until it is empty", {"at": [1, 2]}, (make("at"),) * 4
    yield "of two", {"a": [1, 2], "b": [3]}, (make("a"), c.pop_last("b"), c.take("missing"), c.pop_first("a"))
    for key in HARD_KEYS:
        yield f"the key {key[:20]!r}", {key: ["v"], "o": {key: ["w"]}}, (make(key), make(("o", key)))


def _check() -> Iterator[Case]:
    yield from _everywhere(lambda path: c.check(path, [1, "b"]))
    yield from _everywhere(lambda path: c.check(path, c.ABSENT))
    yield from _everywhere(lambda path: c.check(path, None))
    for what, value in HARD_VALUES.items():
        yield what, {"at": value}, (c.check("at", value), *c.set_value("seen", True))
    alike: tuple[object, ...] = (True, 1, 1.0, "1", 0, False, 0.0, None, [], {}, "")
    for stored in alike:
        for given in (*alike, -0.0):
            yield f"{stored!r} against {given!r}", {"at": stored}, (c.check("at", given), *c.set_value("seen", True))
    yield "what the batch has set", {"at": 1}, (*c.set_value("at", 2), c.check("at", 2), *c.set_value("seen", 1))
    yield "after other commands", {"at": 1}, (*c.set_value("b", 2), c.check("at", 2))


def _clear() -> Iterator[Case]:
    yield "nothing", {}, (c.clear(),)
    yield "everything", {**HARD_VALUES, **dict.fromkeys(HARD_KEYS, 1)}, (c.clear(),)
    yield "and begin anew", {"a": 1, "b": {"c": 1}}, (c.increment(("b", "c")), c.clear(), *c.set_value(("b", "d"), 1))


CASES: Mapping[str, Callable[[], Iterator[Case]]] = {
    "set": _set,
    "set_default": _set_default,
    "unset": _unset,
    "rename": _rename,
    "increment": _increment,
    "minimum": lambda: _extremes(c.minimum),
    "maximum": lambda: _extremes(c.maximum),
    "push": _push,
    "add_to_set": lambda: _sets(c.add_to_set),
    "pull": lambda: _sets(c.pull),
    "pop_first": lambda: _taking(c.pop_first),
    "pop_last": lambda: _taking(c.pop_last),
    "take": lambda: _taking(c.take),
    "check": _check,
    "clear": _clear,
}
"""The table of each command."""


def apply_like_the_reference(trial: Trial, what: str, data: dict[str, Any], batch: tuple[Change, ...]) -> Body:
    """Apply one batch to a new session and compare everything with what the reference makes of it."""
    record = trial.record(data=encode_fields(data))
    _ = yield from Create(record)
    op = Apply(record.handle, trial.now + 5, 0, batch, events=True)
    try:
        wanted = transitions.apply(record, op)
    except SojournError as error:
        _ = yield from refuses(op, type(error), what)
        yield from stands(record, trial.now, f"{what}: the record after a refusal")
        return
    applied = yield from op
    same(applied.answers, wanted.answers, f"{what}: the answers")
    for key in wanted.record.data.keys() | applied.record.data.keys():
        same(applied.record.data.get(key), wanted.record.data.get(key), f"{what}: the value of {key[:40]!r}")
    same(applied, wanted, what)
    yield from stands(wanted.record, trial.now, f"{what}: what is stored")


def _body(cases: Callable[[], Iterator[Case]]) -> Callable[[Trial], Body]:
    def body(trial: Trial) -> Body:
        for what, data, batch in cases():
            yield from apply_like_the_reference(trial, what, data, batch)

    return body


for _name, _cases in CASES.items():
    register(
        f"command_{_name}",
        f"`{_name}` does what the reference does: over missing and wrong values, at every depth, with hard values.",
        "design 5, the table of commands; promise 8",
        NOTHING,
        _body(_cases),
    )
