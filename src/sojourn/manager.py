"""`SessionManager`: one-line methods that drive flows over a store, blocking. `async_manager` is its twin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from sojourn.background import POLL_S, Sweeper, listen
from sojourn.base_manager import BaseManager
from sojourn.core.events import AnyEvent, EndReason
from sojourn.core.operations import Announce, Flow, Health, Ping, StoreOp, Swept, Tail, Tailed
from sojourn.core.record import Client, Lifetime
from sojourn.core.session import Recording
from sojourn.drive import drive
from sojourn.faces import Session
from sojourn.flows import lifecycle, revoke, sweep

__all__ = ["SessionManager"]

Result = TypeVar("Result")


class SessionManager(BaseManager):
    """The sessions of an application, for programs without an event loop.

    Safe to share between threads; after a fork each process goes on with its own connections.

    Args:
        store: A URL (`memory://`, `sqlite:///file.db`) or a store.
        ttl: How long a session lives from its anchor on: "14 days", seconds, a timedelta; None = no such limit.
        ttl_type: The anchor: `last_access` (default), `last_update` or `created` (F1).
        absolute: How long it lives at most, whatever happens; 30 days by default.
        touch_interval: An access is noted when the last noted one is older: ttl/20, at most a minute, by default.
        profile: `aal1`, `aal2`, `aal3`: the limits of NIST SP 800-63B-4.
        max_sessions: The most sessions of one user; None = any number (ASVS 7.1.2).
        at_limit: `evict` ends the user's oldest at a sign-in beyond the limit, `refuse` raises LimitReached.
        max_bytes: The most that a session's data may have as canonical text; 1 MiB by default.
        change_events: Whether changes of data are events too; off, since each costs a row in the outbox.
        on_reuse: What a rotated-away secret does beside its event: `notify` nothing, `end` ends the session.
        clock: Milliseconds since the epoch; tests give a fake one.
        entropy: So many random bytes; the operating system's by default.

    Raises:
        ConfigurationError: An option cannot work; the message says which and what to write.
    """

    _colour = "sync"

    def run(self, flow: Flow[StoreOp | Announce, Result]) -> Result:
        """Drive a flow over this manager's store and handlers, to its result."""
        return drive(flow, self._perform)

    def _perform(self, op: StoreOp | Announce) -> Any:
        if isinstance(op, Announce):
            return self.dispatcher.run(op.events)
        return self.store.perform(op)

    def create(
        self,
        data: Mapping[str, object] | None = None,
        *,
        uid: str | None = None,
        roles: Sequence[str] = (),
        user_data: Mapping[str, object] | None = None,
        lifetime: Lifetime | None = None,
        client: Client | None = None,
    ) -> Session:
        """Store a new session at once and answer it (F3, M3); give its `token` to the client.

        Raises:
            ValueRefused, SessionTooLarge: The data cannot be stored; nothing was.
            LimitReached: The user has `max_sessions` and the policy is to refuse; nothing is left behind.
        """
        record, token = self.run(
            lifecycle.create(
                self.policy,
                self.now(),
                self.entropy,
                self._fields(data),
                self._identity(uid, roles, user_data),
                lifetime,
                client or Client(),
            )
        )
        return Session(self, record, token)

    def open(self, token: str) -> Session:
        """The session that a token opens; a due touch is noted in the same round trip (F4).

        Raises:
            SessionNotFound: Malformed, unknown, ended, or with a secret that is not its own (any more).
            SessionExpired: Its lifetime is over; it is a SessionNotFound too (F5).
        """
        return Session(self, *self.run(lifecycle.opened(self.policy, self.now(), token)))

    def find(self, handle: str) -> Session:
        """The session of a handle, for programs and administrators; it has no token, and no touch is noted.

        Raises:
            SessionNotFound, SessionExpired: There is none that lives.
        """
        return Session(self, self.run(lifecycle.find(self.now(), handle)))

    def new(self) -> Session:
        """A session that no store holds yet: the first `commit` stores it."""
        return Session(self)

    def list(
        self, *, uid: str | None = None, handle_prefix: str = "", newest_first: bool = False, page_size: int = 100
    ) -> Iterator[Session]:
        """Living sessions by creation, of everybody or of one user, read a page at a time as you go.

        A session made or ended while you go may be missed or shown; none is shown twice.
        """
        cursor: str | None = None
        while True:
            found = self.run(
                revoke.page(self.policy, self.now(), uid, cursor, page_size, handle_prefix, newest_first=newest_first)
            )
            for record in found.records:
                yield Session(self, record)
            cursor = found.next
            if cursor is None:
                return

    def page(
        self,
        *,
        uid: str | None = None,
        after: str | None = None,
        limit: int = 100,
        handle_prefix: str = "",
        newest_first: bool = False,
    ) -> tuple[tuple[Session, ...], str | None]:
        """One page of living sessions and the cursor of the next, None after the last.

        Raises:
            ValueRefused: `after` is no cursor.
        """
        found = self.run(
            revoke.page(self.policy, self.now(), uid, after, limit, handle_prefix, newest_first=newest_first)
        )
        return tuple([Session(self, record) for record in found.records]), found.next

    def count(self, *, uid: str | None = None) -> int:
        """How many sessions live, of everybody or of one user."""
        return self.run(revoke.count(self.policy, self.now(), uid))

    def signed_in(self) -> tuple[str, ...]:
        """The users of all signed-in sessions in order of creation; a name stands once for each session (M3)."""
        return tuple([session.uid for session in self.list() if session.uid is not None])

    def revoke(
        self,
        session: str | Recording | None = None,
        *,
        uid: str | None = None,
        everybody: bool = False,
        keep: str | Recording | None = None,
        reason: EndReason | str = EndReason.REVOKED,
        actor: str | None = None,
    ) -> int:
        """End one session, all of a user's, or everybody's, at once and for good; answers how many this call ended.

        Args:
            session: The session or its handle.
            uid: All sessions of this user. A sign-in at the same time is ended too, or comes after.
            everybody: All sessions, page by page.
            keep: Not this one: "sign out everywhere else".
            reason: For the events.
            actor: Who does it, for the events.
        """
        handle, kept, why = self._handle(session), self._handle(keep), self._reason(reason)
        self._target(handle, uid, everybody)
        if handle is not None:
            return int(self.run(revoke.revoke_one(self.policy, self.now(), handle, why, actor)))
        if uid is not None:
            return self.run(revoke.revoke_user(self.policy, self.now(), uid, kept, why, actor))
        return self.run(revoke.revoke_everybody(self.policy, self.now(), kept, why, actor))

    def notify_logout(self, session: str | Recording, *, actor: str | None = None) -> bool:
        """Ask a session's open pages to log out, wherever connected; the session stays (M11). False if it is gone."""
        return self.run(revoke.notify_logout(self.policy, self.now(), self._handle(session) or "", actor))

    def sweep(self, limit: int = 500) -> Swept:
        """End up to `limit` expired sessions and run their handlers; also those that a dead process left behind.

        Where another process holds the sweep lease nothing is looked at, and `held` is False.
        """
        self.run(sweep.drain(self.policy, self.now()))
        return self.run(sweep.sweep(self.policy, self.now(), self.owner, limit))

    def start_sweeper(self) -> Sweeper:
        """Sweep in a thread of its own until `stop()`: for programs without event loop and without `sojourn sweep`."""
        return Sweeper(self)

    def position(self) -> int:
        """Where everybody's events end now: what happens after this call, `listen(since=...)` will tell."""
        tailed: Tailed = self.store.perform(Tail(None))
        return tailed.cursor

    def listen(
        self, *, since: int | None = None, poll_interval: float = POLL_S, timeout: float | None = None
    ) -> Iterator[AnyEvent]:
        """Everybody's events as they happen, in this and every other process on the store, from this call on.

        It blocks while there are none; `timeout` seconds without one end it. A store that fails is waited for. A hint,
        not a ledger: `GapNoticed` says that some may have been missed; handlers of `on` are what each end reaches
        exactly once.

        Args:
            since: Begin after this `position` instead.
        """
        return listen(self, self.position() if since is None else since, poll_interval, timeout)

    def health(self) -> Health:
        """What the store is and how durable its acknowledgements are; this reads from it.

        Raises:
            StoreUnavailable: It does not answer.
        """
        health: Health = self.store.perform(Ping())
        return health

    def setup(self) -> None:
        """Make what the store needs, if it is not there (F17)."""
        self.store.setup()

    def close(self) -> None:
        """Let go of the store; a manager is not used again."""
        self.store.close()

    def __enter__(self) -> Self:
        self.setup()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
