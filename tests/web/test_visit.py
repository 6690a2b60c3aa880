"""Design 9's outcome table through the middleware, on every kind of store: what is stored, what is sent, what it costs.

Then what its rows leave open: several requests of one visitor at once, and who may bring which cookie.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from asgi_client import Answer, Browser
from asgi_site import Site, made_up
from sojourn.core.events import EndReason, SessionEnded, SessionNotRead, TokenReused
from sojourn.core.operations import Create, Delete
from sojourn.core.record import FORMAT
from sojourn.errors import ConfigurationError, IdentityChanged, SessionNotFound, StoreUnavailable, UsageError
from sojourn.testing import EventRecorder
from sojourn.web.visit import Conduct, VisitedSession

pytestmark = pytest.mark.anyio

# The table ----------------------------------------------------------------------------------------------------------


async def does_not_use_it(session: Any) -> None:
    """Nothing."""


async def reads(session: Any) -> Any:
    return session.get("n")


async def writes(session: Any) -> None:
    session["n"] = 2


async def signs_in(session: Any) -> None:
    session.sign_in("ada")


async def ends(session: Any) -> None:
    await session.end()


async def no_token(site: Site) -> Browser:
    return Browser(None)


async def malformed(site: Site) -> Browser:
    return Browser(None, jar={"sid": "no-token"})


async def unknown(site: Site) -> Browser:
    return Browser(None, jar={"sid": made_up()})


async def expired(site: Site) -> Browser:
    browser = await site.visitor()
    site.clock.advance("14 days", ms=1)
    return browser


async def live(site: Site) -> Browser:
    return await site.visitor()


# (row, column): status, cookie, told to caches (v = Vary only, p = private too), operations on an embedded store
Row = tuple[int, str, str, str]
TABLE: dict[tuple[Any, Any], Row] = {
    (does_not_use_it, no_token): (200, "none", "", ""),
    (does_not_use_it, malformed): (200, "none", "", ""),
    (does_not_use_it, unknown): (200, "none", "", ""),
    (does_not_use_it, expired): (200, "none", "", ""),
    (does_not_use_it, live): (200, "none", "", ""),
    (reads, no_token): (200, "none", "v", ""),
    (reads, malformed): (200, "cleared", "p", ""),
    (reads, unknown): (200, "cleared", "p", "Load"),
    (reads, expired): (200, "cleared", "p", "Load"),
    (reads, live): (200, "none", "p", "Load"),
    (writes, no_token): (200, "set", "p", "Create"),
    (writes, malformed): (200, "set", "p", "Create"),
    (writes, unknown): (200, "set", "p", "Load Create"),
    (writes, expired): (200, "set", "p", "Load Create"),
    (writes, live): (200, "none", "p", "Load Apply"),
    (signs_in, no_token): (200, "set", "p", "Create Enlist"),
    (signs_in, malformed): (200, "set", "p", "Create Enlist"),
    (signs_in, unknown): (200, "set", "p", "Load Create Enlist"),
    (signs_in, expired): (200, "set", "p", "Load Create Enlist"),
    (signs_in, live): (200, "set", "p", "Load Apply Enlist"),
    (ends, no_token): (200, "none", "v", ""),
    (ends, malformed): (200, "cleared", "p", ""),
    (ends, unknown): (200, "cleared", "p", "Load"),
    (ends, expired): (200, "cleared", "p", "Load"),
    (ends, live): (200, "cleared", "p", "Load Delete"),
}


def told(answer: Answer) -> str:
    if answer.is_private:
        return "p"
    assert answer.get("cache-control") is None
    return "" if answer.get("vary") is None else "v"


@pytest.mark.parametrize(("row", "column"), TABLE, ids=lambda part: part.__name__)
async def test_design_9(site: Site, row: Any, column: Callable[[Site], Awaitable[Browser]]) -> None:
    browser = await column(site)
    before = browser.token
    site.store.taken()
    answer = await site.visit(browser, row)
    status, cookie, caches, asked = TABLE[row, column]
    if row is does_not_use_it and site.kind == "network" and column in (unknown, expired, live):
        asked = "Load"  # design 9: the drop-in middleware has to ask before the handler, and says nothing of it
    assert (answer.status, answer.cookie, told(answer), " ".join(site.store.taken())) == (status, cookie, caches, asked)
    if cookie == "set":
        assert browser.token not in (None, before)  # A.9 #19: a client's id is never adopted, a sign-in always rotates
        session = await site.manager.open(browser.token or "")
        assert session.uid == ("ada" if row is signs_in else None)
    if row is writes:
        assert (await site.data(browser))["n"] == 2


@pytest.mark.parametrize("row", [reads, writes, signs_in, ends], ids=lambda part: part.__name__)
async def test_design_9_ended_meanwhile(site: Site, row: Any) -> None:
    browser = await site.visitor()
    before = browser.token
    handle = (before or "").partition(".")[0]

    async def handler(session: VisitedSession) -> None:
        assert session["n"] == 1
        assert await site.manager.revoke(handle) == 1
        await row(session)
        if row is reads:
            assert session["n"] == 1  # it keeps what it loaded

    answer = await site.visit(browser, handler)
    expected = {reads: "none", writes: "cleared", signs_in: "set", ends: "cleared"}[row]
    assert (answer.status, answer.cookie) == (200, expected)
    assert answer.is_private
    with pytest.raises(SessionNotFound):
        await site.manager.find(handle)  # promise 2
    if row is signs_in:
        session = await site.manager.open(browser.token or "")
        assert (session.uid, dict(session)) == ("ada", {})
    assert await site.manager.count() == (row is signs_in)


@pytest.mark.parametrize("row", [reads, writes, signs_in, ends], ids=lambda part: part.__name__)
@pytest.mark.parametrize("policy", ["raise", "anonymous"])
async def test_design_9_store_down(site: Site, row: Any, policy: str) -> None:
    browser = await site.visitor("eve")
    site.store.failure = StoreUnavailable("down")
    answer = await site.visit(browser, row, on_store_error=policy)
    if row is reads and policy == "anonymous":
        assert (answer.status, answer.body) == (200, b"None")
    else:
        assert answer.status == 503
        assert answer.get("retry-after") == "1"
        assert b"StoreUnavailable" in answer.body
    assert answer.cookie == "none"  # it may live: nothing is known
    assert answer.get("vary") == "Cookie"
    site.store.failure = None
    assert (await site.manager.open(browser.token or "")).uid == "eve"  # A.9 #23: no logout was feigned, none lost
    assert await site.manager.count() == 1


async def test_a_store_that_comes_back_mid_request_does_not_hide_the_session_behind_a_new_one(site: Site) -> None:
    browser = await site.visitor("eve")
    app = site.app(does_not_use_it, on_store_error="anonymous")

    async def handler(session: Any) -> None:
        assert session.uid is None
        site.store.failure = None
        session["n"] = 3

    site.store.failure = StoreUnavailable("down")
    answer = await site.visit(browser, handler, on_store_error="anonymous")
    assert (answer.status, answer.cookie) == (503, "none")
    assert await site.manager.count() == 1
    assert (await site.data(browser)) == {"n": 1}
    assert app.manager is site.manager


async def test_design_9_store_down_and_nobody_looks(site: Site) -> None:
    browser = await site.visitor()
    site.store.failure = StoreUnavailable("down")
    assert (await site.visit(browser, does_not_use_it)).status == 200


@pytest.mark.parametrize(
    "look",
    [
        lambda s: "n" in s,
        len,
        list,
        bool,
        lambda s: s.uid,
        lambda s: s.handle,
        lambda s: s.is_new,
        lambda s: s.get("none"),
        lambda s: s.has_changes,
        lambda s: s.expires_at,
        lambda s: s.record,
        lambda s: s == {},
        lambda s: dict(s.items()),
        lambda s: s.client,
        lambda s: s.token,
    ],
)
async def test_a7_any_look_makes_the_answer_private(site: Site, look: Callable[[Any], object]) -> None:
    browser = await site.visitor()

    async def handler(session: Any) -> None:
        look(session)

    answer = await site.visit(browser, handler)
    assert answer.is_private
    assert site.store.taken() == ["Load"]
    assert (await site.visit(Browser(None), handler)).get("vary") == "Cookie"


async def test_a_repr_is_no_look(site: Site) -> None:
    browser = await site.visitor()

    async def handler(session: Any) -> str:
        return repr(session)

    answer = await site.visit(browser, handler)
    assert answer.body == b"<VisitedSession not looked at>"
    assert answer.get("vary") is None


async def test_a_wrong_attribute_is_no_look_and_told_as_python_does(memory: Site) -> None:
    async def handler(session: Any) -> None:
        with pytest.raises(AttributeError, match="no attribute 'sidd'"):
            session.sidd  # noqa: B018
        assert not session.is_used

    await memory.visit(Browser(None), handler)


# Lifetimes ----------------------------------------------------------------------------------------------------------


async def test_a_due_access_is_noted_by_a_read_and_only_then(site: Site) -> None:
    browser = await site.visitor()
    for _ in range(3):
        site.clock.advance(30)
        await site.visit(browser, reads)
    assert site.store.taken() == [
        "Load",
        "Load",
        "Load",
        "Load",
    ]  # the third was older than a minute: one more to note it
    assert (await site.manager.open(browser.token or "")).last_access == site.clock.now
    site.clock.advance("5 min")
    await site.visit(browser, does_not_use_it)
    site.store.taken()
    assert (await site.manager.find((browser.token or "").partition(".")[0])).last_access == site.clock.now - 300_000


async def test_a_read_far_from_due_moves_nothing(site: Site) -> None:
    browser = await site.visitor()
    session = await site.manager.open(browser.token or "")
    for _ in range(100):  # A.9 #21
        await site.visit(browser, reads)
    assert (await site.manager.open(browser.token or "")).record == session.record


async def test_the_cookie_is_renewed_with_a_noted_access_where_no_absolute_limit_is(site: Site) -> None:
    site.manager.policy = without_absolute_limit(site)
    browser = await site.visitor()
    assert (await site.visit(browser, reads)).cookie == "none"
    site.clock.advance("2 min")
    answer = await site.visit(browser, reads)
    assert answer.cookie == "set"
    assert answer.is_private
    assert (await site.visit(browser, reads)).cookie == "none"


def without_absolute_limit(site: Site) -> Any:
    """The site's policy without an absolute limit."""
    from msgspec.structs import replace

    return replace(site.manager.policy, lifetime=replace(site.manager.policy.lifetime, absolute_ms=None))


# What a request does to its own session ------------------------------------------------------------------------------


async def test_altered_nested_values_are_saved(site: Site) -> None:
    browser = await site.visitor()

    async def fill(session: Any) -> None:
        session["cart"] = {"items": ["tea"], "open": True}

    async def alter(session: Any) -> None:
        session["cart"]["items"].append("milk")
        session["cart"]["open"] = False

    await site.visit(browser, fill)
    await site.visit(browser, alter)
    assert (await site.data(browser))["cart"] == {"items": ["tea", "milk"], "open": False}


async def test_an_emptied_anonymous_session_is_ended_and_its_cookie_cleared(site: Site) -> None:
    browser = await site.visitor()
    events = EventRecorder(site.manager)

    async def handler(session: Any) -> None:
        session.clear()

    assert (await site.visit(browser, handler)).cookie == "cleared"
    assert events.one(SessionEnded).reason is EndReason.EMPTIED
    assert await site.manager.count() == 0


async def test_emptying_what_never_was_makes_nothing(site: Site) -> None:
    async def handler(session: Any) -> None:
        session["a"] = 1
        session.clear()
        session.pop("b", None)

    answer = await site.visit(Browser(None), handler)
    assert (answer.cookie, told(answer), site.store.taken()) == ("none", "v", [])


async def test_a_write_after_the_end_begins_a_new_session(site: Site) -> None:
    browser = await site.visitor("ada")
    before = browser.token or ""

    async def handler(session: Any) -> None:
        assert await session.end()
        assert session.uid is None
        assert dict(session) == {}
        session["farewell"] = True

    assert (await site.visit(browser, handler)).cookie == "set"
    assert (await site.data(browser)) == {"farewell": True}
    assert (browser.token or "").partition(".")[0] != before.partition(".")[0]
    with pytest.raises(SessionNotFound):
        await site.manager.open(before)


async def test_ending_twice_is_no_error(site: Site) -> None:
    browser = await site.visitor()

    async def handler(session: Any) -> tuple[bool, bool]:
        return (await session.end(), await session.end())

    assert (await site.visit(browser, handler)).body == b"(True, False)"


@pytest.mark.parametrize("is_live", [False, True])
async def test_a_logout_over_https_clears_site_data(memory: Site, is_live: bool) -> None:
    browser = await memory.visitor(https=True) if is_live else Browser(None, https=True, jar={"__Host-sid": made_up()})
    answer = await memory.visit(browser, ends)
    assert (answer.cookie, answer.get("clear-site-data")) == ("cleared", '"cache", "storage"')
    assert browser.jar == {}


async def test_signing_in_twice_writes_one_cookie(site: Site) -> None:
    async def handler(session: Any) -> None:
        session.sign_in("ada")
        await session.commit()
        session.rotate()
        await session.commit()
        session.sign_in("ada", roles=["admin"])

    browser = await site.visitor()
    assert len((await site.visit(browser, handler)).all("set-cookie")) == 1
    assert (await site.manager.open(browser.token or "")).roles == ("admin",)


async def test_a_switch_of_users_carries_nothing_over(site: Site) -> None:
    browser = await site.visitor("ada")
    before = browser.token or ""

    async def handler(session: Any) -> None:
        session.sign_in("bob")

    await site.visit(browser, handler)
    session = await site.manager.open(browser.token or "")
    assert (session.uid, dict(session)) == ("bob", {})  # A.9 #14
    with pytest.raises(SessionNotFound):
        await site.manager.open(before)


async def test_regenerate_brings_a_new_cookie(site: Site) -> None:
    browser = await site.visitor("ada")
    before = browser.token

    async def handler(session: Any) -> None:
        await session.regenerate(keep=True)

    assert (await site.visit(browser, handler)).cookie == "set"
    session = await site.manager.open(browser.token or "")
    assert (session.uid, dict(session), browser.token != before) == (None, {"n": 1}, True)


async def test_what_is_taken_is_answered_once(site: Site) -> None:
    browser = await site.visitor()

    async def handler(session: Any) -> tuple[Any, Any]:
        return await session.take("n"), await session.take("n", "gone")

    assert (await site.visit(browser, handler)).body == b"(1, 'gone')"


async def test_the_device_is_noted_where_a_session_begins(site: Site) -> None:
    browser = await site.visitor()
    client = (await site.manager.open(browser.token or "")).client
    assert (client.ip, client.user_agent) == ("192.0.2.7", "Test/1")


@pytest.mark.parametrize("state", ["unlooked", "live", "none"])
async def test_clear_cookie_clears_whatever_is_there(site: Site, state: str) -> None:
    browser = Browser(None) if state == "none" else await site.visitor()

    async def handler(session: Any) -> None:
        if state == "live":
            assert session["n"] == 1
        session.clear_cookie()

    answer = await site.visit(browser, handler)
    assert answer.cookie == "cleared"
    assert answer.is_private
    assert await site.manager.count() == (state != "none")  # the session itself is left alone


async def test_a_sign_in_after_clear_cookie_still_gets_its_cookie(site: Site) -> None:
    async def handler(session: Any) -> None:
        session.clear_cookie()
        session.sign_in("ada")

    browser = await site.visitor()
    assert (await site.visit(browser, handler)).cookie == "set"
    assert (await site.manager.open(browser.token or "")).uid == "ada"


async def test_what_came_is_told_without_the_store(site: Site) -> None:
    async def handler(session: Any) -> str:
        return str(session.presented)

    browser = await site.visitor()
    for jar, kind in ((browser.jar, "token"), ({}, "none"), ({"sid": "x"}, "malformed")):
        answer = await site.visit(Browser(None, jar=jar), handler)
        assert (answer.body.decode(), answer.get("vary")) == (kind, None)


# Plain http ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", [writes, signs_in], ids=lambda part: part.__name__)
async def test_a_token_that_may_not_be_sent_is_not_made(site: Site, row: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"'example\.org' over plain http"):
        await site.visit(Browser(None, host="example.org"), row)
    assert site.store.taken() == []
    answer = await site.visit(Browser(None, host="example.org"), row, plain_http="anywhere")
    assert answer.cookie == "set"


async def test_a_token_that_may_not_be_sent_is_not_made_by_an_early_commit_either(site: Site) -> None:
    async def handler(session: Any) -> None:
        for act in (session.commit, session.regenerate, lambda: session.take("a")):
            with pytest.raises(ConfigurationError, match="plain http"):
                await act()

    await site.visit(Browser(None, host="example.org"), handler)
    assert site.store.taken() == []


# Several requests of one visitor at once -----------------------------------------------------------------------------


async def test_parallel_requests_lose_nothing(site: Site) -> None:
    browser = await site.visitor()
    numbers = iter(range(100))

    async def handler(session: Any) -> None:
        number = next(numbers)
        session[f"key{number}"] = number
        session.increment("hits")
        session.push("seen", number)

    app = site.app(handler)
    answers = await asyncio.gather(*(Browser(app, jar=dict(browser.jar)).get() for _ in range(60)))
    assert {answer.status for answer in answers} == {200}
    data = await site.data(browser)
    assert data["hits"] == 60
    assert sorted(data["seen"]) == list(range(60))
    assert {f"key{number}": number for number in range(60)}.items() <= data.items()


class Held:
    """A handler that waits, after its look if it has one, until the other request has been answered."""

    def __init__(self, act: Any, *, looks: bool) -> None:
        self.act = act
        self.looks = looks
        self.waits, self.goes = asyncio.Event(), asyncio.Event()

    async def __call__(self, session: Any) -> Any:
        if self.looks:
            assert session["n"] == 1
        self.waits.set()
        await self.goes.wait()
        return await self.act(session)


async def overlapped(site: Site, browser: Browser, late: Held, other: Any, **options: Any) -> tuple[Answer, Answer]:
    """Two requests of one browser, both sent with the cookie it had; the late one is answered last."""
    app = site.app(late, **options)
    task = asyncio.create_task(Browser(app, jar=dict(browser.jar)).get())
    await late.waits.wait()
    first = await site.visit(browser, other)
    late.goes.set()
    second = await task
    browser.take(second)
    return first, second


LOOKS = pytest.mark.parametrize("looks", [True, False], ids=["looked before", "looks after"])


@LOOKS
@pytest.mark.parametrize("late", [reads, writes, does_not_use_it], ids=lambda part: part.__name__)
async def test_a_late_answer_leaves_the_cookie_of_a_sign_in_alone(site: Site, late: Any, looks: bool) -> None:
    site.manager.policy = without_absolute_limit(
        site
    )  # where cookies are renewed, which must not bring the old one back
    browser = await site.visitor()
    site.clock.advance("2 min")
    first, second = await overlapped(site, browser, Held(late, looks=looks), signs_in)
    assert (first.cookie, second.cookie) == ("set", "none")
    session = await site.manager.open(browser.token or "")
    assert (session.uid, dict(session)) == ("ada", {"n": 1})  # a change of the former identity is not written into it
    assert await site.manager.count() == 1


async def test_a_late_answer_leaves_the_cookie_of_a_rotation_alone_and_saves_its_data(site: Site) -> None:
    site.manager.policy = without_absolute_limit(site)
    browser = await site.visitor("ada")
    site.clock.advance("2 min")

    async def rotates(session: Any) -> None:
        session.rotate()

    first, second = await overlapped(site, browser, Held(writes, looks=True), rotates)
    assert (first.cookie, second.cookie) == ("set", "none")
    assert (await site.data(browser)) == {"n": 2}  # the same identity: nothing is lost


@LOOKS
async def test_late_writes_raise_where_that_was_chosen(site: Site, looks: bool) -> None:
    browser = await site.visitor()
    _, second = await overlapped(site, browser, Held(writes, looks=looks), signs_in, late_writes="raise")
    assert (second.status, second.cookie) == (409 if looks or site.kind == "network" else 401, "none")
    assert (await site.manager.open(browser.token or "")).uid == "ada"


@LOOKS
@pytest.mark.parametrize("late_writes", ["drop", "raise"])
async def test_a_late_write_after_a_logout_is_dropped_or_raised_and_the_cookie_cleared(
    site: Site, late_writes: str, looks: bool
) -> None:
    browser = await site.visitor("ada")
    _, second = await overlapped(site, browser, Held(writes, looks=looks), ends, late_writes=late_writes)
    if looks or site.kind == "network":  # there it was loaded before the handler
        assert (second.status, second.cookie) == (401 if late_writes == "raise" else 200, "cleared")
        assert second.is_private
        assert await site.manager.count() == 0
    else:  # it came late enough to be an anonymous request like any other
        assert (second.status, second.cookie) == (200, "set")
        assert (await site.manager.open(browser.token or "")).uid is None


@LOOKS
async def test_a_late_logout_ends_the_session_that_signed_in_meanwhile(site: Site, looks: bool) -> None:
    browser = await site.visitor()
    _, second = await overlapped(site, browser, Held(ends, looks=looks), signs_in)
    assert second.cookie == "cleared"
    assert await site.manager.count() == 0
    assert browser.jar == {}


@LOOKS
async def test_two_sign_ins_at_once_both_stand_in_what_they_answered(site: Site, looks: bool) -> None:
    browser = await site.visitor()

    async def as_bob(session: Any) -> None:
        session.sign_in("bob")
        session["from"] = "bob"

    first, second = await overlapped(site, browser, Held(as_bob, looks=looks), signs_in)
    assert (first.cookie, second.cookie) == ("set", "set")
    session = await site.manager.open(browser.token or "")
    assert (session.uid, dict(session)) == ("bob", {"from": "bob"})  # nothing of ada's is in it


async def test_an_early_commit_says_that_the_session_has_ended(site: Site) -> None:
    browser = await site.visitor()

    async def late(session: Any) -> str:
        session["n"] = 5
        with pytest.raises(SessionNotFound):
            await session.commit()
        return "told"

    _, second = await overlapped(site, browser, Held(late, looks=True), ends)
    assert (second.status, second.body, second.cookie) == (200, b"told", "cleared")


async def test_an_early_commit_says_that_the_identity_has_changed(site: Site) -> None:
    browser = await site.visitor()

    async def late(session: Any) -> str:
        session["n"] = 5
        with pytest.raises(IdentityChanged):
            await session.commit()
        return "told"

    _, second = await overlapped(site, browser, Held(late, looks=True), signs_in)
    assert (second.status, second.cookie) == (200, "none")
    assert (await site.data(browser)) == {"n": 1}


async def test_an_early_sign_in_is_never_late(site: Site) -> None:
    browser = await site.visitor()

    async def late(session: Any) -> None:
        session.sign_in("bob")
        await session.commit()

    _, second = await overlapped(site, browser, Held(late, looks=True), ends)
    assert second.cookie == "set"
    assert (await site.manager.open(browser.token or "")).uid == "bob"


# A secret that was rotated away --------------------------------------------------------------------------------------


async def rotated(site: Site) -> tuple[Browser, Browser]:
    """A signed-in browser, and one that still holds the token from before."""
    browser = await site.visitor()
    former = Browser(None, jar=dict(browser.jar))
    await site.visit(browser, signs_in)
    site.store.taken()
    return browser, former


async def test_a_rotated_away_token_opens_nothing_and_is_noticed_once_a_request(site: Site) -> None:
    _, former = await rotated(site)
    events = EventRecorder(site.manager)

    async def handler(session: Any) -> tuple[Any, ...]:
        return session.uid, dict(session), session.is_new

    answer = await site.visit(former, handler)
    assert answer.body == b"(None, {}, True)"
    assert (answer.cookie, answer.is_private) == ("none", True)
    assert len(events.of(TokenReused)) == 1


@pytest.mark.parametrize("how", ["error", "503"])
async def test_a_rotated_away_token_is_noticed_by_a_failing_page_too(site: Site, how: str) -> None:
    _, former = await rotated(site)
    events = EventRecorder(site.manager)

    async def handler(session: Any) -> None:
        assert session.uid is None
        if how == "error":
            raise ZeroDivisionError

    if how == "error":
        with pytest.raises(ZeroDivisionError):
            await site.visit(former, handler)
    else:
        await site.visit(former, handler, status=503)
    assert len(events.of(TokenReused)) == 1


async def test_a_rotated_away_token_may_sign_in(site: Site) -> None:
    browser, former = await rotated(site)
    assert (await site.visit(former, signs_in)).cookie == "set"
    assert (await site.manager.open(former.token or "")).uid == "ada"
    assert former.token != browser.token


@pytest.mark.parametrize(("row", "cookie"), [(reads, "cleared"), (writes, "set")])
async def test_a_client_that_never_got_the_new_token_is_served_after_a_minute(
    site: Site, row: Any, cookie: str
) -> None:
    browser, former = await rotated(site)
    site.clock.advance("1 min", ms=1)
    assert (await site.visit(former, row)).cookie == cookie
    assert (await site.data(browser)) == {"n": 1}


async def test_where_a_reuse_ends_the_session_the_cookie_is_cleared(site: Site) -> None:
    from msgspec.structs import replace

    site.manager.policy = replace(site.manager.policy, on_reuse="end")
    events = EventRecorder(site.manager)
    browser, former = await rotated(site)
    assert (await site.visit(former, reads)).cookie == "none", "a request that was under way ends nothing"
    await site.manager.open(browser.token or "")
    site.clock.advance("1 min", ms=1)
    assert (await site.visit(former, reads)).cookie == "cleared"
    assert events.one(SessionEnded).reason is EndReason.TOKEN_REUSED
    with pytest.raises(SessionNotFound):
        await site.manager.open(browser.token or "")


# Loading ------------------------------------------------------------------------------------------------------------


async def test_eager_asks_only_for_well_formed_tokens_and_says_nothing(network: Site) -> None:
    app = network.app(does_not_use_it)
    for jar in ({}, {"sid": "x"}, {"other": "1"}):
        await Browser(app, jar=jar).get()
    assert network.store.taken() == []
    network.clock.advance("1 hour")
    browser = await network.visitor()
    network.clock.advance("1 hour")
    answer = await Browser(app, jar=browser.jar).get()
    assert network.store.taken() == ["Load"]
    assert (answer.cookie, told(answer)) == ("none", "")
    found = await network.manager.find((browser.token or "").partition(".")[0])
    assert found.last_access == network.clock.now - 3_600_000  # no touch either: it was not used


async def test_lazy_costs_nothing_until_awaited(network: Site) -> None:
    browser = await network.visitor()

    async def handler(session: Any) -> Any:
        await session.load()
        return session["n"]

    network.options["load"] = "lazy"
    assert told(await network.visit(browser, does_not_use_it)) == ""
    assert network.store.taken() == []
    assert (await network.visit(browser, handler)).body == b"1"
    assert network.store.taken() == ["Load"]


async def test_lazy_and_not_awaited_says_what_to_do(network: Site) -> None:
    browser = await network.visitor()

    async def handler(session: Any) -> None:
        with pytest.raises(UsageError, match=r"await session\.load\(\)"):
            session.get("n")

    assert (await network.visit(browser, handler, load="lazy")).is_private
    assert (await network.visit(Browser(None), reads, load="lazy")).status == 200  # without a token nothing is to load


async def test_two_tasks_that_load_at_once_share_one_session(network: Site) -> None:
    browser = await network.visitor()

    async def handler(session: Any) -> None:
        async def one(name: str) -> None:
            await session.load()
            session[name] = True

        await asyncio.gather(*(one(name) for name in "abc"))

    await network.visit(browser, handler, load="lazy")
    assert (await network.data(browser)) == {"n": 1, "a": True, "b": True, "c": True}


async def test_a_failed_load_can_be_tried_again(network: Site) -> None:
    browser = await network.visitor()

    async def handler(session: Any) -> Any:
        network.store.failure = StoreUnavailable("down")
        with pytest.raises(StoreUnavailable):
            await session.load()
        network.store.failure = None
        await session.load()
        return session["n"]

    assert (await network.visit(browser, handler, load="lazy")).body == b"1"


@pytest.mark.parametrize("options", [{"late_writes": "keep"}, {"on_store_error": "ignore"}])
def test_a_conduct_that_is_none_is_refused(options: dict[str, Any], memory_terms: Any) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        Conduct(memory_terms, **options)


@pytest.fixture
def memory_terms() -> Any:
    from sojourn.http.exchange import Terms

    return Terms()


# What cannot be read ------------------------------------------------------------------------------------------------


async def test_a_session_that_cannot_be_read_makes_the_request_anonymous_and_is_kept(site: Site) -> None:
    """Design 4: newer than ours or damaged; a rolling upgrade signs nobody out."""
    browser = await site.visitor("ada")
    assert browser.token is not None
    handle = browser.token[:32]
    record = (await site.manager.find(handle)).record
    assert record is not None
    await site.store.aperform(Delete(handle, record.created, EndReason.REVOKED))
    await site.store.aperform(Create(replace(record, format=FORMAT + 1)))
    recorder = EventRecorder(site.manager)
    token = browser.token
    answer = await site.visit(browser, reads)
    assert (answer.status, answer.cookie, browser.token) == (200, "none", token)
    assert recorder.one(SessionNotRead).handle == handle
    late = await site.visit(browser, writes)
    assert late.cookie == "set", "a write begins a session of its own"
    assert await site.manager.count() == 2
