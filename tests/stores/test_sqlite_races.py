"""Threads, tasks, processes and forks on one SQLite file: nothing acknowledged is lost, and sums are exact."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from sojourn.core.changes import Check, Increment
from sojourn.core.events import EndReason
from sojourn.core.operations import Apply, Count, Create, Delete, Load, Sweep, Tail
from sojourn.core.values import decode
from sojourn.errors import Conflict, SessionNotFound, StoreFull, StoreUnavailable
from sojourn.stores.sqlite import SqliteStore, batches
from sojourn.stores.sqlite.reader import READS
from sqlite_workers import count_up, in_processes, make_record, mix, sweep_all

HANDLE = f"{1:032x}"
UP = (Increment(("n",), 1),)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "sessions.db")


@pytest.fixture
def store(path: str) -> Iterator[SqliteStore]:
    made = SqliteStore(path)
    made.perform(Create(make_record(1)))
    yield made
    made.close()


def up(store: SqliteStore, handle: str = HANDLE) -> None:
    store.perform(Apply(handle, 1_500, changes=UP))


def number(store: SqliteStore, key: str = "n", handle: str = HANDLE) -> Any:
    return decode(store.perform(Load(handle, None, 0)).data[key])


def together(count: int, work: Callable[[int], Any]) -> None:
    """Run work in so many threads at once; the first error of any of them is raised."""
    errors: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run(index: int) -> None:
        try:
            barrier.wait()
            work(index)
        except BaseException as error:  # noqa: BLE001 - raised below
            errors.append(error)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]


def test_who_comes_too_late_for_a_batch_is_told_to_lead_the_next(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "_LOOK_AGAIN_S", 60)  # it is told in time, and does not live by looking again
    store._batches._lock.acquire()
    waiting = threading.Thread(target=up, args=(store,), daemon=True)
    waiting.start()
    while not store._batches._queue:
        time.sleep(0.001)
    time.sleep(0.05)  # it has queued its job; now it finds the lock taken, and waits
    store._batches.go_on()
    waiting.join(10)
    assert not waiting.is_alive()
    assert number(store) == 1


def test_increments_of_eight_threads_are_exact_and_share_commits(store: SqliteStore) -> None:
    before = store._batches.commits
    together(8, lambda _: [up(store) for _ in range(100)])
    assert number(store) == 800
    assert store._batches.commits - before < 800


def test_readers_of_dead_threads_are_closed(store: SqliteStore) -> None:
    for _ in range(20):
        together(1, lambda _: number_of_keys(store))
    assert len(store._connections._readers) <= 3


def number_of_keys(store: SqliteStore) -> int:
    return len(store.perform(Load(HANDLE, None, 0)).data)


def test_a_refusal_fails_alone(store: SqliteStore) -> None:
    outcomes: list[Any] = []

    def work(index: int) -> None:
        wrong = (Increment(("n",), 1), Check(("nothing",), b"1"))
        for _ in range(20):
            try:
                store.perform(Apply(HANDLE, 1_500, changes=wrong if index % 2 else UP))
            except Conflict as error:
                outcomes.append(error)

    together(6, work)
    assert number(store) == 60
    assert len(outcomes) == 60
    assert len(set(map(id, outcomes))) == 60


def test_a_job_that_fails_after_it_wrote_is_taken_back_alone(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = batches.WRITES[Create]

    def broken(connection: Any, op: Create) -> Any:
        honest(connection, op)
        raise RuntimeError("a fault after the first write")

    monkeypatch.setitem(batches.WRITES, Create, broken)
    monkeypatch.setattr(batches, "_MOST_JOBS", 50)

    async def all_at_once() -> list[Any]:
        ops = [Create(make_record(7)) if index == 5 else Apply(HANDLE, 1_500, changes=UP) for index in range(11)]
        return await asyncio.gather(*[store.aperform(op) for op in ops], return_exceptions=True)

    replies = asyncio.run(all_at_once())
    assert isinstance(replies[5], RuntimeError)
    assert number(store) == 10
    assert store.perform(Load(f"{7:032x}", None, 0)) is None


@pytest.mark.anyio
async def test_a_hundred_tasks_are_few_transactions(store: SqliteStore) -> None:
    before = store._batches.commits
    await asyncio.gather(*[store.aperform(Apply(HANDLE, 1_500, changes=UP)) for _ in range(100)])
    assert number(store) == 100
    assert store._batches.commits - before <= 10


@pytest.mark.anyio
async def test_tasks_and_threads_share_the_writer(store: SqliteStore) -> None:
    async def tasks() -> None:
        for _ in range(20):
            await asyncio.gather(*[store.aperform(Apply(HANDLE, 1_500, changes=UP)) for _ in range(10)])

    threads = asyncio.to_thread(together, 4, lambda _: [up(store) for _ in range(50)])
    await asyncio.gather(tasks(), threads)
    assert number(store) == 400


@pytest.mark.anyio
async def test_a_cancelled_writer_is_done_whole_and_breaks_nothing(store: SqliteStore) -> None:
    tasks = [asyncio.ensure_future(store.aperform(Apply(HANDLE, 1_500, changes=UP))) for _ in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])
    assert not any(isinstance(outcome, BaseException) for outcome in outcomes[1::2])
    await store.aperform(Apply(HANDLE, 1_500, changes=UP))
    assert number(store) == 51


def test_the_writing_thread_ends_when_idle_and_comes_back(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_IDLE_S", 0.01)
    for expected in (1, 2, 3):
        asyncio.run(store.aperform(Apply(HANDLE, 1_500, changes=UP)))
        thread = store._batches._thread
        if thread is not None:
            thread.join(5)
        assert store._batches._thread is None
        assert number(store) == expected


def test_a_loop_that_is_gone_disturbs_nobody(store: SqliteStore) -> None:
    async def leave() -> None:
        asyncio.ensure_future(store.aperform(Apply(HANDLE, 1_500, changes=UP)))  # noqa: RUF006 - left on purpose
        await asyncio.sleep(0)

    store._batches._lock.acquire()  # so that it is done only when the loop is closed
    asyncio.run(leave())
    store._batches.go_on()
    up(store)
    assert number(store) == 2


def test_an_interrupted_leader_leaves_no_job_and_no_transaction(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setitem(batches.WRITES, Apply, interrupted)
        with pytest.raises(KeyboardInterrupt):
            up(store)
    up(store)
    assert number(store) == 1


def test_a_caller_that_is_interrupted_while_it_waits_is_not_served_later(store: SqliteStore) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    store._batches._lock.acquire()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            up(store)
    finally:
        signal.signal(signal.SIGALRM, before)
        store._batches.go_on()
    up(store)
    assert number(store) == 1


def test_a_read_that_meets_a_fork_is_done_on_a_new_connection(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = READS[Load]
    met: list[int] = []

    def meets(connection: Any, op: Load) -> Any:
        if not met:
            met.append(1)
            store.let_go()  # as `forking` does just before a fork
        return honest(connection, op)

    monkeypatch.setitem(READS, Load, meets)
    assert store.perform(Load(HANDLE, None, 0)).handle == HANDLE
    assert met == [1]


def test_a_lock_of_another_process_is_waited_for_until_the_deadline(path: str, store: SqliteStore) -> None:
    patient = SqliteStore(path, deadline="150 ms")
    up(patient)
    other = apsw.Connection(path)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"locked by another process for 1\d\d ms; nothing was done"):
        up(patient)
    assert 0.14 < time.monotonic() - began < 2
    with pytest.raises(StoreUnavailable, match="locked by another process"):
        asyncio.run(patient.aperform(Apply(HANDLE, 1_500, changes=UP)))
    assert number(patient) == 1  # reads go on

    began = time.monotonic()

    def refused(_: int) -> None:
        with pytest.raises(StoreUnavailable):
            up(patient)

    together(20, refused)
    assert time.monotonic() - began < 2  # those who wait behind each other do not wait in turn
    other.execute("ROLLBACK")
    other.close()
    up(patient)
    assert number(patient) == 2
    patient.close()


def test_a_lock_that_ends_in_time_is_waited_out(path: str, store: SqliteStore) -> None:
    other = apsw.Connection(path)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.1, lambda: other.execute("ROLLBACK"))
    release.start()
    up(store)
    release.join()
    other.close()
    assert number(store) == 1


def test_no_command_brings_an_ended_session_back(store: SqliteStore) -> None:
    for round_ in range(2, 52):
        record = make_record(round_)
        store.perform(Create(record))
        refused: list[str] = []

        def race(index: int, handle: str = record.handle, refused: list[str] = refused) -> None:
            if index == 0:
                store.perform(Delete(handle, 1_500, EndReason.LOGOUT))
                return
            try:
                for _ in range(3):
                    up(store, handle)
            except SessionNotFound as error:
                refused.append(error.handle or "")

        together(3, race)
        assert store.perform(Load(record.handle, None, 0)) is None


def test_four_processes_count_exactly(path: str, store: SqliteStore) -> None:
    assert sum(in_processes(count_up, [(path, HANDLE, 250)] * 4)) == 1_000
    assert number(store) == 1_000


def test_ten_thousand_mixed_commands_of_four_processes_lose_nothing(path: str, store: SqliteStore) -> None:
    acknowledged = in_processes(mix, [(path, HANDLE, worker, 2_500) for worker in range(4)])
    assert number(store, "total") == 10_000
    for worker, theirs in enumerate(acknowledged):
        assert number(store, "of")[str(worker)] == 625
        for key, last in theirs.items():
            assert number(store, key) == last
    assert sorted(number(store, "seen")) == [0, 1, 2, 3]
    assert len(number(store, "log")) == 20


def test_each_expired_session_ends_once_under_eight_processes(path: str, store: SqliteStore) -> None:
    async def create() -> None:
        await asyncio.gather(*[store.aperform(Create(make_record(index))) for index in range(2, 2_001)])

    asyncio.run(create())
    ids = [
        id_ for theirs in in_processes(sweep_all, [(path, f"p{n}", 9_000, 1_000) for n in range(8)]) for id_ in theirs
    ]
    assert len(ids) == len(set(ids)) == 2_000
    assert store.perform(Count(0)) == 0


# Forks ----------------------------------------------------------------------------------------------------------


def in_fork(work: Callable[[], bool]) -> int:
    """Fork, run work in the child, and answer the child's id; its exit code is 0 if the work answered True."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        finally:
            os._exit(code)
    return child


def exit_code(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@needs_fork
def test_after_a_fork_both_sides_read_and_write(store: SqliteStore) -> None:
    up(store)

    def child() -> bool:
        for _ in range(20):
            up(store)
        asyncio.run(store.aperform(Apply(HANDLE, 1_500, changes=UP)))
        return number(store) >= 22

    child_id = in_fork(child)
    for _ in range(20):
        up(store)
    assert exit_code(child_id) == 0
    assert number(store) == 42


@needs_fork
def test_a_child_holds_real_locks_so_nobody_removes_the_log_under_it(path: str, store: SqliteStore) -> None:
    up(store)
    begin, done = os.pipe(), os.pipe()

    def child() -> bool:
        known = number(store)  # opens the child's own connection
        os.write(done[1], b"1")
        os.read(begin[0], 1)
        up(store)
        return bool(known == 1)

    child_id = in_fork(child)
    os.read(done[0], 1)
    store.close()  # the parent goes; without a lock of the child's, the next one to close would remove the log
    passer_by = SqliteStore(path)
    up(passer_by)
    passer_by.close()
    assert Path(f"{path}-wal").exists()
    os.write(begin[1], b"1")
    assert exit_code(child_id) == 0
    again = SqliteStore(path)
    assert number(again) == 3
    again.close()
    for end in (*begin, *done):
        os.close(end)


@needs_fork
def test_forks_under_load_lose_nothing(store: SqliteStore) -> None:
    stop = threading.Event()
    written = [0, 0, 0]

    def work(index: int) -> None:
        while not stop.is_set():
            if index == 2:
                number(store)
            else:
                up(store)
                written[index] += 1

    up(store)
    threads = [threading.Thread(target=work, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    children = []
    for _ in range(5):
        children.append(in_fork(lambda: [up(store) for _ in range(5)] != []))
        time.sleep(0.02)  # not to wait for anything: the forks are to meet the threads at different moments
    codes = [exit_code(child) for child in children]
    stop.set()
    for thread in threads:
        thread.join(30)
    assert codes == [0] * 5
    assert number(store) == 1 + sum(written) + 25


def test_tails_in_two_stores_see_the_same(path: str, store: SqliteStore) -> None:
    other = SqliteStore(path)
    cursor = other.perform(Tail(None)).cursor
    store.perform(Delete(HANDLE, 1_500, EndReason.REVOKED))
    assert [event.reason for event in other.perform(Tail(cursor)).events] == ["revoked"]  # type: ignore[union-attr]
    assert other.perform(Sweep(1_500, "x")).ended == ()
    other.close()


def test_the_errors_of_a_batch_are_one_for_each_job(store: SqliteStore) -> None:
    writer = store._connections.writer()[0]
    pages = writer.pragma("page_count")
    writer.pragma("max_page_count", pages)

    async def fill() -> list[Any]:
        big = [Create(make_record(index, data={"x": "y" * 100_000})) for index in range(2, 8)]
        return await asyncio.gather(*[store.aperform(op) for op in big], return_exceptions=True)

    outcomes = asyncio.run(fill())
    assert all(type(outcome) is StoreFull for outcome in outcomes)
    assert len(set(map(id, outcomes))) == len(outcomes)
