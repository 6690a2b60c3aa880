"""`UserDirectory` and `AsyncUserDirectory`: one-line methods that drive the directory's flows over a manager's store.

The two have the same methods; the contracts stand on the sync one. They perform what flows ask of passwords themselves
(`users.performer`) and hand the rest to the manager's store and handlers.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from sojourn.async_manager import AsyncSessionManager
from sojourn.core.accounts import User, UserOp
from sojourn.core.operations import Announce, Flow, StoreOp
from sojourn.core.session import Recording
from sojourn.drive import adrive, drive
from sojourn.flows import accounts, directory
from sojourn.flows.directory import Draft
from sojourn.manager import SessionManager
from sojourn.users.passwords import PasswordPolicy
from sojourn.users.performer import UserPerformer
from sojourn.users.pool import PasswordPool
from sojourn.users.throttle import Limits

__all__ = ["AsyncUserDirectory", "UserDirectory"]

Result = TypeVar("Result")
Asked = StoreOp | UserOp | Announce


class UserDirectory:
    """The users of a store, for programs without an event loop.

    Args:
        manager: Whose store holds the users, and whose sessions follow them.
        password_policy: For new passwords: `standard`, or `none` (for tests against CouchDB).
        limits: Of sign-in tries; `Limits.off()` for tests.
        pool: Where hashing is done; one of its own unless given.

    Raises:
        ConfigurationError: The policy is unknown.
    """

    def __init__(
        self,
        manager: SessionManager,
        *,
        password_policy: PasswordPolicy = "standard",  # noqa: S107 - the name of a policy
        limits: Limits = Limits(),  # noqa: B008 - frozen
        pool: PasswordPool | None = None,
    ) -> None:
        self.manager = manager
        self._users = UserPerformer(password_policy, limits, pool)

    def run(self, flow: Flow[Asked, Result]) -> Result:
        """Drive a flow over the store, the handlers and the password threads, to its result."""
        return drive(flow, self._perform)

    def _perform(self, op: Asked) -> Any:
        if isinstance(op, UserOp):
            return self._users.perform(op)
        if isinstance(op, Announce):
            return self.manager.dispatcher.run(op.events)
        return self.manager.store.perform(op)

    def get(self, name: str) -> User | None:
        """The user of this name, or None."""
        return self.run(accounts.find(self.manager.policy, name))

    def list(self, start: str = "", page_size: int = 100) -> Iterator[User]:
        """All users by name, from `start` on, read a page at a time as you go."""
        following: str | None = start
        while following is not None:
            users, following = self.run(directory.list_users(following, page_size))
            yield from users

    def create(
        self,
        name: str,
        password: str | None = None,
        *,
        roles: Sequence[str] = (),
        properties: Mapping[str, Any] | None = None,
    ) -> User:
        """Store a new user; without a password nobody can sign in by one. The role `_admin` makes an administrator.

        Raises:
            ValueRefused: The name or the password is not accepted; the message says why.
            DocumentConflict: There is a user of this name.
        """
        means = self.manager
        return self.run(
            directory.create(
                means.policy, means.now(), means.entropy, name, password, tuple(roles), dict(properties or {})
            )
        )

    def update(
        self,
        name: str,
        *,
        roles: Sequence[str] | None = None,
        properties: Mapping[str, Any] | None = None,
        password: str | None = None,
        revision: str | None = None,
        keep: str | Recording | None = None,
        actor: str | None = None,
    ) -> User:
        """Change what is named and leave the rest; the user's sessions follow.

        Args:
            roles: All roles; living sessions have them at once.
            properties: All of the application's own members.
            password: A new one; ends the user's sessions but for `keep`, as `password_changed`.
            revision: Change only this one; None changes whatever is there.
            keep: A session or handle to leave alone when the password changes.
            actor: Who does it, for the events of ended sessions.

        Raises:
            ValueRefused: There is no such user, or the password is not accepted.
            DocumentConflict: The revision is another one.
        """
        means = self.manager
        return self.run(
            directory.change(
                means.policy,
                means.now(),
                means.entropy,
                name,
                roles=None if roles is None else tuple(roles),
                properties=None if properties is None else dict(properties),
                password=password,
                revision=revision,
                keep=_handle(keep),
                actor=actor,
            )
        )

    def change_password(
        self, name: str, password: str, *, keep: str | Recording | None = None, actor: str | None = None
    ) -> User:
        """Give a user a new password; all of their sessions but `keep` end, and a lock-out with them.

        Raises:
            As `update`.
        """
        return self.update(name, password=password, keep=keep, actor=actor)

    def set_roles(self, name: str, roles: Sequence[str], *, actor: str | None = None) -> User:
        """Give a user these roles and no others; their living sessions have them at once.

        Raises:
            As `update`.
        """
        return self.update(name, roles=roles, actor=actor)

    def delete(self, name: str, *, revision: str | None = None, actor: str | None = None) -> bool:
        """Remove a user and end all of their sessions as `account_closed`; False if there is none.

        Raises:
            DocumentConflict: The revision is another one.
        """
        return self.run(directory.delete(self.manager.policy, self.manager.now(), name, revision, actor))

    def save(self, draft: Draft, old: User | None, *, keep: str | None = None, actor: str | None = None) -> User:
        """Store a whole draft in place of `old` as it was read, or as a new user: `flows.directory.save`."""
        means = self.manager
        return self.run(directory.save(means.policy, means.now(), means.entropy, draft, old, keep, actor))

    def authenticate(self, name: str, password: str, address: str | None = None) -> User:
        """The user whose name and password these are; sign a session in with `user.name` and `user.roles`.

        After the commit call `confirm`, so that a change of the account at the same moment is not missed.

        Raises:
            WrongCredentials: Unknown name or wrong password: one answer, at one cost.
            AccountLocked: Too many failures from this address; the password was not looked at.
        """
        means = self.manager
        return self.run(accounts.authenticate(means.policy, means.now(), means.entropy, name, password, address))

    def confirm(self, session: str | Recording, user: User) -> User:
        """Hold a session just signed in against the directory once more; answers the user as it is now.

        Raises:
            WrongCredentials: The account was closed or got another password meanwhile; the session has ended.
        """
        handle = _handle(session) or ""
        return self.run(accounts.confirm(self.manager.policy, self.manager.now(), handle, user))

    def close(self) -> None:
        """Let the password threads end; the manager stays open."""
        self._users.close()


class AsyncUserDirectory:
    """The users of a store, for applications on an event loop; the contracts stand on `UserDirectory`."""

    def __init__(
        self,
        manager: AsyncSessionManager,
        *,
        password_policy: PasswordPolicy = "standard",  # noqa: S107 - the name of a policy
        limits: Limits = Limits(),  # noqa: B008 - frozen
        pool: PasswordPool | None = None,
    ) -> None:
        self.manager = manager
        self._users = UserPerformer(password_policy, limits, pool)

    async def run(self, flow: Flow[Asked, Result]) -> Result:
        """As `UserDirectory.run`."""
        return await adrive(flow, self._perform)

    async def _perform(self, op: Asked) -> Any:
        if isinstance(op, UserOp):
            return await self._users.aperform(op)
        if isinstance(op, Announce):
            return await self.manager.dispatcher.arun(op.events)
        return await self.manager.store.aperform(op)

    async def get(self, name: str) -> User | None:
        """As `UserDirectory.get`."""
        return await self.run(accounts.find(self.manager.policy, name))

    async def list(self, start: str = "", page_size: int = 100) -> AsyncIterator[User]:
        """As `UserDirectory.list`, with `async for`."""
        following: str | None = start
        while following is not None:
            users, following = await self.run(directory.list_users(following, page_size))
            for user in users:
                yield user

    async def create(
        self,
        name: str,
        password: str | None = None,
        *,
        roles: Sequence[str] = (),
        properties: Mapping[str, Any] | None = None,
    ) -> User:
        """As `UserDirectory.create`."""
        means = self.manager
        return await self.run(
            directory.create(
                means.policy, means.now(), means.entropy, name, password, tuple(roles), dict(properties or {})
            )
        )

    async def update(
        self,
        name: str,
        *,
        roles: Sequence[str] | None = None,
        properties: Mapping[str, Any] | None = None,
        password: str | None = None,
        revision: str | None = None,
        keep: str | Recording | None = None,
        actor: str | None = None,
    ) -> User:
        """As `UserDirectory.update`."""
        means = self.manager
        return await self.run(
            directory.change(
                means.policy,
                means.now(),
                means.entropy,
                name,
                roles=None if roles is None else tuple(roles),
                properties=None if properties is None else dict(properties),
                password=password,
                revision=revision,
                keep=_handle(keep),
                actor=actor,
            )
        )

    async def change_password(
        self, name: str, password: str, *, keep: str | Recording | None = None, actor: str | None = None
    ) -> User:
        """As `UserDirectory.change_password`."""
        return await self.update(name, password=password, keep=keep, actor=actor)

    async def set_roles(self, name: str, roles: Sequence[str], *, actor: str | None = None) -> User:
        """As `UserDirectory.set_roles`."""
        return await self.update(name, roles=roles, actor=actor)

    async def delete(self, name: str, *, revision: str | None = None, actor: str | None = None) -> bool:
        """As `UserDirectory.delete`."""
        return await self.run(directory.delete(self.manager.policy, self.manager.now(), name, revision, actor))

    async def save(self, draft: Draft, old: User | None, *, keep: str | None = None, actor: str | None = None) -> User:
        """As `UserDirectory.save`."""
        means = self.manager
        return await self.run(directory.save(means.policy, means.now(), means.entropy, draft, old, keep, actor))

    async def authenticate(self, name: str, password: str, address: str | None = None) -> User:
        """As `UserDirectory.authenticate`."""
        means = self.manager
        return await self.run(accounts.authenticate(means.policy, means.now(), means.entropy, name, password, address))

    async def confirm(self, session: str | Recording, user: User) -> User:
        """As `UserDirectory.confirm`."""
        handle = _handle(session) or ""
        return await self.run(accounts.confirm(self.manager.policy, self.manager.now(), handle, user))

    async def aclose(self) -> None:
        """As `UserDirectory.close`."""
        self._users.close()


def _handle(session: str | Recording | None) -> str | None:
    return session.handle if isinstance(session, Recording) else session
