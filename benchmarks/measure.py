"""Interleaved measuring: every contestant in every round, medians and CPU time per operation, ratios at the end."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field


@dataclass
class Row:
    """What one contestant took, in microseconds an operation, one figure a round."""

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.wall)

    @property
    def median_cpu(self) -> float:
        return statistics.median(self.cpu)


def interleave(contestants: Sequence[tuple[str, Callable[[int], None]]], *, rounds: int, times: int) -> list[Row]:
    """Run each contestant `times` operations in each round, in turn, so that noise of the machine hits all alike."""
    rows = [Row(name) for name, _ in contestants]
    for _, work in contestants:
        work(max(1, times // 10))  # warm
    for _ in range(rounds):
        for row, (_, work) in zip(rows, contestants, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            work(times)
            row.wall.append((time.perf_counter() - wall) / times * 1e6)
            row.cpu.append((time.process_time() - cpu) / times * 1e6)
    return rows


async def ainterleave(
    contestants: Sequence[tuple[str, Callable[[int], Awaitable[None]]]], *, rounds: int, times: int
) -> list[Row]:
    """`interleave` for coroutines."""
    rows = [Row(name) for name, _ in contestants]
    for _, work in contestants:
        await work(max(1, times // 10))
    for _ in range(rounds):
        for row, (_, work) in zip(rows, contestants, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            await work(times)
            row.wall.append((time.perf_counter() - wall) / times * 1e6)
            row.cpu.append((time.process_time() - cpu) / times * 1e6)
    return rows


def machine() -> str:
    """What the figures were made on."""
    import os

    return f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def table(title: str, head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for line in lines:
        print("| " + " | ".join(line) + " |", flush=True)
