"""Who makes a request: by the session's cookie, else by Basic credentials, else nobody; CouchDB's order of handlers."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request

from sojourn.errors import WrongCredentials
from sojourn.server.couch_answers import Refusal
from sojourn.server.services import Services
from sojourn.web.visit import VisitedSession

__all__ = ["Caller", "address_of", "caller_of", "session_of", "wrong_credentials"]


@dataclass(frozen=True, slots=True)
class Caller:
    """The identity of a request.

    Attributes:
        name: The user, or None.
        roles: The user's roles.
        by: What proved it: `cookie`, or `default` for Basic, CouchDB's word.
    """

    name: str | None = None
    roles: tuple[str, ...] = ()
    by: Literal["cookie", "default"] | None = None

    @property
    def is_admin(self) -> bool:
        """Whether it has the role `_admin`."""
        return "_admin" in self.roles


def session_of(request: Request) -> VisitedSession:
    """The request's session, which `SessionMiddleware` has put there."""
    session: VisitedSession = request.scope["sojourn"]
    return session


def address_of(request: Request) -> str | None:
    """The peer's address, as the server that runs us tells it (behind a proxy: the one it was told to trust)."""
    return None if request.client is None else request.client.host


def wrong_credentials() -> Refusal:
    """The one answer to unknown names and wrong passwords (ASVS 6.3.8)."""
    return Refusal(401, "unauthorized", "Name or password is incorrect.")


async def caller_of(request: Request, services: Services) -> Caller:
    """Who makes this request.

    Raises:
        Refusal: 400 for a malformed cookie, which the answer also clears (C10), or Basic credentials that cannot be
            read; 401 for wrong ones.
        AccountLocked: Too many failures; the Basic credentials were not looked at (C13).
    """
    session = session_of(request)
    if session.presented == "malformed":
        session.clear_cookie()
        raise Refusal(400, "bad_request", "Malformed AuthSession cookie. Please clear your cookies.")
    if session.presented == "token":
        await session.load()
        if session.uid is not None:
            return Caller(session.uid, session.roles, "cookie")
    pair = _basic(request.headers.get("authorization"))
    if pair is None:
        return Caller()
    try:
        user = await services.directory.authenticate(*pair, address_of(request))
    except WrongCredentials:
        raise wrong_credentials() from None
    return Caller(user.name, user.roles, "default")


def _basic(header: str | None) -> tuple[str, str] | None:
    """Name and password of an Authorization header; None without, for other schemes, and for `_:_` (C12)."""
    if header is None:
        return None
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(text.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        colon = name = password = ""
    if not colon:
        raise Refusal(400, "bad_request", "Authorization header is no Basic name:password in base64.")
    return None if (name, password) == ("_", "_") else (name, password)
