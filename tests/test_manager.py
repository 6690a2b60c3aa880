"""`SessionManager`, every method, over memory and SQLite; and the first lines that a newcomer reads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sojourn import (
    ABSENT,
    Client,
    ConfigurationError,
    Conflict,
    CsrfError,
    EndReason,
    GapNoticed,
    IdentityChanged,
    LimitReached,
    SessionChanged,
    SessionCreated,
    SessionEnded,
    SessionExpired,
    SessionManager,
    SessionNotFound,
    SessionTooLarge,
    StoreFull,
    StoreUnavailable,
    UsageError,
    UserLoggedIn,
    ValueRefused,
    check,
    increment,
    pop_first,
    take,
)
from sojourn.core.operations import Apply
from sojourn.options import make_lifetime
from sojourn.stores.memory import MemoryStore
from sojourn.testing import EventRecorder, FakeClock

Make = Callable[..., SessionManager]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Make]:
    """Makes managers on one store that they share."""
    made: list[SessionManager] = []
    shared = MemoryStore() if request.param == "memory" else f"sqlite:///{tmp_path}/sessions.db?synchronous=NORMAL"

    def build(**options: Any) -> SessionManager:
        made.append(SessionManager(shared, **{"clock": clock, **options}))
        return made[-1]

    yield build
    for manager in made:
        manager.close()


def token_of(session: Any) -> str:
    assert session.token is not None
    return str(session.token)


# The first lines --------------------------------------------------------------------------------------------


def test_the_first_lines_read_as_they_should(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sessions = SessionManager("sqlite:///sojourn.db", ttl="14 days", absolute="90 days", max_sessions=5)

    @sessions.on(SessionEnded)
    def goodbye(event: SessionEnded) -> None:
        print(event.uid, event.reason)

    session = sessions.create()
    session["theme"] = "dark"
    session.increment("visits")
    session["cart"] = {"items": []}
    session["cart"]["items"].append("tea")
    session["open"], session["credits"], session["oauth_state"] = True, 3, "nonce"
    session.commit()
    token = token_of(session)

    session = sessions.open(token)
    session.sign_in("luca", roles=["editor"])
    session.commit()
    assert session.token != token
    session.apply(check("open", True), increment("credits", -1))
    with pytest.raises(Conflict):
        session.apply(check("open", False), increment("credits", -1))
    assert session.take("oauth_state") == "nonce"
    assert session.take("oauth_state") is None
    assert dict(session) == {
        "theme": "dark", "visits": 1, "cart": {"items": ["tea"]}, "open": True, "credits": 2,
    }  # fmt: skip

    other = sessions.create(uid="luca", client=Client(label="phone"))
    assert {device.client.label for device in sessions.list(uid="luca")} == {None, "phone"}
    assert sessions.revoke(uid="luca", keep=session) == 1
    with pytest.raises(SessionNotFound):
        sessions.open(token_of(other))
    assert sessions.open(token_of(session)).uid == "luca"
    assert capsys.readouterr().out == "luca revoked\n"
    sessions.close()


# Create, open, find, new ------------------------------------------------------------------------------------


def test_create_stores_at_once(make: Make, clock: FakeClock) -> None:
    sessions = make()
    session = sessions.create(
        {"a": 1}, uid="luca", roles=["editor"], user_data={"lang": "it"}, client=Client(ip="192.0.2.1", label="x" * 900)
    )
    found = sessions.open(token_of(session))
    assert dict(found) == {"a": 1}
    assert (found.uid, found.roles, found.user_data) == ("luca", ("editor",), {"lang": "it"})
    assert found.authenticated_at == found.created == clock.now
    assert (found.client.ip, found.client.label) == ("192.0.2.1", "x" * 512)
    assert found.handle == session.handle


def test_create_refuses_halves(make: Make) -> None:
    sessions = make(max_bytes=1_024)
    for call, error in (
        (lambda: sessions.create({"a": object()}), ValueRefused),
        (lambda: sessions.create({1: 1}), ValueRefused),  # type: ignore[dict-item]  # that is the test
        (lambda: sessions.create({"a": "x" * 2_000}), SessionTooLarge),
        (lambda: sessions.create(roles=["editor"]), UsageError),
        (lambda: sessions.create(user_data={"a": 1}), UsageError),
        (lambda: sessions.create(uid=""), UsageError),
        (lambda: sessions.create(uid="luca", roles="editor"), ValueRefused),
    ):
        with pytest.raises(error):
            call()
    assert sessions.count() == 0


def test_a_lifetime_of_its_own_survives(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl="1 hour")
    kept = sessions.create(lifetime=make_lifetime("30 days"))
    other = sessions.create()
    other.set_lifetime("20 days")
    other.commit()
    clock.advance("10 days")
    assert sessions.open(token_of(kept)).time_left is not None
    assert sessions.open(token_of(other)).handle == other.handle


def test_a_profile_is_not_passed_by_one_session(make: Make) -> None:
    sessions = make(profile="aal2")
    session = sessions.create()
    with pytest.raises(ConfigurationError):
        session.set_lifetime("30 days")
    session.set_lifetime("10 min")
    session.commit()
    assert session.record is not None
    assert session.record.lifetime.absolute_ms == 86_400_000


def test_new_is_stored_by_its_first_commit(make: Make) -> None:
    sessions = make()
    session = sessions.new()
    session["a"] = 1
    assert sessions.count() == 0
    assert session.is_new
    session.commit()
    assert sessions.count() == 1
    assert dict(sessions.open(token_of(session))) == {"a": 1}


def test_find_needs_no_token_and_leaves_no_trace(make: Make, clock: FakeClock) -> None:
    sessions = make()
    session = sessions.create()
    clock.advance("1 hour")
    found = sessions.find(str(session.handle))
    assert found.token is None
    assert found.last_access == session.last_access
    found["a"] = 1  # an administrator's write is a write
    found.commit()
    assert sessions.open(token_of(session))["a"] == 1
    with pytest.raises(SessionNotFound):
        sessions.find("0" * 32)
    with pytest.raises(UsageError):
        found.create_csrf()
    with pytest.raises(CsrfError):
        found.assert_csrf("anything")


# Writing ----------------------------------------------------------------------------------------------------


def test_changes_of_two_requests_both_stay(make: Make) -> None:
    sessions = make()
    first = sessions.create({"n": 0, "cart": {"items": []}})
    second = sessions.open(token_of(first))
    for session, item in ((first, "tea"), (second, "rice")):
        session.increment("n")
        session["cart"]["items"].append(item)
        session[item] = True
    first.commit()
    second.commit()
    assert dict(second) == {"n": 2, "cart": {"items": ["tea", "rice"]}, "tea": True, "rice": True}
    first.refresh()
    assert dict(first) == dict(second)


def test_commands_at_once_answer(make: Make) -> None:
    session = make().create({"q": [1, 2, 3], "t": "x", "n": 1})
    assert session.pop_first("q") == 1
    assert session.pop_last("q") == 3
    assert session.pop_last("empty", "none") == "none"
    assert session.take("t") == "x"
    assert session.take("t", 7) == 7
    assert session.apply(pop_first("q"), increment("n"), take("missing")) == (2, None)
    assert session.apply() == ()
    assert dict(session) == {"q": [], "n": 2}


def test_check_lets_one_of_two_win(make: Make) -> None:
    sessions = make()
    first = sessions.create()
    second = sessions.open(token_of(first))
    for session in (first, second):
        session.check("lock", ABSENT)
        session["lock"] = session is first
    first.commit()
    with pytest.raises(Conflict):
        second.commit()
    assert dict(second) == {}
    second.refresh()
    assert second["lock"] is True


def test_a_session_that_changed_hands_is_not_written(make: Make) -> None:
    sessions = make()
    session = sessions.create({"a": 1})
    late = sessions.open(token_of(session))
    session.sign_in("luca")
    session.commit()
    late["a"] = 2
    with pytest.raises(Exception, match="signed in, out or over") as caught:
        late.commit()
    assert type(caught.value).__name__ == "IdentityChanged"
    assert sessions.open(token_of(session))["a"] == 1


def test_touch_and_rotate(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl="1 hour")
    session = sessions.create({"a": 1})
    token, created = token_of(session), clock.now
    clock.advance("30 min")
    session.touch()
    assert (session.last_access, session.last_update) == (clock.now, created)
    session.rotate()
    session.commit()
    assert session.token != token
    assert sessions.open(token_of(session)).handle == session.handle
    with pytest.raises(SessionNotFound) as caught:
        sessions.open(token)
    assert caught.value.is_reused


def test_user_data_has_a_limit(make: Make) -> None:
    sessions = make()
    with pytest.raises(SessionTooLarge, match="user_data has"):
        sessions.create(uid="luca", user_data={"x": "y" * 70_000})
    session = sessions.create()
    with pytest.raises(SessionTooLarge):
        session.sign_in("luca", user_data={"x": "y" * 70_000})
    assert sessions.count() == 1


def test_regenerate(make: Make) -> None:
    sessions = make()
    session = sessions.create({"a": 1}, uid="luca")
    old = token_of(session)
    csrf = session.create_csrf()
    session.assert_csrf(csrf)
    assert csrf != session.create_csrf()
    session.regenerate(keep=True)
    assert dict(sessions.open(token_of(session))) == {"a": 1}
    assert session.uid is None
    with pytest.raises(CsrfError):
        session.assert_csrf(csrf)
    with pytest.raises(SessionNotFound):
        sessions.open(old)
    session.regenerate()
    assert dict(session) == {}
    assert sessions.count() == 1


def test_regenerate_carries_nothing_over_from_a_session_that_was_ended_elsewhere(make: Make) -> None:
    sessions = make()
    session = sessions.create({"a": 1})
    sessions.revoke(session)
    with pytest.raises(SessionNotFound):
        session.regenerate(keep=True)
    assert sessions.count() == 0
    other = sessions.create({"a": 1})
    sessions.revoke(other)
    other.regenerate()  # without data there is nothing that could come back
    assert dict(other) == {}


def test_refresh_shows_nothing_of_a_sign_in_to_who_held_the_former_token(make: Make) -> None:
    """Promise 6: a socket's object that outlives a sign-in is no way around the rotation."""
    sessions = make()
    token = token_of(sessions.create({"n": 0}))
    former, victim = sessions.open(token), sessions.open(token)
    victim.sign_in("victim")
    victim["card"] = "4111"
    victim.commit()
    with pytest.raises(SessionNotFound):
        former.refresh()
    assert (former.ended, former.uid, dict(former)) == (True, None, {})


def test_of_two_rotations_of_one_token_one_is_refused(make: Make) -> None:
    sessions = make()
    token = token_of(sessions.create({"n": 0}))
    one, other = sessions.open(token), sessions.open(token)
    one.rotate()
    one.commit()
    other.rotate()
    with pytest.raises(IdentityChanged):
        other.commit()
    assert sessions.open(token_of(one)).handle == one.handle


def test_regenerate_keeps_what_others_wrote_meanwhile(make: Make) -> None:
    sessions = make()
    session = sessions.create({"n": 0})
    other = sessions.open(token_of(session))
    other.increment("n")
    other.commit()
    session["mine"] = True
    session.regenerate(keep=True)
    assert dict(session) == {"n": 1, "mine": True}


def test_a_check_on_a_new_session_holds_at_once() -> None:
    session = SessionManager().new()
    session["a"] = 1
    with pytest.raises(Conflict):
        session.check("k", 5)
    session.check("a", 1)
    session.commit()


def test_a_full_store_loses_nothing_that_is_committed_again() -> None:
    class Full(MemoryStore):
        is_full = False

        def perform(self, op: Any) -> Any:
            if self.is_full and isinstance(op, Apply):
                raise StoreFull("no room; nothing was done")
            return super().perform(op)

    store = Full()
    sessions = SessionManager(store)
    session = sessions.create({"a": 1})
    store.is_full = True
    session["b"] = 2
    with pytest.raises(StoreFull):
        session.commit()
    store.is_full = False
    session.commit()
    assert dict(sessions.open(token_of(session))) == {"a": 1, "b": 2}


def test_another_user_gets_another_session(make: Make) -> None:
    sessions = make()
    events = EventRecorder(sessions)
    session = sessions.create({"secret": 1}, uid="anna")
    old = token_of(session)
    session.sign_in("luca")
    session["own"] = 1
    session.commit()
    assert dict(sessions.open(token_of(session))) == {"own": 1}
    with pytest.raises(SessionNotFound):
        sessions.open(old)
    assert events.one(SessionEnded).reason is EndReason.REPLACED
    assert [event.uid for event in events.of(UserLoggedIn)] == ["anna", "luca"]


# Ending, listing, limits ------------------------------------------------------------------------------------


def test_end_is_final(make: Make) -> None:
    sessions = make()
    session = sessions.create({"a": 1}, uid="luca")
    token = token_of(session)
    late = sessions.open(token)
    assert session.end() is True
    assert session.end() is False
    assert late.end() is False
    for call in (lambda: sessions.open(token), session.touch, session.refresh):
        with pytest.raises(SessionNotFound):
            call()
    assert sessions.count() == sessions.count(uid="luca") == 0


def test_a_late_write_says_so(make: Make) -> None:
    sessions = make()
    session = sessions.create({"a": 1})
    late = sessions.open(token_of(session))
    session.end()
    late["a"] = 2
    with pytest.raises(SessionNotFound):
        late.commit()
    with pytest.raises(SessionNotFound):
        late.take("a")
    assert late.ended
    assert sessions.count() == 0


def test_listing_and_counting(make: Make, clock: FakeClock) -> None:
    sessions = make()
    made = []
    for number in range(7):
        made.append(sessions.create(uid=None if number % 3 == 2 else ("luca", "anna")[number % 2]))
        clock.advance(ms=1)
    handles = [session.handle for session in made]
    assert [session.handle for session in sessions.list(page_size=2)] == handles
    assert [session.handle for session in sessions.list(newest_first=True, page_size=3)] == handles[::-1]
    assert [s.handle for s in sessions.list(uid="luca")] == [s.handle for s in made if s.uid == "luca"]
    assert [s.handle for s in sessions.list(handle_prefix=str(handles[0])[:12])] == handles[:1]
    page, cursor = sessions.page(limit=3)
    rest, end = sessions.page(limit=10, after=cursor)
    assert [session.handle for session in (*page, *rest)] == handles
    assert end is None
    assert sessions.count() == 7
    assert sessions.count(uid="luca") == len([s for s in made if s.uid == "luca"])
    assert sessions.signed_in() == tuple(s.uid for s in made if s.uid is not None)
    with pytest.raises(UsageError):
        sessions.page(limit=0)


def test_revoking(make: Make) -> None:
    sessions = make()
    events = EventRecorder(sessions)
    one, two, three, other = (sessions.create(uid=uid) for uid in ("luca", "luca", "luca", "anna"))
    assert sessions.revoke(one, reason="account_closed", actor="root") == 1
    assert sessions.revoke(str(one.handle)) == 0
    assert (events.one(SessionEnded).reason, events.one(SessionEnded).actor) == ("account_closed", "root")
    assert sessions.revoke(uid="luca", keep=str(two.handle)) == 1
    assert sessions.revoke(everybody=True, keep=two) == 1
    assert [session.handle for session in sessions.list()] == [two.handle]
    assert sessions.revoke(everybody=True) == 1
    assert sessions.count() == 0
    assert events.ended("revoked") == [three.handle, other.handle, two.handle]


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"session": "a" * 32, "uid": "luca"},
        {"uid": "luca", "everybody": True},
        {"session": "a" * 32 + ".token"},
        {"uid": "luca", "reason": "bored"},
        {"uid": ""},
    ],
)
def test_revoking_takes_one_target(make: Make, wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        make().revoke(**wrong)


@pytest.mark.parametrize("at_limit", ["evict", "refuse"])
def test_limits(make: Make, at_limit: Any) -> None:
    sessions = make(max_sessions=2, at_limit=at_limit)
    first, second = sessions.create(uid="luca"), sessions.create(uid="luca")
    third = sessions.create({"cart": 1})
    third.sign_in("luca")
    third["more"] = 1
    if at_limit == "evict":
        third.commit()
        assert {session.handle for session in sessions.list(uid="luca")} == {second.handle, third.handle}
        with pytest.raises(SessionNotFound):
            sessions.open(token_of(first))
    else:
        token = third.token
        with pytest.raises(LimitReached):
            third.commit()
        assert third.token == token
        assert (third.uid, dict(third)) == (None, {"cart": 1, "more": 1})
        third["still"] = True
        third.commit()
        with pytest.raises(LimitReached):
            sessions.create(uid="luca")
        first.end()
        third.sign_in("luca")
        third.commit()
    assert sessions.count(uid="luca") == 2


# Lifetimes and sweeping -------------------------------------------------------------------------------------


def test_time_left(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl="1 hour", absolute=None)
    session = sessions.create()
    assert session.expires_at == clock.now + 3_600_000
    clock.advance("59 min")
    assert session.time_left is not None
    assert session.time_left.total_seconds() == 60
    session.enforce_lifetime()
    clock.advance("1 min", ms=1)
    assert session.is_expired
    assert session.time_left.total_seconds() == 0
    with pytest.raises(SessionExpired) as caught:
        session.enforce_lifetime()
    assert caught.value.expired_at == session.expires_at
    forever = make(ttl=None, absolute=None).create()
    assert (forever.expires_at, forever.time_left, forever.is_expired) == (None, None, False)


def test_sweeping_ends_what_is_over_once(make: Make, clock: FakeClock) -> None:
    sessions = make(ttl="1 min")
    events = EventRecorder(sessions)
    session, kept = sessions.create(uid="luca"), sessions.create(lifetime=make_lifetime("1 hour"))
    assert sessions.sweep().ended == ()
    clock.advance("1 min", ms=1)
    with pytest.raises(SessionExpired):
        sessions.open(token_of(session))
    swept = sessions.sweep()
    assert [event.handle for event in swept.ended] == [session.handle]
    assert sessions.sweep().ended == ()
    assert events.one(SessionEnded).reason is EndReason.EXPIRED
    assert sessions.count() == 1
    assert sessions.ended_total == {"expired": 1}
    assert sessions.started_total == 2
    with pytest.raises(SessionNotFound) as caught:
        sessions.open(token_of(session))
    assert not isinstance(caught.value, SessionExpired)
    assert sessions.open(token_of(kept)).handle == kept.handle


def test_one_sweeps_at_a_time(make: Make, clock: FakeClock) -> None:
    one, other = make(ttl="1 min"), make(ttl="1 min")
    one.create()
    clock.advance("2 min")
    assert one.sweep(limit=1).held
    assert not other.sweep().held
    clock.advance(2)
    assert other.sweep().held


def test_the_sweeper_thread_sweeps_and_stops(make: Make) -> None:
    sessions = make(ttl="0.05 s", clock=lambda: time.time_ns() // 1_000_000)
    ended = threading.Event()
    sessions.on(SessionEnded, lambda event: ended.set())
    sessions.create()
    sweeper = sessions.start_sweeper()
    assert ended.wait(10)
    sweeper.stop()
    assert not any(thread.name == "sojourn-sweeper" for thread in threading.enumerate())
    assert sessions.count() == 0


# Events, health, closing ------------------------------------------------------------------------------------


def test_handlers_can_be_added_as_decorator_or_by_call_and_removed(make: Make) -> None:
    sessions = make(change_events=True)
    heard: list[Any] = []

    @sessions.on(SessionCreated)
    def added(event: SessionCreated) -> None:
        heard.append(event)

    assert sessions.on("SessionChanged", heard.append)
    session = sessions.create()
    session["a"] = {"b": 1}
    session.commit()
    assert [type(event) for event in heard] == [SessionCreated, SessionChanged]
    assert heard[1].keys == ("a",)
    sessions.off(SessionCreated, added)
    sessions.create()
    assert len(heard) == 2
    sessions.on(SessionEnded, heard.append)
    sessions.off(SessionEnded, heard.append)
    assert sessions.policy.owner is None
    with pytest.raises(ConfigurationError):
        sessions.on("nothing", heard.append)


def test_the_end_is_handled_by_one_process_that_has_handlers(make: Make, clock: FakeClock) -> None:
    silent, listening = make(), make()
    session = silent.create(uid="luca")
    assert silent.policy.owner is None
    session.end()
    listening.on(SessionCreated, print)
    assert listening.policy.owner is None  # it would acknowledge what nobody here has handled
    events = EventRecorder(listening)
    assert listening.policy.owner == listening.owner
    listening.sweep()
    assert events.one(SessionEnded).reason is EndReason.LOGOUT
    clock.advance("10 min")
    listening.sweep()
    assert len(events.of(SessionEnded)) == 1


def test_listen_hears_everybody_from_now_on(make: Make) -> None:
    here, there = make(), make()
    there.create()
    stream = here.listen(poll_interval=0.001, timeout=0.05)
    assert list(stream) == []
    stream = here.listen(poll_interval=0.001, timeout=2)
    heard: list[Any] = []
    ready = threading.Thread(target=lambda: heard.extend((next(stream), next(stream))))
    ready.start()
    deadline = time.monotonic() + 10
    while ready.is_alive() and time.monotonic() < deadline:
        there.create(uid="luca").end()
        ready.join(0.01)
    assert not ready.is_alive()
    assert len(heard) == 2
    assert not any(isinstance(event, GapNoticed) for event in heard)


def test_notify_logout_tells_and_leaves_the_session(make: Make) -> None:
    sessions = make()
    events = EventRecorder(sessions)
    session = sessions.create(uid="luca")
    assert sessions.notify_logout(session) is True
    assert sessions.notify_logout(str(session.handle), actor="root") is True
    assert sessions.notify_logout("0" * 32) is False
    assert [type(event).__name__ for event in events][-2:] == ["LogoutRequested"] * 2
    assert sessions.open(token_of(session)).uid == "luca"


def test_health_setup_and_closing(make: Make, request: pytest.FixtureRequest) -> None:
    sessions = make()
    sessions.setup()
    sessions.setup()
    health = sessions.health()
    assert health.store in request.node.name
    assert health.durability
    with make() as inside:
        session = inside.create()
    with pytest.raises(StoreUnavailable):
        inside.open(token_of(session))


def test_a_manager_says_what_it_is(make: Make) -> None:
    assert "Store" in repr(make())
    with pytest.raises(ConfigurationError):
        make(ttl=0)
    with pytest.raises(ConfigurationError):
        SessionManager("nosuch://")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_is_another_owner(make: Make) -> None:
    sessions = make()
    before = sessions.owner
    sessions.on(SessionEnded, print)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, f"{sessions.owner} {sessions.policy.owner}".encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    names = os.read(read, 1_000).decode().split()
    assert len(names) == 2
    assert names[0] == names[1] != before
    assert sessions.owner == before
