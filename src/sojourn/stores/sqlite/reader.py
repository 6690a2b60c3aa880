"""Operations that only read, and those that turn out to have nothing to write: each within one statement's snapshot.

`read` answers `TO_WRITE` where the writer has to do the operation: a due touch, a sweep with something to sweep. So
reading, looking for expired sessions and for left-behind events never write while there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import apsw

from sojourn.core import transitions
from sojourn.core.operations import (
    Append,
    Claim,
    Count,
    Delist,
    Document,
    FindByUser,
    Health,
    List,
    ListDocuments,
    Load,
    LoadDocument,
    Page,
    Ping,
    StoreOp,
    Sweep,
    Swept,
    Tail,
    Tailed,
)
from sojourn.core.record import Record, cursor_of, parse_cursor
from sojourn.errors import SessionUnreadable
from sojourn.stores.sqlite import statements as sql
from sojourn.stores.sqlite.codec import document_of, event_of, record_of, without_texts
from sojourn.stores.sqlite.database import Database, Row

__all__ = ["READS", "TO_WRITE", "Read", "event_cursor"]

Read = Callable[[Database, Any], Any]

TO_WRITE: Final = object()
"""The answer "this has to be written", which is no reply of any operation."""

_LAST = chr(0x10FFFF)
_MOST = 2**63 - 1


def _load(connection: Database, op: Load) -> Record | object | None:
    rows = connection.execute(sql.LOAD, (op.handle,)).fetchall()  # to the end, so that no read lock is left behind
    if not rows:
        return None
    record = record_of(rows[0])
    return record if transitions.touched(record, op) is None else TO_WRITE


def _find_by_user(connection: Database, op: FindByUser) -> tuple[str, ...]:
    rows = connection.execute(sql.MEMBERS, (op.uid,)).fetchall()
    return tuple([handle for (handle,) in rows])


_PAGES = {
    (of_user, newest): sql.list_sessions(of_user=of_user, newest_first=newest)
    for of_user in (False, True)
    for newest in (False, True)
}


def _list(connection: Database, op: List) -> Page:
    created, after = (_MOST, _LAST) if op.newest_first else (-1, "")
    if op.after is not None:
        created, after = parse_cursor(op.after)
    values = {
        "created": created,
        "after": after,
        "prefix": op.handle_prefix,
        "end": op.handle_prefix + _LAST,
        "uid": op.uid,
        "limit": op.limit + 1,  # one more shows whether there is a next page
    }
    rows = connection.execute(_PAGES[op.uid is not None, op.newest_first], values).fetchall()
    records = tuple([_listed(row) for row in rows[: op.limit]])
    return Page(records, cursor_of(records[-1]) if len(rows) > op.limit and records else None)


def _listed(row: Row) -> Record:
    try:
        return record_of(row)
    except SessionUnreadable:
        return record_of(without_texts(row))  # one damaged row must hide neither the others nor itself


def _count(connection: Database, op: Count) -> int:
    if op.uid is None:
        return _number(connection, sql.COUNT, (op.now,))
    return _number(connection, sql.COUNT_OF_USER, (op.uid, op.now))


def _tail(connection: Database, op: Tail) -> Tailed:
    if op.cursor is None:
        return Tailed((), event_cursor(connection))
    rows = connection.execute(sql.TAIL, (op.cursor, op.limit)).fetchall()
    # Asked afterwards: what is forgotten between the two statements is told as a gap that may be none, never missed.
    forgotten = _number(connection, sql.FORGOTTEN)
    known = tuple([event for _, text in rows if (event := event_of(text)) is not None])
    gap = op.cursor < forgotten or len(known) < len(rows)  # a newer version's event is missed here, and said to be
    return Tailed(known, rows[-1][0] if rows else op.cursor, gap)


def _load_document(connection: Database, op: LoadDocument) -> Document | None:
    rows = connection.execute(sql.LOAD_DOCUMENT, (op.collection, op.key)).fetchall()
    return document_of(rows[0]) if rows else None


def _list_documents(connection: Database, op: ListDocuments) -> tuple[Document, ...]:
    rows = connection.execute(sql.LIST_DOCUMENTS, (op.collection, op.start, op.end, op.limit)).fetchall()
    return tuple([document_of(row) for row in rows])


def _sweep(connection: Database, op: Sweep) -> Swept | object:
    """No idle writes: with nothing due and nothing to forget, or under another's fresh lease, a look is enough."""
    row = connection.execute(sql.LOOK).fetchall()[0]
    sweeper, until, _, due, oldest, oldest_waiting = row
    if sweeper != op.owner and op.now < until:
        return Swept(held=False)
    nothing_due = due is None or due >= op.now
    keeps_all = oldest is None or oldest >= op.now - op.keep_events_ms
    keeps_waiting = oldest_waiting is None or oldest_waiting >= op.now - op.keep_unclaimed_ms
    return Swept(held=True, next_due=due) if nothing_due and keeps_all and keeps_waiting else TO_WRITE


def _claim(connection: Database, op: Claim) -> object:
    return TO_WRITE if connection.execute(sql.CLAIMABLE, (op.now, 1)).fetchall() else ()


def _delist(connection: Database, op: Delist) -> object:
    return TO_WRITE if connection.execute(sql.IS_MEMBER, (op.uid, op.handle)).fetchall() else None


def _append(_connection: Database, op: Append) -> object:
    return TO_WRITE if op.events else None


def _ping(connection: Database, _op: Ping) -> Health:
    """Without the durability, which the store adds: it knows what it set."""
    _number(connection, sql.FORGOTTEN)
    return Health("sqlite", apsw.sqlite_lib_version(), "")


def event_cursor(connection: Database) -> int:
    """The cursor of the last event ever appended: it only grows, and is the same on every connection."""
    rows = connection.execute(sql.LAST_CURSOR).fetchall()
    return rows[0][0] if rows else 0


def _number(connection: Database, statement: str, values: tuple[Any, ...] = ()) -> int:
    row = connection.execute(statement, values).fetchall()[0]
    number: int = row[0]
    return number


READS: Final[dict[type[StoreOp], Read]] = {
    Load: _load,
    FindByUser: _find_by_user,
    List: _list,
    Count: _count,
    Tail: _tail,
    LoadDocument: _load_document,
    ListDocuments: _list_documents,
    Sweep: _sweep,
    Claim: _claim,
    Delist: _delist,
    Append: _append,
    Ping: _ping,
}
"""What can be answered by reading. The others, and what answers `TO_WRITE`, are for the writer."""
