"""`sojourn sessions`: in this process where it can be, with the store in a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from serving import sojourn
from sojourn import SessionEnded, SessionManager
from sojourn.cli import common, sessions
from sojourn.cli.program import program
from sojourn.testing.clock import FakeClock


class House:
    """A store in a folder, and the command line on it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.manager = SessionManager(f"sqlite:///{folder}/sojourn.db")
        self.manager.setup()

    def run(self, *arguments: str, **options: Any) -> Result:
        return CliRunner(env={"SOJOURN_DATA_DIR": str(self.folder), "NO_COLOR": "1"}).invoke(
            program, ["sessions", *arguments], **options
        )


@pytest.fixture
def house(tmp_path: Path) -> Any:
    made = House(tmp_path / "data")
    yield made
    made.manager.close()


def test_a_table_for_people(house: House) -> None:
    one = house.manager.create(uid="luca")
    two = house.manager.create({"evil": 1}, uid="b\x1b[2J")
    done = house.run("list")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["SESSION", "USER", "CREATED", "SEEN", "EXPIRES", "ADDRESS", "CLIENT"]
    assert {line.split()[0] for line in lines[1:]} == {(one.handle or "")[:12], (two.handle or "")[:12]}
    assert "\x1b" not in done.stdout
    assert "in 14 days" in done.stdout


def test_json_for_programs(house: House) -> None:
    session = house.manager.create({"a": 1}, uid="luca")
    house.manager.create(uid="other")
    rows = json.loads(house.run("list", "--uid", "luca", "--json").stdout)
    assert [(row["handle"], row["uid"], row["keys"]) for row in rows] == [(session.handle, "luca", ["a"])]
    assert (session.token or "").partition(".")[2] not in house.run("list", "--json").stdout


def test_a_limit_says_that_there_is_more(house: House) -> None:
    for _ in range(3):
        house.manager.create()
    done = house.run("list", "--limit", "2")
    assert len(done.stdout.splitlines()) == 3
    assert "there are more" in done.stderr
    assert "there are more" not in house.run("list", "--limit", "3").stderr


def test_an_empty_list_is_said_on_stderr(house: House) -> None:
    done = house.run("list", "--uid", "luca")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "no living session of luca\n")
    assert json.loads(house.run("list", "--json").stdout) == []


def test_show_masks_what_looks_secret(house: House) -> None:
    session = house.manager.create({"theme": "dark\x1b[2J", "csrf": "hunter2"}, uid="luca", roles=["editor"])
    done = house.run("show", (session.handle or "")[:8])
    assert f"session  {session.handle}" in done.stdout
    assert "roles    editor" in done.stdout
    assert "hunter2" not in done.stdout
    assert "\x1b" not in done.stdout
    view = json.loads(house.run("show", session.handle or "", "--json").stdout)
    assert view["data"] == {"theme": "dark\x1b[2J", "csrf": "•••"}


@pytest.mark.parametrize("command", ["show", "revoke"])
def test_a_handle_that_names_nothing(house: House, command: str) -> None:
    token = house.manager.create().token or ""
    for text, code, advice in (
        ("0" * 8, 3, "sessions list"),
        ("short", 2, "first 8 or more"),
        ("0" * 7, 2, "first 8 or more"),
        ("g" * 8, 2, "first 8 or more"),
        ("0" * 33, 2, "first 8 or more"),
        (token, 2, "not its token"),
    ):
        done = house.run(command, text)
        assert (done.exit_code, done.stdout) == (code, ""), text
        assert advice in done.stderr
        assert token.partition(".")[2] not in done.stderr
    assert house.manager.count() == 1


def test_a_whole_handle_that_names_nothing(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.manager.close()
    done = sojourn("sessions", "show", "0" * 32, "--data-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (3, "")
    assert house.run("revoke", "0" * 32).stdout == "ended 0 sessions\n"


def test_a_prefix_of_several_is_refused(house: House) -> None:
    entropy = iter([bytes(15) + bytes([n]) if size == 16 else bytes(size) for n in range(2) for size in (16, 32)])
    twins = SessionManager(house.manager.store, entropy=lambda _: next(entropy))
    assert [twins.create().handle for _ in range(2)] == ["0" * 32, "0" * 31 + "1"]
    done = house.run("revoke", "0" * 12)
    assert done.exit_code == 2
    assert "several sessions" in done.stderr
    assert house.manager.count() == 2
    assert house.run("revoke", "0" * 32).stdout == "ended 1 session\n"


def test_revoke_ends_what_was_named_and_says_who_did_it(house: House) -> None:
    ended: list[SessionEnded] = []
    keep = house.manager.create(uid="ada")
    named = [house.manager.create() for _ in range(2)]
    for _ in range(3):
        house.manager.create(uid="luca")
    done = house.run("revoke", *[(one.handle or "")[:10] for one in named])
    assert done.stdout == "ended 2 sessions\n"
    assert json.loads(house.run("revoke", "--uid", "luca", "--json").stdout) == {"ended": 3}
    house.manager.on(SessionEnded, ended.append)
    house.manager.sweep()  # runs the handlers of what other processes ended without any
    assert {(event.reason.value, (event.actor or "").split(":")[0]) for event in ended} == {("revoked", "cli")}
    assert [session.handle for session in house.manager.list()] == [keep.handle]


def test_revoke_of_several_ends_none_if_one_is_wrong(house: House) -> None:
    session = house.manager.create()
    done = house.run("revoke", session.handle or "", "00000000")
    assert done.exit_code == 3
    assert house.manager.count() == 1


@pytest.mark.parametrize("arguments", [(), ("--uid", "x", "--everybody"), ("0" * 32, "--everybody")])
def test_revoke_wants_to_know_whom(house: House, arguments: tuple[str, ...]) -> None:
    house.manager.create()
    done = house.run("revoke", *arguments, "--yes")
    assert done.exit_code == 2
    assert house.manager.count() == 1


def test_everybody_is_asked_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        house.manager.create()
    done = house.run("revoke", "--everybody")
    assert (done.exit_code, house.manager.count()) == (2, 2)
    assert "--yes" in done.stderr
    monkeypatch.setattr(common, "may_ask", lambda: True)
    done = house.run("revoke", "--everybody", input="n\n")
    assert (done.exit_code, house.manager.count()) == (1, 2)
    assert "End all 2 sessions?" in done.stderr
    done = house.run("revoke", "--everybody", "--no-input", input="y\n")
    assert (done.exit_code, house.manager.count()) == (2, 2)
    done = house.run("revoke", "--everybody", input="y\n")
    assert (done.exit_code, house.manager.count()) == (0, 0)
    house.manager.create()
    assert house.run("revoke", "--everybody", "--yes").stdout == "ended 1 session\n"


def test_looking_makes_no_store(tmp_path: Path) -> None:
    folder = tmp_path / "nothing"
    for arguments in (("list",), ("show", "0" * 32), ("revoke", "--everybody", "--yes"), ("watch",)):
        done = sojourn("sessions", *arguments, "--data-dir", str(folder))
        assert (done.returncode, done.stdout) == (4, "")
        assert "sojourn serve" in done.stderr
    assert not folder.exists()


def test_a_store_in_one_process_is_refused() -> None:
    done = sojourn("sessions", "list", "--store", "memory://")
    assert done.returncode == 2
    assert "no other program" in done.stderr


def test_expired_sessions_are_not_found(tmp_path: Path) -> None:
    house = House(tmp_path)
    clock = FakeClock(start_ms=1_000_000_000_000)
    past = SessionManager(house.manager.store, ttl="1 h", clock=clock)
    handle = past.create().handle or ""
    done = sojourn("sessions", "show", handle, "--data-dir", str(tmp_path))
    assert done.returncode == 3
    assert sessions.SHOWN >= 8
    house.manager.close()


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (0, "now"),
        (400, "now"),
        (1_000, "1 second ago"),
        (90_000, "2 minutes ago"),
        (3_600_000, "1 hour ago"),
        (13 * 3_600_000, "13 hours ago"),
        (-86_399_999, "in 1 day"),
        (-14 * 86_400_000, "in 14 days"),
    ],
)
def test_times_are_rough(distance: int, text: str) -> None:
    assert common.ago(1_000_000_000_000 - distance, 1_000_000_000_000) == text
    assert common.ago(None, 0) == "never"
