"""Stores whose sweep, lists, user index, outbox or documents are broken."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from broken_register import IS_FINAL, broken
from sojourn.core.events import EndReason, session_ended
from sojourn.core.operations import (
    Append,
    Count,
    Create,
    Delete,
    DeleteDocument,
    Ended,
    Enlist,
    List,
    Page,
    SaveDocument,
    Sweep,
    Swept,
    Tail,
)
from sojourn.core.record import Client, Record, cursor_of, expired
from sojourn.stores.memory import MemoryStore
from sojourn.testing import conformance

__all__ = ["SweepsAs"]


class SweepsAs(MemoryStore):
    """A sweep that looks at all records, and takes those for over that a subclass takes for it."""

    def over(self, record: Record, due: int | None, now: int) -> bool:
        raise NotImplementedError

    def _sweep(self, op: Sweep) -> Swept:
        ended = []
        for handle, due in list(self._due.items()):
            record = self._records[handle]
            if self.over(record, due, op.now) and len(ended) < op.limit:
                event = session_ended(record, op.now, EndReason.EXPIRED)
                self._end(record, event, op.owner)
                ended.append(event)
        return Swept(True, tuple(ended), 0, min((due for due in self._due.values() if due is not None), default=None))


@broken("sweep_checks_the_deadline_again", "sweeping_races_writing", colour="async")
class SweepsWithoutLooking(SweepsAs):
    def over(self, record: Record, due: int | None, now: int) -> bool:
        return due is not None and due < now


@broken("sweep_ends_what_is_over", "sweep_forgets_nothing_after_writes")
class SweepsTooEarly(SweepsAs):
    def over(self, record: Record, due: int | None, now: int) -> bool:
        return expired(record, now + 1)


@broken("sweep_has_one_holder")
class HasNoLease(SweepsAs):
    def over(self, record: Record, due: int | None, now: int) -> bool:
        return expired(record, now)


@broken("sweepers_at_once_end_each_session_once", "sweeping_races_writing", colour="async")
class SweepsInTwoSteps(MemoryStore):
    """Collects what is due, then ends it, without another look."""

    async def aperform(self, op: Any) -> Any:
        if not isinstance(op, Sweep):
            return await super().aperform(op)
        found = [record for record in self._records.values() if expired(record, op.now)][: op.limit]
        await asyncio.sleep(0)
        events = tuple([session_ended(record, op.now, EndReason.EXPIRED) for record in found])
        for record, event in zip(found, events, strict=True):
            if record.handle in self._records:
                self._end(self._records[record.handle], event, op.owner)
        return Swept(True, events)


@broken("sweep_leaves_what_ended_otherwise", *[name for name in IS_FINAL if name != "expired_is_final"])
class SweepsGhosts(MemoryStore):
    """Ended sessions stay in its due index, and expire once more."""

    def __init__(self) -> None:
        super().__init__()
        self.ghosts: list[Record] = []

    def _delete(self, op: Delete) -> Ended | None:
        ended = super()._delete(op)
        self.ghosts += [ended.record] if ended else []
        return ended

    def _sweep(self, op: Sweep) -> Swept:
        swept = super()._sweep(op)
        over = [record for record in self.ghosts if expired(record, op.now)]
        self.ghosts = [record for record in self.ghosts if record not in over]
        return replace(swept, ended=swept.ended + tuple(session_ended(r, op.now, EndReason.EXPIRED) for r in over))


@broken("list_pages_stay_under_writes")
class PagesByOffset(MemoryStore):
    def _list(self, op: List) -> Page:
        every = super()._list(replace(op, after=None, limit=10**6)).records
        first = int(op.after or 0)
        page = every[first : first + op.limit]
        return Page(page, str(first + op.limit) if first + op.limit < len(every) else None)


@broken("list_goes_by_creation")
class PagesWithoutTies(MemoryStore):
    def _list(self, op: List) -> Page:
        page = super()._list(op)
        records = sorted(page.records, key=lambda record: record.created, reverse=op.newest_first)
        return replace(page, records=tuple(sorted(records, key=lambda r: (r.created, r.handle[::-1]))))


@broken("list_pages_under_parallel_writes", "list_pages_stay_under_writes")
class SkipsAfterPages(MemoryStore):
    def _list(self, op: List) -> Page:
        page = super()._list(op)
        return page if op.after is None else replace(page, records=page.records[1:])


@broken("list_filters", "count_means_the_living")
class BelievesItsIndex(MemoryStore):
    """Takes whatever the user index names for that user's."""

    def _list(self, op: List) -> Page:
        if op.uid is None:
            return super()._list(op)
        found = [self._records[h] for h in self._users.get(op.uid, ()) if h.startswith(op.handle_prefix)]
        found.sort(key=cursor_of, reverse=op.newest_first)
        return Page(tuple(found)[: op.limit])

    def _count(self, op: Count) -> int:
        return super()._count(op) if op.uid is None else len(self._users.get(op.uid, ()))


@broken("dead_entries_do_not_count")
class NeverDelists(MemoryStore):
    def _delist(self, uid: str, handle: str) -> None:
        """Nothing."""


@broken("revoking_all_misses_no_sign_in", colour="async")
class IndexesLater(MemoryStore):
    """Its user index follows one operation behind."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[Enlist] = []

    def _perform(self, op: Any) -> Any:
        if isinstance(op, Enlist):
            for late in self.late:
                super()._perform(late)
            self.late = [op]
            return conformance.Enlisted(True)
        return super()._perform(op)


@broken("the_mark_moves_with_events", "create_appends_one_event")
class StandsStill(MemoryStore):
    def event_mark(self) -> int:
        return 0


@broken("create_appends_one_event", "appended_events_come_back")
class ForgetsClientsInEvents(MemoryStore):
    def _perform(self, op: Any) -> Any:
        reply = super()._perform(op)
        if isinstance(op, Tail):
            events = [replace(e, client=Client()) if hasattr(e, "client") else e for e in reply.events]
            return replace(reply, events=tuple(events))
        return reply


@broken("create_keeps_every_field")
class ForgetsWhoActs(MemoryStore):
    def _create(self, op: Create) -> bool:
        return super()._create(Create(replace(op.record, acting_as=None)))


@broken("setup_may_be_repeated")
class EmptiesAtSetup(MemoryStore):
    def setup(self) -> None:
        self.__init__()  # type: ignore[misc]  # the bug


@broken("documents_are_saved_by_revision", "writers_of_one_document_are_told_apart")
class SavesOverEverything(MemoryStore):
    def _save_document(self, op: SaveDocument) -> bool:
        self._documents.setdefault(op.collection, {})[op.document.key] = op.document
        return True


@broken("documents_are_deleted_by_revision")
class DeletesEveryRevision(MemoryStore):
    def _delete_document(self, op: DeleteDocument) -> bool:
        return self._documents.get(op.collection, {}).pop(op.key, None) is not None


@broken("tails_miss_nothing_under_parallel_writes", colour="async")
class CommitsOutOfOrder(MemoryStore):
    """Takes a number, lets others commit larger ones, and comes in behind them: sequences of databases do that."""

    async def aperform(self, op: Any) -> Any:
        if not isinstance(op, Append):
            return await super().aperform(op)
        outbox = self._outbox
        outbox.cursor += 1
        number = outbox.cursor
        await asyncio.sleep(0)
        outbox._events.append((number, op.events[0]))
        outbox._events = type(outbox._events)(sorted(outbox._events, key=lambda pair: pair[0]))
        return None
