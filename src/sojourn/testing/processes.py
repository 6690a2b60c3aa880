"""The same job in several processes at once, on one store that is opened by its URL; some may be killed on the way."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeAlias, cast

from sojourn.core.operations import Ping
from sojourn.errors import SojournError, UsageError
from sojourn.stores.base import SessionStore
from sojourn.stores.opening import open_store

__all__ = ["Job", "Report", "in_processes", "tell_who"]

Report: TypeAlias = Callable[[Any], None]
"""Tell the test something, at once: what was told before a kill is known."""

Job: TypeAlias = "Callable[[SessionStore, Any, Report], None]"
"""A function that can be imported by name: it gets a store of its own, its argument, and how to report."""

_SAID, _FAILED = "said", "failed"
_GRACE = 20
"""How many more reports a process may make that is to be killed: the kill is to meet it in the middle of its work."""


def in_processes(
    url: str,
    job: Job,
    arguments: Sequence[Any],
    *,
    kill_after: Mapping[int, int] | None = None,
    patience_s: float = 120.0,
) -> list[list[Any]]:
    """Run a job in one new process for each argument, all at once; answer what each one reported, in its order.

    The processes are spawned, not forked, so a script that calls this needs `if __name__ == "__main__":`.

    Args:
        url: Of a store that several processes can share.
        job: What each of them does.
        arguments: What each of them is given.
        kill_after: Numbers of processes that are killed (SIGKILL) once they have reported so often.
        patience_s: How long a silence may last.

    Raises:
        AssertionError: A process failed, or was silent for too long; the message says which and why.
    """
    doomed = dict(kill_after or {})
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(len(arguments))
    pipes: list[Any] = []  # of Connection, or of PipeConnection on Windows
    processes: list[SpawnProcess] = []
    try:
        for number, argument in enumerate(arguments):
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(
                target=_work, args=(url, job, argument, barrier, theirs, doomed.get(number)), daemon=True
            )
            process.start()
            theirs.close()  # so that the end of the process is the end of the pipe
            pipes.append(ours)
            processes.append(process)
        said = _listen(pipes, processes, dict(doomed), patience_s)
        for number, process in enumerate(processes):
            process.join(10)
            if process.exitcode != 0 and number not in doomed:
                raise AssertionError(f"process {number} ended with {process.exitcode} and told no reason")
        return said
    finally:
        for process in processes:
            if process.is_alive():
                process.kill()
            process.join(10)
        for pipe in pipes:
            pipe.close()


def _listen(
    pipes: list[Any], processes: list[SpawnProcess], kill_after: dict[int, int], patience_s: float
) -> list[list[Any]]:
    said: list[list[Any]] = [[] for _ in pipes]
    open_pipes = dict(zip(pipes, range(len(pipes)), strict=True))
    while open_pipes:
        ready = wait(list(open_pipes), patience_s)
        if not ready:
            raise AssertionError(f"processes {sorted(open_pipes.values())} said nothing for {patience_s:.0f} s")
        for pipe in cast("list[Any]", ready):
            number = open_pipes[pipe]
            try:
                kind, message = pipe.recv()
            except (EOFError, ConnectionError):
                del open_pipes[pipe]
                continue
            if kind == _FAILED:
                raise AssertionError(f"process {number} failed: {message}")
            if kind == _SAID:
                said[number].append(message)
            if len(said[number]) >= kill_after.get(number, len(said[number]) + 1):
                processes[number].kill()
                del kill_after[number]
    return said


def _work(url: str, job: Job, argument: Any, barrier: Any, pipe: Any, dies_after: int | None) -> None:
    said = count(1)

    def tell(message: Any) -> None:
        pipe.send((_SAID, message))
        if dies_after is not None and next(said) >= dies_after + _GRACE:
            threading.Event().wait()  # the kill is on its way: a process that is to die must not get done before

    try:
        store = open_store(url)
        store.setup()
        barrier.wait(60)
        job(store, argument, tell)
        store.close()
    except Exception as error:  # noqa: BLE001 - it is told to the test, which fails with it
        text = str(error) if isinstance(error, SojournError) else repr(error)
        pipe.send((_FAILED, f"{type(error).__name__}: {text}"))


def tell_who(store: SessionStore, times: int, tell: Report) -> None:
    """The smallest job: report the number of this process, so often, once its store has answered.

    Raises:
        UsageError: `times` is negative.
    """
    if times < 0:
        raise UsageError(f"a job cannot report {times} times")
    for _ in range(times):
        _ = store.perform(Ping())
        tell(os.getpid())
