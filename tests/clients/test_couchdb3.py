"""PyPI's couchdb3, unchanged: it sends Basic beside its JSON sign-in, null members, and HEAD for a revision."""

from __future__ import annotations

import time
from typing import Any

import pytest

from serving import PASSWORD, Served
from support import needs

pytestmark = needs(modules=("couchdb3",))


def server(couch: Served, name: str, password: str = PASSWORD, method: str = "cookie") -> Any:
    import couchdb3

    return couchdb3.Server(couch.url, user=name, password=password, auth_method=method)


def token_of(client: Any) -> str | None:
    token: str | None = client.session.cookies.get("AuthSession")
    return token


def test_couchdb3_signs_in_reads_the_session_and_signs_out(couch: Served) -> None:
    with server(couch, "anna") as client:
        shown = client._get(resource="_session", root="").json()
        assert shown["userCtx"] == {"name": "anna", "roles": ["editor"]}
        assert shown["info"]["authenticated"] == "cookie"
        token = token_of(client)
        assert token
        (cookie,) = [cookie for cookie in client.session.cookies.jar if cookie.name == "AuthSession"]
        assert cookie.expires is not None
        assert cookie.expires > time.time() + 60
        assert client._get(resource="_session", root="").json()["userCtx"]["name"] == "anna"
        assert token_of(client) == token  # it has not signed in again
        assert client._delete(resource="_session", root="").json() == {"ok": True}
        assert token_of(client) is None
    with couch.client() as thief:
        answer = thief.get("/_session", headers={"Cookie": f"AuthSession={token}"})
        assert answer.json()["userCtx"]["name"] is None


def test_couchdb3_checks_a_password(couch: Served) -> None:
    with server(couch, "anna", method="basic") as client:
        assert client.check_user("anna", PASSWORD) is True
        assert client.check_user("anna", "wrong wrong wrong") is False
        assert client.up() is True


def test_couchdb3_saves_users_again_and_again(couch: Served) -> None:
    import couchdb3.exceptions

    with server(couch, "root") as client:
        ok, key, first = client.save_user("carl", password=PASSWORD, roles=["reader"])
        assert (ok, key) == (True, "org.couchdb.user:carl")
        ok, _, second = client.save_user("carl", password="another good one", roles=["reader", "writer"])
        assert ok
        assert (first.split("-")[0], second.split("-")[0]) == ("1", "2")
        with server(couch, "carl", "another good one") as carl:
            shown = carl._get(resource="_session", root="").json()
            assert shown["userCtx"] == {"name": "carl", "roles": ["reader", "writer"]}
        with server(couch, "carl", PASSWORD) as carl, pytest.raises(couchdb3.exceptions.UnauthorizedError):
            carl._get(resource="_session", root="")
