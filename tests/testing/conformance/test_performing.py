"""conformance.performing: flows run at once, really, in both colours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import Any

import pytest

from sojourn import SessionNotFound
from sojourn.core.changes import set_value
from sojourn.core.operations import Announce, Apply, Create, Load, Ping
from sojourn.stores.memory import MemoryStore
from sojourn.testing.conformance import Came, Cancelled, Mark, Performer, SetUpAgain, Together, Trial


def performing(colour: str, store: MemoryStore, op: Any) -> Any:
    performer = Performer(store)
    if colour == "sync":
        return performer.perform(op)

    async def one() -> Any:
        return await performer.aperform(op)

    return asyncio.run(one())


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_outcomes_come_in_the_order_of_their_flows(colour: str) -> None:
    store, trial = MemoryStore(), Trial(MemoryStore.abilities)
    record = trial.record()
    store.perform(Create(record))
    ops = [Load(record.handle, None, 0), Apply("0" * 32, 0), Ping(), Announce(())] * 6
    outcomes = performing(colour, store, Together(tuple(iter(op) for op in ops)))
    assert [outcome.result for outcome in outcomes[::4]] == [record] * 6
    assert all(isinstance(outcome.error, SessionNotFound) for outcome in outcomes[1::4])
    assert outcomes[3] == Came(None)
    assert performing(colour, store, Together(())) == ()


def test_threads_run_at_once() -> None:
    meeting = threading.Barrier(8, timeout=20)

    def flow() -> Generator[Any, Any, int]:
        yield from Ping()
        return meeting.wait()

    outcomes = performing("sync", MemoryStore(), Together(tuple(flow() for _ in range(8))))
    assert sorted(outcome.result for outcome in outcomes) == list(range(8))


def test_tasks_are_interleaved_in_an_order_that_the_seed_chooses() -> None:
    def run(seed: int) -> list[int]:
        order: list[int] = []

        def flow(number: int) -> Generator[Any, Any, None]:
            for _ in range(4):
                yield from Ping()
                order.append(number)

        async def one() -> None:
            await Performer(MemoryStore(), seed).aperform(Together(tuple(flow(number) for number in range(3))))

        asyncio.run(one())
        return order

    assert run(1) == run(1)
    assert run(1) not in (sorted(run(1)), [0, 1, 2] * 4)
    assert len({tuple(run(seed)) for seed in range(5)}) > 2


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_an_error_that_is_not_ours_is_raised(colour: str) -> None:
    def flow() -> Generator[Any, Any, None]:
        yield from Ping()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        performing(colour, MemoryStore(), Together((flow(), iter(Ping()))))


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_the_store_itself_can_be_looked_at(colour: str) -> None:
    store = MemoryStore()
    assert performing(colour, store, Mark()) == 0
    store.perform(Create(Trial(store.abilities).record()))
    assert performing(colour, store, Mark()) == 1
    assert performing(colour, store, SetUpAgain()) is None


def test_a_cancelled_operation_is_cancelled_over_an_async_store_only() -> None:
    class Slow(MemoryStore):
        async def aperform(self, op: Any) -> Any:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return self.perform(op)

    store = Slow()
    record = Trial(store.abilities).record()
    store.perform(Create(record))
    op = Apply(record.handle, record.created, 0, set_value("a", 1))
    assert performing("async", store, Cancelled(op, 1)) is True
    assert store.perform(Load(record.handle, None, 0)) == record
    assert performing("async", store, Cancelled(op, 9)) is False
    assert store.perform(Load(record.handle, None, 0)).data == {"a": b"1"}
    assert performing("sync", store, Cancelled(op, 0)) is False
