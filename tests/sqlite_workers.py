"""What other processes do to an SQLite store in tests/stores/test_sqlite_*.py: each function runs in one of its own.

It stands here, on pytest's path, because a spawned process has to import it by name.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sojourn.core.changes import AddToSet, Increment, Push, Set
from sojourn.core.operations import Apply, StoreOp, Sweep
from sojourn.core.record import Lifetime, Record
from sojourn.core.values import encode, encode_fields
from sojourn.errors import StoreUnavailable
from sojourn.stores.sqlite import SqliteStore

__all__ = ["HASH", "LIFE", "count_up", "in_processes", "make_record", "mix", "repeat", "sweep_all", "write_for_ever"]

HASH = b"h" * 32
LIFE = Lifetime(1_000, "last_access", 5_000, 100)


def make_record(number: int, now: int = 1_000, data: dict[str, object] | None = None, **more: Any) -> Record:
    """A record with a handle made of the number."""
    given: dict[str, Any] = {"lifetime": LIFE, **more}
    return Record(f"{number:032x}", HASH, now, now, now, data=encode_fields(data or {}), **given)


def repeat(store: SqliteStore, op: StoreOp) -> Any:
    """Do it, again where the store says that nothing was done: that this is safe is what the exact sums prove."""
    for _ in range(50):
        try:
            return store.perform(op)
        except StoreUnavailable as error:
            if type(error) is not StoreUnavailable:
                raise
    raise AssertionError("the store was locked fifty times in a row")


def in_processes(work: Callable[..., Any], arguments: list[tuple[Any, ...]]) -> list[Any]:
    """Run a function of this module in one spawned process for each tuple of arguments; answers the results."""
    with get_context("spawn").Pool(len(arguments)) as pool:
        return pool.starmap(work, arguments, chunksize=1)


def count_up(path: str, handle: str, times: int) -> int:
    """Increment one field so many times."""
    store = SqliteStore(path)
    for _ in range(times):
        repeat(store, Apply(handle, 1_500, changes=(Increment(("n",), 1),)))
    store.close()
    return times


def mix(path: str, handle: str, worker: int, times: int) -> dict[str, int]:
    """So many commands of every kind on one session; answers the last acknowledged number of each own key."""
    store = SqliteStore(path)
    acknowledged: dict[str, int] = {}
    for number in range(times):
        key = f"w{worker}-{number % 7}"
        changes = (
            (Increment(("total",), 1), Increment(("of", str(worker)), 1)),
            (Increment(("total",), 1), Set((key,), encode(number))),
            (Increment(("total",), 1), Push(("log",), (encode(f"{worker}:{number}"),), 20)),
            (Increment(("total",), 1), AddToSet(("seen",), (encode(worker),))),
        )[number % 4]
        repeat(store, Apply(handle, 1_500, changes=changes))
        if number % 4 == 1:
            acknowledged[key] = number
    store.close()
    return acknowledged


def sweep_all(path: str, owner: str, now: int, expected: int) -> list[str]:
    """Sweep until nothing is due any more, or this one has ended so many; answers the ids of those it ended."""
    store = SqliteStore(path)
    ids: list[str] = []
    until = time.monotonic() + 30
    moment = now
    while time.monotonic() < until and len(ids) < expected:
        moment += 500  # the others' lease runs out by this clock, so that the lease passes around
        swept = repeat(store, Sweep(moment, owner, limit=40))
        ids += [event.id for event in swept.ended]
        if swept.held and swept.next_due is None:
            break
    store.close()
    return ids


def write_for_ever(path: str, handle: str) -> None:
    """Increment until killed, and say each acknowledged number on standard output."""
    store = SqliteStore(path)
    number = 0
    while True:
        number += 1
        repeat(store, Apply(handle, 1_500, changes=(Increment(("n",), 1),)))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    write_for_ever(str(Path(sys.argv[1])), sys.argv[2])
