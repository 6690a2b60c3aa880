"""The SQLite store by itself: its file, its settings, whose file it takes, and what it does not write."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sojourn import AsyncSessionManager, SessionEnded, SessionManager
from sojourn.core.changes import Increment
from sojourn.core.events import EndReason, TokenReused
from sojourn.core.operations import (
    Acknowledge,
    Append,
    Apply,
    Claim,
    Count,
    Create,
    Delete,
    Delist,
    List,
    Load,
    Ping,
    StoreOp,
    Sweep,
    Tail,
    Tailed,
)
from sojourn.core.record import Client, Identity, Lifetime, deadline, expired
from sojourn.errors import ConfigurationError, SessionUnreadable, StoreError, StoreUnavailable, ValueRefused
from sojourn.stores.opening import open_store
from sojourn.stores.sqlite import SqliteStore, statements
from sojourn.stores.sqlite.connections import Patience
from sojourn.stores.sqlite.reader import READS
from sojourn.stores.sqlite.writer import WRITES
from sqlite_workers import HASH, LIFE, make_record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def store(path: Path):
    made = SqliteStore(path, synchronous="NORMAL")
    yield made
    made.close()


def peek(path: Path, statement: str) -> list[Any]:
    """What SQLite's own shell would show; only while the store is closed, or it would drop this process's locks."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(statement).fetchall()
    connection.close()
    return rows


def test_the_first_operation_makes_everything(path: Path) -> None:
    with_url = SessionManager(f"sqlite:///{path}")
    session = with_url.create({"theme": "dark"})
    assert with_url.open(session.token)["theme"] == "dark"
    with_url.close()
    again = SessionManager(f"sqlite:///{path}")
    assert again.open(session.token)["theme"] == "dark"
    again.close()


@pytest.mark.anyio
async def test_the_first_operation_makes_everything_in_the_other_colour_too(path: Path) -> None:
    manager = AsyncSessionManager(SqliteStore(path))
    session = await manager.create({"theme": "dark"}, uid="ada")
    assert (await manager.open(session.token))["theme"] == "dark"
    assert await manager.revoke(uid="ada") == 1
    await manager.aclose()
    with pytest.raises(StoreUnavailable, match="closed"):
        await manager.open(session.token)


def test_the_file_can_be_read_with_sqlite_alone(path: Path, store: SqliteStore) -> None:
    who = {
        "uid": "ada",
        "roles": ("editor",),
        "user_data": b'{"name":"Ada"}',
        "client": Client("::1", "Firefox", "home"),
    }
    record = make_record(7, data={"cart": [1, 2], "$ref": "x"}, **who)
    assert store.perform(Create(record))
    store.close()
    columns = "handle, uid, roles, user_data, created, due, deadline, ip, user_agent, label, data"
    assert peek(path, f"SELECT {columns} FROM sessions") == [
        (record.handle, "ada", '["editor"]', '{"name":"Ada"}', 1_000, 2_000, 2_000, "::1", "Firefox", "home",
         '{"$$ref":"x","cart":[1,2]}')
    ]  # fmt: skip
    assert peek(path, "SELECT json_extract(data, '$.cart[1]') FROM sessions") == [(2,)]
    assert peek(path, "SELECT id, json_extract(event, '$.event'), waiting FROM outbox") == [
        (f"{record.handle}-0", "session_created", 0)
    ]
    assert peek(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize(("synchronous", "level"), [("FULL", 2), ("NORMAL", 1)])
def test_settings_are_what_was_asked_for_on_every_connection(path: Path, synchronous: str, level: int) -> None:
    store = SqliteStore(path, synchronous=synchronous)
    assert store.perform(Create(make_record(1)))
    connections = store._connections
    for connection in (connections.reader(), connections.writer()[0]):
        assert connection.pragma("journal_mode") == "wal"
        assert connection.pragma("synchronous") == level
    assert connections.reader().pragma("query_only") == 1
    assert synchronous in store.perform(Ping()).durability
    assert store.perform(Ping()).version == apsw.sqlite_lib_version()
    store.close()


def test_a_setting_that_sqlite_does_not_take_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sojourn.stores.sqlite.connections.LEVELS", {"FULL": 7})
    with pytest.raises(StoreError, match="synchronous should be 7 and is"):
        SqliteStore(path).setup()


def test_only_the_owner_may_read_the_file_and_its_log(path: Path, store: SqliteStore) -> None:
    old = os.umask(0)
    try:
        store.perform(Create(make_record(1)))
    finally:
        os.umask(old)
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        assert stat.S_IMODE(name.stat().st_mode) == 0o600


def test_setup_may_be_repeated_and_ops_cover_both_halves(path: Path, store: SqliteStore) -> None:
    store.setup()
    store.perform(Create(make_record(1)))
    store.setup()
    other = SqliteStore(path)
    other.setup()
    assert other.perform(Count(1_000)) == 1
    other.close()
    assert set(READS) | set(WRITES) == set(StoreOp.__args__)


def test_a_newer_schema_is_refused_and_left_alone(path: Path, store: SqliteStore) -> None:
    store.setup()
    store.close()
    peek(path, f"PRAGMA user_version = {statements.SCHEMA_VERSION + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"newer Sojourn.*Upgrade"):
        SqliteStore(path).setup()
    assert path.read_bytes() == before


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    peek(path, "CREATE TABLE customers (name)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program's database"):
        SqliteStore(path).setup()
    assert path.read_bytes() == before


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"there is no folder .*nowhere"):
        SqliteStore(tmp_path / "nowhere" / "x.db").perform(Load("0" * 32, None, 0))
    with pytest.raises(StoreUnavailable, match="cannot be opened"):
        SqliteStore(tmp_path).setup()


@pytest.mark.parametrize(
    "options",
    [
        {"path": ""},
        {"path": ":memory:"},
        {"path": "a\0b"},
        {"synchronous": "OFF"},
        {"deadline": 0},
        {"deadline": None},
        {"deadline": "2 minutes"},
        {"deadline": "500"},
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        SqliteStore(**{"path": "x.db", **options})


def test_a_deadline_may_be_text_seconds_or_a_timedelta(path: Path) -> None:
    for deadline_ in ("250 ms", 0.25, timedelta(milliseconds=250)):
        assert SqliteStore(path, deadline=deadline_)._deadline_ms == 250


def test_urls_carry_the_options(path: Path) -> None:
    store = open_store(f"sqlite:///{path}?synchronous=NORMAL&deadline=2s")
    assert isinstance(store, SqliteStore)
    assert (store._synchronous, store._deadline_ms) == ("NORMAL", 2_000)
    assert repr(store) == f"<SqliteStore {path} synchronous=NORMAL>"
    spaced = open_store(f"sqlite:///{path.parent}/with%20space.db")
    assert isinstance(spaced, SqliteStore)
    assert spaced._connections.path.endswith("/with space.db")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite:///x.db?sync=FULL", "unknown option sync; known: synchronous, deadline"),
        ("sqlite:///x.db?synchronous=OFF", "FULL or NORMAL"),
        ("sqlite:///x.db?deadline=5", "deadline"),
        ("sqlite://x.db", "sqlite:///relative.db"),
        ("sqlite:", "sqlite:///relative.db"),
        ("mysql://x", "no store for"),
    ],
)
def test_urls_that_cannot_work_are_refused(url: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        open_store(url)


def test_a_closed_store_says_so_in_each_colour_and_may_be_closed_again(path: Path) -> None:
    store = SqliteStore(path)
    store.perform(Create(make_record(1)))
    store.close()
    store.close()
    assert not Path(f"{path}-wal").exists()  # copied back: the file alone is the whole store
    for op in (Load(f"{1:032x}", None, 0), Create(make_record(2))):
        with pytest.raises(StoreUnavailable, match="closed"):
            store.perform(op)


def test_the_event_mark_differs_for_everybody_when_events_were_appended(path: Path, store: SqliteStore) -> None:
    other = SqliteStore(path)
    assert store.event_mark() == other.event_mark() == 0
    store.perform(Create(make_record(1)))
    mark = other.event_mark()
    assert mark == store.event_mark() != 0
    store.perform(Apply(f"{1:032x}", 1_000, changes=(Increment(("n",), 1),)))
    assert other.event_mark() == mark  # a change of data is no event
    other.perform(Append((TokenReused(id="r", at=1),)))
    assert store.event_mark() > mark
    other.close()


def test_looking_writes_nothing(path: Path, store: SqliteStore) -> None:
    store.perform(Create(make_record(1)))
    commits, mark = store._batches.commits, Path(f"{path}-wal").stat().st_mtime_ns
    for _ in range(3):
        store.perform(Load(f"{1:032x}", HASH, 1_050))
        assert store.perform(Sweep(1_500, "me")).next_due == 2_000
        assert store.perform(Claim(1_500, "me")) == ()
        store.perform(Delist("nobody", f"{1:032x}"))
        store.perform(Append(()))
        store.perform(List())
        store.perform(Ping())
    assert store._batches.commits == commits
    assert Path(f"{path}-wal").stat().st_mtime_ns == mark


def test_a_due_touch_writes_once(store: SqliteStore) -> None:
    store.perform(Create(make_record(1)))
    commits = store._batches.commits
    assert store.perform(Load(f"{1:032x}", HASH, 1_200)).last_access == 1_200
    assert store.perform(Load(f"{1:032x}", HASH, 1_210)).last_access == 1_200
    assert store.perform(Load(f"{1:032x}", b"x" * 32, 1_900)).last_access == 1_200
    assert store._batches.commits == commits + 1


def test_the_sweep_lease_is_one_owners_until_it_runs_out(path: Path, store: SqliteStore) -> None:
    other = SqliteStore(path)
    for number in range(3):
        store.perform(Create(make_record(number, now=1_000 + 500 * number)))
    swept = store.perform(Sweep(2_001, "me", lease_ms=1_000))
    assert [event.handle for event in swept.ended] == [f"{0:032x}"]
    assert not other.perform(Sweep(2_600, "you")).held  # something is due, but it is mine to sweep
    taken_over = other.perform(Sweep(3_001, "you"))
    assert [event.handle for event in taken_over.ended] == [f"{1:032x}", f"{2:032x}"]
    assert not store.perform(Sweep(3_002, "me")).held
    other.close()


def test_the_lease_is_looked_at_again_where_it_is_taken(path: Path, store: SqliteStore) -> None:
    store.perform(Create(make_record(1)))
    store.perform(Create(make_record(2, now=1_500)))
    assert len(store.perform(Sweep(2_001, "me", lease_ms=1_000)).ended) == 1
    writer = store._connections.writer()[0]  # as if "you" had looked before "me" took the lease
    assert not WRITES[Sweep](writer, Sweep(2_600, "you")).held
    assert WRITES[Sweep](writer, Sweep(3_001, "you")).held


def test_events_are_forgotten_by_age_and_tailing_notices(store: SqliteStore) -> None:
    for number in range(5):
        store.perform(Create(make_record(number, now=1_000 + number, lifetime=Lifetime(None, "created", None, 0))))
    store.perform(Delete(f"{0:032x}", 1_002, EndReason.LOGOUT))
    keep = {"keep_events_ms": 1_000, "keep_unclaimed_ms": 5_000}
    assert store.perform(Sweep(2_002, "me", **keep)).held
    tailed = store.perform(Tail(1))
    assert tailed.gap
    assert [event.at for event in tailed.events] == [1_002, 1_003, 1_004, 1_002]
    assert not store.perform(Tail(2)).gap
    store.perform(Sweep(4_000, "me", **keep))
    assert store.perform(Tail(6)) == store.perform(Tail(None))
    assert store.perform(Tail(0)) == Tailed((), 0, gap=True)  # the last one still waits, but is not told any more
    store.perform(Sweep(6_002, "me", **keep))  # it is exactly as old as it may be
    assert [event.handle for event in store.perform(Claim(4_000, "me"))] == [f"{0:032x}"]  # not told, yet not lost
    store.perform(Sweep(9_000, "me", **keep))
    assert store.perform(Claim(99_000, "me")) == ()
    assert store.event_mark() == 6
    assert rows_in_outbox(store) == 0


def test_a_claim_lasts_as_long_as_its_lease(store: SqliteStore) -> None:
    store.perform(Create(make_record(1)))
    store.perform(Delete(f"{1:032x}", 1_000, EndReason.LOGOUT))
    assert len(store.perform(Claim(1_000, "me", lease_ms=500))) == 1
    assert store.perform(Claim(1_499, "you")) == ()
    assert len(store.perform(Claim(1_500, "you"))) == 1


def rows_in_outbox(store: SqliteStore) -> Any:
    return store._connections.reader().execute("SELECT count(*) FROM outbox").fetchall()[0][0]


def test_an_event_that_is_acknowledged_after_it_was_forgotten_leaves_no_row(store: SqliteStore) -> None:
    store.perform(Create(make_record(1)))
    ended = store.perform(Delete(f"{1:032x}", 1_000, EndReason.LOGOUT, "me"))
    store.perform(Sweep(2_001, "me", keep_events_ms=1_000))
    assert rows_in_outbox(store) == 1
    store.perform(Acknowledge((ended.event.id,)))
    assert rows_in_outbox(store) == 0


def test_patience_ends_when_the_operation_has_waited_enough(path: Path, store: SqliteStore) -> None:
    store.perform(Create(make_record(1)))
    patience = store._connections.writer()[1]
    assert patience.until is not None  # from the moment at which the operation was asked for
    assert 0 < patience.until - time.monotonic() < 1
    patience.until = time.monotonic()
    assert not patience(0)
    fresh = Patience(60_000)
    assert fresh(0)
    assert fresh(1)


def test_a_big_forgetting_is_done_in_portions(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sojourn.stores.sqlite.sweeping.FORGET_AT_ONCE", 4)
    store.perform(Append(tuple([TokenReused(id=str(number), at=1) for number in range(10)])))
    left = []
    for _ in range(4):
        store.perform(Sweep(1_000_000, "me"))
        left.append(len(store.perform(Tail(0)).events))
    assert left == [6, 2, 0, 0]


def test_what_sqlite_cannot_keep_is_refused_and_spoils_nothing(store: SqliteStore) -> None:
    assert store.perform(Create(make_record(1)))
    for wrong in ("\ud800", 2**70):
        bad = replace(make_record(2), uid=wrong) if isinstance(wrong, str) else replace(make_record(2), created=wrong)
        with pytest.raises((ValueRefused, UnicodeEncodeError)):
            store.perform(Create(bad))
    with pytest.raises(ValueRefused):
        store.perform(Load("\ud800", None, 1))
    assert store.perform(Count(1_000)) == 1
    assert store.perform(Tail(None)).cursor == 1


def test_values_of_every_kind_come_back_exactly(store: SqliteStore) -> None:
    hard = {"a": 0.1 + 0.2, "b": 2**63 - 1, "c": [], "d": {}, "nul": "a\0b", "e": "😀", "__proto__": 1e22, "$x": True}
    record = make_record(1, data=hard, uid="Zoë", roles=("a", "b"), user_data=b'{"x":1.0}')
    store.perform(Create(record))
    assert store.perform(Load(record.handle, None, 0)) == record
    who = Identity("bob", ("c",), b"{}", 5, "root")
    done = store.perform(Apply(record.handle, 1_500, 0, new_hash=b"n" * 32, identity=who, client=Client("::2")))
    assert store.perform(Load(record.handle, None, 0)) == done.record
    assert (done.record.previous_hash, done.record.uid, done.record.client.ip) == (HASH, "bob", "::2")


def test_a_damaged_row_is_told_and_can_be_ended_and_swept(path: Path, store: SqliteStore) -> None:
    for number in (1, 2, 3):
        store.perform(Create(make_record(number, data={"a": 1}, uid="ada")))
    store.close()
    peek(path, f"UPDATE sessions SET data = '{{\"a\":' WHERE handle <> '{3:032x}'")
    store = SqliteStore(path)
    with pytest.raises(SessionUnreadable, match=f"session {1:032x}"):
        store.perform(Load(f"{1:032x}", None, 1_000))
    with pytest.raises(SessionUnreadable):
        store.perform(Apply(f"{1:032x}", 1_000, changes=(Increment(("n",), 1),)))
    assert store.perform(Load(f"{3:032x}", None, 1_000)).uid == "ada"
    assert [(record.uid, bool(record.data)) for record in store.perform(List()).records] == [
        ("ada", False),
        ("ada", False),
        ("ada", True),
    ]
    with pytest.raises(SessionUnreadable):
        store.perform(Delete(f"{1:032x}", 1_000, EndReason.EMPTIED, only_empty=True))
    assert store.perform(Delete(f"{1:032x}", 1_000, EndReason.LOGOUT)).event.reason == "logout"
    assert len(store.perform(Sweep(9_000, "me")).ended) == 2
    store.close()


times = st.integers(0, 10_000)
limits = st.none() | st.integers(1, 10_000)


@given(times, times, times, limits, limits, st.sampled_from(["last_access", "last_update", "created"]), times)
def test_the_deadline_in_sql_is_the_cores(created, access, update, ttl, absolute, kind, now) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute(statements.SCHEMA)
    record = make_record(1, lifetime=Lifetime(ttl, kind, absolute, 0))
    record = replace(record, created=created, last_access=access, last_update=update)
    WRITES[Create](connection, Create(record))
    assert connection.execute("SELECT deadline FROM sessions").fetchall() == [(deadline(record),)]
    assert READS[Count](connection, Count(now)) == (not expired(record, now))
    connection.close()


def test_ended_events_reach_handlers_and_are_acknowledged(path: Path) -> None:
    manager = SessionManager(f"sqlite:///{path}?synchronous=NORMAL")
    heard: list[SessionEnded] = []
    manager.on(SessionEnded, heard.append)
    session = manager.create(uid="ada")
    session.end()
    assert [event.reason for event in heard] == ["logout"]
    assert manager.store.perform(Claim(2**50, "other")) == ()
    assert LIFE.ttl_ms == 1_000
    manager.close()
