"""Sweeping: one owner at a time claims what is over, each deadline checked again in the statement that ends it."""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from sojourn.core import changes as c
from sojourn.core.events import EndReason, SessionEnded, session_ended
from sojourn.core.operations import Ability, Apply, Claim, Create, Delete, Load, Sweep, Swept, Tail
from sojourn.core.record import Lifetime, Record, deadline
from sojourn.core.values import encode_fields
from sojourn.errors import SessionNotFound
from sojourn.testing.conformance.asking import Body, came
from sojourn.testing.conformance.behaviour import LIFETIME, Trial, behaviour
from sojourn.testing.conformance.expecting import expect, gone, same, stands

__all__ = [
    "sweep_answers_when_to_look_again",
    "sweep_checks_the_deadline_again",
    "sweep_claims_for_its_owner",
    "sweep_ends_what_is_over",
    "sweep_finds_what_was_shortened",
    "sweep_forgets_nothing_after_writes",
    "sweep_has_one_holder",
    "sweep_keeps_to_its_limit",
    "sweep_leaves_what_ended_otherwise",
    "sweepers_at_once_end_each_session_once",
    "sweeping_races_writing",
]


def _short(trial: Trial, ttl: int, **fields: object) -> Record:
    return trial.record(lifetime=Lifetime(ttl, "created", None, 10), **fields)


@behaviour("design 6; seeds F6; promise 3")
def sweep_ends_what_is_over(trial: Trial) -> Body:
    """A sweep ends what is past its deadline, in the order of the deadlines, and nothing at or before it."""
    records = [_short(trial, ttl, uid=f"user-{ttl}") for ttl in (300, 100, 500, 200, 400)]
    forever = trial.record(lifetime=Lifetime(None, "created", None, 10))
    for record in (*records, forever):
        _ = yield from Create(record)
    start = (yield from Tail(None)) if Ability.EVENTS in trial.abilities else None
    same((yield from Sweep(trial.now + 100, "me")).ended, (), "a sweep at the first deadline")
    swept = yield from Sweep(trial.now + 301, "me")
    order = sorted(records, key=lambda record: deadline(record) or 0)
    wanted = tuple([session_ended(record, trial.now + 301, EndReason.EXPIRED) for record in order[:3]])
    same(swept, Swept(True, wanted, 0, trial.now + 400), "a sweep past the third deadline")
    for record in order[:3]:
        yield from gone(record.handle, trial.now, "a swept session")
    for record in (*order[3:], forever):
        yield from stands(record, trial.now, "a session whose deadline is ahead")
    if start is not None:
        same((yield from Tail(start.cursor)).events, wanted, "the events in the outbox")


@behaviour("design 6: sleeps until the next due")
def sweep_answers_when_to_look_again(trial: Trial) -> Body:
    """`next_due` is the next deadline, and None if no session will ever expire."""
    same((yield from Sweep(trial.now, "me")), Swept(True, (), 0, None), "a sweep of nothing")
    forever = trial.record(lifetime=Lifetime(None, "created", None, 10))
    _ = yield from Create(forever)
    same((yield from Sweep(trial.now + 10**12, "me")).next_due, None, "next_due with an immortal session only")
    both = trial.record(lifetime=Lifetime(9_000, "last_access", 8_000, 10))
    _ = yield from Create(both)
    same((yield from Sweep(trial.now, "me")).next_due, trial.now + 8_000, "next_due with one that can expire")


@behaviour("design 6: batches whose statement re-checks the deadline; F6")
def sweep_checks_the_deadline_again(trial: Trial) -> Body:
    """A session that was touched or changed since it was filed is not ended, and looked at again in time."""
    loaded, applied = (trial.record(lifetime=Lifetime(1_000, "last_access", None, 10)) for _ in range(2))
    updated = trial.record(lifetime=Lifetime(1_000, "last_update", None, 10))
    lengthened = _short(trial, 1_000)
    for record in (loaded, applied, updated, lengthened):
        _ = yield from Create(record)
    at = trial.now + 900
    _ = yield from Load(loaded.handle, loaded.secret_hash, at)
    _ = yield from Apply(applied.handle, at + 10, touch_only=True)
    _ = yield from Apply(updated.handle, at + 20, 0, c.set_value("a", 1))
    _ = yield from Apply(lengthened.handle, at, lifetime=Lifetime(50_000, "created", None, 10))
    swept = yield from Sweep(trial.now + 1_001, "me")
    same(swept.ended, (), "what a sweep past deadlines that have moved ends")
    due = swept.next_due or 0  # how many entries were filed again is the store's affair, and so is an early look
    expect(trial.now + 1_000 < due <= at + 1_000, "next_due after deadlines have moved is not before the first of them")
    swept = yield from Sweep(at + 1_011, "me")
    same([event.handle for event in swept.ended], [loaded.handle, applied.handle], "a sweep past two of them")
    swept = yield from Sweep(at + 1_021, "me")
    same([event.handle for event in swept.ended], [updated.handle], "a sweep past the third")
    same(swept.next_due, trial.now + 50_000, "when to look again for a lengthened one")
    expect((yield from Load(lengthened.handle, None, at)) is not None, "a lengthened session was ended")


@behaviour("design 6: what shortens a lifetime writes due")
def sweep_finds_what_was_shortened(trial: Trial) -> Body:
    """A session whose lifetime was shortened, or was endless, is found at its new deadline."""
    long, endless = trial.record(), trial.record(lifetime=Lifetime(None, "created", None, 10))
    for record in (long, endless):
        _ = yield from Create(record)
    _ = yield from Apply(long.handle, trial.now, lifetime=Lifetime(700, "created", None, 10))
    _ = yield from Apply(endless.handle, trial.now, lifetime=Lifetime(800, "created", None, 10))
    same((yield from Sweep(trial.now, "me")).next_due, trial.now + 700, "next_due after shortening")
    swept = yield from Sweep(trial.now + 801, "me")
    same([event.handle for event in swept.ended], [long.handle, endless.handle], "a sweep past the new deadlines")


@behaviour("design 6: claims in batches")
def sweep_keeps_to_its_limit(trial: Trial) -> Body:
    """A sweep ends at most `limit` sessions, the longest over first; the next one goes on."""
    records = [_short(trial, 100 + number) for number in range(5)]
    for record in records:
        _ = yield from Create(record)
    found: list[str | None] = []
    for wanted in (2, 2, 1, 0):
        swept = yield from Sweep(trial.now + 1_000, "me", 2)
        same(len(swept.ended), wanted, "how many a sweep with a limit of two ended")
        found += [event.handle for event in swept.ended]
    same(found, [record.handle for record in records], "the order over the sweeps")


@behaviour("design 6: one process at a time holds the sweep lease; takeover within a second")
def sweep_has_one_holder(trial: Trial) -> Body:
    """While one owner's lease lasts another's sweep looks at nothing; when it has run out, it is taken over.

    A store may leave the lease alone while nothing is due, so something always is, here.
    """
    records = [_short(trial, 1 + number) for number in range(9)]
    for record in records:
        _ = yield from Create(record)
    start = trial.now + 100
    left = [record.handle for record in records]
    for step, owner, ends in (
        (0, "one", 1), (0, "two", 0), (999, "two", 0), (999, "one", 1), (1_000, "two", 0), (1_998, "two", 0),
        (1_999, "two", 1), (2_000, "one", 0), (2_998, "one", 0), (2_998, "two", 1), (3_997, "one", 0),
        (3_998, "one", 1), (3_999, "one", 1), (3_999, "two", 0),
    ):  # fmt: skip
        swept = yield from Sweep(start + step, owner, 1, lease_ms=1_000)
        wanted = left[:ends]
        found = (swept.held, [event.handle for event in swept.ended], swept.refiled)
        same(found, (bool(ends), wanted, 0), f"the sweep of owner {owner!r} after {step} ms: held, ended, refiled")
        left = left[ends:]
    for record in records[6:]:
        yield from stands(record, trial.now, "a session that only sweeps without the lease have met")


@behaviour("design 8: owned by exactly one process; a lease passes it on", Ability.EVENTS)
def sweep_claims_for_its_owner(trial: Trial) -> Body:
    """What a sweep ended belongs to its owner until its lease is over; with `claim_events` off, to whoever asks."""
    owned, free = _short(trial, 100), _short(trial, 200)
    for record in (owned, free):
        _ = yield from Create(record)
    first = yield from Sweep(trial.now + 150, "one")
    second = yield from Sweep(trial.now + 250, "one", claim_events=False)
    same((yield from Claim(trial.now + 1_000, "two")), second.ended, "what another owner can claim soon after")
    same((yield from Claim(trial.now + 600_000, "three", lease_ms=1)), (*first.ended, *second.ended), "much later")


@behaviour("promise 3: each end once")
def sweep_leaves_what_ended_otherwise(trial: Trial) -> Body:
    """A session that was ended before its deadline does not expire as well, nor does its entry hold up the sweep."""
    records = [_short(trial, 100 + number) for number in range(4)]
    for record in records:
        _ = yield from Create(record)
    for record in records[:3]:
        _ = yield from Delete(record.handle, trial.now, EndReason.LOGOUT)
    swept = yield from Sweep(trial.now + 1_000, "me", 1)
    same([event.handle for event in swept.ended], [records[3].handle], "a sweep after three of four had ended")
    same((yield from Sweep(trial.now + 1_000, "me")).next_due, None, "when to look again")


@behaviour("design 6: due is never later than the deadline")
def sweep_forgets_nothing_after_writes(trial: Trial) -> Body:
    """Whatever was written to a session, it is swept once its deadline is past, and not before."""
    record = trial.record(data=encode_fields({"n": 0}))
    _ = yield from Create(record)
    now = end = trial.now
    for step in range(6):
        now += 400_000
        changed = replace(LIFETIME, ttl_ms=500_000 + step) if step % 2 else None
        applied = yield from Apply(record.handle, now, changes=(c.increment("n"),), lifetime=changed)
        end = deadline(applied.record) or 0
        same((yield from Sweep(end, "me")).ended, (), "a sweep at the deadline")
        expect(((yield from Sweep(end, "me")).next_due or end + 1) <= end, "next_due is later than a deadline")
    same(len((yield from Sweep(end + 1, "me")).ended), 1, "how many a sweep past the last deadline ended")


@behaviour("promise 3: each end once, while at least one process sweeps")
def sweepers_at_once_end_each_session_once(trial: Trial) -> Body:
    """Of several owners that sweep at once, leases running out all the time, each end is one owner's."""
    records = [_short(trial, 100 + number) for number in range(10 * trial.races)]
    for record in records:
        _ = yield from Create(record)
    start = (yield from Tail(None)) if Ability.EVENTS in trial.abilities else None
    ended: list[SessionEnded] = []

    def sweeping(owner: str) -> Body:
        for turn in range(10 * trial.races):
            ended.extend((yield from Sweep(trial.now + 10_000 + turn, owner, 7, lease_ms=1)).ended)

    _ = yield from came(*[sweeping(f"owner-{number}") for number in range(4)])
    ids = sorted(event.id for event in ended)
    same(ids, sorted(set(ids)), "the ids of the events that the owners were answered")
    same(len(ids), len(records), "how many ends the owners were answered")
    if start is not None:
        tailed = (yield from Tail(start.cursor, 100_000)).events
        same(sorted(event.id for event in tailed), ids, "the ids in the outbox")


def _forgiving(flow: Body) -> Body:
    """A late writer may be told that its session has ended; that is no failure of the store."""
    with suppress(SessionNotFound):
        yield from flow


@behaviour("design 6: the statement re-checks the deadline; promise 1")
def sweeping_races_writing(trial: Trial) -> Body:
    """A session that is written to at its deadline while it is swept either lives, with the write, or has ended."""
    records = [trial.record(lifetime=Lifetime(1_000, "last_access", None, 10)) for _ in range(4 * trial.races)]
    for record in records:
        _ = yield from Create(record)
    acknowledged: set[str] = set()

    def writing(record: Record) -> Body:
        _ = yield from Apply(record.handle, trial.now + 1_000, 0, c.set_value("saved", 1))
        acknowledged.add(record.handle)

    def sweeping() -> Body:
        for _ in range(4):
            _ = yield from Sweep(trial.now + 1_001, "me", trial.races)

    writers = [_forgiving(writing(record)) for record in records]
    _ = yield from came(*writers[::2], sweeping(), *writers[1::2])
    for record in records:
        found = yield from Load(record.handle, None, trial.now)
        same(found is not None, record.handle in acknowledged, "whether the session lives after an acknowledged write")
        expect(found is None or "saved" in found.data, "an acknowledged write is lost")
