"""SQLite: open and commit beside raw apsw running the same statements, at FULL and NORMAL, sync and async.

The raw side does what the store's own statements do and nothing else: the SELECT of an open; BEGIN IMMEDIATE, SELECT,
UPDATE, COMMIT of a commit. It decodes no record, checks no secret, applies no command, waits for nobody.
`16 tasks` and `8 threads` commit to sessions of their own at the same time: group commit makes them few transactions.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
from measure import Row, ainterleave, interleave, table

from sojourn import AsyncSessionManager, Session, SessionManager
from sojourn.stores.sqlite import statements as sql


def raw_open(connection: apsw.Connection, handle: str) -> Callable[[int], None]:
    def work(times: int) -> None:
        for _ in range(times):
            connection.execute(sql.LOAD, (handle,)).fetchall()

    return work


def raw_commit(connection: apsw.Connection, handle: str) -> Callable[[int], None]:
    def work(times: int) -> None:
        for number in range(times):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(sql.LOAD_WITH_DUE, (handle,)).fetchall()
            connection.execute(sql.CHANGE, (f'{{"n":{number}}}', number, number, 1, handle))
            connection.execute("COMMIT")

    return work


def ours_open(sessions: SessionManager, token: str) -> Callable[[int], None]:
    def work(times: int) -> None:
        for _ in range(times):
            sessions.open(token)

    return work


def ours_commit(session: Session) -> Callable[[int], None]:
    def work(times: int) -> None:
        for _ in range(times):
            session.increment("n")
            session.commit()

    return work


def threads_commit(sessions: SessionManager, count: int) -> Callable[[int], None]:
    def work(times: int) -> None:
        with ThreadPoolExecutor(count) as pool:
            for done in [pool.submit(ours_commit(sessions.create({"n": 0})), times // count) for _ in range(count)]:
                done.result()

    return work


def sync_rows(folder: Path, mode: str, rounds: int, times: int) -> tuple[list[Row], list[Row]]:
    path = folder / f"sync-{mode}.db"
    with SessionManager(f"sqlite:///{path}?synchronous={mode}") as sessions:
        session = sessions.create({"n": 0})
        other = sessions.create({"n": 0})
        connection = apsw.Connection(str(path))
        connection.execute(f"PRAGMA synchronous={mode}")
        assert session.token
        assert other.handle
        opens = interleave(
            [("raw", raw_open(connection, other.handle)), ("sync", ours_open(sessions, session.token))],
            rounds=rounds,
            times=times * 5,
        )
        commits = interleave(
            [
                ("raw", raw_commit(connection, other.handle)),
                ("sync", ours_commit(session)),
                ("sync, 8 threads", threads_commit(sessions, 8)),
            ],
            rounds=rounds,
            times=times,
        )
        connection.close()
    return opens, commits


async def async_rows(folder: Path, mode: str, rounds: int, times: int) -> tuple[list[Row], list[Row]]:
    path = folder / f"async-{mode}.db"
    async with AsyncSessionManager(f"sqlite:///{path}?synchronous={mode}") as sessions:
        session = await sessions.create({"n": 0})
        token = session.token or ""
        own = [await sessions.create({"n": 0}) for _ in range(16)]

        async def opening(times: int) -> None:
            for _ in range(times):
                await sessions.open(token)

        async def committing(times: int) -> None:
            for _ in range(times):
                session.increment("n")
                await session.commit()

        async def together(times: int) -> None:
            async def one(index: int) -> None:
                for _ in range(times // 16):
                    own[index].increment("n")
                    await own[index].commit()

            await asyncio.gather(*map(one, range(16)))

        jobs: list[tuple[str, Callable[[int], Awaitable[None]]]] = [
            ("async", committing),
            ("async, 16 tasks", together),
        ]
        opens = await ainterleave([("async", opening)], rounds=rounds, times=times * 5)
        return opens, await ainterleave(jobs, rounds=rounds, times=times)


def main(rounds: int = 7, times: int = 800) -> None:
    lines = []
    with tempfile.TemporaryDirectory() as name:
        for mode in ("FULL", "NORMAL"):
            opens, commits = sync_rows(Path(name), mode, rounds, times)
            more_opens, more_commits = asyncio.run(async_rows(Path(name), mode, rounds, times))
            for what, rows in (("open", opens + more_opens), ("commit", commits + more_commits)):
                raw = rows[0]
                lines += [
                    [
                        mode,
                        what,
                        row.name,
                        f"{row.median:.1f}",
                        f"{row.median_cpu:.1f}",
                        f"{row.median / raw.median:.2f}",
                    ]
                    for row in rows
                ]
    table(
        f"SQLite, microseconds an operation; median of {rounds} rounds x {times} (opens x 5)",
        ["synchronous", "", "", "wall", "CPU", "wall / raw"],
        lines,
    )


if __name__ == "__main__":
    main()
