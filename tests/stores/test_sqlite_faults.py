"""A full disk, files that may not be written, damaged files, killed processes: clear errors, nothing half-applied."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

import sqlite_workers
from sojourn.core.changes import Increment, Set
from sojourn.core.events import EndReason
from sojourn.core.operations import Acknowledge, Apply, Count, Create, Delete, Delist, Load
from sojourn.core.values import decode, encode
from sojourn.errors import (
    OutcomeUnknown,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from sojourn.stores.sqlite import SqliteStore
from sojourn.stores.sqlite.errors import mapped
from sqlite_workers import make_record
from support import SRC

HANDLE = f"{1:032x}"
UP = (Increment(("n",), 1),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


def up(store: SqliteStore) -> None:
    store.perform(Apply(HANDLE, 1_500, changes=UP))


def number(store: SqliteStore) -> Any:
    return decode(store.perform(Load(HANDLE, None, 0)).data["n"])


# No room --------------------------------------------------------------------------------------------------------


def grow_until_full(store: SqliteStore) -> int:
    """Write ever more until there is no room; answers how many writes were acknowledged."""
    for written in range(500):
        try:
            big = Set((f"k{written}",), encode("x" * 50_000))
            store.perform(Apply(HANDLE, 1_500, changes=(Increment(("n",), 1), big)))
        except StoreFull:
            return written
    raise AssertionError("it never got full")


def test_a_full_store_refuses_writes_whole_and_goes_on_reading(path: Path) -> None:
    store = SqliteStore(path)
    store.perform(Create(make_record(1)))
    writer = store._connections.writer()[0]
    writer.pragma("max_page_count", 60)
    written = grow_until_full(store)
    assert written > 0
    assert number(store) == written
    with pytest.raises(StoreFull, match="Free some disk space"):
        store.perform(Create(make_record(2, data={"x": "y" * 300_000})))
    assert store.perform(Load(f"{2:032x}", None, 0)) is None
    writer.pragma("max_page_count", 100_000)
    up(store)
    assert number(store) == written + 1
    store.close()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of two mebibytes; only root can make one."""
    folder = Path(tempfile.mkdtemp())
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    try:
        made = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        made = False
    if not made:
        folder.rmdir()
        pytest.skip("only root may mount a small file system; max_page_count is tested above")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


def test_a_full_disk_refuses_writes_whole_and_recovers_by_itself(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 1_000_000)
    store = SqliteStore(small_disk / "sessions.db")
    store.perform(Create(make_record(1)))
    written = grow_until_full(store)
    assert number(store) == written
    ballast.unlink()
    up(store)
    assert number(store) == written + 1
    assert store.perform(Delete(HANDLE, 1_500, EndReason.LOGOUT)) is not None
    store.close()
    again = SqliteStore(small_disk / "sessions.db")
    assert again.perform(Load(HANDLE, None, 0)) is None
    assert again._connections.reader().pragma("integrity_check") == "ok"
    again.close()


# Not to be written ----------------------------------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may look into; pytest's own are for their owner only."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_reader(work: Any, meanwhile: SqliteStore | None = None) -> str:
    """What work raises (its class and message) when it runs as a user who may only read; "" if nothing.

    A store that is given is in use by this process in the meantime: the fork has closed its connections.
    """
    reading, writing = os.pipe()
    waiting, ready = os.pipe()
    child = os.fork()
    if child == 0:
        told = "the child failed"
        try:
            if os.geteuid() == 0:
                os.setgid(65_534)
                os.setuid(65_534)
            os.read(waiting, 1)
            try:
                work()
                told = ""
            except Exception as error:  # noqa: BLE001 - told to the parent
                told = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, told.encode())
            os._exit(0)
    os.close(writing)
    if meanwhile is not None:
        assert number(meanwhile) == 1
    os.write(ready, b"1")
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    os.close(waiting)
    os.close(ready)
    return told


needs_users = pytest.mark.skipif(not hasattr(os, "setuid"), reason="this system has no users to change to")


@needs_users
def test_a_file_that_may_only_be_read_can_be_read(open_folder: Path) -> None:
    path = open_folder / "sessions.db"
    store = SqliteStore(path)
    store.perform(Create(make_record(1)))
    up(store)
    store.close()
    path.chmod(0o444)
    holder = SqliteStore(path)  # the log and its index exist as long as a process that may write has it open

    def only_read() -> None:
        mine = SqliteStore(path)
        assert mine.perform(Load(HANDLE, None, 0)) is not None
        assert mine.perform(Count(0)) == 1

    def write() -> None:
        up(SqliteStore(path))

    assert as_reader(only_read, holder) == ""
    told = as_reader(write, holder)
    assert told.startswith("StoreReadOnly: ")
    assert "may not be written to" in told
    assert number(holder) == 1
    holder.close()


@needs_users
def test_a_folder_that_may_not_be_written_is_named(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    told = as_reader(lambda: SqliteStore(open_folder / "new.db").setup())
    assert told.startswith("StoreReadOnly: ")
    assert f"may not make a file in {open_folder}" in told
    open_folder.chmod(0o755)


# Damage ---------------------------------------------------------------------------------------------------------


def fill(path: Path, count: int = 300) -> None:
    store = SqliteStore(path, synchronous="NORMAL")
    for index in range(1, count + 1):
        store.perform(Create(make_record(index, data={"n": index, "x": "y" * 300})))
    store.close()


def overwrite(path: Path, start: int, length: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(random.Random(4).randbytes(length))


def test_a_damaged_header_is_told(path: Path) -> None:
    fill(path, 3)
    overwrite(path, 0, 100)
    store = SqliteStore(path)
    for op in (Load(HANDLE, None, 0), Create(make_record(9))):
        with pytest.raises(StoreCorrupt, match="no SQLite database, or its header is damaged"):
            store.perform(op)
    store.close()


def test_damaged_pages_are_told_and_never_answered_wrongly(path: Path) -> None:
    fill(path)
    size = path.stat().st_size
    for page in range(8, size // 4096, 3):
        overwrite(path, page * 4096, 4096)
    store = SqliteStore(path)
    told: list[str] = []
    for index in range(1, 301):
        for op in (Load(f"{index:032x}", None, 0), Apply(f"{index:032x}", 1_500, changes=UP)):
            try:
                reply = store.perform(op)
            except StoreCorrupt as error:
                told.append(str(error))
            else:
                record = reply if isinstance(op, Load) else reply.record
                assert record.handle == f"{index:032x}"
                assert decode(record.data["n"]) == (index if isinstance(op, Load) else index + 1)
    assert len(told) > 50
    assert all(str(path) in text or "its row is damaged" in text for text in told)
    store.close()


@pytest.mark.parametrize("content", [b"this is a letter, not a database, " * 200, os.urandom(8_192)])
def test_a_file_that_is_no_database_is_told_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match="no SQLite database"):
        SqliteStore(path).setup()
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (apsw.BusyError(), StoreUnavailable),
        (apsw.LockedError(), StoreUnavailable),
        (apsw.FullError(), StoreFull),
        (apsw.ReadOnlyError(), StoreReadOnly),
        (apsw.PermissionsError(), StoreReadOnly),
        (apsw.CorruptError(), StoreCorrupt),
        (apsw.NotADBError(), StoreCorrupt),
        (apsw.CantOpenError(), StoreUnavailable),
        (apsw.IOError(), StoreUnavailable),
        (apsw.ConnectionClosedError(), StoreUnavailable),
        (apsw.SQLError(), StoreError),
        (apsw.NoMemError(), StoreError),
    ],
)
def test_each_error_of_sqlite_is_one_of_ours(error: apsw.Error, expected: type[StoreError]) -> None:
    ours = mapped(error, "/x.db", waited_ms=7)
    assert type(ours) is expected
    assert ours.__cause__ is error
    assert "/x.db" in str(ours)


def test_only_a_commit_that_fails_at_the_disk_has_an_unknown_outcome() -> None:
    assert type(mapped(apsw.IOError(), "/x.db", committing=True)) is OutcomeUnknown
    assert type(mapped(apsw.InterruptError(), "/x.db", committing=True)) is OutcomeUnknown
    assert type(mapped(apsw.FullError(), "/x.db", committing=True)) is StoreFull
    assert type(mapped(apsw.BusyError(), "/x.db", committing=True)) is StoreUnavailable


class FailsAtCommit:
    """A connection whose disk fails at COMMIT: before anything is kept, or just after."""

    def __init__(self, connection: Any, *, kept: bool) -> None:
        self._connection = connection
        self._kept = kept

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> Any:
        if statement == "COMMIT":
            if self._kept:
                self._connection.execute(statement)
            raise apsw.IOError("disk I/O error")
        return self._connection.execute(statement, *values)


@pytest.mark.parametrize("kept", [False, True])
def test_a_disk_that_fails_at_commit_leaves_the_outcome_open_and_the_store_well(path: Path, kept: bool) -> None:
    store = SqliteStore(path)
    store.perform(Create(make_record(1)))
    up(store)
    connection, patience = store._connections.writer()
    broken: Any = FailsAtCommit(connection, kept=kept)
    store._connections._writer = (broken, patience)
    with pytest.raises(OutcomeUnknown, match="may or may not be there"):
        up(store)
    assert number(store) == (2 if kept else 1)
    up(store)  # on a new connection
    assert number(store) == (3 if kept else 2)
    store.close()


# Killed processes -----------------------------------------------------------------------------------------------


def killed_writers(path: Path, lines: int) -> list[int]:
    """Two processes that write until killed; answers the last number that each acknowledged."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SRC), str(SRC.parent / "tests")])}
    writers = [
        subprocess.Popen(
            [sys.executable, sqlite_workers.__file__, str(path), f"{index:032x}"],
            stdout=subprocess.PIPE,
            env=environment,
        )
        for index in (1, 2)
    ]
    for _ in range(lines):  # it is the first that says when; the other is somewhere
        assert writers[0].stdout is not None
        writers[0].stdout.readline()
    for writer in writers:
        writer.kill()
    acknowledged = []
    for writer, read in zip(writers, (lines, 0), strict=True):
        rest = writer.communicate()[0].splitlines(keepends=True)
        whole = [line for line in rest if line.endswith(b"\n")]
        acknowledged.append(int(whole[-1]) if whole else read)
    return acknowledged


def test_twenty_kills_of_writing_processes_lose_nothing(path: Path) -> None:
    store = SqliteStore(path)
    for index in (1, 2):
        store.perform(Create(make_record(index)))
    store.close()
    known = {1: 0, 2: 0}
    for round_ in range(10):
        for index, acknowledged in zip((1, 2), killed_writers(path, 1 + 3 * round_), strict=True):
            store = SqliteStore(path)
            data = store.perform(Load(f"{index:032x}", None, 0)).data
            found = decode(data["n"]) if "n" in data else 0
            store.close()
            assert known[index] + acknowledged <= found <= known[index] + acknowledged + 1
            known[index] = found
    store = SqliteStore(path)
    assert store._connections.reader().pragma("integrity_check") == "ok"
    assert known[1] > 0
    assert known[2] > 0
    up(store)
    store.close()


def test_a_path_that_no_file_can_have_is_an_error_and_not_a_wait() -> None:
    store = SqliteStore("/tmp/" + "a" * 300)
    with pytest.raises(StoreError):
        store.perform(Count(1_000))
    with pytest.raises(StoreError):
        store.perform(Delist("nobody", "0" * 32))
    with pytest.raises(StoreError):
        store.perform(Acknowledge(("x",)))
    store.close()
