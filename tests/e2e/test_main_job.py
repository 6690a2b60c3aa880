"""The main job as a new user does it: real server, real command line, real curl, real browser.

`make serve`'s program, two users by the command line, a sign-in by curl, the console, a page that listens on /events, a
revocation in the console. Screenshots of each stage go to test-output/screenshots/.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from consoles import sign_in
from serving import PASSWORD, served, watching
from support import needs

pytestmark = [needs("chromium", "curl", modules=("playwright",)), pytest.mark.xdist_group("browser")]

LISTEN = """() => {
  window.told = [];
  const source = new EventSource("/events");
  for (const kind of ["hello", "ended", "logout"]) {
    source.addEventListener(kind, (event) => window.told.push([kind, JSON.parse(event.data)]));
  }
}"""


def curl(jar: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "20", "-b", jar, "-c", jar, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_main_job(browser: Any, shoot: Any, tmp_path: Path) -> None:
    with served(tmp_path / "data") as server, watching(tmp_path / "data") as watcher:
        server.add("ada", "_admin")
        server.add("luca", "editor")

        console = browser.new_page(viewport={"width": 1280, "height": 860})
        problems: list[str] = []
        origins: set[str] = set()
        console.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        console.on("pageerror", lambda error: problems.append(str(error)))
        console.on("request", lambda request: origins.add(request.url.split("/", 3)[2]))
        console.goto(f"{server.url}/console")
        console.wait_for_selector("#view-sign-in:not([hidden])")
        shoot(console, "1-sign-in")
        sign_in(console, server, "ada")
        console.wait_for_selector("#rows tr .badge.own")
        assert console.locator("#rows tr").count() == 1

        jar = tmp_path / "jar"
        answer = curl(jar, "-d", f"name=luca&password={PASSWORD}", f"{server.url}/_session")
        assert answer == {"ok": True, "name": "luca", "roles": ["editor"]}
        # the row appears without a reload
        row = console.locator("#rows tr", has_text="luca")
        row.wait_for(timeout=5_000)
        handle = row.get_attribute("data-handle")
        shoot(console, "2-appeared")

        # a page with the very session that curl signed in, listening
        context = browser.new_context()
        token = next(line.split("\t")[6] for line in jar.read_text().splitlines() if "AuthSession" in line)
        context.add_cookies([{"name": "AuthSession", "value": token, "url": server.url, "httpOnly": True}])
        listener = context.new_page()
        listener.goto(f"{server.url}/console")
        listener.evaluate(LISTEN)
        listener.wait_for_function("() => window.told.length === 1")
        assert listener.evaluate("window.told[0]") == ["hello", {"handle": handle, "uid": "luca"}]

        row.get_by_role("button", name="Revoke").click()
        console.wait_for_selector("#ask[open]")
        shoot(console, "3-question")
        console.click("#ask-yes")
        listener.wait_for_function("() => window.told.some(([kind]) => kind === 'ended')", timeout=1_000)
        assert listener.evaluate("window.told.at(-1)") == ["ended", {"reason": "revoked"}]
        console.wait_for_function("() => document.querySelector('#n-live').textContent === '1'")
        assert console.inner_text("#n-live-note") == "1 user signed in", "both numbers change at once"
        shoot(console, "4-revoked")
        console.wait_for_selector(f"#rows tr[data-handle='{handle}']", state="detached")
        assert console.locator("#feed li").count() >= 2

        assert curl(jar, f"{server.url}/_session")["userCtx"] == {"name": None, "roles": []}
        told = listener.evaluate("fetch('/_session').then((answer) => answer.json())")
        assert told["userCtx"] == {"name": None, "roles": []}
        ended = watcher.wait_for("session_ended", handle or "")
        assert (ended["reason"], ended["uid"], ended["actor"]) == ("revoked", "luca", "ada")
        server.run("sessions", "list")  # long enough for a repetition to be printed, were there one
        assert watcher.count("session_ended", handle or "") == 1
        assert problems == []
        assert origins == {server.url.removeprefix("http://")}
        context.close()
        console.close()


def test_a_user_without_the_role_is_told_so(browser: Any, shoot: Any, tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.add("luca", "editor")
        page = browser.new_page()
        sign_in(page, server, "luca")
        page.wait_for_selector("#view-no-role:not([hidden])")
        shoot(page, "told")
        page.click("#no-role-sign-out")
        page.wait_for_selector("#view-sign-in:not([hidden])")
        assert server.run("sessions", "list", "--json").stdout.strip() in ("", "[]")
        page.fill("#name", "luca")
        page.fill("#password", "wrong password")
        page.click("#sign-in-button")
        page.wait_for_selector("#sign-in-problem:not([hidden])")
        assert "incorrect" in page.inner_text("#sign-in-problem")
        page.close()
