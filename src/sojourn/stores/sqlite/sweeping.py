"""One sweep within one transaction: the lease, the sessions that are due, the events that are old enough to forget.

`reader` has looked before, without the write lock; here everything is judged again. Forgetting walks the outbox from
its oldest event on, at most `FORGET_AT_ONCE` a sweep, so that no sweep holds the write lock for long, and stops at the
first event that is young enough: an event that a wrong clock dated early is forgotten when its turn comes.
An ended session's event that still waits for its acknowledgement stays until that comes or `keep_unclaimed_ms` is over,
but is no longer told to those who tail.
"""

from __future__ import annotations

from sojourn.core.events import EndReason, SessionEnded, session_ended
from sojourn.core.operations import Sweep, Swept
from sojourn.core.record import deadline, expired
from sojourn.stores.sqlite import statements as sql
from sojourn.stores.sqlite.codec import event_row, record_of
from sojourn.stores.sqlite.database import Database

__all__ = ["FORGET_AT_ONCE", "sweep"]

FORGET_AT_ONCE = 5_000


def sweep(connection: Database, op: Sweep) -> Swept:
    """Do what `Sweep` says, if the lease can be had."""
    row = connection.execute(sql.LOOK).fetchall()[0]
    sweeper, until, forgotten = row[:3]
    if sweeper != op.owner and op.now < until:
        return Swept(held=False)
    found = [record_of(due) for due in connection.execute(sql.DUE, (op.now, op.limit)).fetchall()]
    ended: list[SessionEnded] = []
    for record in found:
        if not expired(record, op.now):
            connection.execute(sql.FILE, (deadline(record), record.handle))
            continue
        event = session_ended(record, op.now, EndReason.EXPIRED)
        connection.execute(sql.DELETE, (record.handle,))
        if record.uid is not None:
            connection.execute(sql.DELIST, (record.uid, record.handle))
        connection.execute(sql.APPEND, event_row(event, op.owner if op.claim_events else None))
        ended.append(event)
    forgotten = _forget(connection, forgotten, op.now - op.keep_events_ms)
    _give_up(connection, forgotten, op.now - op.keep_unclaimed_ms)
    connection.execute(sql.KEEP_HOUSE, (op.owner, op.now + op.lease_ms, forgotten))
    next_due = connection.execute(sql.NEXT_DUE).fetchall()[0]
    return Swept(True, tuple(ended), len(found) - len(ended), next_due[0])


def _forget(connection: Database, forgotten: int, before: int) -> int:
    """Forget events older than `before`; answers the cursor up to which nobody can tail any more."""
    last = connection.execute(sql.LAST_CURSOR).fetchall()
    end = min(last[0][0], forgotten + FORGET_AT_ONCE) if last else 0
    kept = connection.execute(sql.FIRST_KEPT, (forgotten, end, before)).fetchall()
    until: int = kept[0][0] - 1 if kept else max(end, forgotten)
    if until > forgotten:
        connection.execute(sql.FORGET, (forgotten, until))
    return until


def _give_up(connection: Database, forgotten: int, before: int) -> None:
    """Let go of ended events that nobody claimed in all that time."""
    rows = connection.execute(sql.STALE, (FORGET_AT_ONCE,)).fetchall()
    for cursor, at in rows:
        if at >= before:
            return
        connection.execute(sql.GIVE_UP_FORGOTTEN if cursor <= forgotten else sql.GIVE_UP, (cursor,))
