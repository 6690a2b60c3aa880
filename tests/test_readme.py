"""Every Python snippet of the README runs as pasted, each in an empty folder of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support import ROOT

SNIPPETS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(snippet: str, folder: Path) -> dict[str, object]:
    names: dict[str, object] = {"__name__": "snippet"}
    exec(compile(snippet, str(folder / "snippet.py"), "exec"), names)
    return names


def test_there_are_three_snippets() -> None:
    assert len(SNIPPETS) == 3


def test_the_sync_snippet(empty_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = run(SNIPPETS[0], empty_folder)
    sessions, session = names["sessions"], names["session"]
    assert session["credits"] == 2  # type: ignore[index]
    assert session["cart"] == {"items": ["tea"]}  # type: ignore[index]
    assert names["nonce"] is None
    other = sessions.create(uid="luca")  # type: ignore[attr-defined]
    assert sessions.revoke(uid="luca", keep=session) == 1  # type: ignore[attr-defined]
    assert other.handle not in [found.handle for found in sessions.list()]  # type: ignore[attr-defined]
    assert "luca revoked" in capsys.readouterr().out
    sessions.close()  # type: ignore[attr-defined]


def test_the_async_snippet(empty_folder: Path) -> None:
    run(SNIPPETS[1], empty_folder)
    assert (empty_folder / "sojourn.db").exists()


def test_the_asgi_snippet(empty_folder: Path) -> None:
    from starlette.testclient import TestClient

    app = run(SNIPPETS[2], empty_folder)["app"]
    with TestClient(app) as client:  # type: ignore[arg-type]
        assert client.get("/").text == "1"
        before = client.cookies["sid"]
        assert client.post("/in").text == "welcome"
        assert client.cookies["sid"] != before
        assert client.get("/").text == "2"
        assert client.post("/out").text == "goodbye"
        assert "sid" not in client.cookies
        assert client.get("/").text == "1"
