"""Events as values: their ids, their text, and what they never hold."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import fields

from sojourn.core.events import (
    AnyEvent,
    EndReason,
    Event,
    GapNoticed,
    LoginFailed,
    LogoutRequested,
    SessionChanged,
    SessionCreated,
    SessionEnded,
    SessionNotRead,
    SessionRotated,
    TokenReused,
    UserLoggedIn,
    decode_event,
    encode_event,
    event_id,
    session_created,
    session_ended,
)
from sojourn.core.record import Client, Lifetime, Record

HANDLE = "a" * 32
RECORD = Record(
    handle=HANDLE,
    secret_hash=b"s" * 32,
    created=10,
    last_access=20,
    last_update=20,
    lifetime=Lifetime(None, "created", None, 0),
    data={"k": b'"v"'},
    uid="luca",
    client=Client(ip="192.0.2.1"),
    seq=4,
)
EVENTS: list[AnyEvent] = [
    SessionCreated(id="1", at=1, handle=HANDLE, seq=1, client=Client(label="phone")),
    SessionRotated(id="2", at=1, handle=HANDLE, seq=2),
    SessionChanged(id="3", at=1, handle=HANDLE, keys=("a", "b.c")),
    SessionEnded(id="4", at=1, handle=HANDLE, reason=EndReason.EVICTED, created=0, actor="root"),
    TokenReused(id="5", at=1, handle=HANDLE),
    UserLoggedIn(id="6", at=1, handle=HANDLE, uid="luca"),
    LoginFailed(id="7", at=1, name="nobody", address="192.0.2.1", locked=True),
    LogoutRequested(id="8", at=1, handle=HANDLE),
    GapNoticed(id="9", at=1),
    SessionNotRead(id="10", at=1, handle=HANDLE),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_travels_as_json(event: AnyEvent) -> None:
    text = encode_event(event)
    assert decode_event(text) == event
    assert decode_event(text.decode()) == event


def test_the_tables_above_hold_every_event() -> None:
    assert {type(event) for event in EVENTS} == set(Event.__subclasses__())


@pytest.mark.parametrize(
    "text", [b"", b"{}", b'{"event":"other","id":"1","at":1}', b'{"event":"session_ended","id":"1","at":1}']
)
def test_what_is_no_event_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_event(text)


def test_an_end_has_the_next_number_whoever_ends_it() -> None:
    first = session_ended(RECORD, 50, EndReason.LOGOUT)
    second = session_ended(RECORD, 60, EndReason.EXPIRED, "root")
    assert first.id == second.id == event_id(HANDLE, 5) == f"{HANDLE}-5"
    assert (first.seq, first.at, first.uid, first.created, first.actor) == (5, 50, "luca", 10, None)
    assert (second.reason, second.actor) == (EndReason.EXPIRED, "root")


def test_a_creation_tells_who_and_where() -> None:
    event = session_created(RECORD)
    assert event == SessionCreated(
        id=f"{HANDLE}-4", at=10, handle=HANDLE, seq=4, uid="luca", client=Client(ip="192.0.2.1")
    )


def test_the_reasons_of_design_2() -> None:
    assert [reason.value for reason in EndReason] == [
        *("logout", "revoked", "expired", "evicted", "replaced", "emptied", "password_changed", "account_closed"),
        *("token_reused", "lost"),
    ]


def test_events_have_no_place_for_secrets_or_values() -> None:
    names = {field.name for kind in Event.__subclasses__() for field in fields(kind)}
    assert names == {
        *("id", "at", "handle", "seq", "uid", "actor"),
        *("client", "keys", "reason", "created", "name", "address", "locked"),
    }
