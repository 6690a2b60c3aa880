"""No resurrection: after each way of ending, nothing that a late request can ask for brings a session back.

Each way of ending is tried twice: in peace, with every kind of write after it, and in a race against each kind of
write, on many sessions at once. Some ways hold only on a condition (`emptied`): where it did not hold the session has
to live, with the write that saved it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import replace

from sojourn.core import changes as c
from sojourn.core.changes import Change
from sojourn.core.events import EndReason, SessionEnded
from sojourn.core.operations import (
    Ability,
    Applied,
    Apply,
    Count,
    Create,
    Delete,
    Enlist,
    Flow,
    List,
    Load,
    StoreOp,
    Sweep,
    Tail,
)
from sojourn.core.record import Client, Identity, Lifetime, Record
from sojourn.core.session import Recording
from sojourn.core.tokens import make_token
from sojourn.core.values import encode_fields
from sojourn.errors import IdentityChanged, SessionNotFound
from sojourn.flows import lifecycle, revoke
from sojourn.testing.conformance.asking import Asked, Body, Came, Together, came
from sojourn.testing.conformance.behaviour import NOTHING, Trial, register
from sojourn.testing.conformance.expecting import ConformanceFailure, expect, gone, same

__all__ = ["ENDINGS", "WRITES", "Ending", "ended_for_good", "race"]

_TTL = 50_000
_DATA = encode_fields({"n": 1, "list": [1, 2], "text": "x", "o": {"k": 1}})

_BATCHES: dict[str, tuple[Change, ...]] = {
    "set": c.set_value("late", 1),
    "set_default": (c.set_default("late", 1),),
    "unset": (c.unset("text"),),
    "rename": (c.rename("text", "late"),),
    "increment": (c.increment("n"),),
    "minimum": (c.minimum("n", -5),),
    "maximum": (c.maximum("n", 5),),
    "push": (c.push("list", 3),),
    "add_to_set": (c.add_to_set("list", 3),),
    "pull": (c.pull("list", 1),),
    "pop_first": (c.pop_first("list"),),
    "pop_last": (c.pop_last("list"),),
    "take": (c.take("text"),),
    "check": (c.check("nothing", c.ABSENT), *c.set_value("late", 1)),
    "clear": (c.clear(),),
}


def _sending(batch: tuple[Change, ...]) -> Callable[[Trial, Record], StoreOp]:
    return lambda trial, record: Apply(record.handle, trial.now, record.generation, batch)


WRITES: dict[str, Callable[[Trial, Record], StoreOp]] = {
    **{name: _sending(batch) for name, batch in _BATCHES.items()},
    "touch": lambda trial, record: Apply(record.handle, trial.now, record.generation, touch_only=True),
    "load with a due touch": lambda trial, record: Load(record.handle, record.secret_hash, trial.now + 20_001),
    "rotate": lambda trial, record: Apply(record.handle, trial.now, 0, new_hash=trial.entropy(32), events=True),
    "sign in": lambda trial, record: Apply(record.handle, trial.now, None, identity=Identity(record.uid or "ann")),
    "lifetime": lambda trial, record: Apply(record.handle, trial.now, lifetime=Lifetime(None, "created", None, 0)),
    "client": lambda trial, record: Apply(record.handle, trial.now, client=Client(label="late")),
}
"""Everything that a request can still send to a session that it has loaded."""

EndAll = Callable[[Trial, list[Record]], list[Generator[Any, Any, Any]]]


class Ending(Struct, frozen=True):
    """A way of ending.

    Attributes:
        flows: From the sessions to the flows that end them, to be run at once with the writes.
        needs: The abilities that they ask for.
        fields: What the sessions are made with.
        later: How much later than the writes it happens, by the clock.
        without: Writes that end it in another way, or take it out of reach.
        is_certain: Whether the sessions have to be gone afterwards, whatever was written.
    """

    flows: EndAll
    needs: Ability = NOTHING
    fields: dict[str, Any] = {}
    later: int = 0
    without: frozenset[str] = frozenset()
    is_certain: bool = True


def _session(trial: Trial, record: Record) -> Recording:
    return Recording(record, make_token(record.handle, trial.entropy(32)))


def _each(one: Callable[[Trial, Record], Generator[Any, Any, Any]]) -> EndAll:
    return lambda trial, records: [one(trial, record) for record in records]


def _logout(trial: Trial, record: Record) -> Generator[Any, Any, Any]:
    return lifecycle.end(_session(trial, record), trial.policy(), trial.now)


def _revoked(trial: Trial, record: Record) -> Generator[Any, Any, Any]:
    return revoke.revoke_one(trial.policy(), trial.now, record.handle)


def _revoked_user(trial: Trial, record: Record) -> Generator[Any, Any, Any]:
    return revoke.revoke_user(trial.policy(), trial.now, record.uid or "")


def _evicted(trial: Trial, record: Record) -> Generator[Any, Any, Any]:
    policy = trial.policy(max_sessions=1)
    return lifecycle.create(policy, trial.now, trial.entropy, {}, Identity(record.uid))


def _regenerated(trial: Trial, record: Record) -> Generator[Any, Any, Any]:
    return lifecycle.regenerate(_session(trial, record), trial.policy(), trial.now, trial.entropy)


def _user_switched(trial: Trial, record: Record) -> Generator[Any, Any, Any]:
    session = _session(trial, record)
    session.sign_in("somebody else")
    return lifecycle.commit(session, trial.policy(), trial.now, trial.entropy)


def _emptied(trial: Trial, record: Record) -> Generator[Any, Any, Any]:
    return iter(Delete(record.handle, trial.now, EndReason.EMPTIED, only_empty=True))


def _everybody(trial: Trial, _records: list[Record]) -> list[Generator[Any, Any, Any]]:
    return [revoke.revoke_everybody(trial.policy(), trial.now, page_size=7)]


def _swept(trial: Trial, records: list[Record]) -> list[Generator[Any, Any, Any]]:
    return [iter(Sweep(trial.now + _TTL + 1, "sweeper", len(records)))]


_USER: dict[str, Any] = {"uid": "?"}
ENDINGS: dict[str, Ending] = {
    "logout": Ending(_each(_logout)),
    "revoked": Ending(_each(_revoked)),
    "expired": Ending(
        _swept, fields={"lifetime": Lifetime(_TTL, "created", None, 20_000)}, later=_TTL + 1,
        without=frozenset({"lifetime"}),
    ),
    "revoked with all of the user's": Ending(_each(_revoked_user), Ability.USER_INDEX, _USER),
    "revoked with everybody's": Ending(_everybody, Ability.LISTING),
    "evicted": Ending(_each(_evicted), Ability.USER_INDEX, _USER),
    "replaced": Ending(_each(_regenerated)),
    "replaced by another user's": Ending(_each(_user_switched), fields=_USER),
    "emptied": Ending(_each(_emptied), fields={"data": {}}, is_certain=False),
}  # fmt: skip
"""Every way of ending that each store has; capacity, where a store has one, is that store's own test."""


def _made(trial: Trial, ending: Ending, count: int) -> Flow[Asked, list[Record]]:
    records: list[Record] = []
    for number in range(count):
        record = trial.record(**({"data": _DATA} | ending.fields))
        if record.uid is not None:
            record = replace(record, uid=f"user-{record.handle[:8]}-{number}")
        records.append(record)
    _ = yield from came(*[_stored(trial, record) for record in records])
    return records


def _stored(trial: Trial, record: Record) -> Body:
    _ = yield from Create(record)
    if record.uid is not None and Ability.USER_INDEX in trial.abilities:
        _ = yield from Enlist(record.uid, record.handle)


def ended_for_good(trial: Trial, records: list[Record], later: int = 0) -> Body:
    """Fail unless these sessions are gone and no kind of write brings one back."""
    for record in records:
        for what, write in WRITES.items():
            yield from _refused(what, write(trial, record))
        yield from gone(record.handle, trial.now, "after writes that came too late")
        same((yield from Delete(record.handle, trial.now, EndReason.LOGOUT)), None, "a second end")
    handles = {record.handle for record in records}
    if Ability.LISTING in trial.abilities:
        listed = {record.handle for record in (yield from List(limit=1_000)).records}
        expect(not handles & listed, "an ended session is listed")
    if Ability.COUNT in trial.abilities:
        for uid in {record.uid for record in records} - {None}:
            most = 1 if Ability.USER_INDEX in trial.abilities else 0  # the session that took its place
            expect((yield from Count(trial.now + later, uid)) <= most, "an ended session is counted")
    swept = yield from Sweep(trial.now + 10**12, "last", limit=10_000)
    expect(not handles & {event.handle for event in swept.ended}, "an ended session expired as well")


def _refused(what: str, op: StoreOp) -> Body:
    try:
        answer = cast("object", (yield from op))
    except SessionNotFound:
        return
    if answer is not None:  # a Load says None
        raise ConformanceFailure(f"{what!r} on an ended session was done")


def race(trial: Trial, ending: Ending, what: str, write: Callable[[Trial, Record], StoreOp], count: int) -> Body:
    """Run one kind of write against one way of ending, on so many sessions at once, and look at what is left."""
    start = (yield from Tail(None)) if Ability.EVENTS in trial.abilities else None
    records = yield from _made(trial, ending, count)
    writers: list[Generator[Any, Any, Any]] = [iter(write(trial, record)) for record in records]
    enders = ending.flows(trial, records)
    outcomes = yield from Together(_mixed(writers, enders))
    for outcome in outcomes:
        if outcome.error is not None and not isinstance(outcome.error, (SessionNotFound, IdentityChanged)):
            raise outcome.error
    done = _mixed_back(outcomes, len(writers))
    alive: list[Record] = []
    for record in records:
        alive += [record] if (yield from Load(record.handle, None, trial.now)) is not None else []
    if ending.is_certain:
        expect(not alive, f"{len(alive)} of {count} sessions live after a race of {what!r} with their end")
    for record, outcome in zip(records, done, strict=True):
        if record in alive:
            expect(outcome.error is None, f"{what!r} was refused, and the session lives")
        else:
            saved = not ending.is_certain and isinstance(outcome.result, Applied) and _is_filled(outcome.result.record)
            expect(not saved, f"{what!r} was acknowledged and filled the session, and it was ended as empty")
    dead = [record for record in records if record not in alive]
    _ = yield from came(*[_refused(what, write(trial, record)) for record in dead])
    if start is not None:
        yield from _one_event_each(start.cursor, records, alive, what)


def _is_filled(record: Record) -> bool:
    return bool(record.data) or record.uid is not None


def _one_event_each(cursor: int, records: list[Record], alive: list[Record], what: str) -> Body:
    tailed = yield from Tail(cursor, 100_000)
    ends = [event.handle for event in tailed.events if isinstance(event, SessionEnded)]
    for record in records:
        wanted = 0 if record in alive else 1
        same(ends.count(record.handle), wanted, f"how often the end of a session is told after a race of {what!r}")


def _mixed(writers: list[Any], enders: list[Any]) -> tuple[Any, ...]:
    """Writers and enders of the same session beside each other; an ender of all at once in their middle."""
    if len(enders) == 1:
        return (*writers[: len(writers) // 2], *enders, *writers[len(writers) // 2 :])
    return tuple([flow for pair in zip(writers, enders, strict=True) for flow in pair])


def _mixed_back(outcomes: tuple[Came, ...], writers: int) -> list[Came]:
    if len(outcomes) == writers + 1:
        return [*outcomes[: writers // 2], *outcomes[writers // 2 + 1 :]]
    return list(outcomes[::2])


def _in_peace(ending: Ending) -> Callable[[Trial], Body]:
    def body(trial: Trial) -> Body:
        records = yield from _made(trial, ending, 3)
        outcomes = yield from Together(tuple(ending.flows(trial, records)))
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
        yield from ended_for_good(trial, records, ending.later)

    return body


def _in_races(ending: Ending) -> Callable[[Trial], Body]:
    def body(trial: Trial) -> Body:
        for what, write in WRITES.items():
            if what not in ending.without:
                yield from race(trial, ending, what, write, trial.races)

    return body


for _name, _ending in ENDINGS.items():
    _key = _name.replace(" ", "_").replace("'", "")
    register(
        f"{_key}_is_final",
        f"A session that ended as {_name!r} is not brought back by any kind of write.",
        "promise 2: logout is final; seeds AB1",
        _ending.needs,
        _in_peace(_ending),
    )
    register(
        f"{_key}_wins_every_race",
        f"Of sessions that end as {_name!r} while they are written to none lives on, and each end is told once.",
        "promise 2: logout is final; promise 3; scorecard 6",
        _ending.needs,
        _in_races(_ending),
    )
