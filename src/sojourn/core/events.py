"""What happens to sessions, as values that can be handed to handlers, kept in an outbox and sent over a bus.

An event's id is made of the session's handle and its per-session number, so a repeated event has the same id.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

import msgspec
from msgspec import Struct

from sojourn.core.record import Client, Record

__all__ = [
    "AnyEvent",
    "EndReason",
    "Event",
    "GapNoticed",
    "LoginFailed",
    "LogoutRequested",
    "SessionChanged",
    "SessionCreated",
    "SessionEnded",
    "SessionNotRead",
    "SessionRotated",
    "TokenReused",
    "UserLoggedIn",
    "decode_event",
    "encode_event",
    "event_id",
    "session_created",
    "session_ended",
]


class EndReason(StrEnum):
    """Why a session stopped."""

    LOGOUT = "logout"
    REVOKED = "revoked"
    EXPIRED = "expired"
    EVICTED = "evicted"
    REPLACED = "replaced"
    EMPTIED = "emptied"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a reason, not a password
    ACCOUNT_CLOSED = "account_closed"
    TOKEN_REUSED = "token_reused"  # noqa: S105 - a reason, not a token
    LOST = "lost"


class Event(Struct, frozen=True, kw_only=True, tag_field="event"):
    """What every event tells.

    Attributes:
        id: The same for each repetition of the same event.
        at: Milliseconds since the epoch.
        handle: The session, where there is one.
        seq: The number of this event within its session; 0 where there is no session.
        uid: The session's user, if signed in.
        actor: Who did it, if not the session's own client: an administrator, a program.
    """

    id: str
    at: int
    handle: str | None = None
    seq: int = 0
    uid: str | None = None
    actor: str | None = None


class SessionCreated(Event, frozen=True, kw_only=True, tag="session_created"):
    """A session was stored for the first time."""

    client: Client = Client()


class SessionRotated(Event, frozen=True, kw_only=True, tag="session_rotated"):
    """The token got a new secret; handle and data stayed."""


class SessionChanged(Event, frozen=True, kw_only=True, tag="session_changed"):
    """Data was changed; emitted only with `change_events=True`. Names the top-level keys, never values."""

    keys: tuple[str, ...] = ()


class SessionEnded(Event, frozen=True, kw_only=True, tag="session_ended"):
    """A session stopped, for this reason; the one event of its end (promise 3)."""

    reason: EndReason
    created: int | None = None


class TokenReused(Event, frozen=True, kw_only=True, tag="token_reused"):
    """A secret that had been rotated away came back: a late request, or a stolen token (promise 6)."""


class SessionNotRead(Event, frozen=True, kw_only=True, tag="session_not_read"):
    """A request's session is damaged or of a newer version: the request was anonymous, the session is kept."""


class UserLoggedIn(Event, frozen=True, kw_only=True, tag="user_logged_in"):
    """A session was signed in and stands within the user's limit."""

    client: Client = Client()


class LoginFailed(Event, frozen=True, kw_only=True, tag="login_failed"):
    """A name and password were refused. The name is as given, so it may name nobody."""

    name: str
    address: str | None = None
    locked: bool = False


class LogoutRequested(Event, frozen=True, kw_only=True, tag="logout_requested"):
    """The open pages of this session are asked to log out; the session itself stays (M11, M12)."""


class GapNoticed(Event, frozen=True, kw_only=True, tag="gap_noticed"):
    """A listener may have missed events: re-check what matters to you. Never stored; only `listen` yields it."""


AnyEvent: TypeAlias = (
    SessionCreated
    | SessionRotated
    | SessionChanged
    | SessionEnded
    | TokenReused
    | SessionNotRead
    | UserLoggedIn
    | LoginFailed
    | LogoutRequested
    | GapNoticed
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def event_id(handle: str, seq: int) -> str:
    """The id of a session's event: deterministic, so a repetition after a crash carries the same."""
    return f"{handle}-{seq}"


def encode_event(event: AnyEvent) -> bytes:
    """An event as JSON text, for outboxes, buses and programs."""
    return _encoder.encode(event)


def decode_event(text: bytes | str) -> AnyEvent:
    """The event that `encode_event` wrote.

    Raises:
        msgspec.ValidationError: If the text is none.
    """
    return _decoder.decode(text)


def session_created(record: Record) -> SessionCreated:
    """The event of a record's creation."""
    return SessionCreated(
        id=event_id(record.handle, record.seq),
        at=record.created,
        handle=record.handle,
        seq=record.seq,
        uid=record.uid,
        client=record.client,
    )


def session_ended(record: Record, now: int, reason: EndReason, actor: str | None = None) -> SessionEnded:
    """The event of a record's end: one more than its last number, so whoever ends it makes the same id."""
    return SessionEnded(
        id=event_id(record.handle, record.seq + 1),
        at=now,
        handle=record.handle,
        seq=record.seq + 1,
        uid=record.uid,
        actor=actor,
        reason=reason,
        created=record.created,
    )
