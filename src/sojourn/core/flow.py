"""What a flow is: a generator that asks for operations, each a frozen value that names the type of its answer."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, Self, TypeAlias, TypeVar

from msgspec import Struct

__all__ = ["Flow", "Op"]

Reply_co = TypeVar("Reply_co", covariant=True)
Asked = TypeVar("Asked")
Result = TypeVar("Result")


class Op(Struct, Generic[Reply_co], frozen=True):
    """A question whose answer is a `Reply_co`."""

    def __iter__(self) -> Generator[Self, Any, Reply_co]:
        """Ask it from a flow: `reply = yield from op`."""
        reply: Reply_co = yield self
        return reply


Flow: TypeAlias = Generator[Asked, Any, Result]
"""Logic that may ask for operations of the type `Asked` and comes to a `Result`."""
