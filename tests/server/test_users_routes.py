"""`/_users` by CouchDB's rules (C11, C15 to C17 and couch.md), the switch `open_users`, and what a change does."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from couch_client import PASSWORD, Client, Server, basic, server
from sojourn import SessionEnded

pytestmark = pytest.mark.anyio

ANNA = "/_users/org.couchdb.user:anna"
CARL = "/_users/org.couchdb.user:carl"
NEW = "brittle lantern 8"


def carl(**members: Any) -> dict[str, Any]:
    return {"name": "carl", "type": "user", "roles": [], "password": NEW, **members}


def refused(response: httpx2.Response, status: int, error: str, reason: str) -> None:
    assert (response.status_code, response.json()) == (status, {"error": error, "reason": reason})


@asynccontextmanager
async def signed_in(there: Server, name: str) -> AsyncIterator[Client]:
    async with there.client() as client:
        assert (await client.sign_in(name)).status_code == 200
        yield client


# Who may come in -------------------------------------------------------------------------------------------------


async def test_c15_closed_only_administrators_come_in() -> None:
    async with server() as there, there.client() as nobody, signed_in(there, "anna") as anna:
        for method, path in (("GET", ANNA), ("PUT", CARL), ("DELETE", ANNA), ("POST", "/_users"), ("GET", "/_users")):
            body = {"json": carl()} if method in ("PUT", "POST") else {}
            refused(await nobody.request(method, path, **body), 401, "unauthorized",
                    "You are not authorized to access this db.")  # fmt: skip
            refused(await anna.request(method, path, **body), 403, "forbidden",
                    "You are not allowed to access this db.")  # fmt: skip
        async with signed_in(there, "root") as root:
            assert (await root.get(ANNA)).status_code == 200


async def test_c15_open_one_sees_oneself_and_no_trace_of_others() -> None:
    async with server(open_users=True) as there, there.client() as nobody, signed_in(there, "anna") as anna:
        own = await anna.get(ANNA)
        assert own.status_code == 200
        assert own.json()["name"] == "anna"
        body = carl(name="bert", _rev="1-" + "0" * 32)
        for client, name in ((anna, "bert"), (anna, "unknown"), (nobody, "bert"), (nobody, "unknown")):
            refused(await client.get(f"/_users/org.couchdb.user:{name}"), 404, "not_found", "missing")
            refused(await client.delete(f"/_users/org.couchdb.user:{name}?rev=1-x"), 404, "not_found", "missing")
        for name in ("bert", "unknown"):
            refused(await anna.put(f"/_users/org.couchdb.user:{name}", json=body), 404, "not_found", "missing")


async def test_basic_credentials_do_as_well() -> None:
    async with server() as there, there.client() as client:
        assert (await client.get(ANNA, headers=basic("root"))).status_code == 200
        assert await there.manager.count() == 0


async def test_system_documents_are_for_administrators() -> None:
    async with server(open_users=True) as there, signed_in(there, "anna") as anna:
        refused(await anna.get("/_users/_all_docs"), 401, "unauthorized", "You are not a server admin.")
        assert (await anna.get("/_users/_design/_auth")).status_code == 403


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
async def test_other_sites_change_nothing(headers: dict[str, str]) -> None:
    async with server(open_users=True) as there, there.client() as client:
        for method in ("PUT", "POST", "DELETE"):
            response = await client.request(method, CARL if method != "POST" else "/_users", headers=headers)
            assert response.status_code == 403
        assert await there.directory.get("carl") is None


# Signing up ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["put", "put encoded", "post", "gzip"])
async def test_c16_signing_up_stores_a_hash_and_no_password(how: str) -> None:
    async with server(open_users=True) as there, there.client() as client:
        if how == "post":
            response = await client.post("/_users", json=carl(_id="org.couchdb.user:carl"))
        elif how == "gzip":
            headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
            response = await client.put(CARL, content=gzip.compress(json.dumps(carl()).encode()), headers=headers)
        else:
            response = await client.put(CARL.replace(":", "%3A") if how == "put encoded" else CARL, json=carl())
        body = response.json()
        assert response.status_code == 201, body
        assert body == {"ok": True, "id": "org.couchdb.user:carl", "rev": body["rev"]}
        assert body["rev"].startswith("1-")
        assert len(body["rev"]) == 34
        assert response.headers["etag"] == f'"{body["rev"]}"'
        assert response.headers["location"] == "http://127.0.0.1/_users/org.couchdb.user:carl"
        assert (await client.sign_in("carl", NEW)).status_code == 200
        shown = (await client.get(CARL)).json()
        assert shown == {
            "_id": "org.couchdb.user:carl",
            "_rev": body["rev"],
            "name": "carl",
            "type": "user",
            "roles": [],
            "password_scheme": "argon2id",
        }
        stored = await there.directory.get("carl")
        assert stored is not None
        assert stored.credentials is not None
        assert stored.credentials.key.startswith("$argon2id$")


async def test_a_name_is_taken_once() -> None:
    async with server(open_users=True) as there, there.client() as client:
        assert (await client.put(CARL, json=carl())).status_code == 201
        refused(await client.put(CARL, json=carl()), 409, "conflict", "Document update conflict.")


async def test_nobody_overwrites_a_document_anonymously_even_with_its_revision() -> None:
    """CouchDB 3.5.0 answers 500."""
    async with server(open_users=True) as there, there.client() as client:
        revision = (await client.put(CARL, json=carl())).json()["rev"]
        response = await client.put(CARL, json=carl(_rev=revision, password="another good one"))
        refused(response, 403, "forbidden", "You may only update your own user document.")
        response = await client.put(CARL, json={"_rev": revision, "_deleted": True})
        assert response.status_code == 403
        assert (await client.sign_in("carl", NEW)).status_code == 200


async def test_own_members_are_kept_and_their_types_too() -> None:
    async with server() as there, signed_in(there, "root") as root:
        extra = {"email": "c@example.org", "n": 2**70, "x": 1.0, "list": [None, True, {"ä": "🦊"}]}
        await root.put(CARL, json=carl(**extra))
        shown = (await root.get(CARL)).json()
        assert {key: shown[key] for key in extra} == extra


async def test_names_with_letters_of_all_kinds() -> None:
    async with server(open_users=True) as there, there.client() as client:
        for name in ("Änne Müller", "a/b", "a%2Fb", "名前", "x@example.org", "a+b"):
            path = "/_users/org.couchdb.user:" + httpx2.QueryParams({"x": name}).__str__()[2:].replace("+", "%20")
            assert (await client.put(path, json=carl(name=name))).status_code == 201, name
            assert (await client.sign_in(name, NEW)).json()["name"] == name
            assert (await client.get(path)).json()["name"] == name
            await client.delete("/_session")


# Validation ------------------------------------------------------------------------------------------------------

CLIENT_HASHED = {"password_scheme": "pbkdf2", "password": None, "iterations": 10, "derived_key": "ab" * 20, "salt": "s"}
NO_SALT = "Users with password_sha must have a salt.See /_utils/script/couch.js for example code."
NO_ARGON2 = "Password scheme `argon2id` not supported."

RULES: list[tuple[dict[str, Any], str]] = [
    ({"type": "robot"}, "doc.type must be user"),
    ({"name": ""}, "doc.name is required"),
    ({"name": None}, "doc.name is required"),
    ({"roles": None}, "doc.roles must exist"),
    ({"roles": "editor"}, "doc.roles must be an array"),
    ({"roles": {}}, "doc.roles must be an array"),
    ({"roles": [1]}, "doc.roles can only contain strings"),
    ({"name": "dora"}, "Doc ID must be of the form org.couchdb.user:name"),
    ({"name": 5}, "Doc ID must be of the form org.couchdb.user:name"),
    ({"password": None, "password_sha": "a" * 40}, NO_SALT),
    ({"password_scheme": "md5", "password": None}, "Password scheme `md5` not supported."),
    ({"password_scheme": "bcrypt", "password": None}, "Password scheme `bcrypt` not supported."),
    ({"password_scheme": "argon2id", "password": None}, NO_ARGON2),
    ({**CLIENT_HASHED, "password_scheme": "argon2id", "derived_key": "$argon2id$m=9999999$x$y"}, NO_ARGON2),
    ({"password_scheme": "pbkdf2", "password": None}, "iterations must be a number."),
    ({"password_scheme": "pbkdf2", "password": None, "iterations": "10"}, "iterations must be a number."),
    ({"password_scheme": "pbkdf2", "password": None, "iterations": 10}, "derived_key must be a string."),
    ({**CLIENT_HASHED, "iterations": 10**9}, "iterations must be a number from 1 to 2000000."),
    ({**CLIENT_HASHED, "derived_key": "xyz"}, "derived_key must be a string of hexadecimal digits."),
    ({**CLIENT_HASHED, "pbkdf2_prf": "md5"}, "pbkdf2_prf must be one of sha, sha1, sha224, sha256, sha384, sha512."),
    ({"roles": ["_admin"]}, "No system roles (starting with underscore) in users db."),
    ({"roles": ["_reader"]}, "No system roles (starting with underscore) in users db."),
    ({"password": 5}, "Password value of '5' is invalid."),
    ({"totp": {"key": "ABC"}}, "A second factor (totp) is not supported."),
]  # fmt: skip


@pytest.mark.parametrize(("members", "reason"), RULES)
async def test_c17_an_administrator_is_held_to_the_rules(members: dict[str, Any], reason: str) -> None:
    async with server() as there, signed_in(there, "root") as root:
        refused(await root.put(CARL, json=carl(**members)), 403, "forbidden", reason)
        assert await there.directory.get("carl") is None


async def test_c17_names_with_an_underscore_in_front_or_a_colon() -> None:
    async with server() as there, signed_in(there, "root") as root:
        for name, reason in (
            ("_carl", "Username may not start with underscore."),
            ("a:b", "Character `:` is not allowed in usernames."),
        ):
            refused(await root.put(f"/_users/org.couchdb.user:{name}", json=carl(name=name)), 403, "forbidden", reason)


async def test_c17_roles_are_for_administrators_and_the_order_of_rules_is_couchdbs() -> None:
    async with server(open_users=True) as there, there.client() as client, signed_in(there, "anna") as anna:
        refused(await client.put(CARL, json=carl(roles=["x"])), 403, "forbidden", "Only _admin may set roles")
        refused(await client.put(CARL, json=carl(roles=["_admin"])), 403, "forbidden", "Only _admin may set roles")
        document = (await anna.get(ANNA)).json()
        for roles in ([], ["editor", "x"], ["_admin"]):
            refused(await anna.put(ANNA, json={**document, "roles": roles}), 403, "forbidden",
                    "Only _admin may edit roles")  # fmt: skip
        both = carl(type="robot", roles=["_admin"], name="")
        refused(await client.put(CARL, json=both), 403, "forbidden", "doc.type must be user")


async def test_the_administrators_own_document_may_be_saved_as_it_is() -> None:
    async with server() as there, signed_in(there, "root") as root:
        path = "/_users/org.couchdb.user:root"
        document = (await root.get(path)).json()
        assert document["roles"] == ["_admin"]
        assert (await root.put(path, json={**document, "note": 1})).status_code == 201
        assert (await root.get(path)).json()["roles"] == ["_admin"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("[]", 400, "Document must be a JSON object"),
        ("{", 400, "invalid UTF-8 JSON"),
        (json.dumps(carl(_foo=1)), 400, "Bad special document member: _foo"),
        (json.dumps(carl(_rev=None)), 400, "Invalid rev format"),
        (json.dumps(carl(_rev="one")), 400, "Invalid rev format"),
    ],
)
async def test_other_bodies_are_refused(body: str, status: int, reason: str) -> None:
    async with server(open_users=True) as there, there.client() as client:
        response = await client.put(CARL, content=body, headers={"Content-Type": "application/json"})
        assert (response.status_code, response.json()["reason"]) == (status, reason)


async def test_roles_that_stand_twice_are_400() -> None:
    """CVE-2017-12635: one parser checks the first, another obeys the second."""
    async with server(open_users=True) as there, there.client() as client:
        body = '{"type":"user","name":"carl","password":"brittle lantern 8","roles":["_admin"],"roles":[]}'
        response = await client.put(CARL, content=body, headers={"Content-Type": "application/json"})
        refused(response, 400, "bad_request", "The member 'roles' stands twice in one object.")
        assert await there.directory.get("carl") is None


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_documents_come_as_json_only(kind: str) -> None:
    async with server(open_users=True) as there, there.client() as client:
        for method, path in (("PUT", CARL), ("POST", "/_users")):
            headers = {"Content-Type": kind} if kind else {}
            response = await client.request(method, path, content=json.dumps(carl()), headers=headers)
            refused(response, 415, "bad_content_type", "Content-Type must be application/json")


async def test_a_poor_password_is_400_with_the_reason() -> None:
    async with server(open_users=True) as there, there.client() as client:
        for password in ("short", "password1", "x" * 257):
            response = await client.put(CARL, json=carl(password=password))
            assert response.status_code == 400
            assert response.json()["reason"].startswith("Password does not conform to requirements. ")
            assert password not in response.text


# Revisions -------------------------------------------------------------------------------------------------------


async def test_a_revision_is_named_in_any_of_three_ways() -> None:
    async with server() as there, signed_in(there, "root") as root:
        revision = (await root.put(CARL, json=carl())).json()["rev"]
        for n, way in enumerate(("_rev", "rev", "quoted", "bare")):
            body = carl(n=n)
            options: dict[str, Any] = {}
            if way == "_rev":
                body["_rev"] = revision
            elif way == "rev":
                options["params"] = {"rev": revision}
            else:
                options["headers"] = {"If-Match": f'"{revision}"' if way == "quoted" else revision}
            response = await root.put(CARL, json=body, **options)
            assert response.status_code == 201, way
            assert int(response.json()["rev"].split("-")[0]) == int(revision.split("-")[0]) + 1
            revision = response.json()["rev"]


async def test_stale_and_missing_revisions_conflict() -> None:
    async with server() as there, signed_in(there, "root") as root:
        first = (await root.put(CARL, json=carl())).json()["rev"]
        second = (await root.put(CARL, json=carl(_rev=first))).json()["rev"]
        for revision in ({}, {"_rev": first}, {"_rev": "2-" + "0" * 32}):
            refused(await root.put(CARL, json=carl(**revision)), 409, "conflict", "Document update conflict.")
        refused(await root.delete(CARL), 409, "conflict", "Document update conflict.")
        refused(await root.delete(CARL, params={"rev": first}), 409, "conflict", "Document update conflict.")
        refused(await root.put("/_users/org.couchdb.user:dora", json=carl(name="dora", _rev=first)), 409, "conflict",
                "Document update conflict.")  # fmt: skip
        two = await root.put(CARL, json=carl(_rev=second), headers={"If-Match": first})
        assert two.status_code == 400
        assert (await root.get(CARL)).json()["_rev"] == second


async def test_etags_spare_reading_again() -> None:
    async with server() as there, signed_in(there, "root") as root:
        shown = await root.get(ANNA)
        etag = shown.headers["etag"]
        assert etag == f'"{shown.json()["_rev"]}"'
        again = await root.get(ANNA, headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert (await root.get(ANNA, headers={"If-None-Match": '"1-x"'})).status_code == 200
        head = await root.head(ANNA)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)
        assert (await root.head(CARL)).status_code == 404


async def test_deleting_and_making_again() -> None:
    async with server() as there, signed_in(there, "root") as root:
        revision = (await root.put(CARL, json=carl())).json()["rev"]
        response = await root.delete(CARL, params={"rev": revision})
        assert response.status_code == 200
        assert response.json()["rev"].startswith("2-")
        refused(await root.get(CARL), 404, "not_found", "missing")
        refused(await root.delete(CARL, params={"rev": revision}), 404, "not_found", "missing")
        revision = (await root.put(CARL, json=carl())).json()["rev"]
        assert (await root.put(CARL, json={"_rev": revision, "_deleted": True})).status_code == 200
        assert (await root.get(CARL)).status_code == 404
        assert (await root.put(CARL, json=carl())).status_code == 201


# What clients hash for themselves --------------------------------------------------------------------------------

SALTED = {"salt": "5a17", "password_sha": hashlib.sha1((NEW + "5a17").encode()).hexdigest()}
DERIVED = {
    "password_scheme": "pbkdf2",
    "iterations": 10,
    "salt": "5a17",
    "derived_key": hashlib.pbkdf2_hmac("sha1", NEW.encode(), b"5a17", 10).hex(),
}


@pytest.mark.parametrize("members", [SALTED, {**SALTED, "password_scheme": "simple"}, DERIVED])
async def test_hashes_of_kanso_and_couch_login_sign_in_and_are_replaced_under_the_same_revision(
    members: dict[str, Any],
) -> None:
    """C16, trap 4: CouchDB raises `_rev` when it hashes anew, and clients with the old one get 409."""
    async with server(open_users=True) as there, there.client() as client:
        revision = (await client.put(CARL, json=carl(password=None, **members))).json()["rev"]
        assert (await client.sign_in("carl", "wrong wrong wrong")).status_code == 401
        assert (await client.sign_in("carl", NEW)).status_code == 200
        user = await there.directory.get("carl")
        assert user is not None
        assert user.credentials is not None
        assert user.credentials.scheme == "argon2id"
        assert user.revision == revision
        assert await client.who() == "carl"  # a mere rehash ends nothing (C11: preserve_salt)
        assert (await client.sign_in("carl", NEW)).status_code == 200
        document = (await client.get(CARL)).json()
        assert (await client.put(CARL, json={**document, "n": 1})).status_code == 201


async def test_hashes_that_are_dear_to_verify_are_for_administrators() -> None:
    """Each sign-in costs the iterations that the document names, so whoever may sign up could keep a core busy."""
    dear = "Iteration count is too high for this server: at most 10000."
    async with server(open_users=True) as there, there.client() as client, signed_in(there, "anna") as anna:
        for iterations in (10_001, 2_000_000):
            body = carl(password=None, **{**DERIVED, "iterations": iterations})
            refused(await client.put(CARL, json=body), 403, "forbidden", dear)
            own = {**(await anna.get(ANNA)).json(), **DERIVED, "iterations": iterations}
            refused(await anna.put(ANNA, json=own), 403, "forbidden", dear)
        assert await there.directory.get("carl") is None
        body = carl(password=None, **{**DERIVED, "iterations": 10_000})
        assert (await client.put(CARL, json=body)).status_code == 201
        async with signed_in(there, "root") as root:
            body = carl(name="dora", password=None, **{**DERIVED, "iterations": 2_000_000})
            assert (await root.put(CARL.replace("carl", "dora"), json=body)).status_code == 201


@pytest.mark.parametrize("packed", [False, True])
async def test_a_document_has_at_most_64_kib(packed: bool) -> None:
    async with server(open_users=True) as there, there.client() as client:
        headers = {"Content-Type": "application/json"} | ({"Content-Encoding": "gzip"} if packed else {})
        bare = len(json.dumps(carl(_id="org.couchdb.user:carl", note="")))
        for size, status in ((65_537, 413), (65_536, 201)):
            body = json.dumps(carl(_id="org.couchdb.user:carl", note="x" * (size - bare))).encode()
            assert len(body) == size
            content = gzip.compress(body) if packed else body
            responses = [await client.post("/_users", content=content, headers=headers)]
            if status == 413:
                responses.append(await client.put(CARL, content=content, headers=headers))
            for response in responses:
                assert response.status_code == status
            if status == 413:
                reason = "A user document has at most 65536 bytes."
                refused(responses[0], 413, "document_too_large", reason)
                assert await there.directory.get("carl") is None


async def test_members_that_are_null_are_absent() -> None:
    async with server() as there, signed_in(there, "root") as root:
        nulls = dict.fromkeys(("password_scheme", "salt", "derived_key", "iterations", "password_sha", "pbkdf2_prf"))
        assert (await root.put(CARL, json=carl(**nulls))).status_code == 201
        async with there.client() as client:
            assert (await client.sign_in("carl", NEW)).status_code == 200


async def test_no_key_of_a_password_is_ever_shown() -> None:
    async with server() as there, signed_in(there, "root") as root:
        await root.put(CARL, json=carl(password=None, **DERIVED))
        for path in (CARL, ANNA):
            text = (await root.get(path)).text
            assert DERIVED["derived_key"] not in text
            assert "argon2id$" not in text
            assert "5a17" not in text


# What changes do -------------------------------------------------------------------------------------------------


async def test_loading_changing_and_saving_keeps_the_password() -> None:
    async with server(open_users=True) as there, signed_in(there, "anna") as anna, there.client() as other:
        document = (await anna.get(ANNA)).json()
        assert (await anna.put(ANNA, json={**document, "email": "a@example.org"})).status_code == 201
        assert await anna.who() == "anna"
        assert (await other.sign_in("anna")).status_code == 200
        assert (await anna.get(ANNA)).json()["email"] == "a@example.org"


async def test_c11_a_new_password_counts_at_once_and_ends_the_other_sessions() -> None:
    async with server(open_users=True) as there, signed_in(there, "anna") as anna, there.client() as other:
        ended: list[SessionEnded] = []
        there.manager.on(SessionEnded, ended.append)
        await other.sign_in("anna")
        token, document = anna.token, (await anna.get(ANNA)).json()
        response = await anna.put(ANNA, json={**document, "password": NEW})
        assert response.status_code == 201
        assert await other.who() is None
        assert [event.reason for event in ended] == ["password_changed"]
        assert (await other.sign_in("anna")).status_code == 401
        assert (await other.sign_in("anna", NEW)).status_code == 200
        assert anna.token not in (None, token)  # the one that made the change stays, with a new token (ASVS 7.4.3)
        assert await anna.who() == "anna"
        async with there.client(cookies={"AuthSession": token}) as thief:
            assert await thief.who() is None


async def test_c11_a_password_given_by_an_administrator_ends_all_sessions() -> None:
    async with server() as there, signed_in(there, "anna") as anna, signed_in(there, "root") as root:
        document = (await root.get(ANNA)).json()
        assert (await root.put(ANNA, json={**document, "password": NEW})).status_code == 201
        assert await anna.who() is None
        assert await root.who() == "root"


async def test_roles_follow_the_directory_at_once() -> None:
    async with server() as there, signed_in(there, "anna") as anna, signed_in(there, "root") as root:
        document = (await root.get(ANNA)).json()
        await root.put(ANNA, json={**document, "roles": ["reader", "writer"]})
        assert (await anna.get("/_session")).json()["userCtx"] == {"name": "anna", "roles": ["reader", "writer"]}


async def test_a_former_administrator_is_one_no_more_at_once() -> None:
    async with server() as there, signed_in(there, "root") as root:
        assert (await root.get(ANNA)).status_code == 200
        await there.directory.set_roles("root", [])
        assert (await root.get(ANNA)).status_code == 403


async def test_an_administrator_may_change_own_roles_and_password_in_one() -> None:
    async with server() as there, signed_in(there, "root") as root:
        path, token = "/_users/org.couchdb.user:root", root.token
        document = (await root.get(path)).json()
        assert (await root.put(path, json={**document, "roles": [], "password": NEW})).status_code == 201
        assert root.token not in (None, token)
        assert (await root.get("/_session")).json()["userCtx"] == {"name": "root", "roles": []}


async def test_a_removed_account_is_signed_out_everywhere() -> None:
    async with server(open_users=True) as there, signed_in(there, "anna") as anna, there.client() as other:
        ended: list[SessionEnded] = []
        there.manager.on(SessionEnded, ended.append)
        await other.sign_in("anna")
        revision = (await anna.get(ANNA)).json()["_rev"]
        response = await anna.delete(ANNA, params={"rev": revision})
        assert response.status_code == 200
        assert anna.token is None
        assert await other.who() is None
        assert [event.reason for event in ended] == ["account_closed"] * 2
        assert (await other.sign_in("anna")).status_code == 401


async def test_a_password_by_basic_ends_every_session() -> None:
    async with server(open_users=True) as there, signed_in(there, "anna") as anna, there.client() as client:
        document = (await client.get(ANNA, headers=basic("anna"))).json()
        assert document["name"] == "anna"
        await client.put(ANNA, json={**document, "password": NEW}, headers=basic("anna", PASSWORD))
        assert await anna.who() is None
