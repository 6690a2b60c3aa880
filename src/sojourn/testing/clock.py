"""A clock that stands still until it is told to move, so that no test ever waits for an expiry."""

from __future__ import annotations

import threading
from datetime import timedelta

from sojourn.core.durations import parse_duration
from sojourn.errors import ConfigurationError

__all__ = ["FakeClock"]


class FakeClock:
    """Milliseconds since the epoch, moved by hand: `SessionManager(clock=FakeClock())`.

    Safe to share between threads.

    Args:
        start_ms: What it shows at first; a moment in 2026 by default.

    Examples:
        >>> clock = FakeClock(start_ms=1_000)
        >>> clock.advance("15 min")
        901000
        >>> clock(), clock.now
        (901000, 901000)
    """

    def __init__(self, start_ms: int = 1_780_000_000_000) -> None:
        self._now = start_ms
        self._lock = threading.Lock()

    def __call__(self) -> int:
        """What it shows now, in milliseconds."""
        return self._now

    def __repr__(self) -> str:
        return f"FakeClock(start_ms={self._now})"

    @property
    def now(self) -> int:
        """What it shows now, in milliseconds."""
        return self._now

    def advance(self, by: str | float | timedelta | None = None, *, ms: int = 0) -> int:
        """Move it forward, and answer what it shows then.

        Args:
            by: "15 min", a timedelta, or seconds: whatever the library takes as a duration.
            ms: So many milliseconds more: the step over a deadline is `ms=1`.

        Raises:
            ConfigurationError: `by` is no duration, or it would go backwards; `set` does that.
        """
        step = ms + (0 if by is None else parse_duration(by, "by") or 0)
        if step < 0:
            raise ConfigurationError(f"advance goes forward, not by {step} ms; use set to go back")
        with self._lock:
            self._now += step
            return self._now

    def set(self, now_ms: int) -> None:
        """Let it show this moment, earlier or later: clocks of real machines are also put back."""
        with self._lock:
            self._now = now_ms
