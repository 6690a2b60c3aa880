"""The directory's flows, played by fed replies: what is saved first, what follows, and who loses a race."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from flow_player import ALL, HANDLE, NOW, entropy, make_policy, play
from sojourn.core.accounts import Credentials, HashPassword, User, decode_user, encode_user
from sojourn.core.operations import (
    Ability,
    Delete,
    DeleteDocument,
    Delist,
    Document,
    FindByUser,
    ListDocuments,
    LoadDocument,
    SaveDocument,
)
from sojourn.errors import DocumentConflict, ValueRefused
from sojourn.flows import directory
from sojourn.flows.directory import Draft

REVISION = "7-" + "0" * 32
KEPT, NEW = Credentials("argon2id", "$old"), Credentials("argon2id", "$new")
ANNA = User("anna", ("editor",), {"n": 1}, KEPT, "stamp", REVISION)
POLICY = make_policy()


def stored(user: User) -> Document:
    return Document(user.key, user.revision, encode_user(user))


def saved(op: SaveDocument) -> User:
    return decode_user(op.document.body, op.document.revision)


def save(draft: Draft, old: User | None, **more: Any) -> Any:
    return directory.save(POLICY, NOW, entropy, draft, old, **more)


def test_the_document_is_saved_before_any_session_is_looked_for() -> None:
    user, asked = play(
        save(Draft("anna", ("editor",), {}, "a new password"), ANNA, keep="k", actor="root"),
        (HashPassword, NEW),
        (SaveDocument, True),
        (FindByUser, ("k", HANDLE)),
        (Delete, None),
        (Delist, None),
    )
    assert saved(asked[1]) == user
    assert asked[1].expected == REVISION
    assert user.revision.startswith("8-")
    assert (user.credentials, user.stamp) == (NEW, entropy(16).hex())
    assert (asked[3].handle, asked[3].reason, asked[3].only_uid) == (HANDLE, "password_changed", "anna")
    assert asked[3].actor == "root"


def test_without_a_new_password_stamp_credentials_and_sessions_stay() -> None:
    user, _ = play(save(Draft("anna", ("editor",), {"n": 2}), ANNA), (SaveDocument, True))
    assert (user.credentials, user.stamp, user.properties) == (KEPT, "stamp", {"n": 2})


def test_other_roles_are_followed_by_the_sessions() -> None:
    renewed = replace(ANNA, roles=("reader",))
    play(
        save(Draft("anna", ("reader",)), ANNA),
        (SaveDocument, True),
        (LoadDocument, stored(renewed)),
        (FindByUser, ()),
        (LoadDocument, stored(renewed)),
    )


def test_a_lost_race_touches_no_session() -> None:
    with pytest.raises(DocumentConflict):
        play(save(Draft("anna", (), {}, "a new password"), ANNA), (HashPassword, NEW), (SaveDocument, False))


def test_a_refused_password_saves_nothing() -> None:
    with pytest.raises(ValueRefused):
        play(save(Draft("anna", (), {}, "short"), ANNA), (HashPassword, ValueRefused("too short")))


def test_a_new_user_does_not_inherit_sessions_of_a_former_one() -> None:
    user, asked = play(
        directory.create(POLICY, NOW, entropy, "anna", None),
        (SaveDocument, True),
        (FindByUser, (HANDLE,)),
        (Delete, None),
        (Delist, None),
    )
    assert user.revision.startswith("1-")
    assert asked[0].expected is None
    assert asked[2].reason == "account_closed"


def test_a_store_without_an_index_of_users_still_keeps_them() -> None:
    policy = make_policy(abilities=ALL & ~Ability.USER_INDEX)
    play(directory.create(policy, NOW, entropy, "anna", None), (SaveDocument, True))
    play(directory.delete(policy, NOW, "anna"), (LoadDocument, stored(ANNA)), (DeleteDocument, True))


def test_a_change_is_made_again_on_what_others_saved_meanwhile() -> None:
    other = replace(ANNA, properties={"n": 2}, revision="8-" + "1" * 32)
    user, asked = play(
        directory.change(POLICY, NOW, entropy, "anna", roles=("editor",)),
        (LoadDocument, stored(ANNA)),
        (SaveDocument, False),
        (LoadDocument, stored(other)),
        (SaveDocument, True),
    )
    assert user.properties == {"n": 2}
    assert asked[3].expected == other.revision


def test_a_change_of_a_named_revision_is_not_made_on_another_one() -> None:
    named = directory.change(POLICY, NOW, entropy, "anna", roles=(), revision="6-" + "0" * 32)
    with pytest.raises(DocumentConflict):
        play(named, (LoadDocument, stored(ANNA)))


def test_a_change_gives_up_when_others_are_always_quicker() -> None:
    steps = [(LoadDocument, stored(ANNA)), (SaveDocument, False)] * 5
    with pytest.raises(DocumentConflict):
        play(directory.change(POLICY, NOW, entropy, "anna", properties={}), *steps)


def test_a_deletion_ends_every_session_after_the_document_is_gone() -> None:
    done, asked = play(
        directory.delete(POLICY, NOW, "anna", REVISION, "root"),
        (LoadDocument, stored(ANNA)),
        (DeleteDocument, True),
        (FindByUser, (HANDLE,)),
        (Delete, None),
        (Delist, None),
    )
    assert done is True
    assert (asked[1].expected, asked[3].reason) == (REVISION, "account_closed")


def test_deleting_whom_there_is_not_is_false_and_of_another_revision_a_conflict() -> None:
    assert play(directory.delete(POLICY, NOW, "anna"), (LoadDocument, None))[0] is False
    with pytest.raises(DocumentConflict):
        play(directory.delete(POLICY, NOW, "anna", "6-" + "0" * 32), (LoadDocument, stored(ANNA)))
    steps = [(LoadDocument, stored(ANNA)), (DeleteDocument, False)] * 5
    with pytest.raises(DocumentConflict):
        play(directory.delete(POLICY, NOW, "anna"), *steps)


def test_a_page_asks_for_one_more_to_know_whether_there_is_another() -> None:
    users = [replace(ANNA, name=name) for name in ("a", "b", "c")]
    (page, following), asked = play(
        directory.list_users("a", 2), (ListDocuments, tuple(stored(user) for user in users))
    )
    assert ([user.name for user in page], following) == (["a", "b"], "c")
    assert (asked[0].start, asked[0].end, asked[0].limit) == ("org.couchdb.user:a", "org.couchdb.user;", 3)
    (page, following), _ = play(directory.list_users("a", 3), (ListDocuments, tuple(map(stored, users))))
    assert (len(page), following) == (3, None)


def test_drafts_show_no_password() -> None:
    assert "secret word" not in repr(Draft("anna", password="secret word"))
