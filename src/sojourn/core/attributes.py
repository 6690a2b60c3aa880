"""What an open session says of itself: the record that the store answered, under what waits for the commit."""

from __future__ import annotations

from typing import Any

from sojourn.core.intent import Intent
from sojourn.core.record import Client, Identity, Record, identity_of
from sojourn.core.tokens import Token
from sojourn.core.values import decode

__all__ = ["Attributes"]


class Attributes:
    """The attributes of a session; its data has a namespace of its own (AB4)."""

    __slots__ = ()
    _record: Record | None
    _token: Token | None
    _intent: Intent | None

    @property
    def handle(self) -> str | None:
        """The public name: it stays through rotation and sign-in. None until the session is stored."""
        return None if self._record is None else self._record.handle

    @property
    def token(self) -> str | None:
        """What the client keeps: a secret, so never log it. None until stored, and for sessions found by handle."""
        return None if self._token is None else self._token.text

    @property
    def is_new(self) -> bool:
        """Whether no store holds it yet."""
        return self._record is None

    @property
    def identity(self) -> Identity:
        """Who is signed in, a sign-in that waits for the commit included."""
        if self._intent is not None and self._intent.identity is not None:
            return self._intent.identity
        return Identity() if self._record is None else identity_of(self._record)

    @property
    def uid(self) -> str | None:
        """The signed-in user, or None."""
        return self.identity.uid

    @property
    def roles(self) -> tuple[str, ...]:
        """The user's roles, as copied at sign-in."""
        return self.identity.roles

    @property
    def user_data(self) -> Any:
        """What the application keeps about the user (F9); a fresh copy at each call."""
        return decode(self.identity.user_data)

    @property
    def authenticated_at(self) -> int | None:
        """When the person last proved to be the user, in milliseconds."""
        return self.identity.authenticated_at

    @property
    def client(self) -> Client:
        """What is known of the device."""
        if self._intent is not None and self._intent.client is not None:
            return self._intent.client
        return Client() if self._record is None else self._record.client

    @property
    def created(self) -> int | None:
        """When it was stored for the first time, in milliseconds."""
        return None if self._record is None else self._record.created

    @property
    def last_access(self) -> int | None:
        """The last noted access, in milliseconds; at most the touch interval behind."""
        return None if self._record is None else self._record.last_access

    @property
    def last_update(self) -> int | None:
        """The last change, in milliseconds."""
        return None if self._record is None else self._record.last_update

    @property
    def record(self) -> Record | None:
        """What the store answered last, without what was recorded since."""
        return self._record

    @property
    def is_replaced(self) -> bool:
        """Whether the next commit ends it and begins another one, because another user signs in."""
        return self._intent is not None and self._intent.replace
