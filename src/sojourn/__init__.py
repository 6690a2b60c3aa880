"""Sojourn keeps the sessions of web applications.

    from sojourn import SessionManager

    sessions = SessionManager("sqlite:///sojourn.db", ttl="14 days")
    session = sessions.create()
    session["theme"] = "dark"
    session.commit()

The README is the tour, ARCHITECTURE.md the map. Importing this package loads no driver, no framework and no asyncio.
"""

from sojourn.async_manager import AsyncSessionManager
from sojourn.core.changes import (
    ABSENT,
    add_to_set,
    check,
    clear,
    increment,
    maximum,
    minimum,
    pop_first,
    pop_last,
    pull,
    push,
    rename,
    set_default,
    take,
    unset,
)
from sojourn.core.events import (
    EndReason,
    Event,
    GapNoticed,
    LoginFailed,
    LogoutRequested,
    SessionChanged,
    SessionCreated,
    SessionEnded,
    SessionNotRead,
    SessionRotated,
    TokenReused,
    UserLoggedIn,
)
from sojourn.core.record import Client
from sojourn.errors import (
    AbilityMissing,
    AccountLocked,
    ChangeError,
    ConfigurationError,
    Conflict,
    CsrfError,
    DocumentConflict,
    IdentityChanged,
    LimitReached,
    LoginError,
    OutcomeUnknown,
    SessionError,
    SessionExpired,
    SessionNotFound,
    SessionTooLarge,
    SessionUnreadable,
    SojournError,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    UsageError,
    ValueRefused,
    WrongCredentials,
)
from sojourn.faces import AsyncSession, Session
from sojourn.manager import SessionManager
from sojourn.stores.opening import open_store

__version__ = "0.1.0"

__all__ = [
    "ABSENT",
    "AbilityMissing",
    "AccountLocked",
    "AsyncSession",
    "AsyncSessionManager",
    "ChangeError",
    "Client",
    "ConfigurationError",
    "Conflict",
    "CsrfError",
    "DocumentConflict",
    "EndReason",
    "Event",
    "GapNoticed",
    "IdentityChanged",
    "LimitReached",
    "LoginError",
    "LoginFailed",
    "LogoutRequested",
    "OutcomeUnknown",
    "Session",
    "SessionChanged",
    "SessionCreated",
    "SessionEnded",
    "SessionError",
    "SessionExpired",
    "SessionManager",
    "SessionNotFound",
    "SessionNotRead",
    "SessionRotated",
    "SessionTooLarge",
    "SessionUnreadable",
    "SojournError",
    "StoreCorrupt",
    "StoreError",
    "StoreFull",
    "StoreReadOnly",
    "StoreUnavailable",
    "TokenReused",
    "UsageError",
    "UserLoggedIn",
    "ValueRefused",
    "WrongCredentials",
    "__version__",
    "add_to_set",
    "check",
    "clear",
    "increment",
    "maximum",
    "minimum",
    "open_store",
    "pop_first",
    "pop_last",
    "pull",
    "push",
    "rename",
    "set_default",
    "take",
    "unset",
]
