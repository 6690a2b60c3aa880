"""A store of your own, held against everything that Sojourn promises of a store: `python third_party_store.py`.

`FolderlessStore` keeps records in a dictionary and offers the five required operations, nothing more. The decisions
come from `sojourn.core.transitions`, so all that a store has to get right is that each operation is one step.
`HastyStore` does not: it writes back what it has worked out, whether the session still is there or not.
"""

from __future__ import annotations

import threading
from typing import Any

from sojourn.core import transitions
from sojourn.core.events import EndReason, session_ended
from sojourn.core.operations import Ability, Apply, Create, Delete, Ended, Health, Load, Ping, Sweep, Swept
from sojourn.core.record import Record, deadline, expired
from sojourn.errors import AbilityMissing
from sojourn.testing import conformance


class FolderlessStore:
    """Sessions in a dictionary, one lock around it."""

    abilities = Ability(0)
    embedded = True

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.lease = ("", 0)
        self.lock = threading.Lock()

    def perform(self, op: Any) -> Any:
        with self.lock:
            match op:
                case Create(record):
                    return self.records.setdefault(record.handle, record) is record
                case Load(handle):
                    record = self.records.get(handle)
                    touched = transitions.touched(record, op) if record else None
                    if touched:
                        self.records[handle] = touched
                    return touched or record
                case Apply():
                    return self.apply(op)
                case Delete(handle):
                    record = self.records.get(handle)
                    event = transitions.delete(record, op) if record else None
                    return Ended(self.records.pop(handle), event) if event else None
                case Sweep():
                    return self.sweep(op)
                case Ping():
                    return Health("folderless", "1", "none: all is lost when the process ends")
                case _:
                    raise AbilityMissing(f"this store has no {type(op).__name__}")

    def apply(self, op: Apply) -> Any:
        applied = transitions.apply(self.records.get(op.handle), op)
        self.records[op.handle] = applied.record
        return applied

    def sweep(self, op: Sweep) -> Swept:
        holder, until = self.lease
        if holder != op.owner and op.now < until:
            return Swept(held=False)
        self.lease = (op.owner, op.now + op.lease_ms)
        over = [record for record in self.records.values() if expired(record, op.now)]
        over.sort(key=lambda record: deadline(record) or 0)
        ended = [session_ended(record, op.now, EndReason.EXPIRED) for record in over[: op.limit]]
        for event in ended:
            del self.records[event.handle or ""]
        ahead = [end for record in self.records.values() if (end := deadline(record)) is not None]
        return Swept(True, tuple(ended), 0, min(ahead, default=None))

    async def aperform(self, op: Any) -> Any:
        return self.perform(op)

    def event_mark(self) -> int:
        return 0

    def setup(self) -> None: ...

    async def asetup(self) -> None: ...

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


class HastyStore(FolderlessStore):
    """The same, but a write that comes after the end brings the session back."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, Record] = {}

    def apply(self, op: Apply) -> Any:
        record = self.records.get(op.handle) or self.seen.get(op.handle)
        applied = transitions.apply(record, op)
        self.records[op.handle] = self.seen[op.handle] = applied.record
        return applied

    def perform(self, op: Any) -> Any:
        if isinstance(op, Create):
            self.seen.setdefault(op.record.handle, op.record)
        return super().perform(op)


# Ten lines are enough. Under pytest, derive from `sojourn.testing.StoreConformance` and give the fixture `store`.
def main() -> None:
    for make_store in (FolderlessStore, HastyStore):
        for colour in ("sync", "async"):
            report = conformance.run(make_store, colour)
            print(f"{report.store} ({report.colour}): {'good' if report.is_good else 'NOT GOOD'}")
            for failure in report.failures[:2]:
                print(failure.text)


if __name__ == "__main__":
    main()
