"""How late is the event of an expiry: 10,000 sessions whose deadlines are spread over a minute, one sweeper.

Real time, since the delay is what is measured. The sessions are made first; the delay of each is the time of its
`SessionEnded` handler minus its deadline.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time

from measure import table

from sojourn import AsyncSessionManager, SessionEnded
from sojourn.options import make_lifetime


async def one(url: str, sessions: int, seconds: float) -> list[float]:
    manager = AsyncSessionManager(url, absolute=None)
    delays: list[float] = []
    deadlines: dict[str, int] = {}
    await manager.setup()

    @manager.on(SessionEnded)
    def ended(event: SessionEnded) -> None:
        delays.append(time.time() * 1000 - deadlines[event.handle or ""])

    lead = max(3.0, sessions / 2000)
    begin = manager.now() + lead * 1000
    for batch in range(0, sessions, 200):
        made = await asyncio.gather(
            *(
                manager.create(
                    lifetime=make_lifetime(
                        (begin + (index * seconds * 1000) / sessions - manager.now()) / 1000, "created", None
                    )
                )
                for index in range(batch, min(batch + 200, sessions))
            )
        )
        for session in made:
            deadlines[session.handle or ""] = session.expires_at or 0
    sweeper = manager.start_sweeper()
    until = time.monotonic() + lead + seconds + 10
    while len(delays) < sessions and time.monotonic() < until:
        await asyncio.sleep(0.1)
    await sweeper.stop()
    await manager.aclose()
    return delays


def main(sessions: int = 10_000, seconds: float = 60.0) -> None:
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name, url in (("memory", "memory://"), ("SQLite FULL", f"sqlite:///{folder}/expiry.db")):
            delays = sorted(asyncio.run(one(url, sessions, seconds)))
            lines.append(
                [
                    name,
                    str(len(delays)),
                    f"{statistics.median(delays):.1f}",
                    f"{delays[int(len(delays) * 0.99) - 1]:.1f}",
                    f"{delays[-1]:.1f}",
                ]
            )
    table(
        f"milliseconds from deadline to handler, {sessions} sessions over {seconds:.0f} s",
        ["", "events", "p50", "p99", "max"],
        lines,
    )


if __name__ == "__main__":
    main()
