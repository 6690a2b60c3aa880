"""Admission to a user's sessions: who must go, who is refused, and entries that are repaired."""

from __future__ import annotations

from typing import Any

import pytest

from flow_player import NOW, make_policy, make_record, play
from sojourn.core.events import EndReason, UserLoggedIn, session_ended
from sojourn.core.operations import (
    Ability,
    Acknowledge,
    Announce,
    Append,
    Apply,
    Delete,
    Delist,
    Ended,
    Enlist,
    Enlisted,
    Load,
)
from sojourn.core.record import Record
from sojourn.core.transitions import delete
from sojourn.errors import LimitReached, SessionNotFound
from sojourn.flows import login

A, B, C = "a" * 32, "b" * 32, "c" * 32


def lucas(handle: str, **more: Any) -> Record:
    return make_record(handle=handle, uid="luca", **more)


def ends(op: Delete) -> Ended:
    record = lucas(op.handle)
    event = delete(record, op)
    assert event is not None
    return Ended(record, event)


EVICTED = (Delete, ends), (Delist, None), (Announce, None), (Acknowledge, None)


def test_the_sign_in_is_announced_after_it_is_enlisted() -> None:
    _, asked = play(login.admit(make_policy(), NOW, lucas(A), None), (Enlist, Enlisted(True)), (Announce, None))
    (event,) = asked[1].events
    assert isinstance(event, UserLoggedIn)
    assert asked[0].event == event


def test_the_oldest_goes_before_the_sign_in_is_acknowledged() -> None:
    policy = make_policy(max_sessions=2)
    _, asked = play(
        login.admit(policy, NOW, lucas(C), None),
        (Enlist, Enlisted(True, (A, B, C))),
        *((Load, lucas(A)), (Load, lucas(B)), (Load, lucas(C))),
        *EVICTED,
        (Announce, None),
    )
    assert (asked[0].limit, asked[0].refuse) == (2, False)
    assert (asked[4].handle, asked[4].reason, asked[4].only_uid) == (A, EndReason.EVICTED, "luca")


def test_entries_of_sessions_that_are_gone_are_repaired_and_do_not_count() -> None:
    policy = make_policy(max_sessions=2)
    play(
        login.admit(policy, NOW, lucas(C), None),
        (Enlist, Enlisted(True, (A, B, C))),
        *((Load, None), (Delist, None)),
        *((Load, lucas(B)), (Load, lucas(C)), (Announce, None)),
    )
    play(
        login.admit(policy, NOW, lucas(C), None),
        (Enlist, Enlisted(True, (A, B, C))),
        *((Load, make_record(handle=A, uid="anna")), (Delist, None)),
        *((Load, lucas(B)), (Load, lucas(C)), (Announce, None)),
    )


def test_an_expired_one_is_ended_as_expired() -> None:
    policy = make_policy(max_sessions=1)
    _, asked = play(
        login.admit(policy, NOW, lucas(C), None),
        (Enlist, Enlisted(True, (A, C))),
        (Load, lucas(A, last_access=0)),
        (Delete, lambda op: Ended(lucas(A), session_ended(lucas(A), NOW, EndReason.EXPIRED))),
        *((Announce, None), (Acknowledge, None), (Delist, None), (Load, lucas(C)), (Announce, None)),
    )
    assert asked[2].only_expired


def test_who_signs_in_again_is_never_the_one_who_goes() -> None:
    policy = make_policy(max_sessions=1)  # lowered since: this user has three, and the oldest signs in again
    _, asked = play(
        login.admit(policy, NOW, lucas(A), lucas(A)),
        (Enlist, Enlisted(True, (A, B, C))),
        *((Load, lucas(A)), (Load, lucas(B)), (Load, lucas(C))),
        *EVICTED,
        *EVICTED,
        (Announce, None),
    )
    assert [op.handle for op in asked if isinstance(op, Delete)] == [B, C]


def test_a_refusal_looks_first_whether_the_others_live() -> None:
    policy = make_policy(max_sessions=1, at_limit="refuse")
    play(
        login.admit(policy, NOW, lucas(C), None),
        *((Enlist, Enlisted(False, (A,))), (Load, None), (Delist, None), (Enlist, Enlisted(True)), (Announce, None)),
    )


def test_a_refusal_of_a_session_that_has_ended_meanwhile_is_still_a_refusal() -> None:
    policy = make_policy(max_sessions=1, at_limit="refuse")
    with pytest.raises(LimitReached):
        play(
            login.admit(policy, NOW, lucas(C, generation=1), make_record(handle=C)),
            *((Enlist, Enlisted(False, (A,))), (Load, lucas(A)), (Apply, SessionNotFound(C))),
        )


def test_without_an_index_the_sign_in_is_only_told() -> None:
    policy = make_policy(abilities=Ability.EVENTS)
    play(login.admit(policy, NOW, lucas(A), None), (Append, None), (Announce, None))
    play(login.left(policy, lucas(A)))


def test_an_identity_leaves_one_index_for_another() -> None:
    before, after = make_record(handle=A, uid="anna"), lucas(A)
    _, asked = play(
        login.identity_changed(make_policy(), NOW, before, after),
        *((Delist, None), (Enlist, Enlisted(True)), (Announce, None)),
    )
    assert asked[0].uid == "anna"
    play(login.identity_changed(make_policy(), NOW, before, make_record(handle=A)), (Delist, None))
