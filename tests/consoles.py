"""The console in a real browser, as far as several tests need it."""

from __future__ import annotations

from typing import Any

from serving import PASSWORD, Served

__all__ = ["sign_in"]


def sign_in(page: Any, server: Served, name: str) -> None:
    """Open the console and sign in by its form."""
    page.goto(f"{server.url}/console")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("#sign-in-button")
