"""From a URL to a store; drivers load when their store is opened, and not before."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from sojourn.errors import ConfigurationError
from sojourn.stores.base import SessionStore

__all__ = ["open_store"]


def open_store(url: str) -> SessionStore:
    """The store of a URL: `memory://`, or `sqlite:///file` with options as a query (`?synchronous=NORMAL&deadline=2s`).

    Raises:
        ConfigurationError: The scheme or an option is unknown, or the store's extra is not installed.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme == "memory":
        from sojourn.stores.memory import MemoryStore

        capacity = options.pop("capacity", "1000000")
        _refuse_others(options, "memory", "capacity")
        if not capacity.isdecimal():
            raise ConfigurationError(f"memory://: capacity is a number of sessions, not {capacity!r}")
        return MemoryStore(int(capacity))
    if parts.scheme == "sqlite":
        try:
            from sojourn.stores.sqlite import SqliteStore
        except ModuleNotFoundError as error:
            raise ConfigurationError('sqlite:// needs apsw: install "sojourn[sqlite]"') from error
        if parts.netloc or not parts.path:
            raise ConfigurationError(f"write sqlite:///relative.db or sqlite:////absolute/path.db, not {url!r}")
        synchronous = options.pop("synchronous", "FULL")
        deadline = options.pop("deadline", "1 second")
        _refuse_others(options, "sqlite", "synchronous, deadline")
        return SqliteStore(unquote(parts.path[1:]), synchronous=synchronous, deadline=deadline)
    known = "memory://, sqlite:///file (more stores follow in later releases)"
    raise ConfigurationError(f"no store for {parts.scheme or url!r}://; known: {known}")


def _refuse_others(options: dict[str, str], store: str, known: str) -> None:
    if options:
        raise ConfigurationError(f"{store}://: unknown option {', '.join(sorted(options))}; known: {known}")
