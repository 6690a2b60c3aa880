"""A handler that remembers what it was told, for the tests of programs that use Sojourn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, Protocol, TypeVar, cast

from sojourn.core.events import AnyEvent, EndReason, Event, SessionEnded

__all__ = ["EventRecorder"]

Kind = TypeVar("Kind", bound=Event)


class _Announcer(Protocol):
    def on(self, event: type[Event], handler: Any) -> Any: ...


class EventRecorder:
    """Collects the events of a manager, in the order in which its handlers were run.

    Safe to share between threads and managers, sync and async.

    Examples:
        >>> from sojourn import SessionEnded, SessionManager
        >>> sessions = SessionManager("memory://")
        >>> recorder = EventRecorder(sessions)
        >>> sessions.create().end()
        True
        >>> [event.reason.value for event in recorder.of(SessionEnded)]
        ['logout']
    """

    def __init__(self, *managers: _Announcer) -> None:
        self._lock = threading.Lock()
        self._events: list[AnyEvent] = []
        for manager in managers:
            manager.on(Event, self)

    def __call__(self, event: AnyEvent) -> None:
        """Remember an event: this is the handler."""
        with self._lock:
            self._events.append(event)

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[AnyEvent]:
        return iter(self.events)

    def __repr__(self) -> str:
        return f"<EventRecorder of {len(self._events)} events>"

    @property
    def events(self) -> tuple[AnyEvent, ...]:
        """Everything so far."""
        with self._lock:
            return tuple(self._events)

    def of(self, kind: type[Kind]) -> list[Kind]:
        """The events of one class, `Event` for all."""
        return [cast("Kind", event) for event in self.events if isinstance(event, kind)]

    def one(self, kind: type[Kind]) -> Kind:
        """The only event of its class.

        Raises:
            AssertionError: There is none, or more than one; the message lists them.
        """
        found = self.of(kind)
        if len(found) != 1:
            raise AssertionError(f"expected one {kind.__name__}, heard {len(found)}: {found}")
        return found[0]

    def ended(self, reason: EndReason | str | None = None) -> list[str | None]:
        """The handles of the sessions that ended, with this reason if one is given."""
        wanted = None if reason is None else EndReason(reason)
        return [event.handle for event in self.of(SessionEnded) if wanted in (None, event.reason)]

    def repeated(self) -> list[str]:
        """The ids that came more than once: what a crash may do, and nothing else (promise 3)."""
        seen: set[str] = set()
        again: list[str] = []
        for event in self.events:
            if event.id in seen:
                again.append(event.id)
            seen.add(event.id)
        return again

    def clear(self) -> None:
        """Forget everything so far."""
        with self._lock:
            self._events.clear()
