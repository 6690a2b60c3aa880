"""Sessions in this process's memory: the simplest answer to every operation, and the model of the other stores.

Nothing survives the process, and no other process sees it: for tests, development and single-process tools. Threads
and event loops share it freely; every operation is one step under one lock.
"""

from __future__ import annotations

import heapq
import threading
from bisect import bisect_right
from collections import OrderedDict, deque
from itertools import islice
from typing import Any, assert_never

from sojourn.core import transitions
from sojourn.core.events import AnyEvent, EndReason, SessionEnded, session_created, session_ended
from sojourn.core.operations import (
    Ability,
    Acknowledge,
    Append,
    Applied,
    Apply,
    Claim,
    Count,
    Create,
    Delete,
    DeleteDocument,
    Delist,
    Document,
    Ended,
    Enlist,
    Enlisted,
    FindByUser,
    Health,
    List,
    ListDocuments,
    Load,
    LoadDocument,
    Page,
    Ping,
    SaveDocument,
    StoreOp,
    Sweep,
    Swept,
    Tail,
    Tailed,
)
from sojourn.core.record import Record, cursor_of, deadline, expired, touch_due
from sojourn.errors import ConfigurationError, StoreUnavailable

__all__ = ["MemoryStore"]


class MemoryStore:
    """A bounded store in memory.

    Args:
        capacity: The most sessions it holds; the oldest is ended as `evicted` to make room.
    """

    abilities = Ability.USER_INDEX | Ability.LISTING | Ability.COUNT | Ability.EVENTS | Ability.DOCUMENTS
    embedded = True

    def __init__(self, capacity: int = 1_000_000) -> None:
        if capacity < 1:
            raise ConfigurationError(f"capacity is a number of sessions from 1 upwards, not {capacity!r}")
        self._capacity = capacity
        self._lock = threading.RLock()
        self._closed = False
        self._records: OrderedDict[str, Record] = OrderedDict()
        self._due: dict[str, int | None] = {}
        self._heap: list[tuple[int, str]] = []
        self._users: dict[str, dict[str, None]] = {}
        self._outbox = _Outbox()
        self._documents: dict[str, dict[str, Document]] = {}
        self._sweeper: tuple[str, int] = ("", 0)

    def setup(self) -> None:
        """Nothing is needed."""

    async def asetup(self) -> None:
        """Nothing is needed."""

    def event_mark(self) -> int:
        """How many events have been appended so far."""
        return self._outbox.cursor

    def close(self) -> None:
        """Forget everything."""
        self._closed = True
        self._records.clear()

    async def aclose(self) -> None:
        """Forget everything."""
        self.close()

    async def aperform(self, op: StoreOp) -> Any:
        """`perform`: it never waits, so the loop may do it in place."""
        return self.perform(op)

    def perform(self, op: StoreOp) -> Any:
        """Do one operation in one step."""
        if (
            type(op) is Load
            and (record := self._records.get(op.handle)) is not None
            and (op.secret_hash is None or not touch_due(record, op.now))
        ):
            return record  # the usual read: nothing to write, so no lock
        with self._lock:
            if self._closed:
                raise StoreUnavailable("this memory store was closed; make a new one")
            return self._perform(op)

    def _perform(self, op: StoreOp) -> Any:  # noqa: C901 - a table of operations, one line each
        match op:
            case Load():
                return self._load(op)
            case Apply():
                return self._apply(op)
            case Create():
                return self._create(op)
            case Delete():
                return self._delete(op)
            case Sweep():
                return self._sweep(op)
            case Enlist():
                return self._enlist(op)
            case Delist():
                return self._delist(op.uid, op.handle)
            case FindByUser():
                return tuple(self._users.get(op.uid, ()))
            case List():
                return self._list(op)
            case Count():
                return self._count(op)
            case Append():
                return self._outbox.append(op.events)
            case Claim():
                return self._outbox.claim(op)
            case Acknowledge():
                return self._outbox.acknowledge(op.ids)
            case Tail():
                return self._outbox.tail(op)
            case LoadDocument():
                return self._documents.get(op.collection, {}).get(op.key)
            case SaveDocument():
                return self._save_document(op)
            case DeleteDocument():
                return self._delete_document(op)
            case ListDocuments():
                return self._list_documents(op)
            case Ping():
                return Health("memory", "1", "none: everything is lost when the process ends")
            case _:
                assert_never(op)

    # The five ----------------------------------------------------------------------------------------------------

    def _create(self, op: Create) -> bool:
        record = op.record
        if record.handle in self._records:
            return False
        if len(self._records) >= self._capacity:
            oldest = next(iter(self._records.values()))
            self._end(oldest, session_ended(oldest, record.created, EndReason.EVICTED), None)
        self._records[record.handle] = record
        self._file(record, deadline(record))
        self._outbox.append((session_created(record),))
        return True

    def _load(self, op: Load) -> Record | None:
        record = self._records.get(op.handle)
        if record is None:
            return None
        touched = transitions.touched(record, op)
        if touched is None:
            return record
        self._records[op.handle] = touched
        return touched

    def _apply(self, op: Apply) -> Applied:
        applied = transitions.apply(self._records.get(op.handle), op)
        self._records[op.handle] = applied.record
        due = self._due[op.handle]
        sooner = transitions.due_after(due, applied.record)
        if sooner != due:
            self._file(applied.record, sooner)
        if applied.events:
            self._outbox.append(applied.events)
        return applied

    def _delete(self, op: Delete) -> Ended | None:
        record = self._records.get(op.handle)
        event = None if record is None else transitions.delete(record, op)
        if record is None or event is None:
            return None
        self._end(record, event, op.owner)
        return Ended(record, event)

    def _sweep(self, op: Sweep) -> Swept:
        holder, until = self._sweeper
        if holder != op.owner and op.now < until:
            return Swept(held=False)
        self._sweeper = (op.owner, op.now + op.lease_ms)
        self._outbox.forget(op.now - op.keep_events_ms, op.now - op.keep_unclaimed_ms)
        ended: list[SessionEnded] = []
        refiled = 0
        while self._heap and len(ended) + refiled < op.limit and self._heap[0][0] < op.now:
            due, handle = heapq.heappop(self._heap)
            if self._due.get(handle) != due:
                continue  # filed again since, or gone
            record = self._records[handle]
            if expired(record, op.now):
                event = session_ended(record, op.now, EndReason.EXPIRED)
                self._end(record, event, op.owner if op.claim_events else None)
                ended.append(event)
            else:
                self._file(record, deadline(record))
                refiled += 1
        return Swept(True, tuple(ended), refiled, self._heap[0][0] if self._heap else None)

    def _file(self, record: Record, due: int | None) -> None:
        self._due[record.handle] = due
        if due is not None:
            heapq.heappush(self._heap, (due, record.handle))

    def _end(self, record: Record, event: SessionEnded, owner: str | None) -> None:
        del self._records[record.handle]
        del self._due[record.handle]
        if len(self._heap) > 2 * len(self._due) + 64:  # entries of ended sessions are dropped when they outnumber
            self._heap = [entry for entry in self._heap if self._due.get(entry[1]) == entry[0]]
            heapq.heapify(self._heap)
        if record.uid is not None:
            self._delist(record.uid, record.handle)
        self._outbox.append((event,), owner, event.at)

    # The user index ------------------------------------------------------------------------------------------------

    def _enlist(self, op: Enlist) -> Enlisted:
        handles = self._users.setdefault(op.uid, {})
        known = op.handle in handles
        if op.refuse and op.limit is not None and not known and len(handles) >= op.limit:
            return Enlisted(False, tuple(handles))
        handles[op.handle] = None
        if op.event is not None:
            self._outbox.append((op.event,))
        over = op.limit is not None and len(handles) > op.limit
        return Enlisted(True, tuple(handles) if over else ())

    def _delist(self, uid: str, handle: str) -> None:
        handles = self._users.get(uid)
        if handles is not None:
            handles.pop(handle, None)
            if not handles:
                del self._users[uid]

    # Listing and counting -----------------------------------------------------------------------------------------

    def _list(self, op: List) -> Page:
        if op.uid is not None:
            handles = self._users.get(op.uid, {})
            chosen = [self._records[handle] for handle in handles if handle in self._records]
        else:
            chosen = list(self._records.values())
        keyed = sorted(
            ((cursor_of(record), record) for record in chosen
             if record.handle.startswith(op.handle_prefix) and op.uid in (None, record.uid)),
            key=lambda pair: pair[0],
            reverse=op.newest_first,
        )  # fmt: skip
        if op.after is not None:
            after = op.after
            keyed = [pair for pair in keyed if (pair[0] < after if op.newest_first else pair[0] > after)]
        chosen_page = keyed[: op.limit]
        more = len(keyed) > op.limit
        return Page(tuple(record for _, record in chosen_page), chosen_page[-1][0] if more else None)

    def _count(self, op: Count) -> int:
        if op.uid is None:
            return sum(not expired(record, op.now) for record in self._records.values())
        found = (self._records.get(handle) for handle in self._users.get(op.uid, ()))
        return sum(
            record is not None and record.uid == op.uid and not expired(record, op.now) for record in found
        )  # an entry may be older than the session's present identity

    # Documents ----------------------------------------------------------------------------------------------------

    def _save_document(self, op: SaveDocument) -> bool:
        documents = self._documents.setdefault(op.collection, {})
        stored = documents.get(op.document.key)
        if (None if stored is None else stored.revision) != op.expected:
            return False
        documents[op.document.key] = op.document
        return True

    def _delete_document(self, op: DeleteDocument) -> bool:
        documents = self._documents.get(op.collection, {})
        stored = documents.get(op.key)
        if stored is None or stored.revision != op.expected:
            return False
        del documents[op.key]
        return True

    def _list_documents(self, op: ListDocuments) -> tuple[Document, ...]:
        documents = self._documents.get(op.collection, {})
        keys = sorted(key for key in documents if op.start <= key and (op.end is None or key <= op.end))
        return tuple([documents[key] for key in keys[: op.limit]])


class _Outbox:
    """Appended events by cursor, and who owns those that are to be acknowledged."""

    def __init__(self) -> None:
        self.cursor = 0
        self._events: deque[tuple[int, AnyEvent]] = deque()
        self._waiting: dict[str, tuple[SessionEnded, str | None, int]] = {}

    def append(self, events: tuple[AnyEvent, ...], owner: str | None = None, now: int = 0) -> None:
        for event in events:
            self.cursor += 1
            self._events.append((self.cursor, event))
            if isinstance(event, SessionEnded):
                self._waiting[event.id] = (event, owner, 0 if owner is None else now + 30_000)

    def claim(self, op: Claim) -> tuple[SessionEnded, ...]:
        free = [event for event, _, until in self._waiting.values() if until <= op.now]
        claimed = tuple(islice(free, op.limit))
        for event in claimed:
            self._waiting[event.id] = (event, op.owner, op.now + op.lease_ms)
        return claimed

    def acknowledge(self, ids: tuple[str, ...]) -> None:
        for id_ in ids:
            self._waiting.pop(id_, None)

    def tail(self, op: Tail) -> Tailed:
        if op.cursor is None:
            return Tailed((), self.cursor)
        oldest = self._events[0][0] if self._events else self.cursor + 1
        start = bisect_right(self._events, op.cursor, key=lambda pair: pair[0])
        found = list(islice(self._events, start, start + op.limit))
        return Tailed(
            tuple([event for _, event in found]), found[-1][0] if found else op.cursor, op.cursor + 1 < oldest
        )

    def forget(self, before: int, unclaimed_before: int) -> None:
        while self._events and self._events[0][1].at < before:
            self._events.popleft()
        for id_ in [id_ for id_, waiting in self._waiting.items() if waiting[0].at < unclaimed_before]:
            del self._waiting[id_]
