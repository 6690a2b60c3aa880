"""Handlers of one process: who is called, in which order, and that an error of one harms nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from sojourn.core.events import EndReason, Event, SessionCreated, SessionEnded, SessionRotated
from sojourn.dispatch import Dispatcher
from sojourn.errors import ConfigurationError

CREATED = SessionCreated(id="h-1", at=1, handle="h", seq=1)
ENDED = SessionEnded(id="h-2", at=2, handle="h", seq=2, reason=EndReason.LOGOUT)


@pytest.fixture
def dispatcher() -> Dispatcher:
    return Dispatcher(allow_async=False)


def test_handlers_run_by_class_and_in_order(dispatcher: Dispatcher) -> None:
    heard: list[str] = []
    dispatcher.on(SessionEnded, lambda event: heard.append("first"))
    dispatcher.on(SessionEnded, lambda event: heard.append("second"))
    dispatcher.on(SessionRotated, lambda event: heard.append("rotated"))
    dispatcher.on(Event, lambda event: heard.append(event.id))
    dispatcher.run((CREATED, ENDED))
    assert heard == ["h-1", "first", "second", "h-2"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sessionCreated", SessionCreated),
        ("newActiveUser", SessionCreated),
        ("sessionDeleted", SessionEnded),
        ("activeUserDeleted", SessionEnded),
        ("SessionEnded", SessionEnded),
    ],
)
def test_m14_old_names_work(dispatcher: Dispatcher, name: str, kind: type[Event]) -> None:
    heard: list[Event] = []
    dispatcher.on(name, heard.append)
    dispatcher.run((CREATED, ENDED))
    assert [type(event) for event in heard] == [kind]


@pytest.mark.parametrize("name", ["sessionEnded", "", None, int, SessionEnded(id="1", at=1, reason=EndReason.LOST)])
def test_an_unknown_name_is_refused(dispatcher: Dispatcher, name: Any) -> None:
    with pytest.raises(ConfigurationError, match="SessionEnded"):
        dispatcher.on(name, print)


def test_off_removes_one_handler(dispatcher: Dispatcher) -> None:
    heard: list[Event] = []
    handler = heard.append
    dispatcher.on(SessionEnded, handler)
    assert dispatcher.wants(SessionEnded)
    assert not dispatcher.wants(SessionCreated)
    dispatcher.off(SessionEnded, handler)
    dispatcher.off(SessionEnded, handler)
    dispatcher.run((ENDED,))
    assert heard == []
    assert not dispatcher.wants(SessionEnded)


def test_a_handler_of_all_events_wants_each(dispatcher: Dispatcher) -> None:
    dispatcher.on(Event, print)
    assert dispatcher.wants(SessionEnded)


def broken(event: Event) -> None:
    raise RuntimeError("the handler's own")


def test_an_error_is_logged_counted_and_breaks_nobody(dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []
    dispatcher.on(SessionEnded, broken)
    dispatcher.on(SessionEnded, heard.append)
    dispatcher.run((ENDED,))
    assert heard == [ENDED]
    assert dispatcher.handler_errors_total == 1
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert line.getMessage() == "handler broken failed on SessionEnded h-2"
    assert line.exc_info is not None


def test_counters_count_without_handlers(dispatcher: Dispatcher) -> None:
    dispatcher.run((CREATED, CREATED, ENDED))
    assert dispatcher.started_total == 2
    assert dispatcher.ended_total == {"logout": 1}


async def waiting(event: Event) -> None:
    raise AssertionError("never run")


class Waiting:
    async def __call__(self, event: Event) -> None:
        raise AssertionError("never run")


def test_an_async_handler_is_refused_where_nobody_awaits(dispatcher: Dispatcher) -> None:
    with pytest.raises(ConfigurationError, match="AsyncSessionManager"):
        dispatcher.on(SessionEnded, waiting)


@pytest.mark.parametrize("handler", [Waiting(), lambda event: waiting(event)], ids=["object", "lambda"])
def test_an_async_handler_in_disguise_is_told(
    dispatcher: Dispatcher, handler: Callable[[Event], Any], caplog: pytest.LogCaptureFixture
) -> None:
    dispatcher.on(SessionEnded, handler)
    dispatcher.run((ENDED,))  # a coroutine left unawaited would be a warning, which is an error here
    assert dispatcher.handler_errors_total == 1
    assert "AsyncSessionManager" in caplog.text


@pytest.mark.anyio
async def test_both_kinds_run_in_order_on_a_loop(caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = Dispatcher(allow_async=True)
    heard: list[str] = []

    async def slow(event: Event) -> None:
        heard.append("slow")

    async def wrong(event: Event) -> None:
        raise RuntimeError("the handler's own")

    for handler in (slow, lambda event: heard.append("plain"), wrong, slow):
        dispatcher.on(SessionEnded, handler)
    await dispatcher.arun((CREATED, ENDED))
    assert heard == ["slow", "plain", "slow"]
    assert dispatcher.handler_errors_total == 1
    assert (dispatcher.started_total, dispatcher.ended_total) == (1, {"logout": 1})


def test_m19_debug_logging_tells_what_happens(dispatcher: Dispatcher, caplog: pytest.LogCaptureFixture) -> None:
    dispatcher.run((CREATED,))
    assert caplog.text == ""
    with caplog.at_level("DEBUG", logger="sojourn"):
        dispatcher.run((CREATED, ENDED))
    assert [record.getMessage() for record in caplog.records] == ["SessionCreated h-1", "SessionEnded h-2"]
