"""Stores whose reads, writes and ends are broken: not atomic, not guarded, or not told."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from broken_register import IS_FINAL, RACES, broken
from sojourn.core import transitions
from sojourn.core.events import SessionEnded, session_ended
from sojourn.core.operations import (
    Applied,
    Apply,
    Claim,
    Create,
    Delete,
    Ended,
    Enlist,
    Load,
    LoadDocument,
    SaveDocument,
)
from sojourn.core.record import Record, deadline, expired
from sojourn.stores.memory import MemoryStore
from sojourn.testing import conformance

__all__ = ["Torn", "Upserts"]


@broken(*IS_FINAL, "apply_never_creates")
class Upserts(MemoryStore):
    """Writes what it has worked out, whether there is still something to write over: the classic."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Record] = {}

    def _create(self, op: Create) -> bool:
        self.known[op.record.handle] = op.record
        return super()._create(op)

    def _apply(self, op: Apply) -> Applied:
        if op.handle not in self._records and op.handle in self.known:
            super()._create(Create(self.known[op.handle]))
        elif op.handle not in self._records:
            return Applied(Record(op.handle, b"", 0, 0, 0, conformance.LIFETIME))
        return super()._apply(op)


class Torn(MemoryStore):
    """Yields between reading and writing, like a client that reads, decides and writes back."""

    async def aperform(self, op: Any) -> Any:
        if isinstance(op, Apply):
            applied = transitions.apply(self._records.get(op.handle), op)
            await asyncio.sleep(0)
            self._put(applied.record)
            return applied
        if isinstance(op, Load):
            record = self._records.get(op.handle)
            touched = None if record is None else transitions.touched(record, op)
            if touched is not None:
                await asyncio.sleep(0)
                self._put(touched)
            return touched or record
        return await super().aperform(op)

    def _put(self, record: Record) -> None:
        self._records[record.handle] = record
        self._file(record, deadline(record))


@broken(*RACES, "concurrent_changes_all_stay", "what_is_taken_is_taken_once", "checks_let_one_through",
        "identities_let_one_through", colour="async")  # fmt: skip
class WritesBack(Torn):
    """No write is atomic."""


@broken("creators_of_one_handle_are_told_apart", "enders_of_one_session_are_told_apart",
        "writers_of_one_document_are_told_apart", "enlisted_at_once_never_pass_a_refusing_limit",
        "claims_at_once_are_told_apart", colour="async")  # fmt: skip
class LooksFirst(MemoryStore):
    """Looks, lets others go first, and acts on what it saw."""

    async def aperform(self, op: Any) -> Any:
        match op:
            case Create(record):
                is_free = record.handle not in self._records
                await asyncio.sleep(0)
                if is_free:
                    self._records.pop(record.handle, None)
                    self.perform(op)
                return is_free
            case Delete():
                record = self._records.get(op.handle)
                await asyncio.sleep(0)
                if record is None:
                    return None
                return self.perform(op) or Ended(record, session_ended(record, op.now, op.reason))
            case SaveDocument():
                stored = self._documents.get(op.collection, {}).get(op.document.key)
                await asyncio.sleep(0)
                if (stored and stored.revision) != op.expected:
                    return False
                now_there = self.perform(LoadDocument(op.collection, op.document.key))
                return self.perform(replace(op, expected=now_there and now_there.revision))
            case Enlist(refuse=True):
                count = len(self._users.get(op.uid, ()))
                await asyncio.sleep(0)
                return self.perform(
                    replace(op, limit=max(op.limit or 0, count + 99) if count < (op.limit or 0) else op.limit)
                )
            case Claim():
                waiting = dict(self._outbox._waiting)
                await asyncio.sleep(0)
                self._outbox._waiting.update({key: waiting[key] for key in self._outbox._waiting if key in waiting})
                return self.perform(op)
        return await super().aperform(op)


@broken("cancelled_applies_are_whole", colour="async")
class AppliesInHalves(MemoryStore):
    """Writes the data in one step and the rest in another; a cancellation falls between."""

    async def aperform(self, op: Any) -> Any:
        if isinstance(op, Apply) and op.identity is not None:
            self.perform(Apply(op.handle, op.now, op.generation, op.changes))
            await asyncio.sleep(0)
            return self.perform(replace(op, changes=()))
        return await super().aperform(op)


@broken("apply_leaves_nothing_of_a_failed_batch")
class AppliesOneByOne(MemoryStore):
    def _apply(self, op: Apply) -> Applied:
        for change in op.changes[:-1]:
            super()._apply(replace(op, changes=(change,), new_hash=None, identity=None))
        return super()._apply(replace(op, changes=op.changes[-1:]))


@broken("load_touches_only_with_the_secret")
class TouchesForAnybody(MemoryStore):
    def _load(self, op: Load) -> Record | None:
        record = self._records.get(op.handle)
        return super()._load(
            replace(op, secret_hash=record.secret_hash) if record and op.secret_hash is not None else op
        )


class TouchesAs(MemoryStore):
    def touched(self, record: Record, op: Load) -> Record | None:
        raise NotImplementedError

    def perform(self, op: Any) -> Any:
        return self._perform(op)

    def _load(self, op: Load) -> Record | None:
        record = self._records.get(op.handle)
        touched = self.touched(record, op) if record is not None else None
        if touched is None:
            return record
        self._records[op.handle] = touched
        return touched


@broken("load_touches_only_the_living")
class TouchesTheDead(TouchesAs):
    def touched(self, record: Record, op: Load) -> Record | None:
        return (
            replace(record, last_access=op.now) if op.secret_hash is not None and op.now > record.last_access else None
        )


@broken("load_touches_nothing_that_is_not_due", "load_never_touches_backwards")
class TouchesEveryTime(TouchesAs):
    def touched(self, record: Record, op: Load) -> Record | None:
        valid = op.secret_hash is not None and not expired(record, op.now)
        return replace(record, last_access=op.now) if valid else None


@broken("load_without_a_secret_leaves_no_trace")
class TouchesWithoutSecret(TouchesAs):
    def touched(self, record: Record, op: Load) -> Record | None:
        return transitions.touched(record, replace(op, secret_hash=record.secret_hash))


@broken("load_notes_a_due_touch", "load_touches_only_the_living")
class NeverTouches(TouchesAs):
    def touched(self, record: Record, op: Load) -> Record | None:
        return None


class AppliesAs(MemoryStore):
    def after(self, before: Record, applied: Applied, op: Apply) -> Applied:
        raise NotImplementedError

    def _apply(self, op: Apply) -> Applied:
        before = self._records.get(op.handle)
        applied = super()._apply(op)
        assert before is not None
        changed = self.after(before, applied, op)
        self._records[op.handle] = changed.record
        return changed


@broken("rotation_keeps_the_previous_hash", "identity_changes_raise_the_generation")
class ForgetsThePreviousHash(AppliesAs):
    def after(self, before: Record, applied: Applied, op: Apply) -> Applied:
        return replace(applied, record=replace(applied.record, previous_hash=None))


@broken("rotations_of_one_secret_do_not_both_stand")
class RotatesWhateverTheSecret(MemoryStore):
    def _apply(self, op: Apply) -> Applied:
        return super()._apply(replace(op, old_hash=None))


@broken("identity_changes_raise_the_generation", "identities_let_one_through")
class NeverRaisesTheGeneration(AppliesAs):
    def after(self, before: Record, applied: Applied, op: Apply) -> Applied:
        return replace(applied, record=replace(applied.record, generation=before.generation))


@broken("apply_notes_the_times")
class LetsTimesGoBack(AppliesAs):
    def after(self, before: Record, applied: Applied, op: Apply) -> Applied:
        return replace(applied, record=replace(applied.record, last_access=op.now))


@broken("a_refusing_limit_leaves_nothing_behind")
class NeverSignsOut(AppliesAs):
    def after(self, before: Record, applied: Applied, op: Apply) -> Applied:
        stays = op.identity is not None and op.identity.uid is None and before.uid is not None
        return replace(applied, record=replace(applied.record, uid=before.uid)) if stays else applied


@broken("apply_refuses_expired_sessions")
class WritesToTheDead(MemoryStore):
    def _apply(self, op: Apply) -> Applied:
        record = self._records.get(op.handle)
        over = record is not None and expired(record, op.now)
        return super()._apply(replace(op, now=deadline(record) or 0) if over and record else op)


@broken("delete_appends_the_one_event", "old_events_are_forgotten", *RACES)
class ForgetsTheOutbox(MemoryStore):
    def _end(self, record: Record, event: SessionEnded, owner: str | None) -> None:
        super()._end(record, event, owner)
        self._outbox.acknowledge((event.id,))
        self._outbox._events.pop()


@broken("delete_calls_what_was_over_expired", "delete_keeps_to_its_conditions")
class TakesTheReasonGiven(MemoryStore):
    def _delete(self, op: Delete) -> Ended | None:
        ended = super()._delete(op)
        return ended and replace(ended, event=replace(ended.event, reason=op.reason))
