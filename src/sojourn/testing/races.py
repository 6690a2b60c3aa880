"""Many flows at once: as threads, tasks or processes, or in any order that a seed chooses.

`interleaved` finds mistakes of flows, whatever the store: each operation is one step, and every order of steps can be
had again by its seed. `at_once` and `in_processes` find mistakes of stores, whose steps may not be one. The rest are
the races that Sojourn's own stores are held to, with their sizes as parameters.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from random import Random
from typing import Any

from msgspec import Struct

from sojourn.base_manager import system_clock
from sojourn.core import changes as c
from sojourn.core.changes import Change
from sojourn.core.events import EndReason, SessionEnded
from sojourn.core.operations import Announce, Apply, Create, Delete, Flow, List, Load, StoreOp
from sojourn.core.record import Lifetime
from sojourn.core.values import decode_fields, encode_fields
from sojourn.errors import SojournError
from sojourn.flows.policy import announce_ended
from sojourn.manager import SessionManager
from sojourn.stores.base import SessionStore
from sojourn.stores.opening import open_store
from sojourn.testing.conformance import Behaviour, Came, Colour, Performer, Report, Together, Trial, behaviours, run
from sojourn.testing.processes import Report as Tell
from sojourn.testing.processes import in_processes

__all__ = [
    "Ends",
    "Written",
    "at_once",
    "expire_in_processes",
    "in_processes",
    "interleaved",
    "resurrections",
    "write_in_processes",
]

_Flows = Sequence[Generator[Any, Any, Any]]


def at_once(store: SessionStore, flows: _Flows, colour: Colour = "sync", *, seed: int = 0) -> tuple[Came, ...]:
    """Run flows over one store at once, as threads ("sync") or tasks ("async"); what each came to, in their order.

    Not from within an event loop.
    """
    together, performer = Together(tuple(flows)), Performer(store, seed)
    if colour == "sync":
        outcomes: tuple[Came, ...] = performer.perform(together)
        return outcomes

    async def tasks() -> tuple[Came, ...]:
        answer: tuple[Came, ...] = await performer.aperform(together)
        return answer

    return asyncio.run(tasks())


def interleaved(flows: _Flows, perform: Callable[[Any], Any], seed: int) -> tuple[Came, ...]:
    """Run flows operation by operation, in an order that the seed chooses; what each came to, in their order.

    What they announce to handlers is passed over.
    """
    order = Random(seed)  # noqa: S311 - an order, not a secret
    outcomes: dict[int, Came] = {}
    resume: dict[int, Callable[[], Any]] = {number: flow.__next__ for number, flow in enumerate(flows)}
    while resume:
        number = order.choice(sorted(resume))
        flow = flows[number]
        try:
            op = resume[number]()
        except StopIteration as done:
            outcomes[number] = Came(done.value)
            del resume[number]
            continue
        except SojournError as error:
            outcomes[number] = Came(error=error)
            del resume[number]
            continue
        resume[number] = _answered(flow, op, perform)
    return tuple([outcomes[number] for number in range(len(flows))])


def _answered(flow: Generator[Any, Any, Any], op: Any, perform: Callable[[Any], Any]) -> Callable[[], Any]:
    """Perform now, go on later: in between others have their turn."""
    if isinstance(op, Announce):
        return lambda: flow.send(None)
    try:
        reply = perform(op)
    except Exception as failed:  # noqa: BLE001 - it belongs to the flow that asked
        error = failed
        return lambda: flow.throw(error)
    return lambda: flow.send(reply)


def resurrections(make_store: Callable[[], SessionStore], colour: Colour = "sync", *, races: int = 100) -> Report:
    """Race every kind of write with every way of ending, on so many sessions each; none may live (promise 2)."""
    chosen: list[Behaviour] = [one for one in behaviours() if one.name.endswith("_wins_every_race")]
    return run(make_store, colour, only=[one.name for one in chosen], races=races)


class Written(Struct, frozen=True):
    """What came of `write_in_processes`.

    Attributes:
        acknowledged: How many commands were acknowledged.
        lost: Those acknowledged whose effect is not there.
        counted: What the counter shows.
        least: The sum of the acknowledged increments.
        most: That and the increments whose answer a kill cut off.
    """

    acknowledged: int
    lost: tuple[str, ...]
    counted: int
    least: int
    most: int


def write_in_processes(url: str, *, processes: int = 4, commands: int = 10_000, kill: int = 0) -> Written:
    """Write mixed commands to one session from several processes, and compare it with what they were told.

    Args:
        url: Of a store that several processes can share.
        processes: How many.
        commands: How many commands in all.
        kill: How many of the processes are killed half-way.
    """
    store = open_store(url)
    store.setup()
    record = Trial(store.abilities).record(created=system_clock(), data=encode_fields({"n": 0, "names": {}}))
    assert store.perform(Create(record))
    each = commands // processes
    kill_after = dict.fromkeys(range(kill), each // 2)
    arguments = [(number, record.handle, each) for number in range(processes)]
    told = in_processes(url, _write, arguments, kill_after=kill_after)
    found = store.perform(Load(record.handle, None, system_clock()))
    store.close()
    data: dict[str, Any] = decode_fields(found.data)
    done = [message for said in told for message in said]
    names = [name for name, _ in done if name]
    kept = set(data["names"]) | {name for key in data if key.startswith("list") for name in data[key]}
    least = sum(by for _, by in done)
    return Written(
        len(done), tuple([name for name in names if name not in kept]), data["n"], least, least + kill * _MOST
    )


_MOST = 9


def _write(store: SessionStore, argument: tuple[int, str, int], tell: Tell) -> None:
    worker, handle, count = argument
    order = Random(worker)  # noqa: S311 - an order, not a secret
    for turn in range(count):
        name, by = "", order.randrange(1, _MOST + 1)
        batch: tuple[Change, ...] = (c.increment("n", by),)
        if turn % 10 == 0:
            name = f"{worker}-{turn}"
            batch += c.set_value(("names", name), turn)
        elif turn % 10 == 5:
            name = f"{worker}-{turn}"
            batch += (c.push(f"list {worker}", name), c.add_to_set("workers", worker), c.maximum("most", turn))
        store.perform(Apply(handle, system_clock(), 0, batch))
        tell((name, by))


class Ends(Struct, frozen=True):
    """What came of `expire_in_processes`.

    Attributes:
        told: The handles whose end a handler was told, each as often as it was.
        missing: Sessions whose end nobody was told.
        twice: Sessions whose end was told under two ids.
        repeated: Ids that were told more than once; none unless a process was killed.
        left: Sessions that are still stored.
    """

    told: tuple[str, ...]
    missing: tuple[str, ...]
    twice: tuple[str, ...]
    repeated: tuple[str, ...]
    left: tuple[str, ...]


def expire_in_processes(
    url: str, *, sessions: int = 2_000, processes: int = 8, spread_ms: int = 1_000, kill: int = 0
) -> Ends:
    """Let sessions expire under several sweeping processes, and see what their handlers were told (promise 3).

    Each process also meets sessions by handle, as sign-ins do, so that ends race with the sweep.

    Args:
        url: Of a store that several processes can share.
        sessions: How many.
        processes: How many.
        spread_ms: Over how many milliseconds the deadlines are spread.
        kill: How many of the processes are killed after some handlers have run.
    """
    store = open_store(url)
    store.setup()
    start, trial = system_clock(), Trial(store.abilities)
    records = [
        trial.record(created=start, lifetime=Lifetime(1 + number * spread_ms // sessions, "created", None, 10))
        for number in range(sessions)
    ]
    outcomes = at_once(store, [iter(Create(record)) for record in records])
    assert all(outcome.result is True for outcome in outcomes)
    handles = [record.handle for record in records]
    kill_after = dict.fromkeys(range(kill), 3)
    told = in_processes(url, _sweep, [(number, handles) for number in range(processes)], kill_after=kill_after)
    pairs = [(id_, handle) for said in told for id_, handle in said]
    pairs += _left_behind(store)
    left = tuple([record.handle for record in store.perform(List(limit=sessions)).records])
    store.close()
    heard = Counter(handle for _, handle in pairs)
    named = Counter(handle for _, handle in set(pairs))
    ids = Counter(id_ for id_, _ in pairs)
    return Ends(
        told=tuple(heard.elements()),
        missing=tuple(sorted(set(handles) - set(heard))),
        twice=tuple(sorted(handle for handle, count in named.items() if count > 1)),
        repeated=tuple(sorted(id_ for id_, count in ids.items() if count > 1)),
        left=left,
    )


def _left_behind(store: SessionStore) -> Iterator[tuple[str, str]]:
    """What killed processes had not acknowledged, when their leases are over."""
    manager = SessionManager(store, clock=lambda: system_clock() + 60_000)
    ended: list[SessionEnded] = []
    manager.on(SessionEnded, ended.append)
    while True:
        before = len(ended)
        manager.sweep()
        if len(ended) == before:
            return iter([(event.id, event.handle or "") for event in ended])


def _sweep(store: SessionStore, argument: tuple[int, list[str]], tell: Tell) -> None:
    number, handles = argument
    order = Random(number)  # noqa: S311 - an order, not a secret
    manager = SessionManager(store)

    def hear(event: SessionEnded) -> None:
        tell((event.id, event.handle))

    manager.on(SessionEnded, hear)
    while store.perform(List(limit=1)).records:
        manager.sweep(25)
        for handle in order.sample(handles, 5):
            manager.run(_meet(manager, handle))


def _meet(manager: SessionManager, handle: str) -> Flow[StoreOp | Announce, None]:
    """End one session if it is over, as a sign-in does that finds it in the user's index."""
    ended = yield from Delete(handle, manager.now(), EndReason.EXPIRED, manager.policy.owner, only_expired=True)
    if ended is not None:
        yield from announce_ended(manager.policy, ended.event)
