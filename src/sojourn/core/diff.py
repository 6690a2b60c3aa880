"""Which commands turn one value into another: how a nested value that was altered in place becomes small changes."""

from __future__ import annotations

from typing import Any, TypeGuard, cast

from sojourn.core.changes import Change, Push, Set, Unset
from sojourn.core.values import Path, Value, decode, encode

__all__ = ["difference", "renew"]


def difference(path: Path, old_text: bytes, value: object) -> list[Change]:
    """The commands that lead from the text to the value, as small as what was done to it.

    Members of objects are set and unset one by one, and what was appended to a list is pushed, so that such changes of
    two requests both stay. Anything else done to a list is a `Set` of that list: the last writer wins, for it alone.

    Raises:
        ValueRefused: If the value now holds something that cannot be stored; its `path` says where.
    """
    if encode(value, path) == old_text:
        return []
    found: list[Change] = []
    _compare(path, decode(old_text), value, found)
    return found


def _compare(path: Path, old: Value, new: object, found: list[Change]) -> None:
    text = encode(new, path)
    if encode(old) == text:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        fresh = cast("dict[str, object]", new)
        found.extend(Unset((*path, key)) for key in old if key not in fresh)
        for key, item in fresh.items():
            if key in old:
                _compare((*path, key), old[key], item, found)
            else:
                found.append(Set((*path, key), encode(item, (*path, key))))
    elif (
        isinstance(old, list)
        and isinstance(new, (list, tuple))
        and _starts_with(items := cast("list[object]", new), old)
    ):
        added = items[len(old) :]
        found.append(Push(path, tuple([encode(item, path) for item in added])))
    else:
        found.append(Set(path, text))


def _starts_with(items: list[object], old: list[Value]) -> bool:
    return len(items) > len(old) and all(encode(a) == encode(b) for a, b in zip(items, old, strict=False))


def renew(value: object, fresh: object) -> bool:
    """Make a list or an object equal to another one in place, and what stands inside it as far as it can be.

    False, and nothing is done, if they are not of the same kind.
    """
    if _is_dict(value) and _is_dict(fresh):
        for key in [key for key in value if key not in fresh]:
            del value[key]
        for key, item in fresh.items():
            if not renew(value.get(key), item):
                value[key] = item
        return True
    if _is_list(value) and _is_list(fresh):
        kept = [old if renew(old, item) else item for old, item in zip(value, fresh, strict=False)]
        value[:] = kept + fresh[len(kept) :]
        return True
    return False


def _is_dict(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)
