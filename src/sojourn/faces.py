"""An open session in the two colours: the recording of `core.session`, and the calls that ask the store.

Reading and changing are plain calls in both; only what asks the store is awaited in `AsyncSession`. The methods have
the same names; each contract is written once, on `Session`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from sojourn.core import changes as commands
from sojourn.core.apply import Answers
from sojourn.core.changes import AnyPath, Change
from sojourn.core.operations import Announce, Flow, StoreOp
from sojourn.core.record import Record, TtlType, deadline
from sojourn.core.session import Recording
from sojourn.core.tokens import Token, csrf_matches, csrf_token
from sojourn.core.values import decode
from sojourn.errors import CsrfError, SessionExpired, UsageError
from sojourn.flows import lifecycle
from sojourn.flows.policy import Entropy, Policy
from sojourn.options import DEFAULT, Default, Duration, Profile, make_lifetime

__all__ = ["AsyncSession", "Face", "Session"]

Result = TypeVar("Result")


class Means(Protocol):
    """What a face needs of its manager."""

    policy: Policy
    entropy: Entropy
    profile: Profile | None

    def now(self) -> int:
        """Milliseconds since the epoch, as the store's sessions count them."""
        ...


class SyncMeans(Means, Protocol):
    """A manager that runs flows by blocking."""

    def run(self, flow: Flow[StoreOp | Announce, Result]) -> Result:
        """Drive a flow to its result."""
        ...


class AsyncMeans(Means, Protocol):
    """A manager that runs flows by awaiting."""

    def run(self, flow: Flow[StoreOp | Announce, Result]) -> Awaitable[Result]:
        """Drive a flow to its result."""
        ...


AnyMeans = TypeVar("AnyMeans", bound=Means)


class Face(Recording, Generic[AnyMeans]):
    """What both colours offer beyond the recording: time left, lifetime, CSRF tokens."""

    __slots__ = ("_means",)
    _means: AnyMeans

    @property
    def expires_at(self) -> int | None:
        """The deadline in milliseconds, or None if it never expires (F10)."""
        return None if self._record is None else deadline(self._record)

    @property
    def time_left(self) -> timedelta | None:
        """What is left of its lifetime, zero when it is over; None if it never expires (F10)."""
        end = self.expires_at
        return None if end is None else timedelta(milliseconds=max(0, end - self._means.now()))

    @property
    def is_expired(self) -> bool:
        """Whether its lifetime is over now: past the deadline, not at it (F6, F10)."""
        end = self.expires_at
        return end is not None and self._means.now() > end

    def enforce_lifetime(self) -> None:
        """Raise SessionExpired if the lifetime is over now (F10), and SessionNotFound if the session has ended."""
        if self.is_expired or self.ended:
            raise SessionExpired(self.living().handle, self.expires_at or 0)  # living refuses what has ended

    def set_lifetime(
        self,
        ttl: Duration | Default = DEFAULT,
        *,
        ttl_type: TtlType = "last_access",
        absolute: Duration | Default = DEFAULT,
        touch_interval: Duration | Default = DEFAULT,
    ) -> None:
        """Live this long instead, from the commit on: "remember me" (A16). Options and defaults as of a manager.

        Raises:
            ConfigurationError: A duration is malformed, or passes the limits of the manager's profile.
        """
        self.wish_lifetime(make_lifetime(ttl, ttl_type, absolute, touch_interval, self._means.profile))

    def create_csrf(self) -> str:
        """A token for this session's forms: different at each call, nothing stored, dead after rotation (A14, A15).

        Raises:
            UsageError: The session was found by handle, or is not stored yet: it knows no secret.
        """
        if self._token is None:
            raise UsageError("a CSRF token needs the session's secret: commit a new session first")
        return csrf_token(self._token.secret, self._means.entropy(16))

    def assert_csrf(self, token: object) -> None:
        """Pass silently if `create_csrf` of this session made the token (A15).

        Raises:
            CsrfError: It did not, whatever is wrong with it.
        """
        secret = None if self._token is None else self._token.secret
        if secret is None or not isinstance(token, str) or not csrf_matches(token, secret):
            raise CsrfError("Invalid CSRF Token.")


def _values(answers: Answers) -> tuple[Any, ...]:
    return tuple([None if text is None else decode(text) for text in answers])


class Session(Face[SyncMeans]):
    """An open session whose calls block until the store has answered."""

    __slots__ = ()

    def __init__(self, means: SyncMeans, record: Record | None = None, token: Token | None = None) -> None:
        super().__init__(record, token)
        self._means = means

    def commit(self) -> None:
        """Send what was recorded as one atomic batch, and see what the store then holds.

        With a sign-in or a rotation, `token` is another one afterwards. Without anything recorded nothing is sent.

        Raises:
            SessionNotFound, SessionExpired: It has ended; nothing was stored (AB1).
            IdentityChanged: It signed in, out or over since it was loaded; nothing was stored.
            ChangeError, Conflict, ValueRefused, SessionTooLarge: Nothing of the batch was stored.
            LimitReached: The sign-in was refused; the rest of the batch is stored, but for a session that was not
                stored yet: nothing is, and its data is still here.
            StoreUnavailable: Nothing was done and everything is still recorded; call again.
            OutcomeUnknown: It may be stored or not; it is never sent twice.
        """
        self._means.run(lifecycle.commit(self, self._means.policy, self._means.now(), self._means.entropy))

    def refresh(self) -> None:
        """Read it again: adds, changes and removes what others did (A12); what is recorded here stays on top.

        Raises:
            SessionNotFound, SessionExpired: It has ended.
        """
        self._means.run(lifecycle.refresh(self, self._means.now()))

    def touch(self) -> None:
        """Note an access now, whatever the touch interval; data and last_update stay (A13, M7).

        Raises:
            SessionNotFound, SessionExpired: It has ended.
        """
        self._means.run(lifecycle.touch(self, self._means.now()))

    def apply(self, *changes: Change) -> tuple[Any, ...]:
        """Apply commands now, with what was recorded before, in one batch, all or nothing.

        Answers what `take`, `pop_first` and `pop_last` among them removed, in order; None where nothing was.

        Raises:
            As `commit`. Refused, the recorded changes stay recorded.
        """
        means = self._means
        return _values(means.run(lifecycle.act(self, means.policy, means.now(), means.entropy, changes)))

    def take(self, path: AnyPath, default: object = None) -> Any:
        """Remove a whole value now and answer it; of many who ask at once, one gets it and the others `default`."""
        return self._answer(commands.take(path), default)

    def pop_first(self, path: AnyPath, default: object = None) -> Any:
        """Remove a list's first element now and answer it; nobody else gets the same one."""
        return self._answer(commands.pop_first(path), default)

    def pop_last(self, path: AnyPath, default: object = None) -> Any:
        """Remove a list's last element now and answer it; nobody else gets the same one."""
        return self._answer(commands.pop_last(path), default)

    def _answer(self, change: Change, default: object) -> Any:
        means = self._means
        answers = means.run(lifecycle.act(self, means.policy, means.now(), means.entropy, (change,)))
        return default if answers[-1] is None else decode(answers[-1])

    def regenerate(self, *, keep: bool = False) -> None:
        """End it and begin a new one in its place: new handle, new token, anonymous (A14).

        Data is carried over only with `keep`, what was recorded included.
        """
        means = self._means
        means.run(lifecycle.regenerate(self, means.policy, means.now(), means.entropy, keep=keep))

    def end(self) -> bool:
        """End it now, for good: no late request brings it back (promise 2). False if it had ended already (F7)."""
        return self._means.run(lifecycle.end(self, self._means.policy, self._means.now()))


class AsyncSession(Face[AsyncMeans]):
    """An open session whose calls are awaited until the store has answered; the contracts stand on `Session`."""

    __slots__ = ()

    def __init__(self, means: AsyncMeans, record: Record | None = None, token: Token | None = None) -> None:
        super().__init__(record, token)
        self._means = means

    async def commit(self) -> None:
        """As `Session.commit`."""
        await self._means.run(lifecycle.commit(self, self._means.policy, self._means.now(), self._means.entropy))

    async def refresh(self) -> None:
        """As `Session.refresh`."""
        await self._means.run(lifecycle.refresh(self, self._means.now()))

    async def touch(self) -> None:
        """As `Session.touch`."""
        await self._means.run(lifecycle.touch(self, self._means.now()))

    async def apply(self, *changes: Change) -> tuple[Any, ...]:
        """As `Session.apply`."""
        means = self._means
        return _values(await means.run(lifecycle.act(self, means.policy, means.now(), means.entropy, changes)))

    async def take(self, path: AnyPath, default: object = None) -> Any:
        """As `Session.take`."""
        return await self._answer(commands.take(path), default)

    async def pop_first(self, path: AnyPath, default: object = None) -> Any:
        """As `Session.pop_first`."""
        return await self._answer(commands.pop_first(path), default)

    async def pop_last(self, path: AnyPath, default: object = None) -> Any:
        """As `Session.pop_last`."""
        return await self._answer(commands.pop_last(path), default)

    async def _answer(self, change: Change, default: object) -> Any:
        means = self._means
        answers = await means.run(lifecycle.act(self, means.policy, means.now(), means.entropy, (change,)))
        return default if answers[-1] is None else decode(answers[-1])

    async def regenerate(self, *, keep: bool = False) -> None:
        """As `Session.regenerate`."""
        means = self._means
        await means.run(lifecycle.regenerate(self, means.policy, means.now(), means.entropy, keep=keep))

    async def end(self) -> bool:
        """As `Session.end`."""
        return await self._means.run(lifecycle.end(self, self._means.policy, self._means.now()))
