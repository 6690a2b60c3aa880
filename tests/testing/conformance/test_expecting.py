"""conformance.expecting: what a failure tells, and what it never shows."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from sojourn import SessionExpired, SessionNotFound
from sojourn.core.operations import Ability, Apply, Create, Ping
from sojourn.drive import drive
from sojourn.stores.memory import MemoryStore
from sojourn.testing.conformance import ConformanceFailure, Trial, expect, gone, refuses, same, stands

TRIAL = Trial(Ability(0))


def told(what: str) -> pytest.RaisesExc[ConformanceFailure]:
    return pytest.raises(ConformanceFailure, match=what)


def test_same_names_the_fields_that_differ_and_shows_no_hash() -> None:
    record = TRIAL.record(uid="ann")
    other = replace(record, uid="bob", secret_hash=b"planted" * 4, previous_hash=b"planted" * 4)
    with told("the record: ") as caught:
        same(other, record, "the record")
    assert "uid: 'bob', expected 'ann'" in str(caught.value)
    assert "secret_hash: one hash" in str(caught.value)
    assert "planted" not in str(caught.value)
    assert "handle" not in str(caught.value)


def test_same_tells_types_apart_and_cuts_long_values() -> None:
    same([1], [1], "lists")
    for found, wanted in ((1, True), (1.0, 1), ((1,), [1]), (None, False)):
        with told("what was asked: "):
            same(found, wanted, "what was asked")
    with told(r"\(1002 characters\)"):
        same("x" * 1_000, "", "a long text")


def test_expect_says_what() -> None:
    expect(True, "never")
    with told("^it does not hold$"):
        expect(False, "it does not hold")


def test_refuses_wants_exactly_that_error() -> None:
    store = MemoryStore()
    op = Apply("0" * 32, 0)
    assert isinstance(drive(refuses(op, SessionNotFound, "nothing"), store.perform), SessionNotFound)
    with told("nothing: raised SessionNotFound .*, expected SessionExpired"):
        drive(refuses(op, SessionExpired, "nothing"), store.perform)
    with told("a ping: answered Health.*, expected SessionNotFound"):
        drive(refuses(Ping(), SessionNotFound, "a ping"), store.perform)


def test_stands_and_gone_look_at_the_store() -> None:
    store, record = MemoryStore(), TRIAL.record()
    drive(gone(record.handle, 0, "before"), store.perform)
    with told("before"):
        drive(stands(record, 0, "before"), store.perform)
    store.perform(Create(record))
    drive(stands(record, 0, "after"), store.perform)
    with told("after: the session is stored"):
        drive(gone(record.handle, 0, "after"), store.perform)
