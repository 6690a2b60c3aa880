"""The two faces of the user directory, over memory and SQLite: users, revisions, and the sessions that follow them."""

from __future__ import annotations

import hashlib
import inspect
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn import (
    AccountLocked,
    AsyncSessionManager,
    DocumentConflict,
    LoginFailed,
    SessionEnded,
    SessionManager,
    ValueRefused,
    WrongCredentials,
)
from sojourn.core.accounts import Credentials
from sojourn.core.operations import Document, SaveDocument
from sojourn.errors import StoreCorrupt
from sojourn.flows.directory import Draft
from sojourn.server.directory import AsyncUserDirectory, UserDirectory
from sojourn.users.throttle import Limits

GOOD, BETTER = "relaxed marmot 47", "brittle lantern 8"


class Clock:
    ms = 1_800_000_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture(params=["memory", "sqlite"])
def sessions(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SessionManager]:
    url = "memory://" if request.param == "memory" else f"sqlite:///{tmp_path / 'users.db'}"
    with SessionManager(url, clock=Clock()) as manager:
        yield manager


@pytest.fixture
def users(sessions: SessionManager) -> Iterator[UserDirectory]:
    directory = UserDirectory(sessions)
    yield directory
    directory.close()


def legacy(word: str) -> Credentials:
    return Credentials("simple", hashlib.sha1((word + "5a17").encode()).hexdigest(), "5a17")


def test_a_user_is_made_found_listed_and_removed(users: UserDirectory) -> None:
    made = users.create("anna", GOOD, roles=["editor"], properties={"email": "a@example.org"})
    assert users.get("anna") == made
    assert made.revision.startswith("1-")
    assert [user.name for user in users.list()] == ["anna"]
    assert users.delete("anna") is True
    assert users.get("anna") is None
    assert users.delete("anna") is False


def test_a_name_is_taken_once_and_some_names_never(users: UserDirectory) -> None:
    users.create("anna", GOOD)
    with pytest.raises(DocumentConflict):
        users.create("anna", BETTER)
    assert users.authenticate("anna", GOOD).name == "anna"
    for name in ("", "_anna", "a:b", "a\0b", "a\nb", "\ud800", "x" * 257):
        with pytest.raises(ValueRefused):
            users.create(name, GOOD)
        assert users.get(name) is None
    with pytest.raises(ValueRefused, match="tried first"):
        users.create("bert", "password1")
    assert users.get("bert") is None


def test_listing_reads_page_by_page_in_the_order_of_names(users: UserDirectory) -> None:
    names = sorted(["anna", "Zoe", "bert", "a", "é", "🦊", "~", "a b"])
    for name in names:
        users.create(name)
    for page_size in (1, 2, 3, 8, 100):
        assert [user.name for user in users.list(page_size=page_size)] == names
    assert [user.name for user in users.list("b", page_size=2)] == [name for name in names if name >= "b"]


def test_one_of_many_who_make_the_same_name_gets_it(users: UserDirectory) -> None:
    made: list[str] = []
    lost: list[str] = []

    def make() -> None:
        try:
            made.append(users.create("anna").revision)
        except DocumentConflict:
            lost.append("anna")

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    user = users.get("anna")
    assert user is not None
    assert made == [user.revision]
    assert len(lost) == 7


def test_u6_an_update_changes_what_it_names_only(users: UserDirectory) -> None:
    """UB1 lost all roles, UB2 all properties."""
    first = users.create("anna", GOOD, roles=["editor"], properties={"email": "a@example.org"})
    second = users.update("anna", properties={"email": "b@example.org"})
    assert second.roles == ("editor",)
    assert users.authenticate("anna", GOOD).properties == {"email": "b@example.org"}
    third = users.set_roles("anna", ["_admin"])
    assert third.properties == {"email": "b@example.org"}
    assert [user.revision.split("-")[0] for user in (first, second, third)] == ["1", "2", "3"]
    assert first.stamp == second.stamp == third.stamp
    with pytest.raises(ValueRefused, match="no user 'bert'"):
        users.update("bert", roles=[])


def test_a_named_revision_must_be_the_stored_one(users: UserDirectory) -> None:
    first = users.create("anna", GOOD)
    second = users.update("anna", roles=["x"], revision=first.revision)
    for change in (
        lambda: users.update("anna", roles=["y"], revision=first.revision),
        lambda: users.delete("anna", revision=first.revision),
        lambda: users.save(Draft("anna", ("z",)), first),
        lambda: users.save(Draft("anna", ("z",)), None),
    ):
        with pytest.raises(DocumentConflict):
            change()
    assert users.get("anna") == second


def test_changes_at_once_are_all_made(users: UserDirectory) -> None:
    users.create("anna")
    done: list[int] = []

    def add(number: int) -> None:
        for _ in range(40):
            try:
                old = users.get("anna")
                assert old is not None
                users.update("anna", properties={**old.properties, f"n{number}": 1}, revision=old.revision)
            except DocumentConflict:
                continue
            done.append(number)
            return

    threads = [threading.Thread(target=add, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    user = users.get("anna")
    assert user is not None
    assert sorted(user.properties) == sorted(f"n{n}" for n in done)
    assert len(done) == 4


def test_signing_in_answers_the_user_or_one_error_for_all(sessions: SessionManager, users: UserDirectory) -> None:
    users.create("anna", GOOD, roles=["editor"])
    users.create("carl")
    failed: list[LoginFailed] = []
    sessions.on(LoginFailed, failed.append)
    assert users.authenticate("anna", GOOD, "192.0.2.1").roles == ("editor",)
    for name in ("anna", "nobody", "carl", "_x", "a\0b", "\ud800"):
        with pytest.raises(WrongCredentials) as refused:
            users.authenticate(name, "wrong wrong", "192.0.2.1")
        assert str(refused.value) == "Name or password is incorrect."
    assert [event.name for event in failed] == ["anna", "nobody", "carl", "_x", "a\0b", "?"]
    assert len({event.id for event in failed}) == 6
    assert "wrong wrong" not in repr(failed)


def test_c13_a_lockout_and_its_end(users: UserDirectory) -> None:
    users.create("anna", GOOD)
    for _ in range(5):
        with pytest.raises(WrongCredentials):
            users.authenticate("anna", "wrong wrong", "192.0.2.1")
    with pytest.raises(AccountLocked) as locked:
        users.authenticate("anna", GOOD, "192.0.2.1")
    assert locked.value.retry_after_ms == 300_000
    assert users.authenticate("anna", GOOD, "192.0.2.2").name == "anna"
    users.change_password("anna", BETTER)
    assert users.authenticate("anna", BETTER, "192.0.2.1").name == "anna"


def test_c13_a_success_clears_the_count(users: UserDirectory) -> None:
    users.create("anna", GOOD)
    for _ in range(3):
        for _ in range(4):
            with pytest.raises(WrongCredentials):
                users.authenticate("anna", "wrong wrong", "192.0.2.1")
        assert users.authenticate("anna", GOOD, "192.0.2.1").name == "anna"


def test_c11_a_new_password_ends_the_other_sessions(sessions: SessionManager, users: UserDirectory) -> None:
    users.create("anna", GOOD)
    ended: list[SessionEnded] = []
    sessions.on(SessionEnded, ended.append)
    kept, lost, foreign = (sessions.create(uid=uid) for uid in ("anna", "anna", "bert"))
    before = users.get("anna")
    after = users.change_password("anna", BETTER, keep=kept, actor="root")
    assert before is not None
    assert after.stamp != before.stamp
    assert [(event.handle, event.reason, event.actor) for event in ended] == [(lost.handle, "password_changed", "root")]
    assert {session.handle for session in sessions.list()} == {kept.handle, foreign.handle}
    with pytest.raises(WrongCredentials):
        users.authenticate("anna", GOOD)
    assert users.authenticate("anna", BETTER).name == "anna"


def test_a_refused_password_changes_nothing(sessions: SessionManager, users: UserDirectory) -> None:
    user = users.create("anna", GOOD)
    sessions.create(uid="anna")
    with pytest.raises(ValueRefused):
        users.change_password("anna", "short")
    assert users.get("anna") == user
    assert sessions.count(uid="anna") == 1


def test_roles_of_living_sessions_follow(sessions: SessionManager, users: UserDirectory) -> None:
    users.create("anna", GOOD, roles=["editor"])
    one, two = (sessions.create({"n": 1}, uid="anna", roles=["editor"]) for _ in range(2))
    assert one.token is not None
    foreign = sessions.create(uid="bert", roles=["editor"])
    users.set_roles("anna", ["reader"])
    for session in (one, two):
        found = sessions.find(session.handle or "")
        assert found.roles == ("reader",)
        assert found["n"] == 1
        assert found.authenticated_at == session.authenticated_at
    assert sessions.find(foreign.handle or "").roles == ("editor",)
    assert sessions.open(one.token).roles == ("reader",)  # the token stays


def test_a_closed_account_loses_all_sessions(sessions: SessionManager, users: UserDirectory) -> None:
    users.create("anna", GOOD)
    ended: list[SessionEnded] = []
    sessions.on(SessionEnded, ended.append)
    for uid in ("anna", "anna", "bert"):
        sessions.create(uid=uid)
    users.delete("anna")
    assert [event.reason for event in ended] == ["account_closed"] * 2
    assert sessions.count() == 1


def test_old_credentials_are_replaced_at_sign_in_and_nothing_else_changes(
    sessions: SessionManager, users: UserDirectory
) -> None:
    """Trap 4; C11: `preserve_salt` keeps the sessions on a mere upgrade."""
    made = users.save(Draft("anna", credentials=legacy(GOOD)), None)
    sessions.create(uid="anna")
    users.authenticate("anna", GOOD)
    after = users.get("anna")
    assert after is not None
    assert after.credentials is not None
    assert after.credentials.scheme == "argon2id"
    assert (after.revision, after.stamp) == (made.revision, made.stamp)
    assert sessions.count(uid="anna") == 1
    assert users.authenticate("anna", GOOD).name == "anna"


def test_an_old_password_that_today_would_be_refused_still_signs_in(users: UserDirectory) -> None:
    users.save(Draft("anna", credentials=legacy("short")), None)
    for _ in range(2):
        assert users.authenticate("anna", "short").name == "anna"


def test_confirm_meets_what_changed_since_the_password_was_compared(
    sessions: SessionManager, users: UserDirectory
) -> None:
    users.create("anna", GOOD, roles=["editor"])
    user = users.authenticate("anna", GOOD)
    same = sessions.create(uid="anna", roles=["editor"])
    assert users.confirm(same, user) == user
    users.set_roles("anna", ["reader"])
    late = sessions.create(uid="anna", roles=["editor"])
    assert users.confirm(late, user).roles == ("reader",)
    assert sessions.find(late.handle or "").roles == ("reader",)
    users.change_password("anna", BETTER)
    late = sessions.create(uid="anna")
    with pytest.raises(WrongCredentials):
        users.confirm(late, user)
    assert sessions.count() == 0
    users.delete("anna")
    late = sessions.create(uid="anna")
    with pytest.raises(WrongCredentials):
        users.confirm(late, user)
    assert sessions.count() == 0


def test_a_document_of_a_newer_version_is_kept_and_named(sessions: SessionManager, users: UserDirectory) -> None:
    document = Document("org.couchdb.user:anna", "1-" + "0" * 32, b'{"format":2}')
    assert sessions.store.perform(SaveDocument("users", document, None))
    with pytest.raises(StoreCorrupt, match="newer version"):
        users.get("anna")


def test_no_password_or_key_is_shown_by_any_value(users: UserDirectory) -> None:
    user = users.create("anna", GOOD)
    assert user.credentials is not None
    draft = Draft("anna", password=GOOD)
    for shown in (repr(user), repr(draft), repr(user.credentials)):
        assert GOOD not in shown
        assert user.credentials.key not in shown
        assert user.stamp not in shown


def test_the_two_faces_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, list[tuple[str, object]]]:
        return {
            name: [(p.name, p.default) for p in inspect.signature(member).parameters.values()]
            for name, member in vars(kind).items()
            if inspect.isfunction(member) and not name.startswith("_") and name not in ("close", "aclose")
        }

    assert methods(UserDirectory) == methods(AsyncUserDirectory)


@pytest.mark.anyio
async def test_the_async_face_does_the_same() -> None:
    async with AsyncSessionManager("memory://") as sessions:
        users = AsyncUserDirectory(sessions, limits=Limits())
        await users.create("anna", GOOD, roles=["editor"])
        await users.create("bert")
        assert [user.name async for user in users.list(page_size=1)] == ["anna", "bert"]
        user = await users.authenticate("anna", GOOD, "::1")
        session = await sessions.create(uid="anna", roles=user.roles)
        assert await users.confirm(session, user) == user
        await users.set_roles("anna", ["reader"])
        assert (await sessions.find(session.handle or "")).roles == ("reader",)
        await users.change_password("anna", BETTER, keep=session)
        assert await sessions.count() == 1
        saved = await users.save(Draft("anna", ("x",)), await users.get("anna"))
        assert (await users.update("anna", properties={"n": 1}, revision=saved.revision)).roles == ("x",)
        assert await users.delete("anna") is True
        assert await sessions.count() == 0
        with pytest.raises(WrongCredentials):
            await users.authenticate("anna", BETTER)
        await users.aclose()
