"""`apply`: what each command does, as a pure function; the reference that every store is held against.

It stands beside the commands of `core.changes` in a file of its own only because of its length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

from sojourn.core.changes import (
    AddToSet,
    Change,
    Check,
    Clear,
    Increment,
    Maximum,
    Minimum,
    PopFirst,
    PopLast,
    Pull,
    Push,
    Rename,
    Set,
    SetDefault,
    Take,
    Unset,
    show_path,
)
from sojourn.core.values import Fields, Path, Value, decode, encode
from sojourn.errors import ChangeError, Conflict

__all__ = ["Answers", "apply"]

Answers: TypeAlias = tuple[bytes | None, ...]
"""What the answering commands of a batch (`take`, `pop_first`, `pop_last`) removed, in order; None for nothing."""

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_Object: TypeAlias = dict[str, Value]
_NOTHING = object()


def apply(fields: Fields, changes: Sequence[Change]) -> tuple[Fields, Answers]:
    """The data after a batch, and what the batch took out; the given fields are not altered.

    The batch is applied in order, all or nothing.

    Raises:
        ChangeError: If a command does not fit the data (design 5); nothing is applied.
        Conflict: If a `check` does not hold; nothing is applied.
        ValueRefused: If the result would nest deeper than values may; nothing is applied.
    """
    work = _Work(fields)
    for change in changes:
        _COMMANDS[type(change)](work, change)
    return work.closed(), tuple(work.answers)


class _Work:
    """A batch's working copy: texts as they were, and decoded only those top-level values that are walked into."""

    __slots__ = ("answers", "fields", "opened")

    def __init__(self, fields: Fields) -> None:
        self.fields = dict(fields)
        self.opened: _Object = {}
        self.answers: list[bytes | None] = []

    def closed(self) -> Fields:
        for key, value in self.opened.items():
            self.fields[key] = encode(value, (key,))
        return self.fields

    def get(self, path: Path) -> object:
        """The value at the path, or _NOTHING; a parent that is no object means nothing is there."""
        key = path[0]
        if key not in self.opened:
            if key not in self.fields:
                return _NOTHING
            self.opened[key] = decode(self.fields[key])
        value: object = self.opened[key]
        for key in path[1:]:
            if not isinstance(value, dict) or key not in value:
                return _NOTHING
            value = cast("_Object", value)[key]
        return value

    def text(self, path: Path) -> bytes | None:
        if len(path) == 1 and path[0] not in self.opened:
            return self.fields.get(path[0])
        value = self.get(path)
        return None if value is _NOTHING else encode(value)

    def put_text(self, path: Path, text: bytes) -> None:
        if len(path) == 1:
            _ = self.opened.pop(path[0], None)
            self.fields[path[0]] = text
        else:
            self.put(path, decode(text))

    def put(self, path: Path, value: Value) -> None:
        if len(path) == 1:
            self.opened[path[0]] = value
            _ = self.fields.setdefault(path[0], b"")  # its text is written when the batch is closed
            return
        if (parent := self.get(path[:1])) is _NOTHING:
            made: _Object = {}
            self.put(path[:1], made)
            parent = made
        for depth, key in enumerate(path[1:-1], start=1):
            parent = _object(parent, path[:depth], path).setdefault(key, {})
        _object(parent, path[:-1], path)[path[-1]] = value

    def drop(self, path: Path) -> None:
        if len(path) == 1:
            _ = self.opened.pop(path[0], None)
            _ = self.fields.pop(path[0], None)
            return
        parent = self.get(path[:-1])
        if isinstance(parent, dict):
            _ = cast("_Object", parent).pop(path[-1], None)


def _object(value: object, at: Path, path: Path) -> _Object:
    if not isinstance(value, dict):
        raise ChangeError(f"{show_path(at)} is no object, so {show_path(path)} cannot be set below it", path)
    return cast("_Object", value)


def _list(work: _Work, path: Path, command: str) -> list[Value] | None:
    value = work.get(path)
    if value is _NOTHING:
        return None
    if not isinstance(value, list):
        raise ChangeError(f"{command} needs a list at {show_path(path)}, found {_kind(value)}", path)
    return cast("list[Value]", value)


def _stored_number(work: _Work, path: Path, command: str) -> int | float | None:
    value = work.get(path)
    if value is _NOTHING:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ChangeError(f"{command} needs a number at {show_path(path)}, found {_kind(value)}", path)
    return value


def _kind(value: object) -> str:
    names: dict[type[Any], str] = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "a boolean",
        type(None): "null",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def _set(work: _Work, change: Set) -> None:
    work.put_text(change.path, change.text)


def _set_default(work: _Work, change: SetDefault) -> None:
    if work.text(change.path) is None:
        work.put_text(change.path, change.text)


def _unset(work: _Work, change: Unset) -> None:
    work.drop(change.path)


def _rename(work: _Work, change: Rename) -> None:
    text = work.text(change.path)
    if text is not None and change.path != change.new:
        work.drop(change.path)
        work.put_text(change.new, text)


def _increment(work: _Work, change: Increment) -> None:
    stored = _stored_number(work, change.path, "increment")
    total = change.by if stored is None else stored + change.by
    if isinstance(total, int):
        if not _INT_MIN <= total <= _INT_MAX:
            raise ChangeError(f"increment would pass 64 bits at {show_path(change.path)}", change.path)
    elif not math.isfinite(total):
        raise ChangeError(f"increment would pass the largest double at {show_path(change.path)}", change.path)
    work.put(change.path, total)


def _minimum(work: _Work, change: Minimum) -> None:
    stored = _stored_number(work, change.path, "minimum")
    if stored is None or change.by < stored:
        work.put(change.path, change.by)


def _maximum(work: _Work, change: Maximum) -> None:
    stored = _stored_number(work, change.path, "maximum")
    if stored is None or change.by > stored:
        work.put(change.path, change.by)


def _push(work: _Work, change: Push) -> None:
    items = _list(work, change.path, "push")
    grown = [*(items or ()), *map(decode, change.texts)]
    if change.keep is not None:
        grown = grown[max(0, len(grown) - change.keep) :]
    work.put(change.path, grown)


def _add_to_set(work: _Work, change: AddToSet) -> None:
    items = _list(work, change.path, "add_to_set") or []
    held = {encode(item) for item in items}
    for text in change.texts:
        if text not in held:
            held.add(text)
            items.append(decode(text))
    work.put(change.path, items)


def _pull(work: _Work, change: Pull) -> None:
    items = _list(work, change.path, "pull")
    if items is not None:
        unwanted = set(change.texts)
        items[:] = [item for item in items if encode(item) not in unwanted]


def _pop(work: _Work, path: Path, index: int, command: str) -> None:
    items = _list(work, path, command)
    work.answers.append(encode(items.pop(index)) if items else None)


def _pop_first(work: _Work, change: PopFirst) -> None:
    _pop(work, change.path, 0, "pop_first")


def _pop_last(work: _Work, change: PopLast) -> None:
    _pop(work, change.path, -1, "pop_last")


def _take(work: _Work, change: Take) -> None:
    work.answers.append(work.text(change.path))
    work.drop(change.path)


def _check(work: _Work, change: Check) -> None:
    if work.text(change.path) != change.text:
        raise Conflict(f"{show_path(change.path)} is not what the check expected; nothing was applied", change.path)


def _clear(work: _Work, _change: Clear) -> None:
    work.opened.clear()
    work.fields.clear()


_COMMANDS: dict[type[Change], Callable[..., None]] = {
    Set: _set,
    SetDefault: _set_default,
    Unset: _unset,
    Rename: _rename,
    Increment: _increment,
    Minimum: _minimum,
    Maximum: _maximum,
    Push: _push,
    AddToSet: _add_to_set,
    Pull: _pull,
    PopFirst: _pop_first,
    PopLast: _pop_last,
    Take: _take,
    Check: _check,
    Clear: _clear,
}
