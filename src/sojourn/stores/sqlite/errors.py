"""The one place where errors of SQLite become ours (rule 20)."""

from __future__ import annotations

import apsw

from sojourn.errors import (
    OutcomeUnknown,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

__all__ = ["is_misuse", "mapped", "spoils_connection"]


def mapped(error: Exception, path: str, *, waited_ms: int = 0, committing: bool = False) -> StoreError:
    """Our error for one of apsw's, with that one as its cause; the texts of SQLite hold no values, so they are shown.

    Args:
        error: What apsw raised.
        path: The file, for the message.
        waited_ms: How long another process's lock was waited for.
        committing: It was COMMIT that failed. A disk that fails then may or may not have kept the transaction: after a
            crash the log may still be found complete.
    """
    made = _made(error, path, waited_ms, committing)
    made.__cause__ = error
    return made


def _made(error: Exception, path: str, waited_ms: int, committing: bool) -> StoreError:
    told = f"sqlite {path}"
    match error:
        case StoreError():
            return type(error)(*error.args)  # one each: an error that several callers raise would mix their tracebacks
        case apsw.FullError():
            return StoreFull(f"{told}: no room to write ({error}); nothing was done. Free some disk space.")
        case apsw.BusyError() | apsw.LockedError() | apsw.ProtocolError():
            return StoreUnavailable(
                f"{told} was locked by another process for {waited_ms} ms; nothing was done, so it may be repeated. "
                "Look for a program that keeps a transaction open, or raise `deadline`."
            )
        case apsw.ReadOnlyError() | apsw.PermissionsError() | apsw.AuthError():
            return StoreReadOnly(
                f"{told} may not be written to ({error}); nothing was done. The file, its -wal and -shm and their "
                "folder have to be writable for this user."
            )
        case apsw.NotADBError():
            return StoreCorrupt(f"{told} is no SQLite database, or its header is damaged; restore it or name another.")
        case apsw.CorruptError() | apsw.FormatError():
            return StoreCorrupt(f"{told} is damaged ({error}); nothing was done. Restore it from a backup.")
        case UnicodeDecodeError():
            return StoreCorrupt(f"{told}: a row's text is no UTF-8; nothing was done. Restore it from a backup.")
        case apsw.CantOpenError():
            return StoreUnavailable(
                f"{told} cannot be opened ({error}); nothing was done. Its folder has to exist, and this user has to "
                "be allowed to read and write there."
            )
        case _ if is_misuse(error):
            return StoreUnavailable(f"{told} was closed meanwhile; nothing was done")
        case _ if committing:
            return OutcomeUnknown(f"{told} failed while storing ({error}); the change may or may not be there.")
        case apsw.IOError():
            return StoreUnavailable(f"{told}: the disk failed ({error}); nothing was done")
        case _:
            return StoreError(f"{told} failed ({type(error).__name__}: {error}); nothing was done")


def is_misuse(error: Exception) -> bool:
    """Whether a connection was closed under its user: by `close`, or before a fork."""
    return isinstance(error, (apsw.ConnectionClosedError, apsw.CursorClosedError, apsw.ThreadingViolationError))


def spoils_connection(error: Exception) -> bool:
    """Whether the connection is to be dropped, so that the next operation finds out anew how things are."""
    return isinstance(error, (apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.CantOpenError, apsw.MisuseError))
