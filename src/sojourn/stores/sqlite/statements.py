"""All SQL of the store. `sqlite3 FILE` shows the same tables: texts are texts, times are milliseconds, JSON is JSON.

Statements are put together from the constants of this file only; every value is bound.
"""
# ruff: noqa: S608 - see above

from __future__ import annotations

from typing import Final

__all__ = ["APPLICATION_ID", "SCHEMA", "SCHEMA_VERSION", "list_sessions"]

APPLICATION_ID: Final = 0x536F6A6F
"""Stands in the file's header and says "Sojo", so that no other program's database is taken for ours."""

SCHEMA_VERSION: Final = 1
"""`PRAGMA user_version`: raised with each change of the tables; a newer one than ours is refused."""

# Sessions are a rowid table: with rows of a kilobyte, WITHOUT ROWID took three times the space and a load more than
# twice the time, because such rows stand in the inner nodes of the tree too. Documents are few.
# `deadline` is computed when asked for. Its rule is `core.record.deadline`; a test holds one against the other.
# `due` says when to look: never later than the deadline; a touch does not move it.
SCHEMA: Final = """
CREATE TABLE sessions (
  handle TEXT NOT NULL PRIMARY KEY,
  secret_hash BLOB NOT NULL,
  previous_hash BLOB,
  rotated_at INTEGER,
  created INTEGER NOT NULL,
  last_access INTEGER NOT NULL,
  last_update INTEGER NOT NULL,
  due INTEGER,
  ttl_ms INTEGER,
  ttl_type TEXT NOT NULL,
  absolute_ms INTEGER,
  touch_ms INTEGER NOT NULL,
  uid TEXT,
  roles TEXT NOT NULL,
  user_data TEXT NOT NULL,
  authenticated_at INTEGER,
  acting_as TEXT,
  ip TEXT,
  user_agent TEXT,
  label TEXT,
  generation INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  format INTEGER NOT NULL,
  data TEXT NOT NULL,
  deadline INTEGER GENERATED ALWAYS AS (
    CASE WHEN ttl_ms IS NULL THEN created + absolute_ms
    ELSE min(
      CASE ttl_type WHEN 'last_access' THEN last_access WHEN 'last_update' THEN last_update ELSE created END + ttl_ms,
      ifnull(created + absolute_ms, 9223372036854775807))
    END) VIRTUAL
) STRICT;
CREATE INDEX sessions_by_creation ON sessions (created, handle);
CREATE INDEX sessions_by_due ON sessions (due, handle) WHERE due IS NOT NULL;

CREATE TABLE user_sessions (
  position INTEGER PRIMARY KEY,
  uid TEXT NOT NULL,
  handle TEXT NOT NULL,
  UNIQUE (uid, handle)
) STRICT;

CREATE TABLE outbox (
  cursor INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL,
  at INTEGER NOT NULL,
  event TEXT NOT NULL,
  owner TEXT,
  lease_until INTEGER,
  waiting INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_waiting ON outbox (cursor, lease_until, at) WHERE waiting;
CREATE INDEX outbox_waiting_ids ON outbox (id) WHERE waiting;

CREATE TABLE documents (
  collection TEXT NOT NULL,
  key TEXT NOT NULL,
  revision TEXT NOT NULL,
  body BLOB NOT NULL,
  PRIMARY KEY (collection, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE housekeeping (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  sweeper TEXT NOT NULL,
  sweep_until INTEGER NOT NULL,
  forgotten INTEGER NOT NULL
) STRICT;
INSERT INTO housekeeping VALUES (1, '', 0, 0);
"""

# Sessions -------------------------------------------------------------------------------------------------------

COLUMNS: Final = (
    "handle, secret_hash, created, last_access, last_update, ttl_ms, ttl_type, absolute_ms, touch_ms, data, uid, roles,"
    " user_data, authenticated_at, acting_as, ip, user_agent, label, generation, previous_hash, seq, format,"
    " rotated_at"
)
"""In the order of `codec.record_of`."""

_QUALIFIED = ", ".join([f"s.{name.strip()}" for name in COLUMNS.split(",")])
# What a sweep looks at: it needs no data, and damaged data must not stop it.
_WITHOUT_TEXTS = COLUMNS.replace(" data,", " '{}',").replace(" roles,", " '[]',").replace(" user_data,", " '{}',")

LOAD: Final = f"SELECT {COLUMNS} FROM sessions WHERE handle = ?"
LOAD_WITH_DUE: Final = f"SELECT {COLUMNS}, due FROM sessions WHERE handle = ?"
CREATE: Final = f"INSERT INTO sessions ({COLUMNS}, due) VALUES ({'?, ' * 23}?) ON CONFLICT DO NOTHING"
TOUCH: Final = "UPDATE sessions SET last_access = ? WHERE handle = ?"
CHANGE: Final = "UPDATE sessions SET data = ?, last_access = ?, last_update = ?, seq = ? WHERE handle = ?"
REPLACE: Final = f"UPDATE sessions SET ({COLUMNS.removeprefix('handle, ')}) = ({'?, ' * 21}?) WHERE handle = ?"
FILE: Final = "UPDATE sessions SET due = ? WHERE handle = ?"
DELETE: Final = "DELETE FROM sessions WHERE handle = ?"
DUE: Final = f"SELECT {_WITHOUT_TEXTS} FROM sessions WHERE due < ? ORDER BY due, handle LIMIT ?"
NEXT_DUE: Final = "SELECT min(due) FROM sessions WHERE due IS NOT NULL"
COUNT: Final = (
    "SELECT (SELECT count(*) FROM sessions) - (SELECT count(*) FROM sessions WHERE due < ?1 AND deadline < ?1)"
)
COUNT_OF_USER: Final = (
    "SELECT count(*) FROM user_sessions AS u JOIN sessions AS s ON s.handle = u.handle"
    " WHERE u.uid = ? AND s.uid = u.uid AND ifnull(s.deadline >= ?, 1)"
)


def list_sessions(*, of_user: bool, newest_first: bool) -> str:
    """The statement of a page; its values are named uid, created, handle (of the last one seen), prefix, end, limit."""
    source = "sessions AS s"
    chosen = "s.handle >= :prefix AND s.handle < :end"
    if of_user:
        source = "user_sessions AS u CROSS JOIN sessions AS s ON s.handle = u.handle"
        chosen += " AND u.uid = :uid AND s.uid = :uid"
    sign, order = ("<", "DESC") if newest_first else (">", "ASC")
    return (
        f"SELECT {_QUALIFIED} FROM {source} WHERE (s.created, s.handle) {sign} (:created, :after) AND {chosen}"
        f" ORDER BY s.created {order}, s.handle {order} LIMIT :limit"
    )


# The user index -------------------------------------------------------------------------------------------------

MEMBERS: Final = "SELECT handle FROM user_sessions WHERE uid = ? ORDER BY position"
IS_MEMBER: Final = "SELECT 1 FROM user_sessions WHERE uid = ? AND handle = ?"
ENLIST: Final = "INSERT INTO user_sessions (uid, handle) VALUES (?, ?) ON CONFLICT DO NOTHING"
DELIST: Final = "DELETE FROM user_sessions WHERE uid = ? AND handle = ?"

# The outbox -----------------------------------------------------------------------------------------------------

LAST_CURSOR: Final = "SELECT seq FROM sqlite_sequence WHERE name = 'outbox'"
APPEND: Final = "INSERT INTO outbox (id, at, event, owner, lease_until, waiting) VALUES (?, ?, ?, ?, ?, ?)"
TAIL: Final = (
    "SELECT cursor, event FROM outbox WHERE cursor > max(?, (SELECT forgotten FROM housekeeping))"
    " ORDER BY cursor LIMIT ?"
)
CLAIMABLE: Final = "SELECT cursor, event FROM outbox WHERE waiting AND lease_until <= ? ORDER BY cursor LIMIT ?"
CLAIM: Final = "UPDATE outbox SET owner = ?, lease_until = ? WHERE cursor = ?"
ACKNOWLEDGED_AND_FORGOTTEN: Final = "DELETE FROM outbox WHERE id = ? AND waiting AND cursor <= ?"
ACKNOWLEDGE: Final = "UPDATE outbox SET waiting = 0, owner = NULL, lease_until = NULL WHERE id = ? AND waiting"
FIRST_KEPT: Final = "SELECT cursor FROM outbox WHERE cursor > ?1 AND cursor <= ?2 AND at >= ?3 ORDER BY cursor LIMIT 1"
FORGET: Final = "DELETE FROM outbox WHERE cursor > ? AND cursor <= ? AND NOT waiting"
STALE: Final = "SELECT cursor, at FROM outbox WHERE waiting ORDER BY cursor LIMIT ?"
GIVE_UP: Final = "UPDATE outbox SET waiting = 0, owner = NULL, lease_until = NULL WHERE cursor = ?"
GIVE_UP_FORGOTTEN: Final = "DELETE FROM outbox WHERE cursor = ?"

# Sweeping -------------------------------------------------------------------------------------------------------

LOOK: Final = (
    "SELECT sweeper, sweep_until, forgotten,"
    " (SELECT min(due) FROM sessions WHERE due IS NOT NULL),"
    " (SELECT at FROM outbox WHERE cursor > forgotten ORDER BY cursor LIMIT 1),"
    " (SELECT at FROM outbox WHERE waiting ORDER BY cursor LIMIT 1)"
    " FROM housekeeping"
)
"""Who sweeps until when, how far events are forgotten, the smallest due, the times of the oldest events."""
KEEP_HOUSE: Final = "UPDATE housekeeping SET sweeper = ?, sweep_until = ?, forgotten = ?"
FORGOTTEN: Final = "SELECT forgotten FROM housekeeping"

# Documents ------------------------------------------------------------------------------------------------------

LOAD_DOCUMENT: Final = "SELECT key, revision, body FROM documents WHERE collection = ? AND key = ?"
INSERT_DOCUMENT: Final = (
    "INSERT INTO documents (collection, key, revision, body) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
UPDATE_DOCUMENT: Final = "UPDATE documents SET revision = ?, body = ? WHERE collection = ? AND key = ? AND revision = ?"
DELETE_DOCUMENT: Final = "DELETE FROM documents WHERE collection = ? AND key = ? AND revision = ?"
LIST_DOCUMENTS: Final = (
    "SELECT key, revision, body FROM documents WHERE collection = ?1 AND key >= ?2 AND (?3 IS NULL OR key <= ?3)"
    " ORDER BY key LIMIT ?4"
)
