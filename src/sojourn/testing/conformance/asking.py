"""What a behaviour may ask beside the store's operations: to run flows at once, and to look at the store itself."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeAlias

from msgspec import Struct

from sojourn.core.operations import Announce, Flow, Op, StoreOp
from sojourn.errors import SojournError

__all__ = ["Asked", "Body", "Came", "Cancelled", "Mark", "SetUpAgain", "Together", "came", "errors"]


class Came(Struct, frozen=True):
    """What one of several flows came to: its result, or an error that Sojourn raises on purpose."""

    result: Any = None
    error: SojournError | None = None


class Together(Op[tuple[Came, ...]], frozen=True):
    """Run these flows at once, as threads over a sync store and as tasks over an async one; answered in their order.

    An error that is not Sojourn's fails the behaviour.
    """

    flows: tuple[Generator[Any, Any, Any], ...]


class Cancelled(Op[bool], frozen=True):
    """Do an operation and cancel it after so many turns of the loop; False if it was done before that.

    Over a sync store, where nothing can be cancelled, it is simply done.
    """

    op: StoreOp
    turns: int


class Mark(Op[int], frozen=True):
    """The store's `event_mark()`."""


class SetUpAgain(Op[None], frozen=True):
    """The store's `setup()` or `asetup()` once more."""


Asked: TypeAlias = "StoreOp | Announce | Together | Cancelled | Mark | SetUpAgain"
Body: TypeAlias = Flow[Asked, None]


def came(*flows: Generator[Any, Any, Any]) -> Flow[Asked, list[Any]]:
    """Run flows at once and answer their results; any error fails the behaviour."""
    outcomes = yield from Together(flows)
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return [outcome.result for outcome in outcomes]


def errors(outcomes: tuple[Came, ...]) -> list[SojournError]:
    """The errors among the outcomes."""
    return [outcome.error for outcome in outcomes if outcome.error is not None]
