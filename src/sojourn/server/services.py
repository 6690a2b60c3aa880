"""What the server's routes work with, made once when the server starts and handed to each of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sojourn.async_manager import AsyncSessionManager
from sojourn.http.csrf import AllowedOrigins
from sojourn.server.directory import AsyncUserDirectory

__all__ = ["Services"]


@dataclass(frozen=True, slots=True)
class Services:
    """The server's parts and switches.

    Attributes:
        manager: The sessions.
        directory: The users.
        open_users: Whether anybody may sign up at `/_users`, and users may read and change their own document.
            Closed, only administrators may, as in CouchDB 3. The rules on roles and passwords hold in both.
        allowed_origins: Further origins whose pages may send unsafe requests.
        lockout_status: The status of a locked account on these routes; CouchDB's is 403.
    """

    manager: AsyncSessionManager
    directory: AsyncUserDirectory
    open_users: bool = False
    allowed_origins: AllowedOrigins = field(default_factory=AllowedOrigins)
    lockout_status: Literal[403, 429] = 403
