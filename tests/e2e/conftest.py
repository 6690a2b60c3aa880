"""A real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import ROOT, find_tool

SCREENSHOTS = ROOT / "test-output" / "screenshots"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium with an empty profile.

    For one module only: Playwright's synchronous interface keeps an event loop running in this thread, and tests of
    other modules bring loops of their own.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_tool("chromium"), args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Any:
    """Take a screenshot: `shoot(page, "table")` writes test-output/screenshots/TEST-table.png."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    name = request.node.name.removeprefix("test_").replace("[", "-").rstrip("]")

    def take(page: Any, stage: str) -> Path:
        path = SCREENSHOTS / f"{name}-{stage}.png"
        page.screenshot(path=path, full_page=True)
        return path

    return take
