"""conformance.behaviour: what a trial hands out, and the register."""

from __future__ import annotations

import pytest

from sojourn.core.operations import Ability
from sojourn.core.record import deadline
from sojourn.testing.conformance import Trial, behaviours
from sojourn.testing.conformance.behaviour import NOTHING, Behaviour, register


def test_entropy_and_handles_differ_and_come_again_in_the_next_run() -> None:
    first, second = Trial(Ability(0)), Trial(Ability(0))
    handles = [first.handle() for _ in range(1_000)]
    assert len(set(handles)) == 1_000
    assert handles != sorted(handles)
    assert handles == [second.handle() for _ in range(1_000)]
    assert [len(first.entropy(size)) for size in (16, 32, 43)] == [16, 32, 43]


def test_records_are_new_and_take_fields() -> None:
    trial = Trial(Ability(0))
    record = trial.record(created=5, uid="ann")
    assert (record.created, record.last_access, record.last_update, record.uid, record.seq) == (5, 5, 5, "ann", 1)
    assert deadline(trial.record()) == trial.now + 1_000_000
    assert trial.policy(max_sessions=2).max_sessions == 2


def test_a_name_stands_for_one_behaviour() -> None:
    taken = behaviours()[0]
    assert repr(taken) == f"<Behaviour {taken.name}>"
    assert isinstance(taken, Behaviour)
    with pytest.raises(AssertionError, match="two behaviours"):
        register(taken.name, "Again.", "nowhere", NOTHING, taken.body)
