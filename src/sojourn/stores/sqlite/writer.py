"""Operations that write, each within a transaction that the caller began and will commit.

A function decides before its first statement that writes. So a refusal (`ChangeError`, `SessionNotFound`) leaves the
transaction as it was, and the other operations of the same batch are not touched by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from sojourn.core import transitions
from sojourn.core.events import AnyEvent, session_created
from sojourn.core.operations import (
    Acknowledge,
    Append,
    Applied,
    Apply,
    Claim,
    Create,
    Delete,
    DeleteDocument,
    Delist,
    Ended,
    Enlist,
    Enlisted,
    Load,
    SaveDocument,
    StoreOp,
    Sweep,
)
from sojourn.core.record import Record, deadline
from sojourn.core.values import join
from sojourn.errors import SessionUnreadable
from sojourn.stores.sqlite import statements as sql
from sojourn.stores.sqlite.codec import event_of, event_row, record_of, row_of, without_texts
from sojourn.stores.sqlite.database import Database
from sojourn.stores.sqlite.sweeping import sweep

__all__ = ["WRITES", "Write"]

Write = Callable[[Database, Any], Any]


def _create(connection: Database, op: Create) -> bool:
    record = op.record
    event = event_row(session_created(record))
    connection.execute(sql.CREATE, (*row_of(record), deadline(record)))
    if connection.changes() == 0:
        return False
    connection.execute(sql.APPEND, event)
    return True


def _load(connection: Database, op: Load) -> Record | None:
    rows = connection.execute(sql.LOAD, (op.handle,)).fetchall()
    if not rows:
        return None
    record = record_of(rows[0])
    touched = transitions.touched(record, op)  # judged again: another process may have noted this access meanwhile
    if touched is None:
        return record
    connection.execute(sql.TOUCH, (touched.last_access, op.handle))
    return touched


def _apply(connection: Database, op: Apply) -> Applied:
    rows = connection.execute(sql.LOAD_WITH_DUE, (op.handle,)).fetchall()
    applied = transitions.apply(record_of(rows[0]) if rows else None, op)
    record, due = applied.record, rows[0][-1]
    events = [event_row(event) for event in applied.events]
    if op.touch_only:
        connection.execute(sql.TOUCH, (record.last_access, op.handle))
    elif op.new_hash is None and op.identity is None and op.lifetime is None and op.client is None:
        text = join(record.data).decode()
        connection.execute(sql.CHANGE, (text, record.last_access, record.last_update, record.seq, op.handle))
    else:
        connection.execute(sql.REPLACE, (*row_of(record)[1:], op.handle))
    sooner = transitions.due_after(due, record)
    if sooner != due:
        connection.execute(sql.FILE, (sooner, op.handle))
    _append_rows(connection, events)
    return applied


def _delete(connection: Database, op: Delete) -> Ended | None:
    rows = connection.execute(sql.LOAD, (op.handle,)).fetchall()
    if not rows:
        return None
    try:
        record = record_of(rows[0])
    except SessionUnreadable:
        if op.only_empty:
            raise
        record = record_of(without_texts(rows[0]))  # a damaged session can still be ended
    event = transitions.delete(record, op)
    if event is None:
        return None
    row = event_row(event, op.owner)
    connection.execute(sql.DELETE, (op.handle,))
    if record.uid is not None:
        connection.execute(sql.DELIST, (record.uid, op.handle))
    connection.execute(sql.APPEND, row)
    return Ended(record, event)


def _enlist(connection: Database, op: Enlist) -> Enlisted:
    members: tuple[str, ...] = ()
    known = bool(connection.execute(sql.IS_MEMBER, (op.uid, op.handle)).fetchall())
    if op.limit is not None:
        rows = connection.execute(sql.MEMBERS, (op.uid,)).fetchall()
        members = tuple([handle for (handle,) in rows])
        if op.refuse and not known and len(members) >= op.limit:
            return Enlisted(False, members)
    events = [] if op.event is None else [event_row(op.event)]
    if not known:
        connection.execute(sql.ENLIST, (op.uid, op.handle))
        members = (*members, op.handle)
    _append_rows(connection, events)
    over = op.limit is not None and len(members) > op.limit
    return Enlisted(True, members if over else ())


def _delist(connection: Database, op: Delist) -> None:
    connection.execute(sql.DELIST, (op.uid, op.handle))


def _append(connection: Database, op: Append) -> None:
    _append_rows(connection, [event_row(event) for event in op.events])


def _append_rows(connection: Database, rows: Iterable[tuple[Any, ...]]) -> None:
    for row in rows:
        connection.execute(sql.APPEND, row)


def _claim(connection: Database, op: Claim) -> tuple[AnyEvent, ...]:
    rows = connection.execute(sql.CLAIMABLE, (op.now, op.limit)).fetchall()
    claimed: list[AnyEvent] = []
    for cursor, text in rows:
        event = event_of(text)
        if event is not None:  # else it is left to a process that can read it
            connection.execute(sql.CLAIM, (op.owner, op.now + op.lease_ms, cursor))
            claimed.append(event)
    return tuple(claimed)


def _acknowledge(connection: Database, op: Acknowledge) -> None:
    row = connection.execute(sql.FORGOTTEN).fetchall()[0]
    for id_ in op.ids:
        connection.execute(sql.ACKNOWLEDGED_AND_FORGOTTEN, (id_, row[0]))
        connection.execute(sql.ACKNOWLEDGE, (id_,))


def _save_document(connection: Database, op: SaveDocument) -> bool:
    given = op.document
    if op.expected is None:
        connection.execute(sql.INSERT_DOCUMENT, (op.collection, given.key, given.revision, given.body))
    else:
        values = (given.revision, given.body, op.collection, given.key, op.expected)
        connection.execute(sql.UPDATE_DOCUMENT, values)
    return connection.changes() == 1


def _delete_document(connection: Database, op: DeleteDocument) -> bool:
    connection.execute(sql.DELETE_DOCUMENT, (op.collection, op.key, op.expected))
    return connection.changes() == 1


WRITES: Final[dict[type[StoreOp], Write]] = {
    Create: _create,
    Load: _load,
    Apply: _apply,
    Delete: _delete,
    Sweep: sweep,
    Enlist: _enlist,
    Delist: _delist,
    Append: _append,
    Claim: _claim,
    Acknowledge: _acknowledge,
    SaveDocument: _save_document,
    DeleteDocument: _delete_document,
}
"""What needs the write lock. Together with `reader.READS` it covers every operation; a test counts them."""
