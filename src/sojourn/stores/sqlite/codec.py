"""Between records, events and rows; pure. The data stays canonical text: a read decodes no value."""

from __future__ import annotations

import msgspec

from sojourn.core.events import AnyEvent, SessionEnded, decode_event, encode_event
from sojourn.core.operations import Document
from sojourn.core.record import Client, Lifetime, Record
from sojourn.core.values import join, split
from sojourn.errors import SessionUnreadable, ValueRefused
from sojourn.stores.sqlite.database import Row

__all__ = ["HANDING_OVER_MS", "document_of", "event_of", "event_row", "record_of", "row_of", "without_texts"]

HANDING_OVER_MS = 30_000
"""How long an event belongs to the process whose statement ended the session, before others may claim it."""

_NOBODY = Client()
_names: msgspec.json.Decoder[tuple[str, ...]] = msgspec.json.Decoder(tuple[str, ...])
_json = msgspec.json.Encoder().encode


def row_of(record: Record) -> Row:
    """A record's columns, in the order of `statements.COLUMNS`."""
    life, client = record.lifetime, record.client
    return (
        record.handle,
        record.secret_hash,
        record.created,
        record.last_access,
        record.last_update,
        life.ttl_ms,
        life.ttl_type,
        life.absolute_ms,
        life.touch_ms,
        join(record.data).decode(),
        record.uid,
        _json(record.roles).decode() if record.roles else "[]",
        record.user_data.decode(),
        record.authenticated_at,
        record.acting_as,
        client.ip,
        client.user_agent,
        client.label,
        record.generation,
        record.previous_hash,
        record.seq,
        record.format,
        record.rotated_at,
    )


def record_of(row: Row) -> Record:
    """The record of a row; columns after those of `statements.COLUMNS` are left alone.

    Raises:
        SessionUnreadable: A text in it is damaged.
    """
    # fmt: off
    (handle, secret_hash, created, last_access, last_update, ttl_ms, ttl_type, absolute_ms, touch_ms, data, uid, roles,
     user_data, authenticated_at, acting_as, ip, user_agent, label, generation, previous_hash, seq, form, rotated_at,
     *_) = row
    # fmt: on
    try:
        return Record(
            handle,
            secret_hash,
            created,
            last_access,
            last_update,
            Lifetime(ttl_ms, ttl_type, absolute_ms, touch_ms),
            split(data.encode()) if data != "{}" else {},
            uid,
            _names.decode(roles) if roles != "[]" else (),
            user_data.encode(),
            authenticated_at,
            acting_as,
            _NOBODY if ip is None and user_agent is None and label is None else Client(ip, user_agent, label),
            generation,
            previous_hash,
            seq,
            form,
            rotated_at,
        )
    except (ValueRefused, msgspec.MsgspecError) as error:
        raise SessionUnreadable(handle) from error


def without_texts(row: Row) -> Row:
    """The row with its data, roles and user_data empty: what is left of a damaged session, so that it can be ended."""
    return (*row[:9], "{}", row[10], "[]", "{}", *row[13:])


def event_row(event: AnyEvent, owner: str | None = None) -> Row:
    """An event's columns in the outbox; only the end of a session waits for an acknowledgement."""
    waiting = isinstance(event, SessionEnded)
    lease = None if not waiting else 0 if owner is None else event.at + HANDING_OVER_MS
    return event.id, event.at, encode_event(event).decode(), owner, lease, int(waiting)


def event_of(text: str) -> AnyEvent | None:
    """The event of an outbox row; None if this version does not know it, as during a rolling upgrade."""
    try:
        return decode_event(text)
    except (msgspec.MsgspecError, ValueError):
        return None


def document_of(row: Row) -> Document:
    """The document of a row (key, revision, body)."""
    key, revision, body = row
    return Document(key, revision, body)
