"""The commands that change a session's data, and `apply`, the reference of what each one does.

A command is a frozen value: it can be recorded, sent to a store, repeated there in any process, and compared.
Values travel as canonical texts (`core.values`), so what was checked when the command was made is what is stored.
Every store MUST give the results of `apply`; the conformance kit holds them against it. The table is design 5.

A path is a string (one key, dots and all) or a tuple of strings that descends through objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from msgspec import Struct

from sojourn.core.values import Path, encode
from sojourn.errors import ValueRefused

__all__ = [
    "ABSENT",
    "Absent",
    "AddToSet",
    "AnyPath",
    "Change",
    "Check",
    "Clear",
    "Increment",
    "Maximum",
    "Minimum",
    "PopFirst",
    "PopLast",
    "Pull",
    "Push",
    "Rename",
    "Set",
    "SetDefault",
    "Take",
    "Unset",
    "add_to_set",
    "as_path",
    "check",
    "clear",
    "increment",
    "maximum",
    "minimum",
    "pop_first",
    "pop_last",
    "pull",
    "push",
    "rename",
    "set_default",
    "set_value",
    "show_path",
    "take",
    "unset",
]

AnyPath: TypeAlias = "str | tuple[str, ...]"


class Absent:
    """The type of `ABSENT`, which stands for "no value there" in `check`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"

    def __reduce__(self) -> str:
        return "ABSENT"  # there is one: a copy, or one that travelled, is the same


ABSENT: Final = Absent()


class Set(Struct, frozen=True, tag="set"):
    """Put a value at the path, creating parents."""

    path: Path
    text: bytes


class SetDefault(Struct, frozen=True, tag="set_default"):
    """Put a value at the path unless something is there."""

    path: Path
    text: bytes


class Unset(Struct, frozen=True, tag="unset"):
    """Remove what is at the path; nothing happens when nothing is there."""

    path: Path


class Rename(Struct, frozen=True, tag="rename"):
    """Move a value to another path, over what may be there; nothing happens when there is no value."""

    path: Path
    new: Path


class Increment(Struct, frozen=True, tag="increment"):
    """Add to a number; a missing one starts at `by`."""

    path: Path
    by: int | float


class Minimum(Struct, frozen=True, tag="minimum"):
    """Keep the smaller of the stored number and `by`."""

    path: Path
    by: int | float


class Maximum(Struct, frozen=True, tag="maximum"):
    """Keep the larger of the stored number and `by`."""

    path: Path
    by: int | float


class Push(Struct, frozen=True, tag="push"):
    """Append values to a list, keeping only the last `keep` if given."""

    path: Path
    texts: tuple[bytes, ...]
    keep: int | None = None


class AddToSet(Struct, frozen=True, tag="add_to_set"):
    """Append those values that the list does not hold yet."""

    path: Path
    texts: tuple[bytes, ...]


class Pull(Struct, frozen=True, tag="pull"):
    """Remove every occurrence of the values from a list."""

    path: Path
    texts: tuple[bytes, ...]


class PopFirst(Struct, frozen=True, tag="pop_first"):
    """Remove and answer a list's first element."""

    path: Path


class PopLast(Struct, frozen=True, tag="pop_last"):
    """Remove and answer a list's last element."""

    path: Path


class Take(Struct, frozen=True, tag="take"):
    """Remove and answer a whole value."""

    path: Path


class Check(Struct, frozen=True, tag="check"):
    """Refuse the whole batch unless the value at the path is this one; None means that nothing may be there."""

    path: Path
    text: bytes | None


class Clear(Struct, frozen=True, tag="clear"):
    """Remove all data; the session itself stays."""


Change: TypeAlias = (
    Set
    | SetDefault
    | Unset
    | Rename
    | Increment
    | Minimum
    | Maximum
    | Push
    | AddToSet
    | Pull
    | PopFirst
    | PopLast
    | Take
    | Check
    | Clear
)


def as_path(path: AnyPath) -> Path:
    """A path in its one form, a tuple of keys.

    Raises:
        ValueRefused: If it is empty, has a part that is no string, or a part with U+0000 or a lone surrogate.
    """
    keys = (path,) if isinstance(path, str) else path
    if not isinstance(keys, tuple) or not keys:
        raise ValueRefused(f"a path is a string or a tuple of strings with at least one, not {path!r}")
    for key in keys:
        if not isinstance(key, str):
            raise ValueRefused(f"a path's parts are strings, not {type(key).__name__}; in {path!r}")
        if "\x00" in key:
            raise ValueRefused(f"a key must not hold U+0000; in the path {path!r}")
        if not key.isascii():
            _refuse_surrogates(key, keys)
    # An instance of a subclass is kept as plain text, as values are: what it adds could not be stored.
    return keys if all(type(key) is str for key in keys) else tuple([str.__str__(key) for key in keys])


def _refuse_surrogates(key: str, keys: Path) -> None:
    try:
        _ = key.encode()
    except UnicodeEncodeError:
        raise ValueRefused(f"a key must be valid Unicode, without lone surrogates; in {keys!r}") from None


def _number(by: int | float, command: str) -> int | float:
    if isinstance(by, bool) or not isinstance(by, (int, float)):
        raise ValueRefused(f"{command} takes an int or a float, not {type(by).__name__}")
    _ = encode(by)  # refuses NaN, infinities and integers beyond 64 bits
    return by


def _texts(path: Path, values: tuple[object, ...]) -> tuple[bytes, ...]:
    return tuple([encode(value, path) for value in values])


def set_value(path: AnyPath | Mapping[str, object], value: object = ABSENT) -> tuple[Set, ...]:
    """The commands of `set(path, value)` and of `set({...})`, one for each member (A11).

    Raises:
        ValueRefused: If a value cannot be kept exactly by every store; `path` of the error says where.
    """
    if isinstance(path, Mapping):
        if value is not ABSENT:
            raise ValueRefused("set takes a path and a value, or one mapping")
        return tuple([Set(as_path(key), encode(item, (key,))) for key, item in path.items()])
    keys = as_path(path)
    return (Set(keys, encode(value, keys)),)


def set_default(path: AnyPath, value: object) -> SetDefault:
    """Set the value unless one is there already."""
    keys = as_path(path)
    return SetDefault(keys, encode(value, keys))


def unset(path: AnyPath) -> Unset:
    """Remove what is at the path, if anything."""
    return Unset(as_path(path))


def rename(path: AnyPath, new: AnyPath) -> Rename:
    """Move a value to another key or path, overwriting what is there."""
    return Rename(as_path(path), as_path(new))


def increment(path: AnyPath, by: int | float = 1) -> Increment:
    """Add `by` to a number: integers exactly, floats as IEEE doubles; a missing number starts at `by`."""
    return Increment(as_path(path), _number(by, "increment"))


def minimum(path: AnyPath, value: int | float) -> Minimum:
    """Lower a number to `value` if it is larger; a missing one becomes `value`."""
    return Minimum(as_path(path), _number(value, "minimum"))


def maximum(path: AnyPath, value: int | float) -> Maximum:
    """Raise a number to `value` if it is smaller; a missing one becomes `value`."""
    return Maximum(as_path(path), _number(value, "maximum"))


def push(path: AnyPath, *values: object, keep: int | None = None) -> Push:
    """Append values to a list; with `keep` only its last `keep` elements stay. A missing list is made."""
    if keep is not None and (isinstance(keep, bool) or not isinstance(keep, int) or keep < 0):
        raise ValueRefused(f"push keeps a number of elements from 0 upwards, not {keep!r}")
    keys = as_path(path)
    return Push(keys, _texts(keys, values), keep)


def add_to_set(path: AnyPath, *values: object) -> AddToSet:
    """Append each value that the list does not hold yet; equal means equal canonical text. A missing list is made."""
    keys = as_path(path)
    return AddToSet(keys, _texts(keys, values))


def pull(path: AnyPath, *values: object) -> Pull:
    """Remove every occurrence of the values from a list; nothing happens when there is no list."""
    keys = as_path(path)
    return Pull(keys, _texts(keys, values))


def pop_first(path: AnyPath) -> PopFirst:
    """Remove and answer the first element of a list; None when there is none."""
    return PopFirst(as_path(path))


def pop_last(path: AnyPath) -> PopLast:
    """Remove and answer the last element of a list; None when there is none."""
    return PopLast(as_path(path))


def take(path: AnyPath) -> Take:
    """Remove and answer a whole value, for what may be used only once; None when there is none."""
    return Take(as_path(path))


def check(path: AnyPath, value: object) -> Check:
    """Refuse the batch with `Conflict` unless the value at the path equals this one (compare-and-set).

    `ABSENT` as the value means that nothing may be there.
    """
    keys = as_path(path)
    return Check(keys, None if value is ABSENT else encode(value, keys))


def clear() -> Clear:
    """Remove all data; the session and its identity stay."""
    return Clear()


def show_path(path: tuple[str | int, ...]) -> str:
    """A path for people: `cart / items`."""
    return " / ".join(map(str, path)) or "(the data)"
