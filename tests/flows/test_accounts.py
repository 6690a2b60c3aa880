"""The sign-in by name and password, played by fed replies: every order, refusal and failure half way."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from flow_player import ALL, HANDLE, NOW, entropy, make_policy, make_record, play
from sojourn.core.accounts import (
    Admit,
    Credentials,
    HashPassword,
    NoteFailure,
    NoteSuccess,
    User,
    Verdict,
    VerifyPassword,
    decode_user,
    encode_user,
)
from sojourn.core.operations import (
    Ability,
    Announce,
    Append,
    Applied,
    Apply,
    Delete,
    Document,
    FindByUser,
    Load,
    LoadDocument,
    SaveDocument,
)
from sojourn.errors import (
    AbilityMissing,
    AccountLocked,
    IdentityChanged,
    SessionNotFound,
    StoreUnavailable,
    ValueRefused,
    WrongCredentials,
)
from sojourn.flows import accounts

REVISION = "1-" + "0" * 32
OLD = Credentials("simple", "a" * 40, "salt")
ANNA = User("anna", ("editor",), {}, OLD, "stamp", REVISION)
POLICY = make_policy()


def stored(user: User) -> Document:
    return Document(user.key, user.revision, encode_user(user))


def sign_in(name: str = "anna") -> accounts.Flow[accounts.Asked, User]:
    return accounts.authenticate(POLICY, NOW, entropy, name, "the password", "192.0.2.1")


def test_a_right_password_costs_one_load_and_one_verification() -> None:
    user, asked = play(
        sign_in(),
        (LoadDocument, stored(ANNA)),
        (Admit, 0),
        (VerifyPassword, Verdict(is_right=True)),
        (NoteSuccess, None),
    )
    assert user == ANNA
    assert asked[1] == Admit("anna", "stamp", "192.0.2.1", NOW)
    assert asked[2].credentials == OLD


def test_a_locked_name_is_refused_before_the_password_is_looked_at() -> None:
    asked = []

    def note(op: Append) -> None:
        asked.append(op.events[0])

    with pytest.raises(AccountLocked) as locked:
        play(sign_in(), (LoadDocument, stored(ANNA)), (Admit, 7), (Append, note), (Announce, None))
    assert locked.value.retry_after_ms == 7
    assert (asked[0].name, asked[0].locked) == ("anna", True)


@pytest.mark.parametrize("found", [stored(ANNA), stored(replace(ANNA, credentials=None)), None])
def test_a_refusal_asks_the_same_whoever_it_is(found: Document | None) -> None:
    """ASVS 6.3.8: no step more or less tells whether the name exists."""
    with pytest.raises(WrongCredentials):
        play(
            sign_in(),
            (LoadDocument, found),
            (Admit, 0),
            (VerifyPassword, Verdict(is_right=False)),
            (NoteFailure, None),
            (Append, None),
            (Announce, None),
        )


def test_nobody_gets_in_without_a_document_whatever_the_verdict() -> None:
    with pytest.raises(WrongCredentials):
        play(
            sign_in(),
            (LoadDocument, None),
            (Admit, 0),
            (VerifyPassword, Verdict(is_right=True)),
            (NoteFailure, None),
            (Append, None),
            (Announce, None),
        )


def test_names_that_nobody_can_have_cost_no_question_to_the_store() -> None:
    with pytest.raises(WrongCredentials):
        play(
            sign_in("a\0b"),
            (Admit, 0),
            (VerifyPassword, Verdict(is_right=False)),
            (NoteFailure, None),
            (Append, None),
            (Announce, None),
        )


@pytest.mark.parametrize("saved", [True, False])
def test_stale_credentials_are_replaced_under_the_same_revision_or_left_for_the_next_time(saved: bool) -> None:
    new = Credentials("argon2id", "$argon2id$...")
    user, asked = play(
        sign_in(),
        (LoadDocument, stored(ANNA)),
        (Admit, 0),
        (VerifyPassword, Verdict(is_right=True, is_stale=True)),
        (NoteSuccess, None),
        (HashPassword, new),
        (SaveDocument, saved),
    )
    assert user == ANNA
    save = asked[-1]
    assert save.expected == save.document.revision == REVISION
    assert decode_user(save.document.body, REVISION) == replace(ANNA, credentials=new)


def test_a_password_that_today_is_refused_is_not_replaced() -> None:
    user, _ = play(
        sign_in(),
        (LoadDocument, stored(ANNA)),
        (Admit, 0),
        (VerifyPassword, Verdict(is_right=True, is_stale=True)),
        (NoteSuccess, None),
        (HashPassword, ValueRefused("too short")),
    )
    assert user == ANNA


def test_a_dead_store_lets_nobody_in() -> None:
    with pytest.raises(StoreUnavailable):
        play(sign_in(), (LoadDocument, StoreUnavailable("down")))


def test_a_store_without_documents_is_named() -> None:
    with pytest.raises(AbilityMissing):
        play(accounts.find(make_policy(abilities=ALL & ~Ability.DOCUMENTS), "anna"))


def test_confirm_lets_an_unchanged_account_pass_with_one_question() -> None:
    renewed = replace(ANNA, revision="2-" + "1" * 32, properties={"n": 1})
    user, _ = play(accounts.confirm(POLICY, NOW, HANDLE, ANNA), (LoadDocument, stored(renewed)))
    assert user == renewed


@pytest.mark.parametrize(
    ("found", "reason"), [(None, "account_closed"), (stored(replace(ANNA, stamp="other")), "password_changed")]
)
def test_confirm_ends_the_session_of_another_account(found: Document | None, reason: str) -> None:
    deleted = []

    def note(op: Delete) -> None:
        deleted.append(op)

    with pytest.raises(WrongCredentials):
        play(accounts.confirm(POLICY, NOW, HANDLE, ANNA), (LoadDocument, found), (Delete, note))
    assert (deleted[0].handle, deleted[0].reason) == (HANDLE, reason)


def test_roles_are_given_under_the_generation_that_was_read_and_again_if_it_moved() -> None:
    reader = replace(ANNA, roles=("reader",))
    first = make_record(uid="anna", roles=("editor",), generation=1, authenticated_at=5)
    second = replace(first, generation=2)
    changed, asked = play(
        accounts.follow_roles(POLICY, NOW, "anna"),
        (LoadDocument, stored(reader)),
        (FindByUser, (HANDLE,)),
        (Load, first),
        (Apply, IdentityChanged(HANDLE)),
        (Load, second),
        (Apply, Applied(second)),
        (LoadDocument, stored(reader)),
    )
    assert changed == 1
    apply = asked[5]
    assert (apply.generation, apply.identity.roles, apply.identity.authenticated_at) == (2, ("reader",), 5)
    assert apply.new_hash is None


def test_of_two_changes_of_roles_the_later_one_stands() -> None:
    reader, writer = replace(ANNA, roles=("reader",)), replace(ANNA, roles=("writer",))
    record = make_record(uid="anna", roles=("reader",))
    changed, asked = play(
        accounts.follow_roles(POLICY, NOW, "anna"),
        (LoadDocument, stored(reader)),
        (FindByUser, (HANDLE,)),
        (Load, record),
        (LoadDocument, stored(writer)),
        (FindByUser, (HANDLE,)),
        (Load, record),
        (Apply, Applied(record)),
        (LoadDocument, stored(writer)),
    )
    assert changed == 1
    assert asked[6].identity.roles == ("writer",)


@pytest.mark.parametrize(
    "record", [None, make_record(uid="bert", roles=("editor",)), make_record(uid="anna", roles=("reader",))]
)
def test_sessions_that_are_gone_of_others_or_right_already_are_left(record: object) -> None:
    reader = replace(ANNA, roles=("reader",))
    changed, _ = play(
        accounts.follow_roles(POLICY, NOW, "anna"),
        (LoadDocument, stored(reader)),
        (FindByUser, (HANDLE,)),
        (Load, record),
        (LoadDocument, stored(reader)),
    )
    assert changed == 0


def test_a_session_that_ends_meanwhile_is_no_error() -> None:
    reader = replace(ANNA, roles=("reader",))
    changed, _ = play(
        accounts.follow_roles(POLICY, NOW, "anna"),
        (LoadDocument, stored(reader)),
        (FindByUser, (HANDLE,)),
        (Load, make_record(uid="anna", roles=("editor",))),
        (Apply, SessionNotFound(HANDLE)),
        (LoadDocument, None),
    )
    assert changed == 0
