"""What a store is. The whole contract is this file and `core/operations.py`.

A store answers operations; it never decides. It MUST

* do each operation in one atomic step, as `core.transitions` defines it, under any number of threads, tasks and
  processes that share the store;
* refuse to create an existing handle, and never create by anything but `Create` (no resurrection);
* raise only the errors that an operation names, and `StoreError` or its subclasses, mapped in one function and with
  the driver's error as cause. `StoreUnavailable` says that nothing was done; `OutcomeUnknown` that it may have been.

Not errors: a missing record (`Load` answers None, `Delete` too), an id to acknowledge that is gone, an entry to delist
that was never there. A store says which abilities it has; operations of other abilities may raise `AbilityMissing`.
`sojourn.testing.conformance` holds any store against all this.
"""

from __future__ import annotations

from typing import Any, Protocol

from sojourn.core.operations import Ability, StoreOp

__all__ = ["SessionStore"]


class SessionStore(Protocol):
    """The contract of a store, in both colours.

    Attributes:
        abilities: What it offers beyond the five required operations.
        embedded: Whether a read is answered in place, within microseconds and without a network; adapters then load a
            session where it is first looked at, on the event loop too.
    """

    @property
    def abilities(self) -> Ability:
        """What it offers beyond the five required operations."""
        ...

    @property
    def embedded(self) -> bool:
        """Whether reads are answered in place, within microseconds."""
        ...

    def setup(self) -> None:
        """Make what is needed, if it is not there (F17, A4); an older version of it is brought up to date."""
        ...

    async def asetup(self) -> None:
        """`setup` without blocking the loop."""
        ...

    def perform(self, op: StoreOp) -> Any:
        """Do one operation and answer its reply, blocking until it is acknowledged."""
        ...

    async def aperform(self, op: StoreOp) -> Any:
        """Do one operation and answer its reply. Cancelled, it is done whole or not at all."""
        ...

    def event_mark(self) -> int:
        """A number that differs when events may have been appended by anybody since: cheap enough to ask often."""
        ...

    def close(self) -> None:
        """Let go of files, connections and threads. A closed store may not be used again."""
        ...

    async def aclose(self) -> None:
        """`close` without blocking the loop."""
        ...
