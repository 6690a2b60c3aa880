"""Everything that can be asked of a store: frozen values, each naming the type of its answer.

A flow asks by `reply = yield from Load(...)`; a store answers by `perform`. Five operations are required of a store,
the others belong to the abilities that it declares. What is *not* an error stands with each operation.
Operations that end sessions name an `owner`: the process that will run the handlers of the event and then
acknowledge it; with None the event waits in the outbox for whoever claims it.
"""

from __future__ import annotations

from enum import Flag, auto
from typing import TypeAlias

from msgspec import Struct

from sojourn.core.apply import Answers
from sojourn.core.changes import Change
from sojourn.core.events import AnyEvent, EndReason, SessionEnded
from sojourn.core.flow import Flow, Op
from sojourn.core.record import Client, Identity, Lifetime, Record
from sojourn.core.values import DEFAULT_MAX_BYTES

__all__ = [
    "Ability",
    "Acknowledge",
    "Announce",
    "Append",
    "Applied",
    "Apply",
    "Claim",
    "Count",
    "Create",
    "Delete",
    "DeleteDocument",
    "Delist",
    "Document",
    "Ended",
    "Enlist",
    "Enlisted",
    "FindByUser",
    "Flow",
    "Health",
    "List",
    "ListDocuments",
    "Load",
    "LoadDocument",
    "Op",
    "Page",
    "Ping",
    "SaveDocument",
    "StoreOp",
    "Sweep",
    "Swept",
    "Tail",
    "Tailed",
]


class Ability(Flag):
    """What a store offers beyond the five required operations."""

    USER_INDEX = auto()
    LISTING = auto()
    COUNT = auto()
    EVENTS = auto()
    DOCUMENTS = auto()


# The five that every store has ---------------------------------------------------------------------------------


class Create(Op[bool], frozen=True):
    """Store a record and append its `SessionCreated`; False, and nothing is done, if the handle exists."""

    record: Record


class Load(Op["Record | None"], frozen=True):
    """The record, or None. An expired one is answered too: to judge it is the flow's task.

    With the `secret_hash` of its own secret, and only then, a due touch is noted in the same step: the stored access
    becomes max(stored, now), never on a record that has expired at `now` (F4, F6, FB1). None reads without a trace.

    Raises:
        SessionUnreadable: It is stored, but damaged.
    """

    handle: str
    secret_hash: bytes | None
    now: int


class Applied(Struct, frozen=True):
    """What an `Apply` did: the record after it, what its answering commands took out, the events it appended."""

    record: Record
    answers: Answers = ()
    events: tuple[AnyEvent, ...] = ()


class Apply(Op[Applied], frozen=True):
    """Change a stored session in one atomic step; never creates one. The store does what `transitions.apply` says.

    Attributes:
        handle: The session.
        now: Milliseconds; becomes last_access and last_update.
        generation: The identity that the writer loaded; None for an administrator's write, which any may get.
        changes: Applied in order, all or nothing.
        touch_only: Note an access, and nothing else: last_update stays.
        new_hash: The hash of a new secret: rotate.
        old_hash: Rotate only while this is the secret's hash; of two rotations at once one is refused.
        identity: Sign in, over or out; raises the generation.
        lifetime: Replace it.
        client: Replace it.
        max_bytes: The most that the data's canonical text may have.
        events: Whether to append `SessionChanged`.
        actor: Who does it, for the events.

    Raises:
        SessionNotFound: It has ended.
        SessionUnreadable: It is damaged, or a newer version wrote it.
        SessionExpired: It is stored, but its lifetime was over at `now`.
        IdentityChanged: Its generation, or the secret to be rotated away, is another one.
        ChangeError, Conflict, ValueRefused, SessionTooLarge: Nothing was applied.
    """

    handle: str
    now: int
    generation: int | None = None
    changes: tuple[Change, ...] = ()
    touch_only: bool = False
    new_hash: bytes | None = None
    old_hash: bytes | None = None
    identity: Identity | None = None
    lifetime: Lifetime | None = None
    client: Client | None = None
    max_bytes: int = DEFAULT_MAX_BYTES
    events: bool = False
    actor: str | None = None


class Ended(Struct, frozen=True):
    """A session that this very statement ended: what it was, and the event that now stands in the outbox."""

    record: Record
    event: SessionEnded


class Delete(Op["Ended | None"], frozen=True):
    """End a session and append its `SessionEnded`; None if there is none, or a condition does not hold.

    A record that had expired at `now` ends as `expired`, whatever the reason given. Its entry in the user's index
    goes with it where the store can do that in one step, else it is repaired when met.

    Attributes:
        reason: Why.
        only_uid: End it only while it belongs to this user.
        only_empty: End it only while it is anonymous and has no data, so that a concurrent write is not lost.
        only_expired: End it only if its lifetime is over.
    """

    handle: str
    now: int
    reason: EndReason
    owner: str | None = None
    actor: str | None = None
    only_uid: str | None = None
    only_empty: bool = False
    only_expired: bool = False


class Swept(Struct, frozen=True):
    """What one sweep did.

    Attributes:
        held: Whether this owner holds the sweep lease; if not, nothing was looked at.
        ended: The events of the sessions that were claimed, in order of their deadlines.
        refiled: How many entries were found alive and filed again at their real deadline.
        next_due: When to look again; None if no session will ever expire.
    """

    held: bool
    ended: tuple[SessionEnded, ...] = ()
    refiled: int = 0
    next_due: int | None = None


class Sweep(Op[Swept], frozen=True):
    """Claim up to `limit` sessions whose deadline is past, each in a statement that checks it again.

    One owner at a time holds the store's sweep lease; it passes to another one `lease_ms` after its last use.
    Also forgets acknowledged events older than `keep_events_ms` and unclaimed ones older than `keep_unclaimed_ms`.
    """

    now: int
    owner: str
    limit: int = 500
    lease_ms: int = 1_000
    claim_events: bool = True
    keep_events_ms: int = 600_000
    keep_unclaimed_ms: int = 86_400_000


# Ability USER_INDEX --------------------------------------------------------------------------------------------


class Enlisted(Struct, frozen=True):
    """Where a session stands among its user's.

    Attributes:
        admitted: Whether it is in the index now.
        members: If the limit is passed or would be, all handles of the user, oldest first; else empty.
    """

    admitted: bool
    members: tuple[str, ...] = ()


class Enlist(Op[Enlisted], frozen=True):
    """Add a session to its user's index, at the end; one that is there keeps its place.

    With `refuse`, a session that would pass the limit is not added. The store counts entries and judges none: to
    find out which of them still live, and whom to end, is the flow's task. `event` is appended if it was added.
    """

    uid: str
    handle: str
    limit: int | None = None
    refuse: bool = False
    event: AnyEvent | None = None


class Delist(Op[None], frozen=True):
    """Take a session out of a user's index; nothing happens if it is not in."""

    uid: str
    handle: str


class FindByUser(Op[tuple[str, ...]], frozen=True):
    """The handles in a user's index, oldest entry first; entries of sessions that are gone may be among them."""

    uid: str


# Abilities LISTING and COUNT -----------------------------------------------------------------------------------


class Page(Struct, frozen=True):
    """One page of records, and the cursor of the next one; None after the last."""

    records: tuple[Record, ...]
    next: str | None = None


class List(Op[Page], frozen=True):
    """Records by creation time, then handle; a cursor names the last one seen, so no page shifts under writes.

    Expired records that are not swept yet are among them; flows leave them out.
    """

    after: str | None = None
    limit: int = 100
    uid: str | None = None
    handle_prefix: str = ""
    newest_first: bool = False


class Count(Op[int], frozen=True):
    """How many sessions are stored and not expired at `now`, of everybody or of one user."""

    now: int
    uid: str | None = None


# Ability EVENTS ------------------------------------------------------------------------------------------------


class Append(Op[None], frozen=True):
    """Append events that need no acknowledgement, so that listeners everywhere hear them."""

    events: tuple[AnyEvent, ...]


class Claim(Op[tuple[SessionEnded, ...]], frozen=True):
    """Become the owner of ended events that nobody owns, or whose owner's lease ran out before it acknowledged."""

    now: int
    owner: str
    limit: int = 100
    lease_ms: int = 30_000


class Acknowledge(Op[None], frozen=True):
    """Say that the handlers of these events have run. Ids that are gone are no error."""

    ids: tuple[str, ...]


class Tailed(Struct, frozen=True):
    """The events after a cursor, the cursor to go on from, and whether some may have been forgotten in between."""

    events: tuple[AnyEvent, ...]
    cursor: int
    gap: bool = False


class Tail(Op[Tailed], frozen=True):
    """Events after `cursor`, oldest first; with None, none of them but the cursor of the end."""

    cursor: int | None
    limit: int = 500


# Ability DOCUMENTS (the user directory) ------------------------------------------------------------------------


class Document(Struct, frozen=True):
    """A text with a revision."""

    key: str
    revision: str
    body: bytes


class LoadDocument(Op["Document | None"], frozen=True):
    """The document, or None."""

    collection: str
    key: str


class SaveDocument(Op[bool], frozen=True):
    """Write the document if its stored revision is `expected` (None: it must not exist); else False."""

    collection: str
    document: Document
    expected: str | None


class DeleteDocument(Op[bool], frozen=True):
    """Remove the document if its stored revision is `expected`; False if it is another one or there is none."""

    collection: str
    key: str
    expected: str


class ListDocuments(Op[tuple[Document, ...]], frozen=True):
    """Documents by key from `start` to `end`, both included, at most `limit`."""

    collection: str
    start: str = ""
    end: str | None = None
    limit: int = 1_000


# All of them ---------------------------------------------------------------------------------------------------


class Health(Struct, frozen=True):
    """What a store says of itself."""

    store: str
    version: str
    durability: str


class Ping(Op[Health], frozen=True):
    """Ask the store whether it answers and what it is; this does a real read."""


class Announce(Op[None], frozen=True):
    """Run this process's handlers for events. Performed by the manager, never by a store."""

    events: tuple[AnyEvent, ...]


StoreOp: TypeAlias = (
    Create
    | Load
    | Apply
    | Delete
    | Sweep
    | Enlist
    | Delist
    | FindByUser
    | List
    | Count
    | Append
    | Claim
    | Acknowledge
    | Tail
    | LoadDocument
    | SaveDocument
    | DeleteDocument
    | ListDocuments
    | Ping
)
