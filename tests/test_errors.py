"""The tree of errors: as drawn, with evidence and hints, and no secret anywhere that people or machines may read."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import sojourn
from sojourn import AsyncSessionManager, SessionManager, errors, increment
from sojourn.core.tokens import parse_token
from sojourn.errors import SojournError
from sojourn.testing import EventRecorder, FakeClock

CLASSES = {name: getattr(errors, name) for name in errors.__all__}


def drawn() -> dict[str, tuple[str, ...]]:
    """Each class of the drawing in the module's docstring, with the bases that it shows."""
    found: dict[str, tuple[str, ...]] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^([│├└─ ]*)([A-Z]\w+)(?: \((\w+)\))?(?: |$)", line)
        if match is None or (not match[1] and match[2] != "SojournError"):
            continue
        depth = len(match[1]) // 4
        del above[depth:]
        found[match[2]] = (*above[-1:], *((match[3],) if match[3] else ()))
        above.append(match[2])
    return found


def test_the_drawing_is_the_tree() -> None:
    real = {name: tuple(base.__name__ for base in kind.__bases__) for name, kind in CLASSES.items()}
    assert drawn() | {"SojournError": ("Exception",)} == real


def test_every_error_can_be_had_from_the_package() -> None:
    for name in errors.__all__:
        assert getattr(sojourn, name) is CLASSES[name]
        assert name in sojourn.__all__


def test_each_error_hints_at_a_status() -> None:
    hints = {name: kind.status_hint for name, kind in CLASSES.items()}
    assert hints == {
        **dict.fromkeys(("SojournError", "UsageError", "ConfigurationError", "AbilityMissing", "SessionError"), 500),
        "ValueRefused": 400,
        **dict.fromkeys(
            ("SessionNotFound", "SessionExpired", "SessionUnreadable", "LoginError", "WrongCredentials"), 401
        ),
        **dict.fromkeys(("CsrfError", "LimitReached"), 403),
        **dict.fromkeys(("ChangeError", "Conflict", "IdentityChanged", "DocumentConflict"), 409),
        "SessionTooLarge": 413,
        "AccountLocked": 429,
        **dict.fromkeys(
            ("StoreError", "StoreCorrupt", "StoreFull", "StoreReadOnly", "StoreUnavailable", "OutcomeUnknown"), 503
        ),
    }


def test_f5_expired_is_not_found_and_a_lookup_error() -> None:
    error = errors.SessionExpired("h", 5)
    assert isinstance(error, errors.SessionNotFound)
    assert isinstance(error, LookupError)
    assert (error.handle, error.expired_at) == ("h", 5)
    assert str(error) == "session h has expired. Create a new session."
    assert str(errors.SessionNotFound("h")).startswith("session h not found")


def test_errors_carry_their_evidence() -> None:
    assert errors.ValueRefused("m", ("a", 0)).path == ("a", 0)
    assert errors.Conflict("m", ("a",)).path == ("a",)
    limit = errors.LimitReached("luca", 5, "h")
    assert (limit.uid, limit.limit, limit.handle) == ("luca", 5, "h")
    assert errors.AccountLocked(100).retry_after_ms == 100
    assert errors.DocumentConflict("k").key == "k"
    assert errors.IdentityChanged("h").handle == "h"


def test_wrong_credentials_are_one_answer_for_both() -> None:
    assert str(errors.WrongCredentials()) == "Name or password is incorrect."


# Promise 6: planted secrets are looked for wherever text comes out ------------------------------------------------


def text_of(error: BaseException) -> str:
    told = "".join(traceback.format_exception(error, chain=True))
    return f"{told}{error!r}{error!s}{error.args}{vars(error)}"


class Harvest:
    """Everything that a program might print: errors, reprs, events, logs."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.texts: list[str] = []
        self.secrets: list[str] = []
        self._caplog = caplog

    def plant(self, token: str | None) -> str:
        assert token is not None
        self.secrets += [token, token.partition(".")[2]]
        return token

    def gather(self, *things: object) -> None:
        self.texts += [f"{thing!r} {thing!s}" for thing in things]

    def fail(self, call: Callable[[], object]) -> None:
        with pytest.raises(SojournError) as caught:
            call()
        self.texts.append(text_of(caught.value))

    def check(self) -> None:
        told = "\n".join([*self.texts, *[record.getMessage() for record in self._caplog.records], self._caplog.text])
        assert len(told) > 2_000
        for secret in self.secrets:
            assert secret not in told


@pytest.fixture
def harvest(caplog: pytest.LogCaptureFixture) -> Harvest:
    caplog.set_level(logging.DEBUG)
    return Harvest(caplog)


def test_no_message_repr_log_or_event_holds_a_secret(harvest: Harvest) -> None:
    clock = FakeClock()
    sessions = SessionManager(clock=clock, max_sessions=1, at_limit="refuse", change_events=True, on_reuse="end")
    events = EventRecorder(sessions)
    sessions.on(sojourn.SessionRotated, lambda event: 1 / 0)  # a handler's traceback goes to the log
    session = sessions.create({"n": "text"})
    old = harvest.plant(session.token)
    harvest.gather(session, session.record, parse_token(old), sessions, sessions.policy)
    session.sign_in("luca")
    harvest.gather(session, session.__dict__ if hasattr(session, "__dict__") else "")
    session.commit()
    new = harvest.plant(session.token)
    csrf = session.create_csrf()
    harvest.secrets.append(csrf)
    other = sessions.new()
    other.sign_in("luca")
    harvest.fail(other.commit)
    harvest.fail(lambda: sessions.open(new[:-1]))
    harvest.fail(lambda: sessions.open(new + "x"))
    harvest.fail(lambda: sessions.open(new.upper()))
    harvest.fail(lambda: sessions.find(new))
    harvest.fail(lambda: sessions.revoke(new))
    harvest.fail(lambda: sessions.notify_logout(new))
    harvest.fail(lambda: session.apply(increment("n")))
    harvest.fail(lambda: session.assert_csrf(csrf + "x"))
    clock.advance("15 days")
    harvest.fail(lambda: sessions.open(new))
    harvest.fail(lambda: session.apply(increment("m")))
    clock.set(clock.now - 15 * 86_400_000 + 60_001)
    harvest.fail(lambda: sessions.open(old))  # ends the session as token_reused
    harvest.fail(lambda: sessions.open(new))
    harvest.gather(session, *events.events, *[sojourn.core.events.encode_event(event) for event in events])
    harvest.check()
    assert len(events.of(sojourn.TokenReused)) == 1


def test_a_refused_value_is_not_told_but_its_place() -> None:
    secret = "a-value-nobody-should-read"
    session = SessionManager().create()
    for value in ({"x": {1: secret}}, [secret, object()], {secret: "\ud800"[:1]}):
        with pytest.raises(sojourn.ValueRefused) as caught:
            session["k"] = value
        places = str(caught.value.path)
        assert secret not in str(caught.value) or secret in places  # keys are places, values never are


@pytest.mark.anyio
async def test_the_other_colour_keeps_them_too(harvest: Harvest) -> None:
    sessions = AsyncSessionManager(clock=FakeClock())
    session = await sessions.create({"n": "text"})
    token = harvest.plant(session.token)
    harvest.gather(session, session.record, sessions, sessions.policy, *["padding" * 300])
    for call in (lambda: sessions.find(token), lambda: sessions.open(token + "x"), lambda: sessions.revoke(token)):
        with pytest.raises(SojournError) as caught:
            await call()
        harvest.texts.append(text_of(caught.value))
    harvest.check()


def test_the_harvest_would_find_one(harvest: Harvest) -> None:
    token = harvest.plant(SessionManager().create().token)
    harvest.gather("padding" * 400, {"token": token})
    with pytest.raises(AssertionError):
        harvest.check()


def test_errors_say_what_to_do() -> None:
    samples: list[Any] = [errors.SessionNotFound(), errors.IdentityChanged("h"), errors.DocumentConflict("k")]
    assert all(re.search(r"[Cc]reate|open|read", str(error)) for error in samples)
