"""The part of an apsw connection that we use, with the types that its own stubs leave open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import apsw

__all__ = ["Database", "Row", "Rows", "connect"]

Row = tuple[Any, ...]
"""What SQLite hands out; the tables are STRICT, so each column has its declared type."""


class Rows(Protocol):
    """What a statement found."""

    def fetchall(self) -> list[Row]:
        """All rows, read to the end: a statement left half-way would keep its read lock."""
        ...


class Database(Protocol):
    """One connection, used by one thread at a time."""

    @property
    def in_transaction(self) -> bool:
        """Whether a BEGIN is open."""
        ...

    def execute(self, statements: str, bindings: Any = None, /) -> Rows:
        """Run statements; those that answer no rows are done when this returns."""
        ...

    def pragma(self, name: str, value: Any = None, /) -> Any:
        """Ask or set."""
        ...

    def changes(self) -> int:
        """How many rows the last statement wrote."""
        ...

    def total_changes(self) -> int:
        """How many rows were written so far."""
        ...

    def readonly(self, name: str, /) -> bool:
        """Whether the file could only be opened for reading."""
        ...

    def set_busy_handler(self, callable: Callable[[int], bool] | None, /) -> None:  # noqa: A002 - apsw's name
        """What to do while another process holds a lock."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...


def connect(path: str) -> Database:
    """Open a file that exists or may be made; the path is never read as a URI."""
    connection: Database = apsw.Connection(path)
    return connection
