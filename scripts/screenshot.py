"""Make docs/console.png: the console with a dozen sessions, in Debian's Chromium.

    .venv/bin/python scripts/screenshot.py

It starts a real server on a free port with a store in a temporary folder and stops it again.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from playwright.sync_api import sync_playwright  # noqa: E402

from serving import PASSWORD, served  # noqa: E402
from sojourn import Client, SessionManager  # noqa: E402
from support import find_tool  # noqa: E402

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
CHROME = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Version/18.1 Mobile Safari/604.1"
PEOPLE = [
    ("anna", FIREFOX, "192.0.2.14", 260_000),
    ("luca", SAFARI, "198.51.100.7", 7_300),
    ("emi", CHROME, "203.0.113.5", 86_000),
    (None, CHROME, "203.0.113.80", 640),
    ("bela", CHROME, "2001:db8::7:19", 18_000),
    ("dmitri", FIREFOX, "198.51.100.23", 97_000),
    ("frieda", SAFARI, "192.0.2.77", 1_900),
    ("anna", SAFARI, "192.0.2.15", 3_600),
]


def fill(data_dir: Path) -> None:
    """Sessions of some age, each with a little data."""
    for uid, agent, address, age_s in sorted(PEOPLE, key=lambda one: -one[3]):
        then = int(time.time() * 1000) - age_s * 1000
        with SessionManager(f"sqlite:///{data_dir}/sojourn.db", clock=lambda then=then: then) as sessions:
            data = {"theme": "dark", "cart": {"items": [{"sku": "A-1", "n": 2}]}, "visits": age_s // 600}
            sessions.create(data, uid=uid, client=Client(address, agent))


def main() -> None:
    """Start, fill, sign in, shoot."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server, sync_playwright() as playwright:
        server.add("ada", "_admin")
        server.add("luca", "editor")
        fill(Path(folder))
        browser = playwright.chromium.launch(
            executable_path=find_tool("chromium"), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 820})
        page.goto(f"{server.url}/console")
        page.fill("#name", "ada")
        page.fill("#password", PASSWORD)
        page.click("#sign-in-button")
        page.wait_for_selector("#rows tr .badge.own")
        client = server.client("luca")
        page.wait_for_timeout(1_500)
        client.delete("/_session")
        server.client("luca")
        server.client().post("/_session", json={"name": "luca", "password": "not this one"})
        page.wait_for_timeout(4_000)
        page.screenshot(path=ROOT / "docs" / "console.png")
        browser.close()


if __name__ == "__main__":
    main()
