"""Ending: one statement removes the session, says what it was, and appends the one event of its end."""

from __future__ import annotations

from msgspec.structs import replace

from sojourn.core.events import EndReason, event_id, session_ended
from sojourn.core.operations import Ability, Create, Delete, Load, Tail
from sojourn.core.record import Lifetime, deadline
from sojourn.core.values import encode_fields
from sojourn.testing.conformance.asking import Body, came
from sojourn.testing.conformance.behaviour import Trial, behaviour
from sojourn.testing.conformance.expecting import expect, gone, same, stands

__all__ = [
    "delete_answers_what_it_ended",
    "delete_appends_the_one_event",
    "delete_calls_what_was_over_expired",
    "delete_keeps_to_its_conditions",
    "enders_of_one_session_are_told_apart",
]


@behaviour("design 7: Delete answers the record; seeds F7")
def delete_answers_what_it_ended(trial: Trial) -> Body:
    """A `Delete` answers the record and its event, a second one None; so does one of a handle that never was."""
    record = trial.record(data=encode_fields({"a": 1}), uid="ann", seq=4)
    _ = yield from Create(record)
    ended = yield from Delete(record.handle, trial.now + 3, EndReason.REVOKED, actor="root")
    assert ended is not None
    same(ended.record, record, "the record that Delete answers")
    same(ended.event, session_ended(record, trial.now + 3, EndReason.REVOKED, "root"), "its event")
    same(ended.event.id, event_id(record.handle, 5), "the id of the event")
    yield from gone(record.handle, trial.now, "after Delete")
    for handle in (record.handle, trial.handle()):
        same((yield from Delete(handle, trial.now, EndReason.LOGOUT)), None, "Delete of nothing")


@behaviour("promise 3: each end is one event with its reason", Ability.EVENTS)
def delete_appends_the_one_event(trial: Trial) -> Body:
    """The event of the end stands in the outbox once, with every reason there is; a second `Delete` adds none."""
    start = yield from Tail(None)
    wanted: list[object] = []
    for number, reason in enumerate(EndReason):
        record = trial.record(uid=f"user-{number}")
        _ = yield from Create(record)
        cursor = (yield from Tail(None)).cursor
        ended = yield from Delete(record.handle, trial.now, reason, owner="me" if number % 2 else None)
        _ = yield from Delete(record.handle, trial.now, reason)
        same(ended and ended.event.reason, reason, "the reason that the event of an end gives")
        same((yield from Tail(cursor)).events, (ended and ended.event,), f"the events of an end as {reason.value}")
        wanted.append(ended and ended.event)
    tailed = [event for event in (yield from Tail(start.cursor)).events if event in wanted]
    same(tailed, wanted, "the events of all ends")


@behaviour("design 6: an expired session ends as expired; promise 3")
def delete_calls_what_was_over_expired(trial: Trial) -> Body:
    """A record whose lifetime was over ends as `expired`, whatever reason is given; at its deadline it is not."""
    for step, reason in ((0, EndReason.LOGOUT), (1, EndReason.EXPIRED)):
        record = trial.record(lifetime=Lifetime(1_000, "created", None, 10))
        _ = yield from Create(record)
        ended = yield from Delete(record.handle, (deadline(record) or 0) + step, EndReason.LOGOUT)
        same(ended and ended.event.reason, reason, f"the reason of an end {step} ms after the deadline")


@behaviour("design 7: a condition of Delete is checked in the same step")
def delete_keeps_to_its_conditions(trial: Trial) -> Body:
    """`only_uid`, `only_empty` and `only_expired` each keep a session that they do not fit, untouched, eventless."""
    ann = trial.record(uid="ann", data=encode_fields({"a": 1}))
    anonymous = trial.record(data=encode_fields({"a": 1}))
    signed_in_empty = trial.record(uid="ann")
    empty = trial.record()
    over = (deadline(ann) or 0) + 1
    delete = Delete("", trial.now, EndReason.REVOKED)
    kept = (
        (ann, replace(delete, only_uid="Ann"), "another user's id"),
        (anonymous, replace(delete, only_uid="ann"), "a user's id on an anonymous session"),
        (anonymous, replace(delete, only_uid=""), "an empty id on an anonymous session"),
        (ann, replace(delete, only_expired=True), "only_expired on a living session"),
        (ann, replace(delete, now=over - 1, only_expired=True), "only_expired at the deadline"),
        (anonymous, replace(delete, only_empty=True), "only_empty on one with data"),
        (signed_in_empty, replace(delete, only_empty=True), "only_empty on one that is signed in"),
        (ann, replace(delete, now=over, only_expired=True, only_uid="bob"), "only_expired and another user's id"),
    )
    for record in (ann, anonymous, signed_in_empty, empty):
        _ = yield from Create(record)
    start = (yield from Tail(None)) if Ability.EVENTS in trial.abilities else None
    for record, op, what in kept:
        same((yield from replace(op, handle=record.handle)), None, f"Delete with {what}")
        yield from stands(record, trial.now, f"the session after Delete with {what}")
    if start is not None:
        same((yield from Tail(start.cursor)).events, (), "the events of Deletes whose conditions did not hold")
    ending = (
        (ann, replace(delete, now=over, only_expired=True, only_uid="ann"), EndReason.EXPIRED),
        (signed_in_empty, replace(delete, only_uid="ann"), EndReason.REVOKED),
        (empty, replace(delete, only_empty=True, reason=EndReason.EMPTIED), EndReason.EMPTIED),
    )
    for record, op, reason in ending:
        ended = yield from replace(op, handle=record.handle)
        same(ended and ended.event.reason, reason, "the reason of an end whose condition holds")
        yield from gone(record.handle, trial.now, "after a Delete whose condition holds")


@behaviour("promise 3: exactly one ends it")
def enders_of_one_session_are_told_apart(trial: Trial) -> Body:
    """Of many who end the same session at once exactly one is answered the record; the event stands once."""
    for _ in range(trial.races // 4 + 1):
        record = trial.record(uid="ann")
        _ = yield from Create(record)
        start = (yield from Tail(None)) if Ability.EVENTS in trial.abilities else None
        answers = yield from came(
            *[iter(Delete(record.handle, trial.now, EndReason.LOGOUT, f"owner-{n}")) for n in range(6)]
        )
        same(sum(answer is not None for answer in answers), 1, "how many of six were told that they ended it")
        expect((yield from Load(record.handle, None, trial.now)) is None, "it is still stored")
        if start is not None:
            events = (yield from Tail(start.cursor)).events
            same(len(events), 1, "how many events its end left")
