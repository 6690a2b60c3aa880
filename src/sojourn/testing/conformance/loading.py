"""Loading: reading leaves no trace, but for a due touch by somebody who knows the secret."""

from __future__ import annotations

from msgspec.structs import replace

from sojourn.core.operations import Ability, Create, Load, Tail
from sojourn.core.record import Lifetime, Record, deadline
from sojourn.core.values import encode_fields
from sojourn.testing.conformance.asking import Body
from sojourn.testing.conformance.behaviour import LIFETIME, Trial, behaviour
from sojourn.testing.conformance.expecting import same, stands

__all__ = [
    "load_answers_expired_records",
    "load_answers_none_for_nothing",
    "load_never_touches_backwards",
    "load_notes_a_due_touch",
    "load_touches_nothing_that_is_not_due",
    "load_touches_only_the_living",
    "load_touches_only_with_the_secret",
    "load_without_a_secret_leaves_no_trace",
]


def _stored(trial: Trial, **fields: object) -> Record:
    return trial.record(data=encode_fields({"kept": [1]}), uid="ann", **fields)


@behaviour("stores/base.py: a missing record is no error")
def load_answers_none_for_nothing(trial: Trial) -> Body:
    """Loading a handle that was never created answers None."""
    same((yield from Load(trial.handle(), None, trial.now)), None, "loading an unknown handle")
    same((yield from Load(trial.handle(), trial.entropy(32), trial.now)), None, "with a secret's hash")


@behaviour("design 6: a touch when last_access is older than touch_interval; seeds F4")
def load_notes_a_due_touch(trial: Trial) -> Body:
    """With the secret, an access that is due is noted in the same step, and nothing else changes."""
    record = _stored(trial)
    _ = yield from Create(record)
    late = trial.now + LIFETIME.touch_ms + 1
    touched = replace(record, last_access=late)
    same((yield from Load(record.handle, record.secret_hash, late)), touched, "the answer with a due touch")
    yield from stands(touched, late, "the stored record after a due touch")


@behaviour("design 6: a touch when last_access is older than touch_interval; promise 5")
def load_touches_nothing_that_is_not_due(trial: Trial) -> Body:
    """At the touch interval and before it nothing is written; an interval of 0 makes every later access due."""
    record = _stored(trial)
    _ = yield from Create(record)
    for step in (0, 1, LIFETIME.touch_ms):
        same((yield from Load(record.handle, record.secret_hash, trial.now + step)), record, f"{step} ms later")
    yield from stands(record, trial.now, "the stored record when no touch was due")
    eager = _stored(trial, lifetime=Lifetime(60_000, "last_access", None, 0))
    _ = yield from Create(eager)
    touched = replace(eager, last_access=trial.now + 1)
    same((yield from Load(eager.handle, eager.secret_hash, trial.now + 1)), touched, "1 ms later, interval 0")


@behaviour("promise 6: a public handle is not enough to keep a session alive")
def load_touches_only_with_the_secret(trial: Trial) -> Body:
    """With another secret's hash, the one before a rotation too, the record is answered and no touch noted."""
    record = _stored(trial, previous_hash=trial.entropy(32))
    _ = yield from Create(record)
    late = trial.now + LIFETIME.touch_ms + 1
    right = record.secret_hash
    wrong = {
        "another hash": trial.entropy(32),
        "the previous hash": record.previous_hash,
        "nothing": b"",
        "half of the hash": right[:16],
        "the hash and more": right + b"\0",
        "the hash with its last bit changed": right[:31] + bytes([right[31] ^ 1]),
    }
    for what, given in wrong.items():
        same((yield from Load(record.handle, given, late)), record, f"loaded with {what}")
    yield from stands(record, late, "the stored record after wrong secrets")


@behaviour("promise 5: reading never writes but for a due touch")
def load_without_a_secret_leaves_no_trace(trial: Trial) -> Body:
    """Loading without a secret's hash writes nothing and appends no event, however late it is."""
    record = _stored(trial)
    _ = yield from Create(record)
    start = (yield from Tail(None)) if Ability.EVENTS in trial.abilities else None
    for late in (trial.now, trial.now + 10 * LIFETIME.touch_ms):
        yield from stands(record, late, "a record read without a secret")
    if start is not None:
        same((yield from Tail(start.cursor)).events, (), "the events of reading")


@behaviour("seeds F6, FB1: expired only past the deadline, and never revived by a read")
def load_touches_only_the_living(trial: Trial) -> Body:
    """At the deadline an access is still noted; one millisecond later it is not."""
    for lifetime in (LIFETIME, Lifetime(50_000, "created", None, 10), Lifetime(None, "last_access", 50_000, 10)):
        record = _stored(trial, lifetime=lifetime)
        _ = yield from Create(record)
        end = deadline(record) or 0
        same((yield from Load(record.handle, record.secret_hash, end + 1)), record, "loaded after the deadline")
        yield from stands(record, end, "the stored record, read after its deadline")
        touched = replace(record, last_access=end)
        same((yield from Load(record.handle, record.secret_hash, end)), touched, "loaded at the deadline")
        yield from stands(touched, end, "the stored record, touched at its deadline")


@behaviour("design 6: a touch writes max(stored, now)")
def load_never_touches_backwards(trial: Trial) -> Body:
    """A clock that runs behind does not take a noted access back."""
    record = _stored(trial, last_access=trial.now + 50_000)
    _ = yield from Create(record)
    for early in (trial.now - 10**9, trial.now, trial.now + 49_999):
        same((yield from Load(record.handle, record.secret_hash, early)), record, "loaded with an earlier clock")
    yield from stands(record, trial.now, "the stored record after an earlier clock")


@behaviour("design 6: an expired, unswept record answers SessionExpired")
def load_answers_expired_records(trial: Trial) -> Body:
    """A record whose lifetime is over is still answered: to judge it is the flow's task."""
    record = _stored(trial, created=trial.now - 10**9)
    _ = yield from Create(record)
    yield from stands(record, trial.now, "an expired record")
