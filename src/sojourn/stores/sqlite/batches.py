"""Writing: operations that come together share one transaction, and so one sync of the disk (group commit).

Each operation is queued as a job. Whoever holds the writer's lock leads: runs all queued jobs in one BEGIN IMMEDIATE,
commits, and tells each what came of it; then the first whose job came too late for that batch leads the next.
Blocking callers lead on their own threads: alone, a write costs no hop. Async callers leave it to a daemon thread,
"sojourn-sqlite", which starts with the first write and ends after some idle seconds; the replies of a batch reach an
event loop in one call.

A job that is refused (`ChangeError`, `SessionNotFound`) fails alone: writers decide before they write. An error of
SQLite fails the batch: it is rolled back, so nothing of it was done, unless COMMIT itself failed at the disk
(`OutcomeUnknown`). A cancelled awaiter's job is done all the same.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import apsw

from sojourn.core.operations import StoreOp
from sojourn.errors import ValueRefused
from sojourn.stores.sqlite.connections import Connections
from sojourn.stores.sqlite.database import Database
from sojourn.stores.sqlite.errors import mapped, spoils_connection
from sojourn.stores.sqlite.writer import WRITES

if TYPE_CHECKING:
    import asyncio

__all__ = ["Batches"]

_MOST_JOBS = 200
_IDLE_S = 5.0
_LOOK_AGAIN_S = 0.05  # should a waiting thread ever be forgotten (an interrupted leader), it looks for itself


class _Job:
    """One operation on its way: what is asked, until when, and what came of it."""

    __slots__ = ("done", "error", "future", "given_up", "loop", "news", "op", "reply", "until")

    def __init__(self, op: StoreOp, until: float) -> None:
        self.op = op
        self.until = until
        self.reply: Any = None
        self.error: BaseException | None = None
        self.done = False
        self.given_up = False
        self.news: threading.Lock | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[Any] | None = None

    def tell(self) -> None:
        """Wake the thread that waits for this job, if one does: it is done, or nobody leads."""
        if self.news is not None:
            with suppress(RuntimeError):  # somebody told it just now
                self.news.release()


class _HalfDone(Exception):
    """A job failed after its first write: the batch has to be begun again without it."""

    def __init__(self, job: _Job) -> None:
        super().__init__()
        self.job = job


class Batches:
    """The queue of jobs of one file in this process.

    Args:
        connections: Where the writing connection comes from.
        deadline_ms: How long a job waits for another process's lock.
    """

    def __init__(self, connections: Connections, deadline_ms: int) -> None:
        self._connections = connections
        self._deadline_s = deadline_ms / 1000
        self.commits = 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """Fresh locks, queue and thread; also in a forked child, where the old ones are the parent's."""
        self._lock = threading.Lock()
        self._queue: deque[_Job] = deque()
        self._wake = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopping = False

    def run(self, op: StoreOp) -> Any:
        """Do an operation on the calling thread, and whatever else is queued with it."""
        job = _Job(op, time.monotonic() + self._deadline_s)
        job.news = threading.Lock()
        job.news.acquire()
        self._queue.append(job)
        try:
            while not job.done:
                if self._lock.acquire(blocking=False):
                    self._lead(job)
                else:
                    job.news.acquire(timeout=_LOOK_AGAIN_S)
        except BaseException:
            job.given_up = True  # the caller was interrupted while it waited: if nobody began the job, nobody will
            raise
        if job.error is not None:
            raise job.error
        return job.reply

    def _lead(self, job: _Job) -> None:
        """Run batches until the job is done, then let one of those who came meanwhile lead."""
        try:
            while not job.done:
                self._work()
        finally:
            self.go_on()

    async def arun(self, op: StoreOp) -> Any:
        """Have an operation done by the writing thread."""
        import asyncio

        job = _Job(op, time.monotonic() + self._deadline_s)
        job.loop = asyncio.get_running_loop()
        job.future = job.loop.create_future()
        self._queue.append(job)
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_for_loops, name="sojourn-sqlite", daemon=True)
                self._thread.start()
        if not self._wake.is_set():
            self._wake.set()
        return await job.future

    def hold(self, seconds: float) -> bool:
        """Finish the batch that is running and begin no other until `go_on`; False if that takes too long."""
        return self._lock.acquire(timeout=seconds)

    def go_on(self) -> None:
        """Let somebody else lead: one of those whose job came in the meantime, if they wait on their own threads."""
        self._lock.release()
        try:
            waiting = self._queue[0]
        except IndexError:
            return
        waiting.tell()

    def finish(self) -> None:
        """Do what is queued, and end the thread."""
        self._drain()
        self._stopping = True
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._wake.set()
            thread.join(self._deadline_s)

    def _write_for_loops(self) -> None:
        while True:
            woken = self._wake.wait(_IDLE_S)
            self._wake.clear()
            self._drain()
            with self._starting:
                if not self._queue and (self._stopping or not woken):
                    self._thread = None
                    return

    def _drain(self) -> None:
        self._lock.acquire()
        try:
            while self._queue:
                self._work()
        finally:
            self.go_on()

    def _work(self) -> None:
        """Run one batch; for whoever holds the lock. It leaves no job without an answer."""
        jobs: list[_Job] = []
        committing = False
        try:
            connection = self._begin()
            if connection is None:
                return
            while self._queue and len(jobs) < _MOST_JOBS:
                jobs.append(self._queue.popleft())
            self._perform(connection, jobs)
            committing = True
            connection.execute("COMMIT")
            self.commits += 1
        except BaseException as error:
            self._fail(jobs, error, committing)
            if not isinstance(error, Exception):
                raise
        finally:
            _hand_over(jobs)

    def _begin(self) -> Database | None:
        """The connection with a transaction begun; None if that failed and those who waited have been told."""
        head = self._queue[0]
        try:
            connection, patience = self._connections.writer()
            patience.until = head.until
            connection.execute("BEGIN IMMEDIATE")
        except apsw.BusyError as error:
            now = time.monotonic()
            refused = [self._queue.popleft()]  # the head's time is over; those behind it have come later
            while self._queue and self._queue[0].until <= now:
                refused.append(self._queue.popleft())
            self._tell(refused, error)
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is: who waits must be told, or would wait for ever
            refused = [self._queue.popleft() for _ in range(len(self._queue))]
            self._tell(refused, error)
            return None
        return connection

    def _perform(self, connection: Database, jobs: list[_Job]) -> None:
        """Run the jobs within the transaction; one that fails half-way is left out of a second attempt."""
        todo = [job for job in jobs if not job.given_up]
        while True:
            try:
                for job in todo:
                    _run(connection, job)
            except _HalfDone as half:
                todo.remove(half.job)
                connection.execute("ROLLBACK")
                connection.execute("BEGIN IMMEDIATE")
            else:
                return

    def _fail(self, jobs: list[_Job], error: BaseException, committing: bool) -> None:
        """Roll back, and give the jobs of the batch its error; those that were refused keep their own."""
        # An interruption (Ctrl-C in the thread that runs the batch) is an error of the batch too.
        told = error if isinstance(error, Exception) else apsw.InterruptError(type(error).__name__)
        self._connections.roll_back(drop=spoils_connection(told))
        for job in jobs:
            if job.error is None:
                job.error = mapped(told, self._connections.path, committing=committing)

    def _tell(self, jobs: list[_Job], error: Exception) -> None:
        now = time.monotonic()
        for job in jobs:
            waited = now - job.until + self._deadline_s
            job.error = mapped(error, self._connections.path, waited_ms=round(waited * 1000))
        _hand_over(jobs)


def _run(connection: Database, job: _Job) -> None:
    before = connection.total_changes()
    job.reply, job.error = None, None
    try:
        job.reply = WRITES[type(job.op)](connection, job.op)
    except apsw.Error:
        raise
    except (UnicodeEncodeError, OverflowError) as error:
        job.error = ValueRefused(f"a text or number that SQLite cannot keep ({type(error).__name__})")
    except UnicodeDecodeError as error:
        job.error = mapped(error, "")
    except Exception as error:  # noqa: BLE001 - every refusal belongs to the job that caused it
        job.error = error
    if job.error is not None and connection.total_changes() != before:
        raise _HalfDone(job)


def _hand_over(jobs: list[_Job]) -> None:
    """Mark the jobs done and wake their event loops, each once."""
    waiting: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        job.done = True
        job.tell()
        if job.loop is not None:
            waiting.setdefault(job.loop, []).append(job)
    for loop, theirs in waiting.items():
        try:
            loop.call_soon_threadsafe(_resolve, theirs)
        except RuntimeError:
            continue  # the loop was closed: nobody waits any more


def _resolve(jobs: list[_Job]) -> None:
    for job in jobs:
        future = job.future
        if future is None or future.done():  # cancelled meanwhile
            continue
        if job.error is not None:
            future.set_exception(job.error)
        else:
            future.set_result(job.reply)
