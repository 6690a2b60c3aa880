"""`SqliteStore`: reads in place on the calling thread or loop, writes in batches."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import apsw
from msgspec.structs import replace

from sojourn.core.durations import parse_duration
from sojourn.core.operations import Ability, Health, Ping, StoreOp
from sojourn.errors import ConfigurationError, ValueRefused
from sojourn.stores.sqlite import forking
from sojourn.stores.sqlite.batches import Batches
from sojourn.stores.sqlite.connections import LEVELS, Connections
from sojourn.stores.sqlite.database import Database
from sojourn.stores.sqlite.errors import is_misuse, mapped, spoils_connection
from sojourn.stores.sqlite.reader import READS, TO_WRITE, Read, event_cursor

__all__ = ["SqliteStore"]

_DURABILITY = {
    "FULL": "synchronous=FULL: an acknowledged change survives a power cut",
    "NORMAL": "synchronous=NORMAL: an acknowledged change survives the end of any process; a power cut may lose the "
    "last ones, and never damages the file",
}


class SqliteStore:
    """Sessions in one SQLite file (WAL), shared by the threads, tasks and processes of one machine.

    The file, its tables and its connections are made with the first operation. After a fork, parent and child go on
    with connections of their own.

    Args:
        path: The file, in a folder that exists, on a local disk. A new file is readable by its owner only.
        synchronous: `FULL` syncs the disk with each commit; `NORMAL` is quicker and may lose the last acknowledged
            changes in a power cut (not when a process dies). https://sqlite.org/pragma.html#pragma_synchronous
        deadline: How long another process's lock is waited for, before `StoreUnavailable`: seconds, text, timedelta.

    Raises:
        ConfigurationError: An option cannot work.
    """

    abilities = Ability.USER_INDEX | Ability.LISTING | Ability.COUNT | Ability.EVENTS | Ability.DOCUMENTS
    embedded = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: str = "FULL",
        deadline: str | float | timedelta = "1 second",
    ) -> None:
        name = os.fspath(path)
        if not name or name.startswith(":") or "\0" in name:
            raise ConfigurationError(f"sqlite: {name!r} is no file that processes can share; for tests use memory://")
        if synchronous.upper() not in LEVELS:
            raise ConfigurationError(f"sqlite: synchronous is FULL or NORMAL, not {synchronous!r}")
        deadline_ms = parse_duration(deadline, "deadline")
        if deadline_ms is None or deadline_ms > 60_000:
            raise ConfigurationError(f"sqlite: deadline is a duration of at most a minute, not {deadline!r}")
        self._synchronous = synchronous.upper()
        self._deadline_ms = deadline_ms
        self._connections = Connections(os.path.abspath(name), self._synchronous, deadline_ms)  # noqa: PTH100 - it may not exist
        self._batches = Batches(self._connections, deadline_ms)
        self._is_held = False
        self._left_open: list[Database] = []
        forking.register(self)

    def __repr__(self) -> str:
        return f"<SqliteStore {self._connections.path} synchronous={self._synchronous}>"

    def setup(self) -> None:
        """Make the file and its tables, if they are not there.

        Raises:
            StoreError: The file is another program's, or of a newer Sojourn, or SQLite cannot work there as set.
            StoreCorrupt, StoreReadOnly, StoreUnavailable: As they say.
        """
        self._connections.reader()

    async def asetup(self) -> None:
        """`setup` on another thread: it may sync the disk."""
        import asyncio

        await asyncio.to_thread(self.setup)

    def perform(self, op: StoreOp) -> Any:
        """Do one operation: a read in place, a write in the next batch, acknowledged when it is committed."""
        read = READS.get(type(op))
        if read is not None:
            reply = self._read(read, op)
            if reply is not TO_WRITE:
                return self._with_durability(reply) if type(op) is Ping else reply
        return self._batches.run(op)

    async def aperform(self, op: StoreOp) -> Any:
        """Do one operation: a read in place, within microseconds; a write on the writing thread."""
        if not self._connections.is_prepared:
            await self.asetup()  # the first operation may make the file, and sync the disk
        read = READS.get(type(op))
        if read is not None:
            reply = self._read(read, op)
            if reply is not TO_WRITE:
                return self._with_durability(reply) if type(op) is Ping else reply
        return await self._batches.arun(op)

    def event_mark(self) -> int:
        """The cursor of the last event in the outbox, whoever appended it: one small read, some four microseconds.

        It only grows, and is the same in each thread and process. (`PRAGMA data_version` would differ for each
        connection, and change with every write.)
        """
        mark: int = self._read(lambda connection, _: event_cursor(connection), None)
        return mark

    def close(self) -> None:
        """Finish what is queued, end the writing thread, close all connections; the last process copies the log back.

        A thread that is inside a read keeps its connection until it is done.
        """
        self._batches.finish()
        self._connections.close_all(for_good=True)

    async def aclose(self) -> None:
        """`close` on another thread: it may sync the disk."""
        import asyncio

        await asyncio.to_thread(self.close)

    def _read(self, read: Read, op: Any) -> Any:
        while True:
            connection = self._connections.reader()
            try:
                return read(connection, op)
            except (apsw.Error, UnicodeDecodeError) as error:
                if is_misuse(error) and not self._connections.is_current(connection):
                    continue  # a fork or `close` came in between: read on a new connection, or hear that it is closed
                if spoils_connection(error):
                    self._connections.drop_reader(connection)
                raise mapped(error, self._connections.path, waited_ms=self._deadline_ms) from error
            except (UnicodeEncodeError, OverflowError) as error:
                raise ValueRefused(f"a text or number that SQLite cannot keep ({type(error).__name__})") from None

    def _with_durability(self, health: Health) -> Health:
        return replace(health, durability=_DURABILITY[self._synchronous])

    # Around a fork; see `forking` ----------------------------------------------------------------------------------

    def hold(self) -> None:
        """Finish the batch that is running."""
        self._is_held = self._batches.hold(2 * self._deadline_ms / 1000)

    def let_go(self) -> None:
        """Close the connections."""
        self._left_open = self._connections.close_all(for_good=False)

    def go_on(self) -> None:
        """In the parent."""
        self._left_open = []
        if self._is_held:
            self._is_held = False
            self._batches.go_on()

    def begin_anew(self) -> None:
        """In the child."""
        self._connections.begin_anew(self._left_open)
        self._batches.begin_anew()
        self._is_held, self._left_open = False, []
