"""What each operation makes of a record: pure functions that every store has to agree with.

Embedded stores call them; scripts and SQL of the others are held against them by the conformance kit. They decide
nothing about requests or policies: they only say what an operation, once asked for, does.
"""

from __future__ import annotations

from msgspec.structs import replace

from sojourn.core import apply as reference
from sojourn.core.changes import Change, Clear
from sojourn.core.events import (
    AnyEvent,
    EndReason,
    SessionChanged,
    SessionEnded,
    SessionRotated,
    event_id,
    session_ended,
)
from sojourn.core.operations import Applied, Apply, Delete, Load
from sojourn.core.record import FORMAT, Record, deadline, expired, proof, touch_due
from sojourn.core.tokens import proves
from sojourn.core.values import Fields, size
from sojourn.errors import IdentityChanged, SessionExpired, SessionNotFound, SessionTooLarge, SessionUnreadable

__all__ = ["apply", "changed_keys", "delete", "due_after", "touched"]


def touched(record: Record, op: Load) -> Record | None:
    """The record with its access noted, or None if nothing is to be written."""
    if op.secret_hash is None or not touch_due(record, op.now) or expired(record, op.now):
        return None
    if proof(record, op.secret_hash) != "valid":
        return None  # a touch by anybody who knows the public handle would keep a session alive
    return replace(record, last_access=op.now)


def apply(record: Record | None, op: Apply) -> Applied:
    """What an `Apply` does to a record.

    Raises:
        SessionNotFound, SessionUnreadable, SessionExpired, IdentityChanged: As `Apply` says.
        ChangeError, Conflict, ValueRefused, SessionTooLarge: A command or value was refused; nothing changes.
    """
    if record is None:
        raise SessionNotFound(op.handle)
    if record.format > FORMAT:
        raise SessionUnreadable(op.handle)
    if expired(record, op.now):
        raise SessionExpired(op.handle, deadline(record) or 0)
    if op.generation is not None and op.generation != record.generation:
        raise IdentityChanged(op.handle)
    if op.new_hash is not None and op.old_hash is not None and not proves(op.old_hash, record.secret_hash):
        raise IdentityChanged(op.handle)
    last_access = max(record.last_access, op.now)
    if op.touch_only:
        return Applied(replace(record, last_access=last_access))
    data, answers = reference.apply(record.data, op.changes) if op.changes else (record.data, ())
    if op.changes and _may_pass(data, op.max_bytes) and (length := size(data)) > op.max_bytes:
        raise SessionTooLarge(
            f"session {op.handle} would have {length} bytes of data, more than the {op.max_bytes} that "
            "max_bytes allows; keep large things elsewhere and their key in the session."
        )
    after = replace(record, data=data, last_access=last_access, last_update=max(record.last_update, op.now))
    if op.new_hash is not None:
        after = replace(after, secret_hash=op.new_hash, previous_hash=record.secret_hash, rotated_at=op.now)
    if (who := op.identity) is not None:
        after = replace(
            after,
            uid=who.uid,
            roles=who.roles,
            user_data=who.user_data,
            authenticated_at=who.authenticated_at,
            acting_as=who.acting_as,
            generation=record.generation + 1,
        )
    if op.lifetime is not None:
        after = replace(after, lifetime=op.lifetime)
    if op.client is not None:
        after = replace(after, client=op.client)
    after, events = _events(after, op)
    return Applied(after, answers, events)


def _may_pass(data: Fields, limit: int) -> bool:
    """Whether the exact size is worth computing: a character of a key takes at most six octets of its text."""
    most = 2
    for key, text in data.items():
        most += 6 * len(key) + len(text) + 5
    return most > limit


def _events(record: Record, op: Apply) -> tuple[Record, tuple[AnyEvent, ...]]:
    events: list[AnyEvent] = []
    seq = record.seq
    if op.new_hash is not None:
        seq += 1
        events.append(
            SessionRotated(
                id=event_id(op.handle, seq), at=op.now, handle=op.handle, seq=seq, uid=record.uid, actor=op.actor
            )
        )
    if op.events and op.changes:
        seq += 1
        events.append(
            SessionChanged(
                id=event_id(op.handle, seq),
                at=op.now,
                handle=op.handle,
                seq=seq,
                uid=record.uid,
                actor=op.actor,
                keys=changed_keys(op.changes),
            )
        )
    return (replace(record, seq=seq), tuple(events)) if events else (record, ())


def changed_keys(changes: tuple[Change, ...]) -> tuple[str, ...]:
    """The top-level keys that a batch names, each once."""
    return tuple(dict.fromkeys(change.path[0] for change in changes if not isinstance(change, Clear)))


def delete(record: Record, op: Delete) -> SessionEnded | None:
    """The event of the record's end, or None if a condition of the `Delete` does not hold."""
    over = expired(record, op.now)
    if op.only_expired and not over:
        return None
    if op.only_uid is not None and record.uid != op.only_uid:
        return None
    if op.only_empty and (record.data or record.uid is not None):
        return None
    return session_ended(record, op.now, EndReason.EXPIRED if over else op.reason, op.actor)


def due_after(due: int | None, record: Record) -> int | None:
    """When the sweeper has to look at a record after a change: earlier if its deadline is, else as filed.

    A later deadline is left to the sweep, which files the session again; so a touch never moves the index.
    """
    end = deadline(record)
    if end is None:
        return due
    return end if due is None or end < due else due
