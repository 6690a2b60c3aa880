"""A site of the ASGI adapter on each kind of store, with a clock that stands still."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asgi_client import Answer, Browser, Handler, WatchedStore, page
from sojourn import AsyncSessionManager, open_store
from sojourn.core.tokens import make_handle, make_token
from sojourn.testing import FakeClock
from sojourn.web.asgi import SessionMiddleware

__all__ = ["KINDS", "Site", "made_up", "site_on"]

KINDS = ("memory", "sqlite", "network")
"""`network` is the memory store as if it stood far away: it is only awaited, and other tasks run meanwhile."""


@dataclass
class Site:
    """A store that is watched, a manager with a fake clock, and applications over them."""

    kind: str
    store: WatchedStore
    clock: FakeClock
    manager: AsyncSessionManager
    options: dict[str, Any] = field(default_factory=dict)

    def app(self, handler: Handler, *, status: int = 200, **options: Any) -> SessionMiddleware:
        """The middleware around an application that runs the handler, then answers."""
        return self.raw(page(handler, status), **options)

    def raw(self, app: Any, **options: Any) -> SessionMiddleware:
        """The middleware around an application."""
        return SessionMiddleware(app, self.manager, **{**self.options, **options})

    async def visitor(self, uid: str | None = None, **options: Any) -> Browser:
        """A browser whose session holds `n` = 1, and belongs to the user if one is named."""

        async def handler(session: Any) -> None:
            session["n"] = 1
            if uid is not None:
                session.sign_in(uid)

        browser = Browser(None, **options)
        answer = await self.visit(browser, handler)
        assert answer.cookie == "set"
        self.store.taken()
        return browser

    async def visit(self, browser: Browser, handler: Handler, *, status: int = 200, **options: Any) -> Answer:
        """One request of the browser to a page that runs the handler."""
        browser.app = self.app(handler, status=status, **options)
        return await browser.get()

    async def data(self, browser: Browser) -> dict[str, Any]:
        """What the browser's session holds in the store."""
        assert browser.token is not None
        return dict(await self.manager.open(browser.token))


def made_up() -> str:
    """A token of the right form that opens nothing."""
    return make_token(make_handle(b"m" * 16), b"m" * 32).text


async def site_on(kind: str, folder: Path, **options: Any) -> Site:
    """A site on a new store."""
    inner = open_store(f"sqlite:///{folder / 'sessions.db'}?synchronous=NORMAL" if kind == "sqlite" else "memory://")
    store = WatchedStore(inner, embedded=kind != "network", pauses=kind == "network")
    await store.asetup()
    clock = FakeClock()
    manager = AsyncSessionManager(store, clock=clock, **options)
    return Site(kind, store, clock, manager)
