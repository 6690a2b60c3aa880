"""`/_session` by CouchDB's rules (C1 to C13), the traps of couch.md, and the six things that CouchDB gets wrong."""

from __future__ import annotations

import asyncio
import gzip
import json
import statistics
import threading
import time
from typing import Any

import httpx2
import pytest

from couch_client import PASSWORD, basic, server
from sojourn import LoginFailed, SessionEnded
from sojourn.users import passwords
from sojourn.users.throttle import Limits

pytestmark = pytest.mark.anyio

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ANONYMOUS = {"name": None, "roles": []}


def refused(response: httpx2.Response, status: int, error: str, reason: str) -> None:
    assert (response.status_code, response.json()) == (status, {"error": error, "reason": reason})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-couch-request-id"]
    assert response.content.endswith(b"\n")


def cookies_of(response: httpx2.Response) -> list[str]:
    return [value for name, value in response.headers.multi_items() if name.lower() == "set-cookie"]


# Signing in ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", json.dumps({"name": "anna", "password": PASSWORD})),
        ("application/json; charset=utf-8", json.dumps({"username": "anna", "password": PASSWORD})),
        ("Application/JSON", json.dumps({"name": "anna", "username": "anna", "password": PASSWORD})),
        ("application/x-www-form-urlencoded", f"name=anna&password={PASSWORD.replace(' ', '+')}"),
        ("application/x-www-form-urlencoded; charset=UTF-8", f"username=anna&password={PASSWORD.replace(' ', '%20')}"),
    ],
)
async def test_c1_forms_and_json_sign_in(kind: str, body: str) -> None:
    async with server() as there, there.client() as client:
        response = await client.post("/_session", content=body, headers={"Content-Type": kind})
        assert response.status_code == 200
        assert response.json() == {"ok": True, "name": "anna", "roles": ["editor"]}
        assert await client.who() == "anna"


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/jsonx", ""])
async def test_c1_other_content_types_are_415(kind: str) -> None:
    async with server() as there, there.client() as client:
        headers = {"Content-Type": kind} if kind else {}
        body = json.dumps({"name": "anna", "password": PASSWORD}).encode()
        response = await client.post("/_session", content=body, headers=headers)
        text = "Content-Type must be 'application/x-www-form-urlencoded' or 'application/json'"
        refused(response, 415, "bad_content_type", text)
        assert not cookies_of(response)


async def test_c2_the_name_has_two_names_and_the_password_may_miss() -> None:
    async with server() as there, there.client() as client:
        both = await client.post("/_session", json={"name": "anna", "username": "bert", "password": PASSWORD})
        refused(both, 400, "bad_request", "request body contains different usernames")
        for body in ({}, {"password": PASSWORD}, {"name": None}):
            none = await client.post("/_session", json=body)
            refused(none, 400, "bad_request", "request body must contain a username")
        refused(await client.post("/_session", data={"password": "x"}), 400, "bad_request",
                "request body must contain a username")  # fmt: skip
        missing = await client.post("/_session", json={"name": "anna"})
        refused(missing, 401, "unauthorized", "Name or password is incorrect.")


@pytest.mark.parametrize(
    "body",
    [
        "[]", '["anna"]', "1", "null", '"anna"', '{"name": 1}', '{"name": ["anna"]}', '{"name": {"$ne": 1}}',
        '{"name": "anna", "password": 1}', '{"name": "anna", "password": true}', "{", "", "{'name': 'anna'}",
        '{"name": NaN}', '{"name": "\\ud800"}', "[" * 100_000,
    ],
)  # fmt: skip
async def test_wrong_json_types_are_400_where_couchdb_answers_500(body: str) -> None:
    async with server() as there, there.client() as client:
        response = await client.post("/_session", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 400, response.text
        assert response.json()["error"] == "bad_request"
        assert not cookies_of(response)


async def test_json_that_is_no_utf8_is_400_in_couchdbs_words() -> None:
    async with server() as there, there.client() as client:
        for body in (b'{"name": "\xff"}', b"{", b'{"name": Infinity}'):
            response = await client.post("/_session", content=body, headers={"Content-Type": "application/json"})
            refused(response, 400, "bad_request", "invalid UTF-8 JSON")


async def test_a_member_that_stands_twice_is_400() -> None:
    """CVE-2017-12635."""
    async with server() as there, there.client() as client:
        body = '{"name": "bert", "name": "anna", "password": "relaxed marmot 47"}'
        response = await client.post("/_session", content=body, headers={"Content-Type": "application/json"})
        refused(response, 400, "bad_request", "The member 'name' stands twice in one object.")
        form = await client.post("/_session", content="name=bert&name=anna&password=x", headers=FORM)
        assert form.status_code == 400


async def test_gzipped_bodies_are_read_within_a_bound() -> None:
    async with server() as there, there.client() as client:
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        body = json.dumps({"name": "anna", "password": PASSWORD}).encode()
        assert (await client.post("/_session", content=gzip.compress(body), headers=headers)).status_code == 200
        bomb = gzip.compress(b" " * 50_000_000)
        assert (await client.post("/_session", content=bomb, headers=headers)).status_code == 413
        for broken in (b"plain", gzip.compress(body)[:-9], gzip.compress(body) + b"more"):
            assert (await client.post("/_session", content=broken, headers=headers)).status_code == 400
        headers["Content-Encoding"] = "br"
        assert (await client.post("/_session", content=body, headers=headers)).status_code == 415


async def test_large_bodies_are_413() -> None:
    async with server() as there, there.client() as client:
        response = await client.post("/_session", json={"name": "anna", "password": "x" * 1_100_000})
        assert response.status_code == 413


async def test_c3_success_and_its_redirect_on_the_same_host() -> None:
    async with server() as there, there.client() as client:
        response = await client.post(
            "/_session?next=/blog/%C3%A4%20b%3Fx=1", data={"name": "anna", "password": PASSWORD}
        )
        assert response.status_code == 302
        assert response.headers["location"] == "http://127.0.0.1/blog/%C3%A4%20b?x=1"
        assert response.json() == {"ok": True, "name": "anna", "roles": ["editor"]}
        assert await client.who() == "anna"


@pytest.mark.parametrize("target", ["http://evil.example", "evil", "", "javascript:alert(1)"])
async def test_c3_no_redirect_elsewhere(target: str) -> None:
    async with server() as there, there.client() as client:
        for parameter in ("next", "fail"):
            response = await client.post(
                "/_session", params={parameter: target}, json={"name": "anna", "password": PASSWORD}
            )
            refused(response, 400, "bad_request", "path must begin with a /.")
            assert not cookies_of(response)
        refused(await client.delete("/_session", params={"next": target}), 400, "bad_request",
                "path must begin with a /.")  # fmt: skip


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "/\r\nSet-Cookie: a=b", "/%0d%0ax: y"])
async def test_c3_a_tricky_target_stays_a_path_of_this_host(target: str) -> None:
    async with server() as there, there.client() as client:
        response = await client.post("/_session", params={"next": target}, json={"name": "anna", "password": PASSWORD})
        location = response.headers["location"]
        assert location.startswith("http://127.0.0.1/")
        assert not set("\r\n\\") & set(location)
        assert len(cookies_of(response)) == 1


async def test_c4_failures_are_one_answer_and_clear_the_cookie() -> None:
    async with server() as there, there.client() as client:
        answers = []
        for name in ("anna", "nobody", "_bad", "a:b", "\x00", "x" * 5_000, "", "é" * 300):
            response = await client.post("/_session", json={"name": name, "password": "wrong wrong wrong"})
            refused(response, 401, "unauthorized", "Name or password is incorrect.")
            (cookie,) = cookies_of(response)
            assert cookie.startswith("AuthSession=;")
            assert "Max-Age=0" in cookie
            answers.append((response.content, sorted(set(response.headers) - {"x-couch-request-id"}), cookie))
        assert len(set(map(str, answers))) == 1


async def test_c4_a_failed_sign_in_ends_the_session_that_the_browser_loses() -> None:
    async with server() as there, there.client() as client:
        await client.sign_in("anna")
        await client.sign_in("anna", "wrong wrong wrong")
        assert client.token is None
        assert await there.manager.count() == 0


async def test_c4_a_failure_may_be_redirected() -> None:
    async with server() as there, there.client() as client:
        response = await client.post("/_session?fail=/login", data={"name": "anna", "password": "wrong wrong"})
        assert response.status_code == 302
        assert response.headers["location"] == "http://127.0.0.1/login"
        assert response.json() == {"error": "unauthorized", "reason": "Name or password is incorrect."}
        assert cookies_of(response)[0].startswith("AuthSession=;")


async def test_a_user_without_a_password_cannot_sign_in() -> None:
    async with server(policy="none") as there, there.client() as client:
        await there.directory.create("carl")
        for password in ("", "carl"):
            refused(await client.sign_in("carl", password), 401, "unauthorized", "Name or password is incorrect.")


async def test_every_sign_in_has_a_token_of_its_own_and_kills_the_one_it_came_with() -> None:
    """ASVS 7.2.4; two of CouchDB's in one second are the same."""
    async with server() as there, there.client() as one, there.client() as two:
        await one.sign_in("anna")
        await two.sign_in("anna")
        first = one.token
        assert first != two.token
        await one.sign_in("anna")
        assert one.token not in (first, two.token)
        async with there.client(cookies={"AuthSession": first}) as old:
            assert await old.who() is None
        assert await one.who() == await two.who() == "anna"


async def test_a_made_up_token_is_not_adopted() -> None:
    made_up = "a" * 32 + "." + "A" * 43
    async with server() as there, there.client(cookies={"AuthSession": made_up}) as client:
        response = await client.sign_in("anna")
        assert made_up not in cookies_of(response)[0]
        assert made_up[:32] not in cookies_of(response)[0]


async def test_another_user_signing_in_ends_the_former_session() -> None:
    async with server() as there, there.client() as client:
        ended: list[SessionEnded] = []
        there.manager.on(SessionEnded, ended.append)
        await client.sign_in("anna")
        await client.sign_in("bert")
        assert await client.who() == "bert"
        assert [(event.uid, event.reason) for event in ended] == [("anna", "replaced")]


async def test_a_user_at_the_limit_is_refused_in_words() -> None:
    few = {"max_sessions": 1, "at_limit": "refuse"}
    async with server(manager=few) as there, there.client() as one, there.client() as two:
        assert (await one.sign_in("anna")).status_code == 200
        response = await two.sign_in("anna")
        assert response.status_code == 403
        assert "already has 1 sessions" in response.json()["reason"]
        assert await two.who() is None


# Reading the session ---------------------------------------------------------------------------------------------


async def test_c5_the_session_as_the_wire_shows_it() -> None:
    async with server() as there, there.client() as client:
        info = {"authentication_handlers": ["cookie", "default"], "authentication_db": "_users"}
        response = await client.get("/_session")
        assert response.status_code == 200
        assert response.json() == {"ok": True, "userCtx": ANONYMOUS, "info": info}
        assert not cookies_of(response)
        await client.sign_in("anna")
        response = await client.get("/_session")
        assert response.json()["userCtx"] == {"name": "anna", "roles": ["editor"]}
        assert response.json()["info"] == {**info, "authenticated": "cookie"}
        assert "must-revalidate" in response.headers["cache-control"]
        assert "no-store" in response.headers["cache-control"]
        assert "Cookie" in response.headers["vary"]


async def test_c5_basic_credentials_are_the_default_handler_and_make_no_session() -> None:
    async with server() as there, there.client() as client:
        response = await client.get("/_session", headers=basic("anna"))
        assert response.json()["userCtx"]["name"] == "anna"
        assert response.json()["info"]["authenticated"] == "default"
        assert not cookies_of(response)
        assert await there.manager.count() == 0
        wrong = await client.get("/_session", headers=basic("anna", "wrong wrong wrong"))
        refused(wrong, 401, "unauthorized", "Name or password is incorrect.")


async def test_a_cookie_beats_basic() -> None:
    async with server() as there, there.client() as client:
        await client.sign_in("anna")
        response = await client.get("/_session", headers=basic("bert"))
        assert response.json()["userCtx"]["name"] == "anna"


async def test_c6_basic_true_asks_to_log_in() -> None:
    async with server() as there, there.client() as client:
        refused(await client.get("/_session?basic=true"), 401, "unauthorized", "Please login.")
        await client.sign_in("anna")
        assert (await client.get("/_session?basic=true")).status_code == 200


async def test_a_401_has_the_challenge_that_the_request_asked_for() -> None:
    async with server() as there, there.client() as client:
        assert "www-authenticate" not in (await client.get("/_session?basic=true")).headers
        asked = await client.get("/_session?basic=true", headers={"X-CouchDB-WWW-Authenticate": "Cookie"})
        assert asked.headers["www-authenticate"] == "Cookie"


async def test_head_answers_the_same_without_a_body() -> None:
    async with server() as there, there.client() as client:
        shown, head = await client.get("/_session"), await client.head("/_session")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == shown.headers["content-length"]


# Signing out -----------------------------------------------------------------------------------------------------


async def test_c7_signing_out_ends_the_session_on_the_server_and_expires_the_cookie() -> None:
    async with server() as there, there.client() as client:
        ended: list[SessionEnded] = []
        there.manager.on(SessionEnded, ended.append)
        await client.sign_in("anna")
        token = client.token
        response = await client.delete("/_session")
        assert (response.status_code, response.json()) == (200, {"ok": True})
        (cookie,) = cookies_of(response)
        assert cookie.startswith("AuthSession=;")
        assert "Max-Age=0" in cookie
        assert client.token is None
        assert [event.reason for event in ended] == ["logout"]
        async with there.client(cookies={"AuthSession": token}) as thief:
            assert await thief.who() is None


async def test_c7_also_without_a_session() -> None:
    async with server() as there, there.client() as client:
        for headers in ({}, basic("_", "_"), basic("anna", "wrong"), {"Cookie": "AuthSession=junk"}):
            response = await client.delete("/_session", headers=headers)
            assert (response.status_code, response.json()) == (200, {"ok": True})
            assert cookies_of(response)[0].startswith("AuthSession=;")


async def test_c7_next_redirects() -> None:
    async with server() as there, there.client() as client:
        response = await client.delete("/_session?next=/bye")
        assert (response.status_code, response.headers["location"]) == (302, "http://127.0.0.1/bye")


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "PATCH", "COPY"])
async def test_c7_other_methods_are_405(method: str) -> None:
    async with server() as there, there.client() as client:
        response = await client.request(method, "/_session")
        refused(response, 405, "method_not_allowed", "Only GET,HEAD,POST,DELETE allowed")
        assert response.headers["allow"] == "GET,HEAD,POST,DELETE"


async def test_a_get_never_signs_in_or_out() -> None:
    async with server() as there, there.client() as client:
        await client.get("/_session", params={"name": "anna", "password": PASSWORD})
        assert await client.who() is None
        await client.sign_in("anna")
        await client.get("/_session?logout=true")
        assert await client.who() == "anna"


# The cookie ------------------------------------------------------------------------------------------------------


async def test_c8_the_cookie_comes_first_and_says_when_it_ends_twice() -> None:
    async with server() as there, there.client() as client:
        response = await client.sign_in("anna")
        assert response.headers.raw[0][0].lower() == b"set-cookie"
        (cookie,) = cookies_of(response)
        parts = [part.strip() for part in cookie.split(";")]
        assert parts[0].startswith("AuthSession=")
        assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(parts)
        assert any(part.startswith("Max-Age=") for part in parts)
        assert any(part.startswith("Expires=") for part in parts)


async def test_c9_a_request_that_changes_nothing_sets_no_cookie() -> None:
    async with server() as there, there.client() as client:
        await client.sign_in("anna")
        assert not cookies_of(await client.get("/_session"))


async def test_c10_a_malformed_cookie_is_400_and_cleared_a_dead_one_is_anonymous() -> None:
    async with server() as there, there.client() as client:
        response = await client.get("/_session", headers={"Cookie": "AuthSession=YW5uYTo2"})
        refused(response, 400, "bad_request", "Malformed AuthSession cookie. Please clear your cookies.")
        assert cookies_of(response)[0].startswith("AuthSession=;")
        two = await client.get("/_session", headers={"Cookie": "AuthSession=a; AuthSession=b"})
        assert two.status_code == 400
        empty = await client.get("/_session", headers={"Cookie": "AuthSession="})
        assert empty.json()["userCtx"] == ANONYMOUS
        dead = await client.get("/_session", headers={"Cookie": "AuthSession=" + "a" * 32 + "." + "A" * 43})
        assert (dead.status_code, dead.json()["userCtx"]) == (200, ANONYMOUS)


async def test_c10_a_malformed_cookie_does_not_keep_anybody_from_signing_in() -> None:
    async with server() as there, there.client() as client:
        body = {"name": "anna", "password": PASSWORD}
        assert (await client.post("/_session", json=body, headers={"Cookie": "AuthSession=junk"})).status_code == 200


async def test_c10_an_expired_session_is_anonymous() -> None:
    async with server() as there, there.client() as client:
        await client.sign_in("anna")
        there.clock.ms += 31 * 86_400_000
        assert await client.who() is None


async def test_c12_the_pair_of_underscores_is_nobody_and_broken_basic_is_400() -> None:
    async with server() as there, there.client() as client:
        response = await client.get("/_session", headers=basic("_", "_"))
        assert response.json()["userCtx"] == ANONYMOUS
        for header in ("Basic !!!", "Basic YW5uYQ==", "Basic", "Basic /////w=="):
            response = await client.get("/_session", headers={"Authorization": header})
            assert (response.status_code, response.json()["error"]) == (400, "bad_request")
        response = await client.get("/_session", headers={"Authorization": "Bearer abc"})
        assert response.json()["userCtx"] == ANONYMOUS


# Lock-out and time ------------------------------------------------------------------------------------------------


async def test_c13_five_failures_lock_the_right_password_out_too_but_only_there() -> None:
    async with server(limits=Limits()) as there, there.client() as client, there.client("198.51.100.2") as other:
        await other.sign_in("anna")
        failed: list[LoginFailed] = []
        there.manager.on(LoginFailed, failed.append)
        for _ in range(5):
            assert (await client.sign_in("anna", "wrong wrong wrong")).status_code == 401
        text = "Account is temporarily locked due to multiple authentication failures"
        locked = await client.sign_in("anna")
        refused(locked, 403, "forbidden", text)
        assert locked.headers["retry-after"] == "300"
        assert not cookies_of(locked)
        refused(await client.get("/_session", headers=basic("anna")), 403, "forbidden", text)
        assert (await client.sign_in("bert")).status_code == 200
        assert await other.who() == "anna"
        assert (await other.sign_in("anna")).status_code == 200
        assert [event.locked for event in failed] == [False] * 5 + [True] * 2
        assert {(event.name, event.address) for event in failed} == {("anna", "192.0.2.1")}
        there.clock.ms += 300_000
        assert (await client.sign_in("anna")).status_code == 200


async def test_c13_unknown_names_lock_alike() -> None:
    async with server(limits=Limits()) as there, there.client() as client:
        statuses = [(await client.sign_in("nobody", "wrong wrong wrong")).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [403]


async def test_c13_a_new_password_is_the_way_back_for_a_locked_administrator() -> None:
    """Trap 3: whoever has the server's shell gets in from the shared address, at once."""
    async with server(limits=Limits()) as there, there.client() as client:
        for _ in range(6):
            await client.sign_in("root", "wrong wrong wrong")
        await there.directory.change_password("root", "a brand new one")
        assert (await client.sign_in("root", "a brand new one")).status_code == 200


async def test_c13_it_can_be_switched_off() -> None:
    async with server() as there, there.client() as client:
        assert [(await client.sign_in("anna", "wrong wrong")).status_code for _ in range(7)] == [401] * 7
        assert (await client.sign_in("anna")).status_code == 200


async def test_hashing_never_runs_on_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server() as there, there.client() as client:
        seen: set[int] = set()
        verify = passwords._verify_argon2

        def watched(phc: str, text: str) -> bool:
            seen.add(threading.get_ident())
            return verify(phc, text)

        monkeypatch.setattr(passwords, "_verify_argon2", watched)
        await client.sign_in("anna")
        await client.sign_in("nobody")
        assert seen
        assert threading.get_ident() not in seen


@pytest.mark.xdist_group("timing")
async def test_unknown_names_take_as_long_as_known_ones() -> None:
    """ASVS 6.3.8: interleaved, medians within 25 %; the median absorbs what else the machine does."""
    async with server() as there, there.client() as client:
        times: dict[str, list[float]] = {"anna": [], "nobody": []}
        for _ in range(30):
            for name, taken in times.items():
                begun = time.perf_counter()
                await client.sign_in(name, "wrong wrong wrong")
                taken.append(time.perf_counter() - begun)
        ratio = statistics.median(times["anna"]) / statistics.median(times["nobody"])
        assert 0.75 < ratio < 1.33


# Cross-site requests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://127.0.0.1"}, True),
        ({"Origin": "https://shop.example.org"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
    ],
)
async def test_signing_in_and_out_from_another_site_is_refused(headers: dict[str, str], allowed: bool) -> None:
    """Security A.6, A.9 #40."""
    async with server() as there, there.client() as client:
        login = await client.post("/_session", json={"name": "anna", "password": PASSWORD}, headers=headers)
        assert login.status_code == (200 if allowed else 403)
        assert bool(cookies_of(login)) is allowed
        await client.sign_in("anna")
        logout = await client.delete("/_session", headers=headers)
        assert logout.status_code == (200 if allowed else 403)
        assert (await client.who() is None) is allowed


# A change of the account at the same moment -----------------------------------------------------------------------


@pytest.mark.parametrize("change", ["password", "delete", "roles"])
async def test_a_sign_in_that_races_a_change_of_the_account_is_met_by_it(
    change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password is right when it is compared; the account changes before the session stands."""
    async with server() as there, there.client() as client:
        authenticate = there.directory.authenticate

        async def slow(*given: Any) -> Any:
            user = await authenticate(*given)
            if change == "password":
                await there.directory.change_password("anna", "a brand new one")
            elif change == "delete":
                await there.directory.delete("anna")
            else:
                await there.directory.set_roles("anna", ["reader"])
            return user

        monkeypatch.setattr(there.directory, "authenticate", slow)
        response = await client.sign_in("anna")
        if change == "roles":
            assert response.json()["roles"] == ["reader"]
            assert (await client.get("/_session")).json()["userCtx"]["roles"] == ["reader"]
        else:
            refused(response, 401, "unauthorized", "Name or password is incorrect.")
            assert client.token is None
            assert await there.manager.count() == 0


async def test_parallel_sign_ins_and_a_password_change_leave_no_old_session() -> None:
    async with server() as there:
        clients = [there.client() for _ in range(8)]

        async def change() -> None:
            await there.directory.change_password("anna", "a brand new one")

        answers = await asyncio.gather(*(client.sign_in("anna") for client in clients), change())
        names = [await client.who() for client in clients]
        user = await there.directory.get("anna")
        assert user is not None
        for response, name in zip(answers[:-1], names, strict=True):
            assert response.status_code in (200, 401)
            assert name is None  # whoever got in by the old password is out again
        for client in clients:
            await client.aclose()


# The routes beside it ---------------------------------------------------------------------------------------------


async def test_the_root_names_couchdb() -> None:
    async with server() as there, there.client() as client:
        body = (await client.get("/")).json()
        assert body["couchdb"] == "Welcome"
        assert body["version"].startswith("3.")
        assert body["vendor"]["name"] == "Sojourn"
        assert (await client.get("/", headers=basic("anna"))).status_code == 200
        wrong = await client.head("/", headers=basic("anna", "wrong wrong wrong"))  # couchdb3's check_user
        assert wrong.status_code == 401


async def test_up_asks_the_store() -> None:
    async with server() as there, there.client() as client:
        assert (await client.get("/_up")).json() == {"status": "ok"}


async def test_uuids_are_random_and_counted() -> None:
    async with server() as there, there.client() as client:
        assert len((await client.get("/_uuids")).json()["uuids"]) == 1
        uuids = (await client.get("/_uuids?count=100")).json()["uuids"]
        assert len(set(uuids)) == 100
        assert all(len(uuid) == 32 and int(uuid, 16) >= 0 for uuid in uuids)
        for count in ("1001", "-1", "x", "1e3", "٣"):
            assert (await client.get("/_uuids", params={"count": count})).status_code == 400
        assert (await client.post("/_uuids")).status_code == 405


async def test_no_shared_cache_may_keep_an_answer() -> None:
    """Security.md A.7; must-revalidate alone lets caches keep answers to Basic credentials (RFC 9111 3.5)."""
    async with server() as there, there.client() as client:
        for answer in (await client.get("/_session"), await client.get("/_session", headers=basic("anna"))):
            assert {"private", "no-store"} <= set(answer.headers["cache-control"].replace(" ", "").split(","))
            assert {"Cookie", "Authorization"} <= set(answer.headers["vary"].replace(" ", "").split(","))
