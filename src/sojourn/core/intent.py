"""What is to happen to a session itself at its next commit, beside the commands on its data."""

from __future__ import annotations

from sojourn.core.record import Client, Identity, Lifetime

__all__ = ["Intent"]


class Intent:
    """Wishes that wait for the commit.

    Attributes:
        identity: Become this user; None leaves it as it is.
        replace: End the session and begin another one, because its user is another one.
        rotate: Get a new secret.
        lifetime: Live this long instead.
        client: Note this about the device.
    """

    __slots__ = ("client", "identity", "lifetime", "replace", "rotate")

    def __init__(self) -> None:
        self.identity: Identity | None = None
        self.replace = False
        self.rotate = False
        self.lifetime: Lifetime | None = None
        self.client: Client | None = None

    def __bool__(self) -> bool:
        return self.rotate or not (self.identity is None and self.lifetime is None and self.client is None)

    def put_under(self, older: Intent) -> None:
        """Take over what an older intent wished and this one does not say."""
        if self.identity is None:
            self.identity = older.identity
        self.replace = self.replace or older.replace
        self.rotate = self.rotate or older.rotate
        self.lifetime = self.lifetime or older.lifetime
        self.client = self.client or older.client
