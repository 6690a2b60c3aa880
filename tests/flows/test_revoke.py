"""Ending from outside, and looking: what is asked of the store, and what is refused before it is asked."""

from __future__ import annotations

from typing import Any

import pytest

from flow_player import HANDLE, NOW, make_policy, make_record, play
from sojourn.core.events import EndReason, LogoutRequested
from sojourn.core.operations import (
    Ability,
    Acknowledge,
    Announce,
    Append,
    Count,
    Delete,
    Delist,
    Ended,
    FindByUser,
    List,
    Load,
    Page,
)
from sojourn.core.record import cursor_of
from sojourn.core.transitions import delete
from sojourn.errors import AbilityMissing, UsageError, ValueRefused
from sojourn.flows import revoke

POLICY = make_policy()
A, B, C = "a" * 32, "b" * 32, "c" * 32
ACKED = (Announce, None), (Acknowledge, None)


def ends(op: Delete) -> Ended:
    record = make_record(handle=op.handle, uid="luca")
    event = delete(record, op)
    assert event is not None
    return Ended(record, event)


def test_one_is_ended_by_handle() -> None:
    done, asked = play(revoke.revoke_one(POLICY, NOW, HANDLE, actor="root"), (Delete, ends), (Delist, None), *ACKED)
    assert done is True
    assert (asked[0].reason, asked[0].actor, asked[0].owner) == (EndReason.REVOKED, "root", "me")
    assert play(revoke.revoke_one(POLICY, NOW, HANDLE), (Delete, None))[0] is False


@pytest.mark.parametrize("text", ["", "x", "\ud800", HANDLE + ".secret"])
def test_what_is_no_handle_is_no_session(text: str) -> None:
    assert play(revoke.revoke_one(POLICY, NOW, text)) == (False, [])
    assert play(revoke.notify_logout(POLICY, NOW, text)) == (False, [])


def test_all_of_a_user_but_one() -> None:
    count, asked = play(
        revoke.revoke_user(POLICY, NOW, "luca", keep=B),
        (FindByUser, (A, B, C)),
        *((Delete, ends), (Delist, None), (Delete, None), (Delist, None)),
        *ACKED,
    )
    assert count == 1
    assert [op.handle for op in asked if isinstance(op, Delete)] == [A, C]
    assert all(op.only_uid == "luca" for op in asked if isinstance(op, Delete))


def test_everybody_page_by_page() -> None:
    pages = [Page((make_record(handle=A, uid="luca"), make_record(handle=B)), "next"), Page((make_record(handle=C),))]
    count, asked = play(
        revoke.revoke_everybody(POLICY, NOW, keep=B, page_size=2),
        *((List, pages[0]), (Delete, ends), (Delist, None), *ACKED),
        *((List, pages[1]), (Delete, None)),
    )
    assert count == 1
    assert asked[5] == List("next", 2)


def test_pages_leave_out_what_has_expired() -> None:
    living, over = make_record(handle=A), make_record(handle=B, last_access=0)
    found, asked = play(
        revoke.page(POLICY, NOW, "luca", cursor_of(over), 5, "ab", newest_first=True), (List, Page((over, living), "c"))
    )
    assert found == Page((living,), "c")
    assert asked == [List(cursor_of(over), 5, "luca", "ab", True)]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"after": "nonsense"}, ValueRefused),
        ({"limit": 0}, UsageError),
        ({"limit": -1}, UsageError),
        ({"limit": 1_001}, UsageError),
        ({"limit": True}, UsageError),
        ({"handle_prefix": "%"}, UsageError),
        ({"handle_prefix": "*"}, UsageError),
        ({"handle_prefix": "A"}, UsageError),
        ({"uid": ""}, ValueRefused),
        ({"uid": "\ud800"}, ValueRefused),
    ],
)
def test_a_page_that_cannot_be_asked_nothing_of(more: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        play(revoke.page(POLICY, NOW, **more))


def test_counting() -> None:
    assert play(revoke.count(POLICY, NOW, "luca"), (Count, 3)) == (3, [Count(NOW, "luca")])
    with pytest.raises(ValueRefused):
        play(revoke.count(POLICY, NOW, ""))
    with pytest.raises(ValueRefused):
        play(revoke.revoke_user(POLICY, NOW, "\ud800"))


def test_m11_a_logout_is_asked_for_and_the_session_stays() -> None:
    done, asked = play(
        revoke.notify_logout(POLICY, NOW, HANDLE, "root"),
        *((Load, make_record(uid="luca")), (Append, None), (Announce, None)),
    )
    assert done is True
    (event,) = asked[1].events
    assert isinstance(event, LogoutRequested)
    assert (event.handle, event.uid, event.actor) == (HANDLE, "luca", "root")
    assert play(revoke.notify_logout(POLICY, NOW, HANDLE), (Load, None))[0] is False
    assert play(revoke.notify_logout(POLICY, NOW, HANDLE), (Load, make_record(last_access=0)))[0] is False


@pytest.mark.parametrize(
    "flow",
    [
        lambda policy: revoke.revoke_user(policy, NOW, "luca"),
        lambda policy: revoke.revoke_everybody(policy, NOW),
        lambda policy: revoke.page(policy, NOW),
        lambda policy: revoke.count(policy, NOW),
        lambda policy: revoke.notify_logout(policy, NOW, HANDLE),
    ],
)
def test_a_store_that_cannot_is_named(flow: Any) -> None:
    with pytest.raises(AbilityMissing, match="needs a store that declares"):
        play(flow(make_policy(abilities=Ability(0))))
