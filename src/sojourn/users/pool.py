"""Threads of their own for hashing: as many as cores, started with the first password.

argon2 releases the interpreter lock, so the event loop goes on; more than one hash per core would only make all of them
slower and cost 19 MiB each (security.md A.8: at most `cores` at once).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from sojourn.errors import ConfigurationError

__all__ = ["PasswordPool"]

Args = ParamSpec("Args")
Result = TypeVar("Result")


class PasswordPool:
    """At most `workers` password jobs at once; the others wait in order.

    The threads are named `sojourn-password`, and are anew after a fork.

    Args:
        workers: The number of cores that this process may use, unless given.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise ConfigurationError(f"workers is a number from 1 upwards, not {workers!r}")
        self.workers = workers or _cores()
        self._lock = threading.Lock()
        self._executor: ThreadPoolExecutor | None = None
        self._pid = 0

    async def run(self, job: Callable[Args, Result], *args: Args.args, **options: Args.kwargs) -> Result:
        """Do a job on one of the threads and answer its result; cancelled while it waits, it is not done."""
        import asyncio

        return await asyncio.wrap_future(self._started().submit(job, *args, **options))

    def run_blocking(self, job: Callable[Args, Result], *args: Args.args, **options: Args.kwargs) -> Result:
        """Do a job on one of the threads and wait for its result."""
        return self._started().submit(job, *args, **options).result()

    def close(self) -> None:
        """Let the threads end after what they are doing; a later job starts new ones."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor is not None and self._pid == os.getpid():
            executor.shutdown(wait=False, cancel_futures=True)

    def _started(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._executor is None or self._pid != os.getpid():  # threads do not survive a fork
                self._executor = ThreadPoolExecutor(self.workers, thread_name_prefix="sojourn-password")
                self._pid = os.getpid()
            return self._executor


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1
