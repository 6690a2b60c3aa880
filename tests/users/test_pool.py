from __future__ import annotations

import asyncio
import os
import signal
import threading
import warnings

import pytest

from sojourn.errors import ConfigurationError
from sojourn.users.pool import PasswordPool


def test_no_thread_before_the_first_job() -> None:
    pool = PasswordPool(2)
    before = threading.active_count()
    assert pool.run_blocking(lambda: threading.current_thread().name).startswith("sojourn-password")
    assert threading.active_count() > before - 1
    pool.close()
    pool.close()


def test_it_has_as_many_workers_as_cores() -> None:
    assert PasswordPool().workers == len(os.sched_getaffinity(0))
    with pytest.raises(ConfigurationError):
        PasswordPool(0)


@pytest.mark.anyio
async def test_at_most_so_many_jobs_run_at_once() -> None:
    pool = PasswordPool(2)
    lock, running, most = threading.Lock(), 0, 0
    meet = threading.Barrier(2, timeout=10)

    def job() -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meet.wait()
        with lock:
            running -= 1
        return threading.current_thread().name

    names = await asyncio.gather(*(pool.run(job) for _ in range(8)))
    assert most == 2
    assert threading.current_thread().name not in names
    pool.close()


@pytest.mark.anyio
async def test_errors_and_arguments_pass_through() -> None:
    pool = PasswordPool(1)
    assert await pool.run(divmod, 7, 2) == (3, 1)
    assert pool.run_blocking(int, "ff", base=16) == 255
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 1, 0)
    with pytest.raises(ZeroDivisionError):
        pool.run_blocking(divmod, 1, 0)
    pool.close()


@pytest.mark.anyio
async def test_a_cancelled_waiter_is_not_served() -> None:
    pool = PasswordPool(1)
    go = threading.Event()
    done: list[int] = []
    first = asyncio.ensure_future(pool.run(go.wait, 10))
    second = asyncio.ensure_future(pool.run(done.append, 1))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go.set()
    assert await first
    await pool.run(done.append, 2)
    assert done == [2]
    pool.close()


def test_a_forked_child_gets_threads_of_its_own() -> None:
    pool = PasswordPool(1)
    assert pool.run_blocking(os.getpid) == os.getpid()
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is what is tested
        child = os.fork()
    if child == 0:
        signal.alarm(20)  # a child that waits for threads it has not got is ended, not left behind
        try:
            os.write(writer, str(pool.run_blocking(os.getpid)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answers:
        assert answers.read() == str(child)
    os.waitpid(child, 0)
    pool.close()
