"""Creating: nothing but `Create` makes a session, and what it stores comes back unchanged."""

from __future__ import annotations

from sojourn.core.events import EndReason, session_created
from sojourn.core.operations import Ability, Count, Create, Delete, Load, Ping, Tail
from sojourn.core.record import Client, Lifetime
from sojourn.core.values import encode_fields
from sojourn.testing.conformance.asking import Body, Mark, SetUpAgain, came
from sojourn.testing.conformance.behaviour import Trial, behaviour
from sojourn.testing.conformance.expecting import expect, gone, same, stands
from sojourn.testing.conformance.hard_values import HARD_KEYS, HARD_VALUES

__all__ = [
    "create_appends_one_event",
    "create_keeps_every_field",
    "create_keeps_hard_keys",
    "create_keeps_hard_values",
    "create_refuses_an_existing_handle",
    "creators_of_one_handle_are_told_apart",
    "ping_names_the_store",
    "setup_may_be_repeated",
]


@behaviour("design 7, Create; design 4, Record")
def create_keeps_every_field(trial: Trial) -> Body:
    """Every field of a record, the rare ones too, comes back as it was stored."""
    full = trial.record(
        last_access=trial.now + 5,
        last_update=trial.now + 3,
        lifetime=Lifetime(None, "created", 86_400_000, 0),
        data=encode_fields({"cart": [1, 2], "theme": "dark"}),
        uid="Zoë \U0001f600",
        roles=("editor", "_admin", "with,comma and space"),
        user_data=b'{"name":"Zo\xc3\xab"}',
        authenticated_at=trial.now - 1,
        acting_as="root",
        client=Client("2001:db8::1", 'Agent "quoted" \U0001f600', "my phone"),
        generation=7,
        previous_hash=trial.entropy(32),
        rotated_at=trial.now + 2,
        seq=12,
    )
    for what, record in (
        ("a record with every field", full),
        ("a plain record", trial.record()),
        ("an immortal record", trial.record(lifetime=Lifetime(None, "last_update", None, 60_000))),
    ):
        same((yield from Create(record)), True, f"creating {what}")
        yield from stands(record, trial.now, what)


@behaviour("design 4: each value kept exactly on every store")
def create_keeps_hard_values(trial: Trial) -> Body:
    """Values that stores are known to spoil come back with the same canonical text."""
    record = trial.record(data=encode_fields(HARD_VALUES))
    _ = yield from Create(record)
    found = yield from Load(record.handle, None, trial.now)
    assert found is not None
    for key, text in record.data.items():
        same(found.data.get(key), text, f"the value {key!r}")
    yield from stands(record, trial.now, "the whole record")


@behaviour("design 4: no key can collide with anything; seeds AB4")
def create_keeps_hard_keys(trial: Trial) -> Body:
    """Keys with dots, dollars, quotes or odd letters are keys like others, at the top and inside."""
    record = trial.record(data=encode_fields({key: {key: number} for number, key in enumerate(HARD_KEYS)}))
    _ = yield from Create(record)
    yield from stands(record, trial.now, "a record with hard keys")


@behaviour("design 7: Create refuses an existing handle; promise 6")
def create_refuses_an_existing_handle(trial: Trial) -> Body:
    """A second `Create` of a handle answers False and changes nothing."""
    first = trial.record(data=encode_fields({"mine": 1}))
    same((yield from Create(first)), True, "the first Create")
    second = trial.record(handle=first.handle, data=encode_fields({"theirs": 2}), uid="other")
    same((yield from Create(second)), False, "the second Create of the same handle")
    yield from stands(first, trial.now, "the first record, after the second Create")


@behaviour("design 8: SessionCreated", Ability.EVENTS)
def create_appends_one_event(trial: Trial) -> Body:
    """A `Create` appends its event, a refused one none."""
    start = yield from Tail(None)
    mark = yield from Mark()
    record = trial.record(client=Client(ip="192.0.2.1"))
    _ = yield from Create(record)
    expect((yield from Mark()) != mark, "event_mark() is the same as before an event was appended")
    _ = yield from Create(record)
    tailed = yield from Tail(start.cursor)
    same(tailed.events, (session_created(record),), "the events of one Create and one refused Create")


@behaviour("promise 6: a handle has one creator")
def creators_of_one_handle_are_told_apart(trial: Trial) -> Body:
    """Of many who create the same handle at once exactly one is told True, and its record stands."""
    for _ in range(trial.races // 4 + 1):
        handle = trial.handle()
        records = [trial.record(handle=handle, uid=f"user-{number}") for number in range(6)]
        answers = yield from came(*[iter(Create(record)) for record in records])
        same(answers.count(True), 1, "how many of six were told that they created the handle")
        yield from stands(records[answers.index(True)], trial.now, "the record of the one told so")


@behaviour("design 7: setup is idempotent; seeds F17, A4")
def setup_may_be_repeated(trial: Trial) -> Body:
    """Setting up again loses nothing."""
    record = trial.record(data=encode_fields({"kept": True}))
    _ = yield from Create(record)
    yield from SetUpAgain()
    yield from stands(record, trial.now, "a record, after setting up again")
    _ = yield from Delete(record.handle, trial.now, EndReason.LOGOUT)
    yield from SetUpAgain()
    yield from gone(record.handle, trial.now, "an ended session, after setting up again")


@behaviour("stores/base.py: Ping")
def ping_names_the_store(trial: Trial) -> Body:
    """`Ping` answers what the store is, its version, and how durable its acknowledgements are."""
    health = yield from Ping()
    for name in ("store", "version", "durability"):
        expect(bool(getattr(health, name)), f"Ping answers no {name}")
    if Ability.COUNT in trial.abilities:
        same((yield from Count(trial.now)), 0, "how many sessions an empty store counts")
