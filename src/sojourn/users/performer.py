"""Who performs what flows ask about passwords: the pool hashes, the throttle counts."""

from __future__ import annotations

from typing import Any, assert_never

from sojourn.core.accounts import Admit, HashPassword, NoteFailure, NoteSuccess, UserOp, VerifyPassword
from sojourn.users.passwords import PasswordPolicy, as_policy, hash_password, verify_password
from sojourn.users.pool import PasswordPool
from sojourn.users.throttle import Limits, Throttle

__all__ = ["UserPerformer"]


class UserPerformer:
    """Performs every `UserOp`, in both colours.

    Args:
        password_policy: `standard` or `none`, for new passwords.
        limits: Of sign-in tries.
        pool: Where hashing is done; one of its own unless given.
    """

    def __init__(
        self,
        password_policy: PasswordPolicy = "standard",  # noqa: S107 - the name of a policy
        limits: Limits = Limits(),  # noqa: B008 - frozen
        pool: PasswordPool | None = None,
    ) -> None:
        self.password_policy: PasswordPolicy = as_policy(password_policy)
        self.throttle = Throttle(limits)
        self.pool = pool or PasswordPool()

    def perform(self, op: UserOp) -> Any:
        """Do one operation and answer its reply, blocking while it is hashed."""
        match op:
            case HashPassword():
                return self.pool.run_blocking(hash_password, op.password, self.password_policy, op.name)
            case VerifyPassword():
                return self.pool.run_blocking(verify_password, op.password, op.credentials)
            case _:
                return self._count(op)

    async def aperform(self, op: UserOp) -> Any:
        """Do one operation and answer its reply; hashing never runs on the event loop."""
        match op:
            case HashPassword():
                return await self.pool.run(hash_password, op.password, self.password_policy, op.name)
            case VerifyPassword():
                return await self.pool.run(verify_password, op.password, op.credentials)
            case _:
                return self._count(op)

    def close(self) -> None:
        """Let the threads of the pool end."""
        self.pool.close()

    def _count(self, op: Admit | NoteFailure | NoteSuccess) -> int | None:
        match op:
            case Admit():
                return self.throttle.admit(op)
            case NoteFailure():
                self.throttle.note_failure(op)
            case NoteSuccess():
                self.throttle.note_success(op)
            case _:
                assert_never(op)
        return None
