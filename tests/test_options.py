"""From the words of a call to a lifetime and a policy: defaults, limits, and refusals that say what to write."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sojourn.core.operations import Ability
from sojourn.core.record import Lifetime
from sojourn.core.values import DEFAULT_MAX_BYTES
from sojourn.errors import ConfigurationError
from sojourn.options import DEFAULT, make_lifetime, make_policy

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
LIFE = make_lifetime()


@pytest.mark.parametrize(
    ("options", "life"),
    [
        ({}, Lifetime(14 * DAY, "last_access", 30 * DAY, MINUTE)),
        ({"ttl": "1 hour"}, Lifetime(HOUR, "last_access", 30 * DAY, MINUTE)),
        ({"ttl": 600}, Lifetime(600 * SECOND, "last_access", 30 * DAY, 30 * SECOND)),
        ({"ttl": timedelta(seconds=2)}, Lifetime(2_000, "last_access", 30 * DAY, 100)),
        ({"ttl": "90 days"}, Lifetime(90 * DAY, "last_access", 90 * DAY, MINUTE)),
        ({"ttl": "90 days", "absolute": "60 days"}, Lifetime(90 * DAY, "last_access", 60 * DAY, MINUTE)),
        ({"ttl": None}, Lifetime(None, "last_access", 30 * DAY, MINUTE)),
        ({"ttl": None, "absolute": None}, Lifetime(None, "last_access", None, MINUTE)),
        ({"ttl_type": "created"}, Lifetime(14 * DAY, "created", 30 * DAY, MINUTE)),
        ({"touch_interval": 0}, Lifetime(14 * DAY, "last_access", 30 * DAY, 0)),
        ({"touch_interval": "5 min"}, Lifetime(14 * DAY, "last_access", 30 * DAY, 5 * MINUTE)),
        ({"profile": "aal1"}, Lifetime(30 * DAY, "last_access", 30 * DAY, MINUTE)),
        ({"profile": "aal2"}, Lifetime(HOUR, "last_access", DAY, MINUTE)),
        ({"profile": "aal3"}, Lifetime(15 * MINUTE, "last_access", DAY // 2, 45 * SECOND)),
        ({"profile": "aal3", "ttl": "5 min"}, Lifetime(5 * MINUTE, "last_access", DAY // 2, 15 * SECOND)),
    ],
)
def test_lifetimes(options: dict[str, Any], life: Lifetime) -> None:
    assert make_lifetime(**options) == life


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"ttl": 0}, "ttl"),
        ({"ttl": -1}, "ttl"),
        ({"ttl": "14"}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"ttl": "next week"}, "ttl"),
        ({"ttl": float("inf")}, "ttl"),
        ({"absolute": 0}, "absolute"),
        ({"absolute": "-1 day"}, "absolute"),
        ({"touch_interval": "soon"}, "touch_interval"),
        ({"touch_interval": False}, "touch_interval"),
        ({"ttl": "1 min", "touch_interval": "1 min"}, "touch_interval"),
        ({"ttl": "1 min", "touch_interval": "1 hour"}, "touch_interval"),
        ({"ttl_type": "lastAccess"}, "last_access"),
        ({"profile": "AAL2"}, "aal2"),
        ({"profile": "aal2", "ttl": "2 hours"}, "ttl"),
        ({"profile": "aal2", "ttl": None}, "ttl"),
        ({"profile": "aal3", "absolute": "1 day"}, "absolute"),
        ({"profile": "aal3", "absolute": None}, "absolute"),
    ],
)
def test_what_cannot_work_is_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        make_lifetime(**options)


def test_a_long_touch_interval_harms_only_where_accesses_count() -> None:
    assert make_lifetime("1 min", "created", touch_interval="1 hour").touch_ms == HOUR
    assert make_lifetime("1 min", "last_update", touch_interval="1 hour").touch_ms == HOUR


def policy(abilities: Ability = Ability.USER_INDEX, **more: Any) -> Any:
    options: dict[str, Any] = {
        "max_sessions": None,
        "at_limit": "evict",
        "max_bytes": DEFAULT_MAX_BYTES,
        "change_events": False,
        "on_reuse": "notify",
    }
    return make_policy(abilities, LIFE, **(options | more))


def test_a_policy_holds_the_choices() -> None:
    made = policy(max_sessions=3, at_limit="refuse", max_bytes=1_024, change_events=True, on_reuse="end")
    assert (made.max_sessions, made.at_limit, made.max_bytes) == (3, "refuse", 1_024)
    assert (made.change_events, made.on_reuse, made.owner, made.lifetime) == (True, "end", None, LIFE)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"max_sessions": 0}, "max_sessions"),
        ({"max_sessions": -1}, "max_sessions"),
        ({"max_sessions": True}, "max_sessions"),
        ({"max_sessions": 1, "abilities": Ability(0)}, "user index"),
        ({"at_limit": "newest"}, "at_limit"),
        ({"on_reuse": "ignore"}, "on_reuse"),
        ({"max_bytes": 1_023}, "max_bytes"),
        ({"max_bytes": 16 * DEFAULT_MAX_BYTES + 1}, "max_bytes"),
    ],
)
def test_a_policy_that_cannot_work_is_refused_by_name(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        policy(**options)


def test_default_is_not_none() -> None:
    assert repr(DEFAULT) == "DEFAULT"
    assert make_lifetime(DEFAULT) != make_lifetime(None)
