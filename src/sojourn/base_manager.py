"""What both managers are made of: a store, a policy, a clock, entropy and handlers. It does no I/O."""

from __future__ import annotations

import os
import secrets
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, overload

from msgspec.structs import replace

from sojourn.core.events import EndReason, SessionEnded
from sojourn.core.operations import Ability
from sojourn.core.record import Identity, TtlType, as_roles, as_uid, as_user_data
from sojourn.core.session import Recording
from sojourn.core.values import DEFAULT_MAX_BYTES, Fields, encode_fields
from sojourn.dispatch import Dispatcher, EventName, Handler
from sojourn.errors import UsageError
from sojourn.flows.policy import Entropy
from sojourn.options import DEFAULT, AtLimit, Default, Duration, Profile, make_lifetime, make_policy
from sojourn.stores.base import SessionStore
from sojourn.stores.opening import open_store

__all__ = ["BaseManager", "Clock", "system_clock"]

Clock = Callable[[], int]
AnyHandler = TypeVar("AnyHandler", bound=Callable[[Any], Any])


def system_clock() -> int:
    """Milliseconds since the epoch by this machine's clock."""
    return time.time_ns() // 1_000_000


class BaseManager:
    """The options, handlers and counters of a manager; `SessionManager` documents them."""

    _colour: Literal["sync", "async"]

    def __init__(
        self,
        store: str | SessionStore = "memory://",
        *,
        ttl: Duration | Default = DEFAULT,
        ttl_type: TtlType = "last_access",
        absolute: Duration | Default = DEFAULT,
        touch_interval: Duration | Default = DEFAULT,
        profile: Profile | None = None,
        max_sessions: int | None = None,
        at_limit: AtLimit = "evict",
        max_bytes: int = DEFAULT_MAX_BYTES,
        change_events: bool = False,
        on_reuse: Literal["notify", "end"] = "notify",
        clock: Clock = system_clock,
        entropy: Entropy = secrets.token_bytes,
    ) -> None:
        self.store = open_store(store) if isinstance(store, str) else store
        self.policy = make_policy(
            self.store.abilities,
            make_lifetime(ttl, ttl_type, absolute, touch_interval, profile),
            max_sessions=max_sessions,
            at_limit=at_limit,
            max_bytes=max_bytes,
            change_events=change_events,
            on_reuse=on_reuse,
        )
        self.profile: Profile | None = profile
        self.now = clock
        self.entropy = entropy
        self.dispatcher = Dispatcher(allow_async=self._colour == "async")
        self.owner = _new_owner()
        _managers.add(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {type(self.store).__name__}>"

    @overload
    def on(self, event: EventName) -> Callable[[AnyHandler], AnyHandler]: ...
    @overload
    def on(self, event: EventName, handler: AnyHandler) -> AnyHandler: ...
    def on(self, event: EventName, handler: Callable[[Any], Any] | None = None) -> Any:
        """Call a handler for every event of this class: `@sessions.on(SessionEnded)`, or `on(SessionEnded, f)`.

        It runs in the process that owns the event: each end is handled by exactly one process (promise 3). Names of
        the seeds work too: "sessionDeleted" (M14).

        Raises:
            ConfigurationError: The name is unknown, or an async handler is given to a sync manager.
        """
        if handler is None:

            def decorate(given: AnyHandler) -> AnyHandler:
                return self.on(event, given)

            return decorate
        self.dispatcher.on(event, handler)
        self._own()
        return handler

    def off(self, event: EventName, handler: Handler) -> None:
        """Remove a handler; nothing happens if it was not added."""
        self.dispatcher.off(event, handler)
        self._own()

    @property
    def started_total(self) -> int:
        """Sessions that this process has created."""
        return self.dispatcher.started_total

    @property
    def ended_total(self) -> Mapping[str, int]:
        """Ends that this process has handled, by reason."""
        return dict(self.dispatcher.ended_total)

    def _own(self) -> None:
        owns = self.dispatcher.wants(SessionEnded) and Ability.EVENTS in self.policy.abilities
        self.policy = replace(self.policy, owner=self.owner if owns else None)

    def forked(self) -> None:
        """Be another owner than the parent process: called in each child after a fork."""
        self.owner = _new_owner()
        self._own()

    @staticmethod
    def _fields(data: Mapping[str, object] | None) -> Fields:
        return {} if data is None else encode_fields(data)

    @staticmethod
    def _identity(uid: str | None, roles: Sequence[str], user_data: Mapping[str, object] | None) -> Identity:
        if uid is None:
            if roles or user_data:
                raise UsageError("roles and user_data belong to a user: give uid as well")
            return Identity()
        return Identity(as_uid(uid), as_roles(roles), as_user_data(user_data))

    @staticmethod
    def _handle(session: str | Recording | None) -> str | None:
        """The handle of a session given by handle or as an object; a token given by mistake is refused."""
        if isinstance(session, Recording):
            return session.handle
        if session is not None and "." in session:
            raise UsageError("this takes a session or its handle, not its token: tokens stay with the client")
        return session

    @staticmethod
    def _target(handle: str | None, uid: str | None, everybody: bool) -> None:
        if sum((handle is not None, uid is not None, everybody)) != 1:
            raise UsageError("revoke takes one of: a session, uid=..., everybody=True")

    @staticmethod
    def _reason(reason: EndReason | str) -> EndReason:
        try:
            return EndReason(reason)
        except ValueError:
            raise UsageError(f"reason is one of {', '.join(EndReason)}, not {reason!r}") from None


def _new_owner() -> str:
    return f"{os.getpid()}-{secrets.token_hex(6)}"


_managers: weakref.WeakSet[BaseManager] = weakref.WeakSet()


def _after_fork() -> None:
    for manager in tuple(_managers):
        manager.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
