"""How a behaviour says what it expects, so that a failure tells what was found where."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, cast

import msgspec

from sojourn.core.operations import Flow, Load, StoreOp
from sojourn.core.record import Record
from sojourn.errors import SojournError
from sojourn.testing.conformance.asking import Asked

__all__ = ["ConformanceFailure", "expect", "gone", "refuses", "same", "stands"]


class ConformanceFailure(AssertionError):
    """A store does not do what the contract says."""


def expect(holds: bool, text: str) -> None:
    """Fail with this text unless it holds."""
    if not holds:
        raise ConformanceFailure(text)


def same(found: object, wanted: object, what: str) -> None:
    """Fail unless both are equal; of records and events the differing fields are named."""
    if type(found) is type(wanted) and found == wanted:
        return
    if isinstance(found, msgspec.Struct) and type(found) is type(wanted):
        names = [name for name in found.__struct_fields__ if getattr(found, name) != getattr(wanted, name)]
        parts = [f"{name}: {_show(found, name)}, expected {_show(wanted, name)}" for name in names]
        raise ConformanceFailure(f"{what}: {'; '.join(parts)}")
    raise ConformanceFailure(f"{what}: {_cut(found)}, expected {_cut(wanted)}")


def refuses(
    asked: StoreOp | Generator[Any, Any, Any], kind: type[SojournError], what: str
) -> Flow[Asked, SojournError]:
    """Ask, and fail unless it raises exactly this error; a subclass says something else."""
    try:
        answer = cast("object", (yield from asked))
    except SojournError as error:
        if type(error) is not kind:
            raise ConformanceFailure(
                f"{what}: raised {type(error).__name__} ({error}), expected {kind.__name__}"
            ) from error
        return error
    raise ConformanceFailure(f"{what}: answered {_cut(answer)}, expected {kind.__name__}")


def stands(record: Record, now: int, what: str) -> Flow[Asked, None]:
    """Fail unless the store holds exactly this record."""
    found = yield from Load(record.handle, None, now)
    same(found, record, what)


def gone(handle: str, now: int, what: str) -> Flow[Asked, None]:
    """Fail if the session is still there, or there again."""
    found = yield from Load(handle, None, now)
    expect(found is None, f"{what}: the session is stored, expected none")


def _show(struct: object, name: str) -> str:
    value = getattr(struct, name)
    if isinstance(value, bytes) and "hash" in name:
        return "one hash" if struct is not None else ""
    return _cut(value)


def _cut(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 300 else f"{text[:200]}... ({len(text)} characters)"
