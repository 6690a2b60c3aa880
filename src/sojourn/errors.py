"""Every error that Sojourn raises, in one tree.

SojournError
├── UsageError (ValueError)            the calling program is wrong
│   ├── ConfigurationError             an option that cannot work, or is unsafe
│   ├── ValueRefused                   a value that no store could keep exactly; `path` names where
│   │   └── SessionTooLarge            the session's canonical text would pass its limit
│   ├── ChangeError                    a command that does not fit the data; nothing of its batch was applied
│   │   └── Conflict                   a `check` did not hold: somebody else was first
│   └── AbilityMissing                 the store does not declare the ability that the call needs
├── SessionError                       the session does not answer as it was asked
│   ├── SessionNotFound (LookupError)  no such session: never was, ended, or a wrong secret
│   │   ├── SessionExpired             it is still stored, but its lifetime is over (F5)
│   │   └── SessionUnreadable          it is stored, but damaged or written by a newer version; it is kept
│   ├── IdentityChanged                it belongs to another identity than the one that this request loaded
│   └── LimitReached                   the user has as many sessions as `max_sessions` allows
├── LoginError                         a sign-in that was not granted
│   ├── WrongCredentials               unknown name or wrong password: one answer for both
│   └── AccountLocked                  too many failures; `retry_after_ms` says how long
├── DocumentConflict                   the document has another revision than the one named
├── CsrfError                          a request that its session did not ask for
└── StoreError                         the store could not do it
    ├── StoreCorrupt                   its file or rows are damaged
    ├── StoreFull                      no room to write; what was stored is intact
    ├── StoreReadOnly                  it may not be written to
    └── StoreUnavailable               it did not answer in time; nothing was done
        └── OutcomeUnknown             it may or may not have been done: the answer did not come

Each carries its evidence as attributes and a `status_hint`, the HTTP status that fits when nobody handles it.
No message, and no repr, ever holds a secret (promise 6; a test greps for planted tokens).
"""

from __future__ import annotations

__all__ = [
    "AbilityMissing",
    "AccountLocked",
    "ChangeError",
    "ConfigurationError",
    "Conflict",
    "CsrfError",
    "DocumentConflict",
    "IdentityChanged",
    "LimitReached",
    "LoginError",
    "OutcomeUnknown",
    "SessionError",
    "SessionExpired",
    "SessionNotFound",
    "SessionTooLarge",
    "SessionUnreadable",
    "SojournError",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreReadOnly",
    "StoreUnavailable",
    "UsageError",
    "ValueRefused",
    "WrongCredentials",
]


class SojournError(Exception):
    """The root: catch it to catch whatever Sojourn raises on purpose."""

    status_hint: int = 500


class UsageError(SojournError, ValueError):
    """The calling program asked for something that cannot be."""


class ConfigurationError(UsageError):
    """An option is malformed, contradicts another one, or is unsafe; the message says what to write instead."""


class ValueRefused(UsageError):
    """A value that not every store could keep exactly.

    Attributes:
        path: Where it stood: keys and list indexes from the data downwards.
    """

    status_hint = 400

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class SessionTooLarge(ValueRefused):
    """The session's canonical text would be longer than the limit; nothing was stored."""

    status_hint = 413


class ChangeError(UsageError):
    """A command met data that it does not fit; nothing of its batch was applied.

    Attributes:
        path: The path of the command.
    """

    status_hint = 409

    def __init__(self, message: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class Conflict(ChangeError):
    """A `check` found another value than the expected one; nothing of its batch was applied."""


class AbilityMissing(UsageError):
    """The store does not declare an ability (listing, user index, events, documents) that the call needs."""


class SessionError(SojournError):
    """The session does not answer as it was asked.

    Attributes:
        handle: The session's public name, or None where the token was malformed.
    """

    def __init__(self, message: str, handle: str | None = None) -> None:
        super().__init__(message)
        self.handle = handle


class SessionNotFound(SessionError, LookupError):
    """No such session: it never was, has ended, or the secret is not its own.

    The three are not told apart in the message, so that nobody can probe for handles. Seed item F5.

    Attributes:
        is_reused: The secret was this session's, and has been rotated away (`TokenReused` tells of it).
    """

    status_hint = 401

    def __init__(self, handle: str | None = None, message: str | None = None, *, is_reused: bool = False) -> None:
        self.is_reused = is_reused
        named = "the presented token" if handle is None else f"session {handle}"
        super().__init__(message or f"{named} not found: it has ended or never was. Create a new session.", handle)


class SessionExpired(SessionNotFound):
    """The session is still stored, but its lifetime is over. Seed items F5 and F6.

    Attributes:
        expired_at: Its deadline, in milliseconds since the epoch.
    """

    def __init__(self, handle: str, expired_at: int) -> None:
        super().__init__(handle, f"session {handle} has expired. Create a new session.")
        self.expired_at = expired_at


class SessionUnreadable(SessionNotFound):
    """The session is stored, but its row is damaged, or a newer version of Sojourn wrote it. It is kept as it is.

    A request that comes with it is anonymous and keeps its cookie (design 4): during a rolling upgrade it may open at
    the next process. It can be ended, swept and listed, without its data.
    """

    def __init__(self, handle: str) -> None:
        super().__init__(
            handle,
            f"session {handle} cannot be read: its row is damaged, or a newer version of Sojourn wrote it. "
            "Upgrade this process, or end the session.",
        )


class IdentityChanged(SessionError):
    """The session changed its identity after this request had loaded it; nothing was written.

    A request that began as one identity never writes into another's session (design 7).
    """

    status_hint = 409

    def __init__(self, handle: str) -> None:
        super().__init__(
            f"session {handle} has signed in, out or over since it was loaded; open it again to write.", handle
        )


class LimitReached(SessionError):
    """The user already has as many sessions as `max_sessions` allows and the policy is to refuse.

    Attributes:
        uid: The user.
        limit: The most sessions that this user may have.
    """

    status_hint = 403

    def __init__(self, uid: str, limit: int, handle: str | None = None) -> None:
        super().__init__(f"user {uid!r} already has {limit} sessions, as many as max_sessions allows.", handle)
        self.uid = uid
        self.limit = limit


class LoginError(SojournError):
    """A sign-in was not granted."""

    status_hint = 401


class WrongCredentials(LoginError):
    """The name is unknown or the password is wrong; which of the two is never told (ASVS 6.3.8)."""

    def __init__(self) -> None:
        super().__init__("Name or password is incorrect.")


class AccountLocked(LoginError):
    """Too many failures in a row from this address for this name.

    Attributes:
        retry_after_ms: Milliseconds until the next try is looked at.
    """

    status_hint = 429

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__("Account is temporarily locked due to multiple authentication failures")
        self.retry_after_ms = retry_after_ms


class DocumentConflict(SojournError):
    """The document's revision is not the one that the writer named; nothing was written.

    Attributes:
        key: The document's key.
    """

    status_hint = 409

    def __init__(self, key: str) -> None:
        super().__init__(f"document {key!r} was changed by somebody else; read it again and repeat the change.")
        self.key = key


class CsrfError(SojournError):
    """The request cannot be shown to come from the session's own pages."""

    status_hint = 403


class StoreError(SojournError):
    """The store failed at something; the driver's own error is the `__cause__`."""

    status_hint = 503


class StoreCorrupt(StoreError):
    """The store's file or rows are damaged; nothing was written."""


class StoreFull(StoreError):
    """There is no room to write; what was stored is intact and can be read."""


class StoreReadOnly(StoreError):
    """The store may not be written to; the message says what forbids it."""


class StoreUnavailable(StoreError):
    """The store did not answer in time, or not at all. Nothing was done: the call may be repeated."""


class OutcomeUnknown(StoreUnavailable):
    """The answer did not come: the operation may or may not have been done. Never repeat it blindly."""
