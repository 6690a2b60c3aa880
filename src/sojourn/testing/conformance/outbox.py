"""The outbox: every event in one order, and each end handed to one owner at a time until it is acknowledged."""

from __future__ import annotations

from typing import Any, cast

from sojourn.core.events import (
    AnyEvent,
    EndReason,
    LoginFailed,
    LogoutRequested,
    SessionChanged,
    SessionCreated,
    SessionEnded,
    SessionRotated,
    TokenReused,
    UserLoggedIn,
)
from sojourn.core.operations import (
    Ability,
    Acknowledge,
    Append,
    Claim,
    Create,
    Delete,
    Flow,
    StoreOp,
    Sweep,
    Tail,
    Tailed,
)
from sojourn.core.record import Client
from sojourn.testing.conformance.asking import Asked, Body, Mark, came
from sojourn.testing.conformance.behaviour import Trial, behaviour
from sojourn.testing.conformance.expecting import expect, same

__all__ = [
    "acknowledged_ends_are_done",
    "appended_events_come_back",
    "claims_at_once_are_told_apart",
    "claims_pass_on_after_a_lease",
    "old_events_are_forgotten",
    "tail_goes_on_from_its_cursor",
    "tails_miss_nothing_under_parallel_writes",
    "the_mark_moves_with_events",
]

_NEEDS = Ability.EVENTS


def _events(trial: Trial, count: int, at: int = 0) -> tuple[AnyEvent, ...]:
    return tuple([LoginFailed(id=trial.handle(), at=trial.now + at, name=f"n{number}") for number in range(count)])


def _ended(trial: Trial, count: int, owner: str | None = None) -> Flow[Asked, tuple[SessionEnded, ...]]:
    events: list[SessionEnded] = []
    for number in range(count):
        record = trial.record()
        _ = yield from Create(record)
        ended = yield from Delete(record.handle, trial.now + number, EndReason.REVOKED, owner)
        assert ended is not None
        events.append(ended.event)
    return tuple(events)


@behaviour("design 8: the events and what each tells", _NEEDS)
def appended_events_come_back(trial: Trial) -> Body:
    """Events of every class come back with all they tell, in the order in which they were appended."""
    handle = trial.handle()
    common: dict[str, Any] = {"at": trial.now, "seq": 3, "uid": "Zoë", "actor": 'the "root"\0 \U0001f600'}
    events: tuple[AnyEvent, ...] = (
        SessionCreated(id="1", handle=handle, client=Client("::1", "agent", "label"), **common),
        SessionRotated(id="2", handle=handle, **common),
        SessionChanged(id="3", handle=handle, keys=("a.b", "$c", "\u2028"), **common),
        TokenReused(id="4", handle=handle, **common),
        UserLoggedIn(id="5", handle=handle, client=Client(), **common),
        LoginFailed(id="6", at=trial.now, name="'; --\0", address="192.0.2.1", locked=True),
        LogoutRequested(id="7", handle=handle, **common),
    )
    start = yield from Tail(None)
    yield from Append(events[:3])
    yield from Append(())
    yield from Append(events[3:])
    tailed = yield from Tail(start.cursor)
    for found, wanted in zip(tailed.events, events, strict=False):
        same(found, wanted, f"a {type(wanted).__name__} that came back")
    same(len(tailed.events), len(events), "how many events came back")
    same((yield from Claim(trial.now + 10**9, "me")), (), "what can be claimed of events that are no ends")


@behaviour("design 8: everybody's stream; the outbox is the truth", _NEEDS)
def tail_goes_on_from_its_cursor(trial: Trial) -> Body:
    """From any cursor come the events after it, `limit` at a time; without one the cursor of the end."""
    same((yield from Tail(None)).events, (), "the events of a Tail without a cursor")
    cursor = start = (yield from Tail(None)).cursor
    events = _events(trial, 7)
    yield from Append(events)
    found: list[AnyEvent] = []
    for wanted in (3, 3, 1, 0, 0):
        tailed = yield from Tail(cursor, 3)
        same((len(tailed.events), tailed.gap), (wanted, False), "how many events come at a limit of three; a gap")
        expect(tailed.cursor > cursor if wanted else tailed.cursor == cursor, "the cursor does not go with the events")
        cursor = tailed.cursor
        found += tailed.events
    same(tuple(found), events, "the events of all pages")
    same((yield from Tail(None)), Tailed((), cursor), "the end of the outbox")
    same((yield from Tail(start)).events, events, "the events from the start once more")


@behaviour("stores/base.py: event_mark", _NEEDS)
def the_mark_moves_with_events(trial: Trial) -> Body:
    """`event_mark()` differs after events were appended, by whatever operation."""
    record = trial.record()
    marks = [(yield from Mark())]
    ops: tuple[StoreOp, ...] = (
        *(Append(_events(trial, 1)), Create(record)),
        Delete(record.handle, trial.now, EndReason.LOGOUT),
    )
    for op in ops:
        _ = cast("object", (yield from op))
        marks.append((yield from Mark()))
        expect(marks[-1] != marks[-2], f"event_mark() is the same after {type(op).__name__}")


@behaviour("design 8: a lease passes it on if the owner dies; promise 3", _NEEDS)
def claims_pass_on_after_a_lease(trial: Trial) -> Body:
    """An end is one owner's until its lease runs out unacknowledged; then another gets it, with the same id."""
    events = yield from _ended(trial, 5)
    same((yield from Claim(trial.now + 9, "one", 2, 1_000)), events[:2], "the first claim, oldest first")
    same((yield from Claim(trial.now + 10, "two", 10, 5_000)), events[2:], "the second claim")
    same((yield from Claim(trial.now + 10, "three")), (), "a third claim while both leases last")
    same((yield from Claim(trial.now + 1_009, "three", 1, 10_000)), events[:1], "a claim when the first lease is over")
    same((yield from Claim(trial.now + 1_009, "one", 9, 10_000)), events[1:2], "the first owner claims again")
    same((yield from Claim(trial.now + 4_000, "two")), (), "a claim while the leases last")
    same((yield from Claim(trial.now + 5_010, "four", 9, 10_000)), events[2:], "a claim when the second is over")
    owned = yield from _ended(trial, 1, "dying owner")
    same((yield from Claim(trial.now + 1_000, "five")), (), "an end whose owner may still be at it")
    found = yield from Claim(trial.now + 120_000, "five", 99)
    expect(owned[0] in found, "an end whose owner never acknowledged it is handed to nobody")


@behaviour("design 8: runs the handlers and acknowledges", _NEEDS)
def acknowledged_ends_are_done(trial: Trial) -> Body:
    """An acknowledged end is claimed by nobody any more, and still told to listeners; unknown ids are no error."""
    start = yield from Tail(None)
    events = yield from _ended(trial, 3, "me")
    yield from Acknowledge((events[1].id, "unknown", trial.handle()))
    yield from Acknowledge((events[1].id,))
    yield from Acknowledge(())
    same((yield from Claim(trial.now + 120_000, "two")), (events[0], events[2]), "what can be claimed")
    yield from Acknowledge((events[0].id, events[2].id))
    same((yield from Claim(trial.now + 10**7, "three")), (), "what can be claimed when all is acknowledged")
    told = [event for event in (yield from Tail(start.cursor)).events if isinstance(event, SessionEnded)]
    same(tuple(told), events, "the ends that listeners are told")


@behaviour("design 8: gap detection; operations.Sweep", _NEEDS)
def old_events_are_forgotten(trial: Trial) -> Body:
    """A sweep forgets events past their time; whoever missed some is told of a gap, and nobody else."""
    start = yield from Tail(None)
    old, young = _events(trial, 2), _events(trial, 2, 5_000)
    early = yield from _ended(trial, 1)
    after_early = yield from Tail(None)
    yield from Append(old)
    middle = yield from Tail(None)
    late = yield from _ended(trial, 1)
    yield from Append(young)
    end = yield from Tail(None)
    _ = yield from Sweep(trial.now + 6_000, "me", keep_events_ms=2_000, keep_unclaimed_ms=7_000)
    tailed = yield from Tail(start.cursor)
    # Ends that nobody has claimed yet may be told to listeners for longer.
    heard = tuple([event for event in tailed.events if not isinstance(event, SessionEnded)])
    same((heard, tailed.gap), (young, True), "what a listener from before hears, and whether it missed some")
    same((yield from Tail(after_early.cursor)).gap, True, "a gap for one that missed some after an unclaimed end")
    same((yield from Tail(middle.cursor)).gap, True, "a gap for one that missed a session's creation")
    same((yield from Tail(end.cursor)), Tailed((), end.cursor, False), "a listener that missed nothing")
    same((yield from Claim(trial.now + 6_000, "two", lease_ms=1)), early + late, "ends that nobody has claimed yet")
    _ = yield from Sweep(trial.now + 60_000, "me", keep_events_ms=2_000, keep_unclaimed_ms=10_000)
    same((yield from Claim(trial.now + 60_000, "two")), (), "ends that nobody claimed for too long")
    same((yield from Tail(end.cursor)), Tailed((), end.cursor, False), "when everything is forgotten")
    same((yield from Tail(None)).cursor, end.cursor, "the end of an outbox in which everything is forgotten")
    same((yield from Tail(start.cursor)).gap, True, "a gap when everything is forgotten")


@behaviour("promise 3: owned by exactly one process", _NEEDS)
def claims_at_once_are_told_apart(trial: Trial) -> Body:
    """Of several who claim at once each end goes to exactly one."""
    events = yield from _ended(trial, 5 * trial.races)
    got: list[str] = []

    def claiming(owner: str) -> Body:
        while claimed := (yield from Claim(trial.now + 10**4, owner, 3)):
            got.extend(event.id for event in claimed)
            yield from Acknowledge((claimed[0].id,))

    _ = yield from came(*[claiming(f"owner-{number}") for number in range(4)])
    same(sorted(got), sorted(event.id for event in events), "the ids of all that was claimed")


@behaviour("design 8: gap detection; promise 3", _NEEDS)
def tails_miss_nothing_under_parallel_writes(trial: Trial) -> Body:
    """Who goes on from cursor to cursor while others append hears every event, once, and no gap."""
    start = yield from Tail(None)
    writers = 4
    finished: list[int] = []
    batches = [[_events(trial, 1) for _ in range(5 * trial.races)] for _ in range(writers)]

    def appending(number: int) -> Flow[Asked, None]:
        try:
            for batch in batches[number]:
                yield from Append(batch)
        finally:
            finished.append(number)

    def listening() -> Flow[Asked, list[str]]:
        heard: list[str] = []
        cursor = start.cursor
        while True:
            is_over = len(finished) == writers
            tailed = yield from Tail(cursor, 50)
            expect(not tailed.gap, "a gap is told where nothing was forgotten")
            cursor = tailed.cursor
            heard += [event.id for event in tailed.events]
            if is_over and not tailed.events:
                return heard

    heard, *_rest = yield from came(listening(), *[appending(number) for number in range(writers)])
    wanted = sorted(batch[0].id for events in batches for batch in events)
    same(sorted(heard), wanted, "the ids of all that was heard")
