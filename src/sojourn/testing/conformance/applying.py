"""Applying: a batch is one atomic step on a session that lives, or nothing at all."""

from __future__ import annotations

from msgspec.structs import replace

from sojourn.core import changes as c
from sojourn.core import transitions
from sojourn.core.changes import Change
from sojourn.core.events import SessionChanged, SessionRotated
from sojourn.core.operations import Ability, Apply, Create, Load, Tail
from sojourn.core.record import Client, Identity, Lifetime, Record, deadline
from sojourn.core.values import encode_fields, size
from sojourn.errors import (
    ChangeError,
    Conflict,
    IdentityChanged,
    SessionExpired,
    SessionNotFound,
    SessionTooLarge,
    SojournError,
    ValueRefused,
)
from sojourn.testing.conformance.asking import Body, Cancelled
from sojourn.testing.conformance.behaviour import LIFETIME, Trial, behaviour
from sojourn.testing.conformance.expecting import ConformanceFailure, expect, gone, refuses, same, stands
from sojourn.testing.conformance.hard_values import nested

__all__ = [
    "apply_answers_in_order",
    "apply_appends_its_events",
    "apply_checks_the_generation",
    "apply_does_a_batch_in_order",
    "apply_keeps_to_the_size_limit",
    "apply_leaves_nothing_of_a_failed_batch",
    "apply_never_creates",
    "apply_notes_the_times",
    "apply_refuses_expired_sessions",
    "apply_stores_a_mebibyte",
    "apply_touch_only_leaves_last_update",
    "cancelled_applies_are_whole",
]


def _everything(trial: Trial, handle: str, *batch: Change, now: int | None = None) -> Apply:
    """An Apply that would change whatever an Apply can."""
    return Apply(
        handle,
        trial.now + 7 if now is None else now,
        changes=(*c.set_value("first", "changed"), *batch),
        new_hash=trial.entropy(32),
        identity=Identity("somebody", ("role",), b'{"n":1}', trial.now, "root"),
        lifetime=Lifetime(5_000, "created", None, 1),
        client=Client("192.0.2.9", "other", "label"),
        events=True,
        actor="actor",
    )


@behaviour("design 7: Apply never creates; promise 2")
def apply_never_creates(trial: Trial) -> Body:
    """An `Apply` on a handle that is not stored raises SessionNotFound and stores nothing, whatever it asks for."""
    start = (yield from Tail(None)) if Ability.EVENTS in trial.abilities else None
    handle = trial.handle()
    for op in (
        Apply(handle, trial.now, changes=c.set_value("a", 1)),
        Apply(handle, trial.now, 0),
        Apply(handle, trial.now, touch_only=True),
        _everything(trial, handle),
    ):
        _ = yield from refuses(op, SessionNotFound, "an Apply on nothing")
        yield from gone(handle, trial.now, "after an Apply on nothing")
    if start is not None:
        same((yield from Tail(start.cursor)).events, (), "the events of refused Applies")


@behaviour("design 6: expired only if now > deadline; FB1: no revival")
def apply_refuses_expired_sessions(trial: Trial) -> Body:
    """At the deadline an `Apply` still counts, a millisecond later it raises SessionExpired and writes nothing."""
    for lifetime in (LIFETIME, Lifetime(40_000, "created", None, 10), Lifetime(40_000, "last_update", 90_000, 10)):
        record = trial.record(lifetime=lifetime, last_update=trial.now + 50, data=encode_fields({"first": 1}))
        _ = yield from Create(record)
        end = deadline(record) or 0
        for op in (_everything(trial, record.handle, now=end + 1), Apply(record.handle, end + 1, touch_only=True)):
            error = yield from refuses(op, SessionExpired, "an Apply past the deadline")
            assert isinstance(error, SessionExpired)
            same((error.handle, error.expired_at), (record.handle, end), "what SessionExpired tells")
        yield from stands(record, end, "the record after a refused Apply")
        applied = yield from Apply(record.handle, end, changes=c.set_value("first", 2))
        same(applied.record.last_access, end, "last_access of an Apply at the deadline")


@behaviour("design 7: refused if its generation is not the one loaded")
def apply_checks_the_generation(trial: Trial) -> Body:
    """A writer that loaded another identity is refused with IdentityChanged; None writes whoever it belongs to."""
    record = trial.record(uid="ann", generation=3, data=encode_fields({"first": 1}))
    _ = yield from Create(record)
    for generation in (0, 2, 4):
        op = replace(_everything(trial, record.handle), generation=generation)
        _ = yield from refuses(op, IdentityChanged, f"generation {generation} on a record of generation 3")
        touch = Apply(record.handle, trial.now + 9, generation, touch_only=True)
        _ = yield from refuses(touch, IdentityChanged, "a touch with another generation")
    yield from stands(record, trial.now, "the record after writers of other generations")
    _ = yield from Apply(record.handle, trial.now, 3, c.set_value("a", 1))
    after = yield from Apply(record.handle, trial.now, None, c.set_value("b", 1))
    same(sorted(after.record.data), ["a", "b", "first"], "the keys after the right generation, and None")


_FAILING: dict[str, tuple[Change, type[SojournError]]] = {
    "a push on a number": (c.push("number", 1), ChangeError),
    "an increment past 64 bits": (c.increment("most"), ChangeError),
    "a check that does not hold": (c.check("number", 6), Conflict),
    "a value that nests too deep": (c.rename("deep", ("a", "b", "c", "d")), ValueRefused),
    "a parent that is no object": (c.set_value(("number", "x"), 1)[0], ChangeError),
}


@behaviour("design 5: a batch is all or nothing; promise 7")
def apply_leaves_nothing_of_a_failed_batch(trial: Trial) -> Body:
    """If the last command is refused, nothing of the batch, of the rotation, identity or times is stored."""
    data = {"number": 5, "text": "x", "most": 2**63 - 1, "deep": nested(62), "list": [1]}
    record = trial.record(data=encode_fields(data))
    _ = yield from Create(record)
    start = (yield from Tail(None)) if Ability.EVENTS in trial.abilities else None
    before: tuple[Change, ...] = (c.push("list", 2), c.unset("text"), c.take("list"), *c.set_value(("o", "p"), 1))
    for what, (failing, kind) in _FAILING.items():
        op = _everything(trial, record.handle, *before, failing)
        _ = yield from refuses(op, kind, what)
        yield from stands(record, trial.now, f"the record after {what}")
    if start is not None:
        same((yield from Tail(start.cursor)).events, (), "the events of failed batches")


@behaviour("design 5: a batch is applied in order")
def apply_does_a_batch_in_order(trial: Trial) -> Body:
    """Commands of one batch see what those before them did."""
    record = trial.record(data=encode_fields({"a": 1, "log": []}))
    _ = yield from Create(record)
    batch: tuple[Change, ...] = (
        c.increment("a"), c.push("log", 1), c.rename("a", ("moved", "a")), c.increment(("moved", "a"), 2**53 + 1),
        c.push("log", 2), c.pull("log", 1), c.add_to_set("log", 2, 3), *c.set_value("a", {"b": []}),
        c.push(("a", "b"), "x"), c.check(("a", "b"), ["x"]), c.set_default("a", 0), c.maximum("most", 9),
    )  # fmt: skip
    applied = yield from Apply(record.handle, trial.now, 0, batch)
    wanted = encode_fields({"a": {"b": ["x"]}, "log": [2, 3], "moved": {"a": 2**53 + 3}, "most": 9})
    same(applied.record.data, wanted, "the data after a batch of twelve commands")
    yield from stands(applied.record, trial.now, "what is stored")


@behaviour("design 5: take, pop_first and pop_last answer")
def apply_answers_in_order(trial: Trial) -> Body:
    """The answers of a batch come in the order of the commands that give one, None where nothing was."""
    record = trial.record(data=encode_fields({"list": [1.0, {"$x": 1}, "last"], "nonce": "once"}))
    _ = yield from Create(record)
    batch = (
        c.take("nonce"), c.increment("n"), c.pop_last("list"), c.take("nonce"), c.pop_first("list"),
        c.pop_first("none"), c.pop_first("list"), c.pop_first("list"), c.take("list"),
    )  # fmt: skip
    applied = yield from Apply(record.handle, trial.now, 0, batch)
    wanted = (b'"once"', b'"last"', None, b"1.0", None, b'{"$$x":1}', None, b"[]")
    same(applied.answers, wanted, "the answers of a batch")


@behaviour("design 4: SessionTooLarge over the limit, 1 MiB by default")
def apply_keeps_to_the_size_limit(trial: Trial) -> Body:
    """Data of exactly `max_bytes` is stored; one octet more is refused and nothing applied."""
    record = trial.record(data=encode_fields({"é$": "\0", "$k": [1.0]}))
    _ = yield from Create(record)
    room = 2_000 - size(record.data | encode_fields({"big": ""}))
    for text in ("x" * (room + 1), "é" * (room // 2) + "xx", "\0" * (room // 6 + 1)):
        op = Apply(record.handle, trial.now + 1, 0, c.set_value("big", text), max_bytes=2_000)
        _ = yield from refuses(op, SessionTooLarge, "data over max_bytes")
        yield from stands(record, trial.now, "the record after too much data")
    op = Apply(record.handle, trial.now + 1, 0, c.set_value("big", "x" * room), max_bytes=2_000)
    applied = yield from op
    same(size(applied.record.data), 2_000, "the size of data that just fits")
    _ = yield from refuses(replace(op, changes=(c.push("more", 1),)), SessionTooLarge, "a push over max_bytes")
    yield from stands(applied.record, trial.now, "the record after a push too many")


@behaviour("design 4: 1 MiB of canonical text; promise 1")
def apply_stores_a_mebibyte(trial: Trial) -> Body:
    """Nearly a mebibyte, in one text, in one list, and in many keys, is changed and comes back."""
    room = 1024 * 1024 - 100
    big: tuple[dict[str, object], ...] = (
        {"text": "x" * room},
        {"text": "\U0001f600" * (room // 4)},
        {"list": list(range(130_000))},
        {f"key {number}": "v" * 90 for number in range(9_000)},
    )
    for data in big:
        record = trial.record()
        _ = yield from Create(record)
        op = Apply(record.handle, trial.now, 0, (*c.set_value(data), c.increment("n")))
        wanted = transitions.apply(record, op)
        same((yield from op), wanted, "what applying nearly a mebibyte answers")
        yield from stands(wanted.record, trial.now, "nearly a mebibyte, stored")


@behaviour("design 6: times never go back")
def apply_notes_the_times(trial: Trial) -> Body:
    """An `Apply` makes `now` the last access and update, unless a later one is stored already."""
    record = trial.record(last_access=trial.now + 100, last_update=trial.now + 50)
    _ = yield from Create(record)
    for step, access, update in ((0, 100, 50), (70, 100, 70), (200, 200, 200), (150, 200, 200)):
        applied = yield from Apply(record.handle, trial.now + step, 0, c.set_value("n", step))
        found = (applied.record.last_access - trial.now, applied.record.last_update - trial.now)
        same(found, (access, update), f"last_access and last_update after an Apply at {step} ms")
        yield from stands(applied.record, trial.now, "what is stored")


@behaviour("seeds A13, M7: touching is no update")
def apply_touch_only_leaves_last_update(trial: Trial) -> Body:
    """With `touch_only` the access is noted, whatever the touch interval, and nothing else is changed."""
    record = trial.record(data=encode_fields({"first": 1}), uid="ann")
    _ = yield from Create(record)
    touched = replace(record, last_access=trial.now + 1)
    applied = yield from replace(_everything(trial, record.handle, now=trial.now + 1), touch_only=True)
    same((applied.record, applied.answers, applied.events), (touched, (), ()), "what a touch answers")
    yield from stands(touched, trial.now, "the record after a touch")
    _ = yield from Apply(record.handle, trial.now - 5, touch_only=True)
    yield from stands(touched, trial.now, "the record after a touch with an earlier clock")


@behaviour("design 8: events with a number within their session", Ability.EVENTS)
def apply_appends_its_events(trial: Trial) -> Body:
    """A rotation, and with `events` a change, append numbered events that name keys and never values."""
    record = trial.record(uid="ann")
    _ = yield from Create(record)
    start = yield from Tail(None)
    first = yield from Apply(record.handle, trial.now + 1, 0, c.set_value("a", 1))
    same(first.events, (), "the events of a plain Apply")
    batch: tuple[Change, ...] = (*c.set_value(("a.b", "c"), 1), c.unset("x"), *c.set_value("a.b", 2), c.clear())
    op = Apply(record.handle, trial.now + 2, 0, batch, new_hash=trial.entropy(32), events=True, actor="root")
    second = yield from op
    third = yield from Apply(record.handle, trial.now + 3, 0, (c.increment("n"),), events=True)
    rotated, changed = second.events
    assert isinstance(rotated, SessionRotated)
    assert isinstance(changed, SessionChanged)
    same(changed.keys, ("a.b", "x"), "the keys that SessionChanged names")
    same([event.seq for event in (*second.events, *third.events)], [2, 3, 4], "the numbers of the events")
    same((rotated.actor, rotated.uid, rotated.at), ("root", "ann", trial.now + 2), "what SessionRotated tells")
    same((yield from Tail(start.cursor)).events, (*second.events, *third.events), "what stands in the outbox")
    same(third.record.seq, 4, "the record's number of events")


@behaviour("stores/base.py: cancelled, an operation is done whole or not at all; scorecard 18")
def cancelled_applies_are_whole(trial: Trial) -> Body:
    """An `Apply` whose caller is cancelled has changed everything it was to change, or nothing."""
    record = trial.record(data=encode_fields({"first": 1}))
    _ = yield from Create(record)
    before: Record = record
    for turn in range(12):
        op = _everything(trial, record.handle, c.increment("n"), now=trial.now + turn)
        wanted = transitions.apply(before, op := replace(op, lifetime=None))
        yield from Cancelled(op, turn % 4)
        # What was under way when its caller left may be finished by the next operation at the latest.
        probe = yield from Apply(record.handle, trial.now, changes=c.set_value("probe", turn))
        found = (yield from Load(record.handle, None, trial.now)) or record
        same(found, probe.record, "what is stored after a cancelled Apply and another one")
        whole = {field: value for field, value in found.data.items() if field != "probe"}
        for expected in (before, wanted.record):
            rest = {field: value for field, value in expected.data.items() if field != "probe"}
            if rest == whole and (found.generation, found.seq) == (expected.generation, expected.seq):
                break
        else:
            raise ConformanceFailure("a cancelled Apply is there in part")
        expect(found.lifetime == record.lifetime, "the lifetime changed, which nobody asked for")
        before = found
