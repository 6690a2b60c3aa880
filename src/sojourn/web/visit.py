"""A session on a request of an async framework: nothing happens until somebody looks at it.

`VisitedSession` is an `AsyncSession` whose insides are empty at first. Looking at anything (`in`, `len`, iteration too:
security.md A.7) fills them: on an embedded store by a read in place, on a network store from what the adapter loaded
before the handler. From then on it is as quick as any session.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from sojourn.async_manager import AsyncSessionManager
from sojourn.core.changes import Change
from sojourn.core.operations import Announce, Append, Load, StoreOp
from sojourn.core.session import Recording
from sojourn.core.tokens import Token
from sojourn.drive import drive
from sojourn.errors import ConfigurationError, SojournError, StoreError, UsageError
from sojourn.faces import AsyncSession
from sojourn.flows import lifecycle, visit
from sojourn.flows.visit import Found, LateWrites, OnStoreError
from sojourn.http import exchange
from sojourn.http.exchange import Presented, Terms, Upshot
from sojourn.http.headers import Headers, add_vary_and_private

__all__ = ["Conduct", "VisitedSession"]

_NOBODY = Found()
_CLEARED = Presented("malformed")
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
        if late_writes not in ("drop", "raise"):
            raise ConfigurationError(f"late_writes is 'drop' or 'raise', not {late_writes!r}")
        if on_store_error not in ("raise", "anonymous"):
            raise ConfigurationError(f"on_store_error is 'raise' or 'anonymous', not {on_store_error!r}")
        self.terms = terms
        self.late_writes: LateWrites = late_writes
        self.on_store_error: OnStoreError = on_store_error


class VisitedSession(AsyncSession):
    """The session of one request.

    Attributes:
        manager: The sessions that it is one of.
        is_used: Whether anybody has looked at it; if not, the response says nothing of sessions.
        stage: Where the answer is: `before` it begins; `during`, its headers are gone; `after`, when nothing that
            follows can get into a cache: the whole answer is sent, or this is an accepted WebSocket.
    """

    __slots__ = (
        "_conduct",
        "_error",
        "_failure",
        "_found",
        "_https",
        "_is_cleared",
        "_is_filled",
        "_logged_out",
        "_noticed",
        "_now",
        "_presented",
        "_scope",
        "is_used",
        "manager",
        "stage",
    )

    def __init__(self, manager: AsyncSessionManager, conduct: Conduct, scope: Mapping[str, Any]) -> None:
        # Deliberately not AsyncSession's: the insides stay empty.
        self.manager = self._means = manager
        self._conduct = conduct
        self._scope = scope
        self.stage: Literal["before", "during", "after"] = "before"
        self.is_used = self._is_filled = self._is_cleared = self._logged_out = False
        self._presented: Presented | None = None
        self._found: Found | None = None
        self._failure: StoreError | None = None
        self._error: SojournError | None = None
        self._noticed: tuple[Append | Announce, ...] = ()

    def __getattr__(self, name: str) -> Any:
        # Python asks here only for what is not set: once, for the first of the insides.
        if name in _INSIDES:
            self._fill()
            return object.__getattribute__(self, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)

    def __repr__(self) -> str:  # of a debugger or a log: no look
        return super().__repr__() if self._is_filled else f"<{type(self).__name__} not looked at>"

    # What the request came with ---------------------------------------------------------------------------------

    @property
    def presented(self) -> Literal["none", "malformed", "forged", "token"]:
        """What the request's cookie is, judged without the store."""
        return self._read().kind

    def _read(self) -> Presented:
        presented = self._presented
        if presented is None:
            lines = exchange.cookie_lines(self._scope["headers"])
            self._https = https = self._scope.get("scheme") in ("https", "wss")
            presented = self._presented = exchange.read(self._conduct.terms, lines, https=https)
        return presented

    def _header(self, name: bytes) -> str | None:
        return next((value.decode("latin-1") for key, value in self._scope["headers"] if key == name), None)

    async def load(self) -> None:
        """Read the session now, in one awaited round trip; afterwards looking at it costs nothing.

        The adapter does this for you where it must; call it yourself only with `load="lazy"` on a network store.

        Raises:
            StoreUnavailable: The store is down, and anonymous reads were not chosen.
        """
        if not self._is_filled:
            await self.preload()
            self._fill()

    async def preload(self) -> None:
        """Ask the store, but do not count it as use: for adapters, before a handler that cannot await.

        A due touch is left to `finish`, and a failure to the first look, for there may be none.
        """
        token = self._read().token
        if token is None or self._found is not None:
            return
        manager = self.manager
        try:
            look = visit.look_up(manager.policy, manager.now(), token, self._conduct.on_store_error, touch=False)
            found = await manager.run(look)
        except StoreError as error:
            self._failure = error
            return
        self._failure = None
        if self._found is None:  # another task of this request may have been quicker, and worked with its own
            self._found = found

    def _fill(self) -> None:
        if self._is_filled:  # by another task while this one awaited: what it recorded stays
            return
        if self.stage == "during":
            raise UsageError(
                "the response has begun, and its headers told caches nothing of a session: look at it before, "
                "for example by `await session.load()`"
            )
        self.is_used = True
        if self._failure is not None:
            raise self._failure
        token = self._read().token
        manager = self.manager
        found = self._found
        now = self._now = manager.now()  # one reading serves the request: when the session was looked at
        if found is None and token is not None:
            if not manager.store.embedded:
                raise UsageError("the session is not loaded: `await session.load()` first, or load='eager'")
            found = self._look_in_place(token, now)
        self._found = found = found or _NOBODY
        self._is_filled = True
        # AsyncSession.__init__ would set `_means` again, which is there; Recording's fills the rest.
        super(AsyncSession, self).__init__(found.record, found.token)

    def _look_in_place(self, token: Token, now: int) -> Found:
        manager = self.manager
        with suppress(StoreError):  # the flow asks again, and knows what a failure means here
            found = visit.known_at_once(manager.store.perform(Load(token.handle, None, now)), token, now)
            if found is not None:
                return found
        look = visit.look_up(manager.policy, now, token, self._conduct.on_store_error, touch=False)
        return drive(look, self._perform_in_place)

    def _perform_in_place(self, op: StoreOp | Announce) -> Any:
        if isinstance(op, (Append, Announce)):  # writes and handlers are awaited when the request is finished
            self._noticed = (*self._noticed, op)
            return None
        return self.manager.store.perform(op)

    # What the application does ----------------------------------------------------------------------------------

    async def commit(self) -> None:
        """As `Session.commit`. Before the response it may sign in or rotate; afterwards it saves data only.

        Raises:
            UsageError: The response has begun, so a new token could not reach the client any more.
            ConfigurationError: A new token would go over plain http to a host that is not this machine.
        """
        self._prepare(is_stored=True)
        manager = self.manager
        await manager.run(visit.commit(self, manager.policy, manager.now(), manager.entropy, self._known()))

    async def apply(self, *changes: Change) -> tuple[Any, ...]:
        """As `Session.apply`, with the limits of `commit`."""
        self._prepare(is_stored=True)
        visit.allow(self, self._known())
        return await super().apply(*changes)

    async def _answer(self, change: Change, default: object) -> Any:
        self._prepare(is_stored=True)
        visit.allow(self, self._known())
        return await super()._answer(change, default)

    async def regenerate(self, *, keep: bool = False) -> None:
        """As `Session.regenerate`, with the limits of `commit`."""
        self._prepare(is_stored=True, is_new_token=True)
        visit.allow(self, self._known())
        await super().regenerate(keep=keep)

    async def end(self) -> bool:
        """As `Session.end`; the response clears the cookie. A later write in this request begins a new session."""
        found = self._known()
        if found.failure is not None:
            raise found.failure
        if found.rotated is not None:  # the visitor's sign-in was under way, but it is the visitor who asks
            manager = self.manager
            done = await manager.run(lifecycle.end(Recording(found.rotated), manager.policy, manager.now()))
            self.forget()
        else:
            done = await super().end()
        self._found = _NOBODY
        self._logged_out = True
        self.ended = False
        return done

    def clear_cookie(self) -> None:
        """Have the response clear the cookie whatever it is, even if nobody looked at the session (C4)."""
        if not self._is_filled:
            self._failure = None
            self._found = self._found or _NOBODY
            self._fill()
        self._is_cleared = True

    def _known(self) -> Found:
        """What the look found; this looks."""
        if not self._is_filled:
            self._fill()
        return self._found or _NOBODY

    def _prepare(self, *, is_stored: bool, is_new_token: bool = False) -> None:
        """Before the store is asked to write: see that a token which this makes can reach the client.

        Args:
            is_stored: Whether a session that no store holds is stored even if it is anonymous and empty.
            is_new_token: Whether there will be a new token in any case.
        """
        intent = self._intent
        if intent is not None:
            is_new_token = is_new_token or intent.identity is not None or intent.rotate or intent.lifetime is not None
        if self._record is None and not self.ended and self._known().rotated is None:
            is_new_token = is_new_token or is_stored or len(self) > 0
        if not is_new_token:
            return
        if self.stage != "before":
            raise UsageError(
                "the response has begun: create, sign in and rotate before it, so that its cookie can tell"
            )
        exchange.check_way(self._conduct.terms, https=self._https, host=self._host)
        if not self.client.ip:
            peer = self._scope.get("client")
            agent = self._header(b"user-agent")
            self.set_client(ip=None if peer is None else peer[0], user_agent=agent, label=self.client.label)

    def _host(self) -> str:
        return self._header(b"host") or "localhost"

    # What the adapter does --------------------------------------------------------------------------------------

    @property
    def has_new_token(self) -> bool:
        """Whether the client's token is another one by now, so that only this response can tell it."""
        return self._is_filled and self._token is not None and self._token is not self._read().token

    def is_settled(self) -> bool:
        """Whether `finish` has nothing to do, as where a request only read: asked first, it saves the awaiting."""
        if not self._is_filled:
            return True
        try:
            return not self._noticed and self._error is None and visit.is_settled(self, self._now)
        except SojournError:  # `finish` will meet it too, and note it
            return False

    async def finish(self, *, drop: bool = False) -> None:
        """Commit, or note the access, once the handler is done; nothing if nobody looked.

        Args:
            drop: The handler failed (an exception or a 5xx): what it recorded is dropped.

        Raises:
            SojournError: As `flows.visit.finish` and `commit`; `is_own_error` knows it again. Once raised, there is
                nothing left to finish.
        """
        if not self._is_filled:
            return
        if drop or self._error is not None:
            self.drop_changes()
            if self._error is not None:
                return
        try:
            if not self._noticed and visit.is_settled(self, self._now):
                return
            self._prepare(is_stored=False)
            manager = self.manager
            noticed, self._noticed = self._noticed, ()
            await manager.run(
                visit.finish(
                    self,
                    manager.policy,
                    manager.now(),
                    manager.entropy,
                    self._known(),
                    late_writes=self._conduct.late_writes,
                    noticed=noticed,
                )
            )
        except SojournError as error:
            self._error = error
            raise

    @property
    def is_unfinished(self) -> bool:
        """Whether there is something to do after the response has begun and the application has returned."""
        return self._is_filled and (bool(self._noticed) or self.has_changes)

    def is_own_error(self, error: BaseException) -> bool:
        """Whether `finish` or `write_headers` raised it, so that the adapter has to answer for it."""
        return error is self._error

    def write_headers(self, headers: Headers) -> None:
        """Edit the headers of a response that used its session: when it begins, after `finish`."""
        found, presented = self._found or _NOBODY, self._presented or self._read()
        is_filled = self._is_filled
        if is_filled and self._record is found.record is not None and not (presented.is_stale or self._is_cleared):
            add_vary_and_private(headers)  # most requests: nothing is to be told but that the answer is the visitor's
            return
        if is_filled and not (self._is_cleared and not self.has_new_token):
            record = self._record
            upshot = Upshot(
                _CLEARED if self._is_cleared else presented,
                record,
                self._token,
                keep_cookie=found.keep_cookie,
                logged_out=self._logged_out,
                noted_access=record is not found.record,
            )
        elif self._is_cleared:
            upshot = Upshot(_CLEARED, None, None, logged_out=self._logged_out)
        else:  # the look failed: nothing is known but that the answer depends on it
            upshot = Upshot(presented, None, None, keep_cookie=True)
        try:
            exchange.write(
                self._conduct.terms, headers, upshot, https=self._https, host=self._host, clock=self.manager.now
            )
        except SojournError as error:
            self._error = error
            raise
