"""The connections of one file in this process: one for each thread that reads, one to write; opened when needed.

Every setting is read back after it was made: SQLite ignores what it cannot do (WAL on a file system without shared
memory) and unknown pragmas, without a word.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

import apsw

from sojourn.errors import StoreError, StoreReadOnly, StoreUnavailable
from sojourn.stores.sqlite.database import Database, connect
from sojourn.stores.sqlite.errors import mapped, spoils_connection
from sojourn.stores.sqlite.forking import GATE, abandon
from sojourn.stores.sqlite.schema import is_prepared, prepare

__all__ = ["LEVELS", "Connections", "Patience"]

LEVELS: Final = {"FULL": 2, "NORMAL": 1}
"""`PRAGMA synchronous`. FULL syncs the log at each commit; NORMAL only when it is copied into the file."""

_LOG_LIMIT = 64 * 1024 * 1024
_CLOSE_TRIES, _CLOSE_PAUSE_S = 200, 0.001


class Patience:
    """A busy handler: waits for another process's lock in small steps, until a deadline.

    The steps are uneven, so that processes that wait for one another do not keep meeting. They stay short, because
    SQLite hands out no places in a queue: who asks often enough gets in between two transactions of a busy neighbour.

    Attributes:
        until: By `time.monotonic()`; None = `deadline_ms` after the first refusal.
    """

    def __init__(self, deadline_ms: int) -> None:
        self._deadline_s = deadline_ms / 1000
        self._since = 0.0
        self.until: float | None = None

    def __call__(self, tries: int) -> bool:
        """Wait a little; False when the time is over, for SQLite to give up."""
        now = time.monotonic()
        if tries == 0:
            self._since = now
        left = (self._since + self._deadline_s if self.until is None else self.until) - now
        if left <= 0:
            return False
        uneven = 0.5 + (time.perf_counter_ns() >> 4 & 1023) / 1024
        time.sleep(min(left, (0.0002 if tries < 10 else 0.001) * uneven))
        return True


class Connections:
    """Opens, hands out and closes connections to one file.

    Args:
        path: The file; it is made, readable by its owner only, if it is not there.
        synchronous: FULL or NORMAL.
        deadline_ms: How long another process's lock is waited for.

    Attributes:
        is_prepared: Whether a connection was opened before, so that the file is there and its tables are made.
    """

    def __init__(self, path: str, synchronous: str, deadline_ms: int) -> None:
        self.path = path
        self._synchronous = synchronous
        self._deadline_ms = deadline_ms
        self._local = threading.local()
        self._readers: list[tuple[Database, threading.Thread]] = []
        self._writer: tuple[Database, Patience] | None = None
        self._closed = False
        self.is_prepared = False

    def reader(self) -> Database:
        """This thread's connection for reading.

        Raises:
            StoreUnavailable: The store was closed, or the file cannot be opened.
            StoreError: The file is not ours, damaged, or cannot be set up.
        """
        found: Database | None = getattr(self._local, "connection", None)
        if found is not None:
            return found
        with GATE.lock:
            self._close_readers_of_dead_threads()
            connection = self._open()[0]
            connection.pragma("query_only", 1)
            self._local.connection = connection
            self._readers.append((connection, threading.current_thread()))
        return connection

    def writer(self) -> tuple[Database, Patience]:
        """The connection for writing, and its busy handler; for whoever holds the writer's lock.

        Raises:
            StoreReadOnly: The file may not be written to.
            Others as `reader`.
        """
        if self._writer is None:
            with GATE.lock:
                self._writer = self._open()
        return self._writer

    def is_current(self, connection: Database) -> bool:
        """Whether a reading connection is still this thread's; not so after a fork or `close`."""
        return getattr(self._local, "connection", None) is connection

    def drop_reader(self, connection: Database) -> None:
        """Close a thread's connection after an error that spoils it; the next read opens another."""
        with GATE.lock:
            self._readers = [pair for pair in self._readers if pair[0] is not connection]
            if self.is_current(connection):
                del self._local.connection
            _close(connection)

    def roll_back(self, *, drop: bool) -> None:
        """Take back what the writing connection has begun; for whoever holds the writer's lock.

        Args:
            drop: Close the connection too, after an error that spoils it; the next write opens another.
        """
        if self._writer is None:
            return
        connection = self._writer[0]
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except apsw.Error:
            drop = True
        if drop:
            with GATE.lock:
                _close(connection)
                self._writer = None

    def close_all(self, *, for_good: bool) -> list[Database]:
        """Close every connection; answers those that another thread is inside of, which stay open.

        A thread that is about to read on one of them opens another, or hears that the store was closed.
        """
        with GATE.lock:
            self._closed = self._closed or for_good
            self._local = threading.local()
            left = [connection for connection, _ in self._readers if not _close(connection)]
            if self._writer is not None and not _close(self._writer[0]):
                left.append(self._writer[0])
            self._readers, self._writer = [], None
            return left

    def begin_anew(self, inherited: list[Database]) -> None:
        """In a forked child: forget the parent's connections without closing them."""
        self._local = threading.local()
        abandon([*inherited, *[connection for connection, _ in self._readers]])
        if self._writer is not None:
            abandon([self._writer[0]])
        self._readers, self._writer = [], None

    def _close_readers_of_dead_threads(self) -> None:
        living: list[tuple[Database, threading.Thread]] = []
        for connection, thread in self._readers:
            if thread.is_alive() or not _close(connection):
                living.append((connection, thread))
        self._readers = living

    def _open(self) -> tuple[Database, Patience]:
        if self._closed:
            raise StoreUnavailable(f"sqlite {self.path}: this store was closed; make a new one")
        self._make_file()
        patience = Patience(self._deadline_ms)
        connection: Database | None = None
        try:
            connection = connect(self.path)
            self._set_up(connection, patience)
        except BaseException as error:
            if connection is not None:
                _close(connection)
            if isinstance(error, apsw.Error):
                raise mapped(error, self.path, waited_ms=self._deadline_ms) from error
            raise
        return connection, patience

    def _make_file(self) -> None:
        """Make an empty file that only its owner can read; -wal and -shm get the same rights from SQLite."""
        folder = Path(self.path).absolute().parent
        try:
            if Path(self.path).exists():
                return
            if not folder.is_dir():
                raise StoreUnavailable(
                    f"sqlite {self.path}: there is no folder {folder}; make it, or name another file"
                )
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            pass  # another process was quicker
        except PermissionError as error:
            raise StoreReadOnly(f"sqlite {self.path}: this user may not make a file in {folder}") from error
        except OSError as error:
            raise StoreUnavailable(f"sqlite {self.path}: the file cannot be made ({error.strerror})") from error

    def _set_up(self, connection: Database, patience: Patience) -> None:
        connection.set_busy_handler(patience)
        ready = is_prepared(connection, self.path)  # before anything is changed: it may be somebody else's file
        if not ready and connection.readonly("main"):
            raise StoreReadOnly(f"sqlite {self.path} has no tables yet and may not be written to")
        self._switch_to_wal(connection)
        wanted: dict[str, Any] = {"synchronous": LEVELS[self._synchronous], "journal_size_limit": _LOG_LIMIT}
        wanted |= {"trusted_schema": 0, "cell_size_check": 1}
        if sys.platform == "darwin" and self._synchronous == "FULL":
            wanted |= {"fullfsync": 1, "checkpoint_fullfsync": 1}  # there, fsync alone leaves it in the drive's cache
        for name, value in wanted.items():
            connection.pragma(name, value)
            if (found := connection.pragma(name)) != value:
                raise StoreError(f"sqlite {self.path}: {name} should be {value} and is {found}; this SQLite is unfit")
        if not ready:
            prepare(connection, self.path)
        self.is_prepared = True

    def _switch_to_wal(self, connection: Database) -> None:
        """Set the log; SQLite does not ask the busy handler for it, so two processes that begin at once try again."""
        until = time.monotonic() + self._deadline_ms / 1000
        while True:
            try:
                mode = connection.pragma("journal_mode")
                mode = mode if mode == "wal" else connection.pragma("journal_mode", "wal")
            except apsw.BusyError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.002)
                continue
            if mode == "wal":
                return
            raise StoreError(
                f"sqlite {self.path}: journal_mode should be wal and is {mode}; the folder's file system cannot share "
                "memory between processes (a network share?). Name a file on a local disk."
            )


def _close(connection: Database) -> bool:
    """Close a connection; False if another thread stays inside of it for longer than any read takes."""
    for _ in range(_CLOSE_TRIES):
        try:
            connection.close()
        except apsw.ThreadingViolationError:
            time.sleep(_CLOSE_PAUSE_S)
        except apsw.Error as error:
            return spoils_connection(error)
        else:
            return True
    return False
