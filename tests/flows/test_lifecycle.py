"""One session's life, decided by fed replies: what is asked of the store, in which order, and what errors leave."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from flow_player import HANDLE, LIFE, NOW, TOKEN, entropy, make_policy, make_record, play
from sojourn.core import changes
from sojourn.core.events import EndReason, SessionCreated, TokenReused
from sojourn.core.operations import (
    Ability,
    Acknowledge,
    Announce,
    Append,
    Applied,
    Apply,
    Create,
    Delete,
    Delist,
    Ended,
    Enlist,
    Enlisted,
    Load,
)
from sojourn.core.record import Client, Identity, Lifetime, Record
from sojourn.core.session import Recording
from sojourn.core.tokens import make_token, secret_hash
from sojourn.core.transitions import apply, delete
from sojourn.core.values import decode_fields
from sojourn.errors import (
    Conflict,
    IdentityChanged,
    LimitReached,
    OutcomeUnknown,
    SessionExpired,
    SessionNotFound,
    SessionTooLarge,
    SessionUnreadable,
    StoreError,
    StoreUnavailable,
    ValueRefused,
)
from sojourn.flows import lifecycle

POLICY = make_policy()
DOWN = StoreUnavailable("the store is down")
UNKNOWN = OutcomeUnknown("no answer")
ACKED = (Announce, None), (Acknowledge, None)


def stored(record: Record) -> Any:
    """What a store that holds this record answers to Apply and Delete."""

    def reply(op: Apply | Delete) -> Any:
        if isinstance(op, Apply):
            return apply(record, op)
        event = delete(record, op)
        return None if event is None else Ended(record, event)

    return reply


def open_(data: dict[str, Any] | None = None, **more: Any) -> Recording:
    return Recording(make_record(data, **more), TOKEN)


def commit(session: Recording, **more: Any) -> Any:
    return lifecycle.commit(session, POLICY, NOW, entropy, **more)


# Create and open -------------------------------------------------------------------------------------------------


def test_create_stores_a_record_under_a_new_handle() -> None:
    (record, token), asked = play(
        lifecycle.create(POLICY, NOW, entropy, {"a": b"1"}, client=Client(user_agent="x" * 600)),
        (Create, True),
        (Announce, None),
    )
    assert asked[0].record is record
    assert token == make_token(b"e".hex() * 16, b"e" * 32)
    assert record.secret_hash == secret_hash(token.secret)
    assert (record.created, record.last_access, record.last_update) == (NOW, NOW, NOW)
    assert (record.lifetime, record.data, record.seq, record.generation) == (LIFE, {"a": b"1"}, 1, 0)
    assert record.client == Client(user_agent="x" * 512)
    assert [type(event) for event in asked[1].events] == [SessionCreated]


def test_a_handle_that_exists_is_no_reason_to_fail_at_once() -> None:
    (record, _), _ = play(
        lifecycle.create(POLICY, NOW, entropy, {}), (Create, False), (Create, False), (Create, True), (Announce, None)
    )
    assert record.seq == 1


def test_a_source_of_entropy_that_repeats_itself_is_told() -> None:
    with pytest.raises(StoreError, match="random"):
        play(lifecycle.create(POLICY, NOW, entropy, {}), (Create, False), (Create, False), (Create, False))


def test_a_session_that_is_too_large_asks_nothing() -> None:
    policy = make_policy(max_bytes=10)
    with pytest.raises(SessionTooLarge):
        play(lifecycle.create(policy, NOW, entropy, {"a": b'"123456789"'}))


def test_a_user_is_enlisted_before_the_session_is_answered() -> None:
    (record, _), asked = play(
        lifecycle.create(POLICY, NOW, entropy, {}, Identity("luca")),
        (Create, True),
        (Announce, None),
        (Enlist, Enlisted(True)),
        (Announce, None),
    )
    assert record.authenticated_at == NOW
    assert (asked[2].uid, asked[2].handle) == ("luca", record.handle)


def test_a_refused_user_leaves_nothing_behind() -> None:
    policy = make_policy(max_sessions=1, at_limit="refuse")
    other = make_record(handle="b" * 32, uid="luca")
    with pytest.raises(LimitReached) as caught:
        play(
            lifecycle.create(policy, NOW, entropy, {}, Identity("luca")),
            (Create, True),
            (Announce, None),
            (Enlist, Enlisted(False, (other.handle,))),
            (Load, other),
            (Delete, lambda op: stored(make_record(handle=op.handle))(op)),
            *ACKED,
        )
    assert (caught.value.uid, caught.value.limit) == ("luca", 1)


def test_open_is_one_load_with_the_hash() -> None:
    record = make_record()
    (found, token), asked = play(lifecycle.opened(POLICY, NOW, TOKEN.text), (Load, record))
    assert found is record
    assert token == TOKEN
    assert asked == [Load(HANDLE, secret_hash(TOKEN.secret), NOW)]


@pytest.mark.parametrize("text", ["", "nonsense", HANDLE, TOKEN.text + "x", TOKEN.text.upper()])
def test_a_malformed_token_asks_nothing(text: str) -> None:
    with pytest.raises(SessionNotFound):
        play(lifecycle.opened(POLICY, NOW, text))


@pytest.mark.parametrize(
    ("record", "error"),
    [
        (None, SessionNotFound),
        (make_record(secret_hash=b"x" * 32), SessionNotFound),
        (make_record(format=2), SessionUnreadable),
        (make_record(last_access=NOW - 1_001), SessionExpired),
    ],
)
def test_what_does_not_open(record: Record | None, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        play(lifecycle.opened(POLICY, NOW, TOKEN.text), (Load, record))
    assert type(caught.value) is error


def test_a_wrong_secret_is_told_nothing_of_expiry() -> None:
    record = make_record(secret_hash=b"x" * 32, last_access=0)
    with pytest.raises(SessionNotFound) as caught:
        play(lifecycle.opened(POLICY, NOW, TOKEN.text), (Load, record))
    assert not isinstance(caught.value, SessionExpired)


def reused() -> Record:
    return make_record(secret_hash=b"x" * 32, previous_hash=secret_hash(TOKEN.secret), uid="luca")


def test_a_secret_that_was_rotated_away_is_noticed_and_opens_nothing() -> None:
    flow = lifecycle.opened(POLICY, NOW, TOKEN.text)
    seen: list[Any] = []
    with pytest.raises(SessionNotFound):
        play(flow, (Load, reused()), (Append, seen.append), (Announce, seen.append))
    assert [type(op.events[0]) for op in seen] == [TokenReused, TokenReused]


def test_a_reused_secret_ends_the_session_if_so_chosen() -> None:
    policy = make_policy(on_reuse="end")
    seen: list[Any] = []

    def note(op: Delete) -> Any:
        seen.append(op)
        return stored(reused())(op)

    with pytest.raises(SessionNotFound):
        play(
            lifecycle.opened(policy, NOW, TOKEN.text),
            *((Load, reused()), (Append, None), (Announce, None), (Delete, note), (Delist, None)),
            *ACKED,
        )
    assert seen[0].reason is EndReason.TOKEN_REUSED


def test_find_reads_without_a_secret_and_without_a_trace() -> None:
    record = make_record()
    found, asked = play(lifecycle.find(NOW, HANDLE), (Load, record))
    assert found is record
    assert asked == [Load(HANDLE, None, NOW)]
    for other, error in ((None, SessionNotFound), (make_record(last_access=0), SessionExpired)):
        with pytest.raises(error):
            play(lifecycle.find(NOW, HANDLE), (Load, other))


@pytest.mark.parametrize("text", ["", TOKEN.text, "x" * 32, "\ud800"])
def test_what_is_no_handle_asks_nothing_and_is_not_repeated(text: str) -> None:
    with pytest.raises(SessionNotFound) as caught:
        play(lifecycle.find(NOW, text))
    assert not text or text not in str(caught.value)


# Commit --------------------------------------------------------------------------------------------------------------


def test_a_commit_without_changes_asks_nothing() -> None:
    play(commit(open_({"a": 1})))
    play(commit(open_({"a": 1}), drop_empty=True))
    play(commit(Recording(), drop_empty=True))


def test_a_commit_is_one_apply_with_the_generation() -> None:
    session = open_({"n": 1}, generation=4)
    session.increment("n")
    session["a"] = []
    _, asked = play(commit(session), (Apply, stored(make_record({"n": 5}, generation=4))))
    assert asked[0].generation == 4
    assert asked[0].changes == (changes.increment("n"), *changes.set_value("a", []))
    assert asked[0].new_hash is None
    assert dict(session) == {"n": 6, "a": []}  # what the store holds, others' work included
    assert not session.has_changes


def test_a_new_session_is_stored_by_its_first_commit() -> None:
    session = Recording()
    session["a"] = 1
    session.wish_lifetime(Lifetime(None, "created", None, 0))
    _, asked = play(commit(session), (Create, True), (Announce, None))
    record = asked[0].record
    assert record.data == {"a": b"1"}
    assert record.lifetime.ttl_ms is None
    session["b"] = 2
    assert record.data == {"a": b"1"}
    assert not session.is_new
    assert session.token is not None


def test_an_empty_new_session_is_stored_only_if_wanted() -> None:
    session = Recording()
    session["a"] = 1
    del session["a"]
    play(commit(session, drop_empty=True))
    assert session.is_new
    play(commit(session), (Create, True), (Announce, None))
    assert not session.is_new


def test_what_became_empty_is_ended_unless_somebody_wrote() -> None:
    session = open_({"a": 1})
    del session["a"]
    _, asked = play(
        commit(session, drop_empty=True),
        (Apply, stored(make_record({"a": 1}))),
        (Delete, stored(make_record())),
        *ACKED,
    )
    assert (asked[1].reason, asked[1].only_empty) == (EndReason.EMPTIED, True)
    assert session.ended
    other = open_({"a": 1})
    del other["a"]
    play(commit(other, drop_empty=True), (Apply, stored(make_record({"a": 1}))), (Delete, None))
    assert not other.ended


@pytest.mark.parametrize("error", [SessionNotFound(HANDLE), SessionExpired(HANDLE, 1)])
def test_ab1_a_write_after_the_end_says_so(error: Exception) -> None:
    session = open_({"a": 1})
    session["a"] = 2
    with pytest.raises(type(error)):
        play(commit(session), (Apply, error))
    assert session.ended
    assert dict(session) == {}
    session["b"] = 1
    with pytest.raises(SessionNotFound):
        play(commit(session))


@pytest.mark.parametrize("error", [IdentityChanged(HANDLE), Conflict("no"), SessionTooLarge("big"), ValueRefused("x")])
def test_a_refused_commit_drops_what_was_recorded(error: Exception) -> None:
    session = open_({"a": 1})
    session["a"] = 2
    session.sign_in("luca")
    with pytest.raises(type(error)):
        play(commit(session), (Apply, error))
    assert dict(session) == {"a": 1}
    assert session.uid is None
    play(commit(session))


def test_a_dead_store_keeps_what_was_recorded() -> None:
    session = open_({"a": 1})
    session["a"] = 2
    session.rotate()
    with pytest.raises(StoreUnavailable):
        play(commit(session), (Apply, DOWN))
    _, asked = play(commit(session), (Apply, stored(make_record({"a": 1}))), (Announce, None))
    assert asked[0].changes == changes.set_value("a", 2)
    assert asked[0].new_hash is not None


def test_an_unknown_outcome_is_never_sent_twice() -> None:
    session = open_({"n": 1})
    session.increment("n")
    with pytest.raises(OutcomeUnknown):
        play(commit(session), (Apply, UNKNOWN))
    play(commit(session))


def test_a_new_session_on_a_dead_store_can_be_stored_later() -> None:
    session = Recording()
    session["a"] = 1
    session.sign_in("luca")
    with pytest.raises(StoreUnavailable):
        play(commit(session), (Create, DOWN))
    _, asked = play(commit(session), (Create, True), (Announce, None), (Enlist, Enlisted(True)), (Announce, None))
    assert decode_fields(asked[0].record.data) == {"a": 1}
    assert asked[0].record.uid == "luca"


def test_signing_in_always_changes_the_token() -> None:
    session = open_({"a": 1})
    session.sign_in("luca", roles=["editor"])
    _, asked = play(
        commit(session),
        *((Apply, stored(make_record({"a": 1}))), (Announce, None), (Enlist, Enlisted(True)), (Announce, None)),
    )
    assert asked[0].identity == Identity("luca", ("editor",), authenticated_at=NOW)
    assert session.token != TOKEN.text
    assert session.token == make_token(HANDLE, b"e" * 32).text
    assert session.handle == HANDLE
    assert asked[0].new_hash == secret_hash(session.token.partition(".")[2])


def test_signing_out_changes_the_token_too_and_leaves_the_index() -> None:
    session = open_({"a": 1}, uid="luca")
    session.set_user(None)
    record = make_record({"a": 1}, uid="luca")
    _, asked = play(commit(session), (Apply, stored(record)), (Announce, None), (Delist, None))
    assert asked[0].identity == Identity()
    assert session.token != TOKEN.text
    assert session.uid is None


def test_an_index_that_cannot_be_tidied_does_not_undo_the_signing_out() -> None:
    session = open_(uid="luca")
    session.set_user(None)
    play(commit(session), (Apply, stored(make_record(uid="luca"))), (Announce, None), (Delist, DOWN))
    assert session.uid is None


def test_a_refused_sign_in_gives_the_old_identity_and_secret_back() -> None:
    policy = make_policy(max_sessions=1, at_limit="refuse")
    session = open_({"a": 1})
    session["b"] = 2
    session.sign_in("luca")
    before, after = make_record({"a": 1}), make_record({"a": 1, "b": 2}, generation=2)
    other = make_record(handle="b" * 32, uid="luca")
    seen: list[Apply] = []

    def taken_back(op: Apply) -> Applied:
        seen.append(op)
        return Applied(after)

    with pytest.raises(LimitReached):
        play(
            lifecycle.commit(session, policy, NOW, entropy),
            *((Apply, stored(before)), (Announce, None), (Enlist, Enlisted(False, (other.handle,)))),
            *((Load, other), (Apply, taken_back), (Load, after)),
        )
    assert seen[0].new_hash == before.secret_hash
    assert seen[0].identity == Identity()
    assert session.token == TOKEN.text
    assert (session.uid, dict(session)) == (None, {"a": 1, "b": 2})
    play(lifecycle.commit(session, policy, NOW, entropy))


def test_a_sign_in_that_cannot_be_enlisted_is_taken_back_and_unknown() -> None:
    session = open_({"a": 1})
    session.sign_in("luca")
    before = make_record({"a": 1})
    back = make_record({"a": 1}, generation=2)
    with pytest.raises(OutcomeUnknown) as caught:
        play(
            commit(session),
            *((Apply, stored(before)), (Announce, None), (Enlist, DOWN), (Apply, Applied(back)), (Load, back)),
        )
    assert caught.value.__cause__ is DOWN
    assert (session.uid, session.token) == (None, TOKEN.text)
    again = open_({"a": 1})
    again.sign_in("luca")
    with pytest.raises(OutcomeUnknown):
        play(commit(again), (Apply, stored(before)), (Announce, None), (Enlist, DOWN), (Apply, DOWN))


# Another user ----------------------------------------------------------------------------------------------------


def switch() -> Recording:
    session = open_({"secret": 1}, uid="anna")
    session.sign_in("luca")
    session["own"] = 1
    return session


ANNAS = make_record({"secret": 1}, uid="anna")
NEW = (Create, True), (Announce, None), (Enlist, Enlisted(True)), (Announce, None)


def test_another_user_gets_another_session() -> None:
    session = switch()
    _, asked = play(commit(session), (Delete, stored(ANNAS)), (Delist, None), *ACKED, *NEW)
    assert asked[0].reason is EndReason.REPLACED
    assert asked[4].record.uid == "luca"
    assert decode_fields(asked[4].record.data) == {"own": 1}
    assert session.handle != HANDLE
    assert not session.is_replaced


def test_a_user_switch_that_fails_half_way_can_be_committed_again() -> None:
    session = switch()
    with pytest.raises(StoreUnavailable):
        play(commit(session), (Delete, DOWN))
    assert session.is_replaced
    with pytest.raises(StoreUnavailable):
        play(commit(session), (Delete, stored(ANNAS)), (Delist, None), *ACKED, (Create, DOWN))
    assert session.is_new
    _, asked = play(commit(session), *NEW)
    assert asked[0].record.uid == "luca"
    assert decode_fields(asked[0].record.data) == {"own": 1}


def test_a_command_at_once_comes_after_the_user_switch() -> None:
    session = switch()
    fresh = make_record({"own": 1, "n": 4}, handle=b"e".hex() * 16, uid="luca")
    found, asked = play(
        lifecycle.act(session, POLICY, NOW, entropy, (changes.take("n"),)),
        *((Delete, stored(ANNAS)), (Delist, None), *ACKED, *NEW, (Apply, stored(fresh))),
    )
    assert found == (b"4",)
    assert asked[-1].changes == (changes.take("n"),)


# At once -----------------------------------------------------------------------------------------------------------


def test_commands_at_once_take_what_was_recorded_along() -> None:
    session = open_({"q": [1, 2]})
    session["a"] = 1
    found, asked = play(
        lifecycle.act(session, POLICY, NOW, entropy, (changes.pop_first("q"), changes.take("z"))),
        (Apply, stored(make_record({"q": [1, 2]}))),
    )
    assert found == (b"1", None)
    assert asked[0].changes[0] == changes.set_value("a", 1)[0]
    assert not session.has_changes
    assert dict(session) == {"q": [2], "a": 1}


def test_refused_commands_leave_what_was_recorded() -> None:
    session = open_({"a": 1})
    session["b"] = 2
    session.rotate()
    with pytest.raises(Conflict):
        play(
            lifecycle.act(session, POLICY, NOW, entropy, (changes.check("a", 5),)),
            (Apply, stored(make_record({"a": 1}))),
        )
    pending, intent = session.swap_out()
    assert pending == changes.set_value("b", 2)
    assert intent is not None
    assert intent.rotate


def test_a_new_session_is_stored_before_a_command_at_once() -> None:
    session = Recording()
    session["a"] = 1
    fresh = make_record({"a": 1}, handle=b"e".hex() * 16)
    play(
        lifecycle.act(session, POLICY, NOW, entropy, (changes.increment("a"),)),
        *((Create, True), (Announce, None), (Apply, stored(fresh))),
    )
    assert dict(session) == {"a": 2}


# Refresh, touch, regenerate, end -------------------------------------------------------------------------------------


def test_refresh_reads_and_keeps_what_was_recorded_on_top() -> None:
    session = open_({"l": [1], "gone": 1})
    session["l"].append(2)
    _, asked = play(lifecycle.refresh(session, NOW), (Load, make_record({"l": [1, 7], "new": 1})))
    assert asked == [Load(HANDLE, None, NOW)]
    assert dict(session) == {"l": [1, 7, 2], "new": 1}


def test_touch_is_an_apply_that_only_touches() -> None:
    session = open_({"a": 1}, generation=2)
    _, asked = play(lifecycle.touch(session, NOW), (Apply, stored(make_record({"a": 1}, generation=2))))
    assert asked == [Apply(HANDLE, NOW, 2, touch_only=True)]
    assert session.last_access == NOW
    assert session.last_update == NOW - 50


@pytest.mark.parametrize(("keep", "data"), [(False, {}), (True, {"a": 1, "b": [2]})])
def test_regenerate_begins_an_anonymous_session_in_its_place(keep: bool, data: dict[str, Any]) -> None:
    session = open_({"a": 1, "b": []}, uid="luca", client=Client(label="phone"))
    session["b"].append(2)
    session.rotate()
    old = make_record({"a": 1, "b": []}, uid="luca")
    _, asked = play(
        lifecycle.regenerate(session, POLICY, NOW, entropy, keep=keep),
        *((Delete, stored(old)), (Delist, None), *ACKED, (Create, True), (Announce, None)),
    )
    assert asked[0].reason is EndReason.REPLACED
    record = asked[4].record
    assert (record.uid, record.client, decode_fields(record.data)) == (None, Client(label="phone"), data)
    assert dict(session) == data
    assert session.handle == record.handle
    assert not session.ended
    assert not session.has_changes


def test_regenerate_that_fails_half_way_loses_nothing() -> None:
    session = open_({"a": 1})
    session["b"] = 2
    with pytest.raises(StoreUnavailable):
        play(lifecycle.regenerate(session, POLICY, NOW, entropy, keep=True), (Delete, DOWN))
    assert session.has_changes
    with pytest.raises(StoreUnavailable):
        play(
            lifecycle.regenerate(session, POLICY, NOW, entropy, keep=True),
            *((Delete, stored(make_record({"a": 1}))), *ACKED, (Create, DOWN)),
        )
    _, asked = play(commit(session), (Create, True), (Announce, None))
    assert decode_fields(asked[0].record.data) == {"a": 1, "b": 2}


def test_an_ended_session_can_be_regenerated() -> None:
    session = open_({"a": 1})
    play(lifecycle.end(session, POLICY, NOW), (Delete, stored(make_record())), *ACKED)
    assert session.ended
    play(lifecycle.regenerate(session, POLICY, NOW, entropy), (Create, True), (Announce, None))
    assert not session.ended


def test_end_is_announced_and_acknowledged_by_its_owner() -> None:
    session = open_({"a": 1}, uid="luca")
    session["b"] = 1
    done, asked = play(
        lifecycle.end(session, POLICY, NOW), (Delete, stored(make_record(uid="luca"))), (Delist, None), *ACKED
    )
    assert done is True
    assert (asked[0].reason, asked[0].owner) == (EndReason.LOGOUT, "me")
    assert asked[2].events[0].id == asked[3].ids[0]
    assert (session.ended, session.token, dict(session)) == (True, None, {})
    assert play(lifecycle.end(session, POLICY, NOW)) == (False, [])


def test_without_handlers_here_the_end_is_left_to_others() -> None:
    policy = make_policy(owner=None)
    _, asked = play(lifecycle.end(open_(), policy, NOW), (Delete, stored(make_record())), (Announce, None))
    assert asked[0].owner is None


def test_an_acknowledgement_that_fails_does_not_undo_the_end() -> None:
    session = open_(uid="luca")
    done, _ = play(
        lifecycle.end(session, POLICY, NOW),
        *((Delete, stored(make_record(uid="luca"))), (Delist, DOWN), (Announce, None), (Acknowledge, DOWN)),
    )
    assert done is True
    assert session.ended


def test_end_of_what_has_ended_is_false_and_forgets() -> None:
    session = open_({"a": 1})
    assert play(lifecycle.end(session, POLICY, NOW), (Delete, None))[0] is False
    assert session.ended


def test_end_of_what_expired_is_an_expiry() -> None:
    session = open_(last_access=0)
    done, asked = play(lifecycle.end(session, POLICY, NOW), (Delete, stored(make_record(last_access=0))), *ACKED)
    assert done is True
    assert asked[1].events[0].reason is EndReason.EXPIRED


def test_end_on_a_dead_store_is_no_end() -> None:
    session = open_({"a": 1})
    with pytest.raises(StoreUnavailable):
        play(lifecycle.end(session, POLICY, NOW), (Delete, DOWN))
    assert not session.ended
    assert session.token == TOKEN.text


def test_a_store_without_index_and_events_is_asked_for_neither() -> None:
    policy = replace(POLICY, abilities=Ability(0))
    play(
        lifecycle.create(policy, NOW, entropy, {}, Identity("luca")), (Create, True), (Announce, None), (Announce, None)
    )
    play(lifecycle.end(open_(uid="luca"), policy, NOW), (Delete, stored(make_record(uid="luca"))), (Announce, None))


def test_what_is_written_while_a_new_session_is_stored_stays_out_of_the_record() -> None:
    session = Recording()
    session["a"] = 1
    sent: list[Create] = []

    def meanwhile(op: Create) -> bool:
        sent.append(op)
        session["b"] = 2  # another task of the same request
        return True

    play(commit(session), (Create, meanwhile), (Announce, None))
    assert decode_fields(sent[0].record.data) == {"a": 1}
    assert dict(session) == {"a": 1, "b": 2}
    assert session.swap_out()[0] == changes.set_value("b", 2)
