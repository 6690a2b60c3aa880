"""Sessions as administrators see them."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from sojourn import SessionManager
from sojourn.server.views import MASK, detail, masked, summary
from sojourn.testing.clock import FakeClock


@pytest.mark.parametrize(
    "key",
    [
        *("password", "PASSWORD", "userPassword", "csrfToken", "api_key", "apiKey", "x-api-key", "client_secret"),
        *("oauth.state.nonce", "Authorization", "card_number", "refresh-token", "sessionId", "totp"),
    ],
)
def test_keys_that_name_a_secret_are_masked(key: str) -> None:
    assert masked({key: "hunter2"}) == {key: MASK}
    assert masked({"deep": [{key: {"more": 1}}]}) == {"deep": [{key: MASK}]}


@pytest.mark.parametrize("key", ["theme", "tokenizer", "spinner", "keyboard", "key", "passenger", "shipping", ""])
def test_other_keys_are_shown(key: str) -> None:
    assert masked({key: ["x", 1, None]}) == {key: ["x", 1, None]}


def test_a_row_has_no_values_and_no_secret() -> None:
    clock = FakeClock()
    with SessionManager("memory://", ttl="1 h", clock=clock) as sessions:
        session = sessions.create({"theme": "dark", "at": dt.date(2026, 1, 2)}, uid="luca", roles=["editor"])
        row = summary(session.living(), session.handle)
        assert row == {
            "handle": session.handle,
            "uid": "luca",
            "roles": ["editor"],
            "created": clock.now,
            "last_access": clock.now,
            "last_update": clock.now,
            "expires_at": clock.now + 3_600_000,
            "client": {"ip": None, "user_agent": None, "label": None},
            "keys": ["at", "theme"],
            "bytes": len('{"at":{"$date":"2026-01-02"},"theme":"dark"}'),
            "current": True,
        }
        assert summary(session.living())["current"] is False
        whole = json.dumps(detail(session.living()))
        assert json.loads(whole)["data"] == {"theme": "dark", "at": {"$date": "2026-01-02"}}
        assert (session.token or "").partition(".")[2] not in whole
