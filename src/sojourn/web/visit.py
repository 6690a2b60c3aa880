"""A session on a request of an async framework: nothing happens until somebody looks at it.

`VisitedSession` is an `AsyncSession` whose insides are empty at first. Looking at anything (`in`, `len`, iteration too:
security.md A.7) fills them: on an embedded store by a read in place, on a network store from what the adapter loaded
before the handler. From then on it is as quick as any session.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from sojourn.async_manager import AsyncSessionManager
from sojourn.core.events import AnyEvent
from sojourn.core.operations import Announce, StoreOp
from sojourn.core.record import Record
from sojourn.core.session import Recording
from sojourn.drive import drive
from sojourn.errors import SojournError, UsageError
from sojourn.faces import AsyncSession
from sojourn.flows import visit
from sojourn.flows.visit import Found, LateWrites, OnStoreError
from sojourn.http import exchange
from sojourn.http.exchange import Presented, Terms, Upshot
from sojourn.http.headers import Headers

__all__ = ["Conduct", "VisitedSession"]

_NOBODY = Found()
_INSIDES = frozenset(Recording.__slots__)


class Conduct:
    """How an adapter's sessions behave: made once, by the adapter.

    Attributes:
        terms: Cookies and signatures.
        late_writes: What happens to changes of a request whose session ended meanwhile: `drop`, or `raise`.
        on_store_error: What a dead store means for a request that only reads: `raise` (503), or `anonymous`.
    """

    __slots__ = ("late_writes", "on_store_error", "terms")

    def __init__(self, terms: Terms, late_writes: LateWrites = "drop", on_store_error: OnStoreError = "raise") -> None:
        self.terms = terms
        self.late_writes = late_writes
        self.on_store_error = on_store_error


class VisitedSession(AsyncSession):
    """The session of one request.

    Attributes:
        manager: The sessions that it is one of.
        is_used: Whether anybody has looked at it; if not, the response says nothing of sessions.
    """

    __slots__ = (
        "_announcements",
        "_conduct",
        "_error",
        "_found",
        "_headers",
        "_https",
        "_logged_out",
        "_now",
        "_peer",
        "_presented",
        "_sent",
        "is_used",
        "manager",
    )

    def __init__(  # deliberately not AsyncSession's: the insides stay empty
        self,
        manager: AsyncSessionManager,
        conduct: Conduct,
        headers: Iterable[tuple[bytes, bytes]],
        peer: str | None,
        *,
        https: bool,
    ) -> None:
        self.manager = self._means = manager
        self._conduct = conduct
        self._headers = headers
        self._peer = peer
        self._https = https
        self.is_used = self._sent = self._logged_out = False
        self._presented: Presented | None = None
        self._found: Found | None = None
        self._error: SojournError | None = None
        self._announcements: tuple[AnyEvent, ...] = ()

    def __getattr__(self, name: str) -> Any:
        # Python asks here only for what is not set: once, for the first of the insides.
        if name in _INSIDES:
            self._fill()
            return object.__getattribute__(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    # What the request came with ---------------------------------------------------------------------------------

    @property
    def presented(self) -> Literal["none", "malformed", "forged", "token"]:
        """What the request's cookie is, judged without the store."""
        return self._read().kind

    def _read(self) -> Presented:
        presented = self._presented
        if presented is None:
            lines = exchange.cookie_lines(self._headers)
            presented = self._presented = exchange.read(self._conduct.terms, lines, https=self._https)
        return presented

    async def load(self) -> None:
        """Read the session now, in one awaited round trip; afterwards looking at it costs nothing.

        The adapter does this for you where it must; call it yourself only with `load="lazy"` on a network store.
        """
        if self.is_used:
            return
        await self.preload()
        self._fill()

    async def preload(self) -> None:
        """Ask the store, but do not count it as use: for adapters, before a handler that cannot await."""
        token = self._read().token
        if token is not None and self._found is None:
            manager = self.manager
            self._found = await manager.run(
                visit.look_up(manager.policy, manager.now(), token, self._conduct.on_store_error, touch=True)
            )

    def _fill(self) -> None:
        token = self._read().token
        found = self._found
        if token is None:
            found = _NOBODY
        elif found is None:
            manager = self.manager
            if not manager.store.embedded:
                raise UsageError("the session is not loaded: `await request.session.load()` first, or load='eager'")
            found = drive(
                visit.look_up(manager.policy, manager.now(), token, self._conduct.on_store_error, touch=False),
                self._perform_in_place,
            )
        self._found = found
        self.is_used = True
        self._now = self.manager.now()  # one reading serves the request: when the session was looked at
        # AsyncSession.__init__ would set `_means` again, which is there; Recording's fills the rest.
        super(AsyncSession, self).__init__(found.record, found.token)

    def _perform_in_place(self, op: StoreOp | Announce) -> Any:
        if isinstance(op, Announce):  # handlers may be async: they run when the request is finished
            self._announcements += op.events
            return None
        return self.manager.store.perform(op)

    # What the application does ----------------------------------------------------------------------------------

    async def commit(self) -> None:
        """As `Session.commit`. Before the response it may sign in or rotate; afterwards it saves data only.

        Raises:
            UsageError: The response has begun, so a new token could not reach the client any more.
        """
        if self._sent and (self._record is None or self._intent):
            raise UsageError(
                "the response has begun: create, sign in and rotate before it, so that its cookie can tell"
            )
        self._describe_client()
        await super().commit()

    async def end(self) -> bool:
        """As `Session.end`; the response clears the cookie. A later write in this request begins a new session."""
        done = await super().end()
        self._logged_out = True
        self.ended = False
        return done

    def clear_cookie(self) -> None:
        """Have the response clear the cookie whatever it is, even if nobody looked at the session (C4)."""
        if not self.is_used:
            self._found = Found()
            self._fill()
        if self._read().kind == "none":
            self._presented = Presented("malformed")

    def _describe_client(self) -> None:
        if (self._record is None or (self._intent and self._intent.identity)) and not self.client.ip:
            agent = next((v.decode("latin-1") for k, v in self._headers if k == b"user-agent"), None)
            self.set_client(ip=self._peer, user_agent=agent, label=self.client.label)

    # What the adapter does --------------------------------------------------------------------------------------

    async def finish(self, *, drop: bool = False) -> None:
        """Commit, or note the access, once the handler is done; nothing if nobody looked.

        Raises:
            SojournError: As `flows.visit.finish`; `is_own_error` knows it again.
        """
        if not self.is_used:
            return
        manager = self.manager
        if not self._announcements and visit.is_settled(self, self._now, drop=drop):
            return
        try:
            if self._announcements:
                events, self._announcements = self._announcements, ()
                await manager.dispatcher.arun(events)
            if not drop and self.has_changes:
                self._describe_client()
            _ = await manager.run(
                visit.finish(
                    self,
                    manager.policy,
                    manager.now(),
                    manager.entropy,
                    late_writes=self._conduct.late_writes,
                    drop=drop,
                )
            )
        except SojournError as error:
            self._error = error
            raise

    def _host(self) -> str:
        return next((value.decode("latin-1") for name, value in self._headers if name == b"host"), "localhost")

    def is_own_error(self, error: SojournError) -> bool:
        """Whether `finish` raised it, so that the adapter has to answer for it."""
        return error is self._error

    def write_headers(self, headers: Headers) -> None:
        """Edit the response's headers; from now on the token can no longer change."""
        self._sent = True
        if not self.is_used:
            return
        record: Record | None = self._record
        found = self._found or _NOBODY
        upshot = Upshot(
            self._read(),
            record,
            self._token,
            keep_cookie=found.keep_cookie,
            logged_out=self._logged_out,
            noted_access=record is not found.record,
        )
        try:
            exchange.write(
                self._conduct.terms, headers, upshot, https=self._https, host=self._host, now=self.manager.now()
            )
        except SojournError as error:
            self._error = error
            raise
