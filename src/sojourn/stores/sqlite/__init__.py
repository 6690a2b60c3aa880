"""Sessions in one SQLite file, for any number of threads, tasks and processes of one machine; needs apsw."""

from __future__ import annotations

from sojourn.stores.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
