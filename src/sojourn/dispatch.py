"""The handlers of one process: who wants which events, and the counters that are always kept.

Events may be named by class or by the names that the seeds used (M14). Handlers run where an event is owned, in the
order in which they were added; an error of one is logged and counted, and breaks neither the request nor the others.
"""

from __future__ import annotations

import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from sojourn.core.events import (
    AnyEvent,
    Event,
    LoginFailed,
    LogoutRequested,
    SessionChanged,
    SessionCreated,
    SessionEnded,
    SessionNotRead,
    SessionRotated,
    TokenReused,
    UserLoggedIn,
)
from sojourn.errors import ConfigurationError

__all__ = ["Dispatcher", "EventName", "Handler"]

Handler: TypeAlias = "Callable[[Any], None | Awaitable[None]]"
EventName: TypeAlias = "type[Event] | str"
AnyHandler = TypeVar("AnyHandler", bound=Callable[[Any], Any])

_log = logging.getLogger("sojourn.events")

_KINDS: tuple[type[Event], ...] = (
    SessionCreated,
    SessionRotated,
    SessionChanged,
    SessionEnded,
    TokenReused,
    SessionNotRead,
    UserLoggedIn,
    LoginFailed,
    LogoutRequested,
)
_NAMES: dict[str, type[Event]] = {
    **{kind.__name__: kind for kind in _KINDS},
    # the seeds' names: users-session-manager before and after its renaming, and its push
    "sessionCreated": SessionCreated,
    "newActiveUser": SessionCreated,
    "sessionDeleted": SessionEnded,
    "activeUserDeleted": SessionEnded,
    "notifyClientToLogout": LogoutRequested,
}


class Dispatcher:
    """Adds, removes and runs handlers.

    Attributes:
        started_total: Sessions that this process created.
        ended_total: Sessions whose end this process handled, by reason.
        handler_errors_total: Handlers that raised.
    """

    def __init__(self, *, allow_async: bool) -> None:
        self._allow_async = allow_async
        self._handlers: dict[type[Event], list[Handler]] = {}
        self.started_total = 0
        self.ended_total: Counter[str] = Counter()
        self.handler_errors_total = 0

    def on(self, name: EventName, handler: AnyHandler) -> AnyHandler:
        """Call the handler for every event of this class (`Event` for all) that this process owns.

        Raises:
            ConfigurationError: The name is unknown, or the handler is async and this manager is not.
        """
        if not self._allow_async and inspect.iscoroutinefunction(handler):
            raise ConfigurationError("an async handler needs an AsyncSessionManager; give this one a plain function")
        self._handlers.setdefault(_kind(name), []).append(handler)
        return handler

    def off(self, name: EventName, handler: Handler) -> None:
        """Remove a handler; nothing happens if it was not added."""
        handlers = self._handlers.get(_kind(name), [])
        if handler in handlers:
            handlers.remove(handler)

    def wants(self, kind: type[Event]) -> bool:
        """Whether any handler would run for events of this class."""
        return any(handlers and issubclass(kind, wanted) for wanted, handlers in self._handlers.items())

    def run(self, events: tuple[AnyEvent, ...]) -> None:
        """Count events and run their handlers, in order."""
        for event in events:
            self._count(event)
            if self._handlers:
                for handler in self._chosen(event):
                    try:
                        _refuse_waiting(handler(event))
                    except Exception:  # noqa: BLE001 - it is logged and counted; the request goes on
                        self._failed(handler, event)

    async def arun(self, events: tuple[AnyEvent, ...]) -> None:
        """Count events and run their handlers, awaiting those that are async."""
        for event in events:
            self._count(event)
            if self._handlers:
                for handler in self._chosen(event):
                    try:
                        waiting = handler(event)
                        if waiting is not None and inspect.isawaitable(waiting):
                            await waiting
                    except Exception:  # noqa: BLE001 - it is logged and counted; the request goes on
                        self._failed(handler, event)

    def _chosen(self, event: AnyEvent) -> list[Handler]:
        return [h for kind, handlers in self._handlers.items() if isinstance(event, kind) for h in handlers]

    def _count(self, event: AnyEvent) -> None:
        _log.debug("%s %s", type(event).__name__, event.id)  # M19: the id names the session, and nothing secret
        if isinstance(event, SessionCreated):
            self.started_total += 1
        elif isinstance(event, SessionEnded):
            self.ended_total[event.reason.value] += 1

    def _failed(self, handler: Handler, event: AnyEvent) -> None:
        self.handler_errors_total += 1
        name = getattr(handler, "__qualname__", type(handler).__name__)
        _log.exception("handler %s failed on %s %s", name, type(event).__name__, event.id)


def _refuse_waiting(answer: object) -> None:
    """A plain callable may still answer something to await: here nobody could."""
    if answer is not None and inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise ConfigurationError("an async handler needs an AsyncSessionManager; give this one a plain function")


def _kind(name: EventName) -> type[Event]:
    if isinstance(name, type) and issubclass(name, Event):
        return name
    if isinstance(name, str) and name in _NAMES:
        return _NAMES[name]
    raise ConfigurationError(f"no event is named {name!r}; known: {', '.join(sorted(_NAMES))}")
