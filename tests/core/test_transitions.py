"""What operations make of records: the pure half that every store has to agree with."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from sojourn.core import changes, transitions
from sojourn.core.events import EndReason, SessionChanged, SessionRotated
from sojourn.core.operations import Apply, Delete, Load
from sojourn.core.record import Client, Identity, Lifetime, Record
from sojourn.errors import (
    ChangeError,
    Conflict,
    IdentityChanged,
    SessionExpired,
    SessionNotFound,
    SessionTooLarge,
    SojournError,
)

HANDLE = "c" * 32
OWN, OLD = b"o" * 32, b"p" * 32
RECORD = Record(
    handle=HANDLE,
    secret_hash=OWN,
    previous_hash=OLD,
    created=1_000,
    last_access=2_000,
    last_update=1_500,
    lifetime=Lifetime(1_000, "last_access", None, 100),
    data={"n": b"1"},
    generation=3,
    seq=7,
)
END = 3_000


def apply(now: int = 2_500, record: Record | None = RECORD, **more: Any) -> transitions.Applied:
    return transitions.apply(record, Apply(HANDLE, now, **more))


@pytest.mark.parametrize(
    ("secret", "now", "noted"),
    [
        (OWN, 2_100, None),  # not due yet
        (OWN, 2_101, 2_101),
        (OWN, END, END),  # F6: alive at the deadline
        (OWN, END + 1, None),  # FB1: never on an expired record
        (OWN, 500, None),  # a clock that went back
        (None, 2_500, None),
        (OLD, 2_500, None),
        (b"x" * 32, 2_500, None),
        (b"", 2_500, None),
    ],
)
def test_a_touch_needs_the_right_secret_at_the_right_time(secret: bytes | None, now: int, noted: int | None) -> None:
    touched = transitions.touched(RECORD, Load(HANDLE, secret, now))
    assert touched == (None if noted is None else replace(RECORD, last_access=noted))


@pytest.mark.parametrize(
    ("record", "op", "error"),
    [
        (None, {}, SessionNotFound),
        (RECORD, {"now": END + 1}, SessionExpired),
        (RECORD, {"now": END + 1, "touch_only": True}, SessionExpired),
        (RECORD, {"generation": 2}, IdentityChanged),
        (RECORD, {"generation": 2, "touch_only": True}, IdentityChanged),
        (RECORD, {"changes": (changes.push("n", 1),)}, ChangeError),
        (RECORD, {"changes": (changes.check("n", 2),)}, Conflict),
        (RECORD, {"changes": changes.set_value("big", "x" * 100), "max_bytes": 100}, SessionTooLarge),
    ],
)
def test_what_is_refused(record: Record | None, op: dict[str, Any], error: type[SojournError]) -> None:
    with pytest.raises(error):
        apply(record=record, **op)


def test_an_expired_record_is_no_longer_the_one_it_was() -> None:
    with pytest.raises(SessionExpired) as caught:  # before IdentityChanged: whoever asks, it is over
        apply(END + 1, generation=2)
    assert caught.value.expired_at == END


def test_a_change_notes_access_and_update() -> None:
    after = apply(changes=(changes.increment("n"),), generation=3).record
    assert after == replace(RECORD, data={"n": b"2"}, last_access=2_500, last_update=2_500)
    assert RECORD.data == {"n": b"1"}


def test_times_never_go_back() -> None:
    after = apply(1_100, changes=(changes.increment("n"),)).record
    assert (after.last_access, after.last_update) == (2_000, 1_500)


def test_a_touch_changes_the_access_and_nothing_else() -> None:
    after = apply(touch_only=True, changes=(changes.increment("n"),), new_hash=b"n" * 32, events=True)
    assert after == transitions.Applied(replace(RECORD, last_access=2_500))


def test_the_size_counts_exactly_and_only_when_data_changes() -> None:
    batch = changes.set_value("é\x01", "x" * 50)
    length = len(b'{"n":1,"\xc3\xa9\\u0001":"' + b"x" * 50 + b'"}')
    assert apply(changes=batch, max_bytes=length).record.data["n"] == b"1"
    with pytest.raises(SessionTooLarge) as caught:
        apply(changes=batch, max_bytes=length - 1)
    assert f"{length} bytes" in str(caught.value)
    assert apply(max_bytes=1, lifetime=RECORD.lifetime).record.data == {"n": b"1"}


def test_rotation_remembers_the_secret_before() -> None:
    applied = apply(new_hash=b"n" * 32)
    assert (applied.record.secret_hash, applied.record.previous_hash) == (b"n" * 32, OWN)
    assert applied.record.generation == 3
    (event,) = applied.events
    assert isinstance(event, SessionRotated)
    assert (event.id, event.seq, applied.record.seq) == (f"{HANDLE}-8", 8, 8)


def test_an_identity_raises_the_generation() -> None:
    who = Identity("luca", ("editor",), b'{"a":1}', 2_500, "root")
    after = apply(identity=who, generation=3).record
    assert (after.uid, after.roles, after.user_data) == ("luca", ("editor",), b'{"a":1}')
    assert (after.authenticated_at, after.acting_as, after.generation) == (2_500, "root", 4)
    assert apply(record=after, identity=Identity()).record.generation == 5


def test_lifetime_and_client_are_replaced() -> None:
    life, client = Lifetime(None, "created", None, 0), Client(label="phone")
    after = apply(lifetime=life, client=client).record
    assert (after.lifetime, after.client, after.data) == (life, client, RECORD.data)


def test_change_events_name_keys_and_never_values() -> None:
    batch = (
        *changes.set_value({"a": 1, "b.c": 2}),
        changes.increment(("d", "n")),
        changes.unset("a"),
        changes.clear(),
    )
    applied = apply(changes=batch, events=True, new_hash=b"n" * 32, actor="root")
    rotated, changed = applied.events
    assert isinstance(changed, SessionChanged)
    assert changed.keys == ("a", "b.c", "d")
    assert (rotated.seq, changed.seq, applied.record.seq) == (8, 9, 9)
    assert changed.actor == rotated.actor == "root"
    assert apply(changes=batch).events == ()
    assert apply(events=True).events == ()


def end(record: Record = RECORD, now: int = 2_500, **more: Any) -> EndReason | None:
    event = transitions.delete(record, Delete(HANDLE, now, EndReason.LOGOUT, **more))
    return None if event is None else event.reason


EMPTY = replace(RECORD, data={})
LUCAS = replace(EMPTY, uid="luca")


@pytest.mark.parametrize(
    ("record", "more", "reason"),
    [
        (RECORD, {}, "logout"),
        (RECORD, {"now": END}, "logout"),
        (RECORD, {"now": END + 1}, "expired"),
        (RECORD, {"only_expired": True}, None),
        (RECORD, {"only_expired": True, "now": END}, None),
        (RECORD, {"only_expired": True, "now": END + 1}, "expired"),
        (RECORD, {"only_uid": "luca"}, None),
        (LUCAS, {"only_uid": "luca"}, "logout"),
        (LUCAS, {"only_uid": "anna"}, None),
        (EMPTY, {"only_empty": True}, "logout"),
        (RECORD, {"only_empty": True}, None),
        (LUCAS, {"only_empty": True}, None),
    ],
)
def test_the_conditions_of_an_end(record: Record, more: dict[str, Any], reason: str | None) -> None:
    assert end(record, **more) == reason


@pytest.mark.parametrize(
    ("filed", "record", "after"),
    [
        (None, RECORD, END),
        (END + 500, RECORD, END),  # shortened: looked at sooner
        (END - 500, RECORD, END - 500),  # touched: the sweep files it again
        (500, replace(RECORD, lifetime=Lifetime(None, "created", None, 0)), 500),
        (None, replace(RECORD, lifetime=Lifetime(None, "created", None, 0)), None),
    ],
)
def test_when_to_look_is_never_later_than_the_deadline(filed: int | None, record: Record, after: int | None) -> None:
    assert transitions.due_after(filed, record) == after
