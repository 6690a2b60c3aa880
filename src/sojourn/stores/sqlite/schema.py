"""Making the tables, and recognising a file as ours before anything is changed in it."""

from __future__ import annotations

from typing import Final

from sojourn.errors import StoreError
from sojourn.stores.sqlite import statements as sql
from sojourn.stores.sqlite.database import Database

__all__ = ["is_prepared", "prepare"]

_STEPS: Final = (sql.SCHEMA,)
"""What leads from each version to the next: `_STEPS[0]` from an empty file to version 1."""


def is_prepared(connection: Database, path: str) -> bool:
    """Whether the tables are there, in our version.

    Raises:
        StoreError: The file is another program's database, or was written by a newer Sojourn; it stays as it is.
    """
    version = connection.pragma("user_version")
    if connection.pragma("application_id") != sql.APPLICATION_ID:
        rows = connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
        if rows or version:
            raise StoreError(f"sqlite {path} is another program's database; name another file for the sessions")
        return False
    if version > sql.SCHEMA_VERSION:
        raise StoreError(
            f"sqlite {path} has tables of version {version}, written by a newer Sojourn; this one knows versions up to "
            f"{sql.SCHEMA_VERSION}. Upgrade this program."
        )
    return bool(version == sql.SCHEMA_VERSION)


def prepare(connection: Database, path: str) -> None:
    """Make the tables or bring them up to date, in one transaction; nothing happens if another process just did."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not is_prepared(connection, path):
            for step in _STEPS[connection.pragma("user_version") :]:
                connection.execute(step)
            connection.pragma("application_id", sql.APPLICATION_ID)
            connection.pragma("user_version", sql.SCHEMA_VERSION)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
