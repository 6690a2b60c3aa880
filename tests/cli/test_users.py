"""`sojourn users`: passwords never come as arguments, and nobody is deleted without being asked for."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from serving import PASSWORD, clean_environment, sojourn
from sojourn import SessionManager, WrongCredentials
from sojourn.cli import common
from sojourn.cli.program import program
from sojourn.server.directory import UserDirectory
from sojourn.users.throttle import Limits


class House:
    """A store in a folder, its users, and the command line on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.manager = SessionManager(f"sqlite:///{folder}/sojourn.db")
        self.users = UserDirectory(self.manager, limits=Limits.off())

    def run(self, *arguments: str, env: dict[str, str] | None = None, **options: Any) -> Result:
        environment = {"SOJOURN_DATA_DIR": str(self.folder), "NO_COLOR": "1", **(env or {})}
        return CliRunner(env=environment).invoke(program, ["users", *arguments], **options)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.users.close()
    made.manager.close()


def test_add_from_stdin(house: House) -> None:
    done = house.run("add", "ada", "--role", "_admin", "--role", "editor", "--password-stdin", input=PASSWORD + "\n")
    assert (done.exit_code, done.stdout) == (0, "added ada with _admin, editor\n")
    assert house.users.authenticate("ada", PASSWORD).roles == ("_admin", "editor")


def test_add_from_the_environment(house: House) -> None:
    done = house.run("add", "luca", "--json", env={"SOJOURN_PASSWORD": PASSWORD})
    assert json.loads(done.stdout) == {"name": "luca", "roles": []}
    assert house.users.authenticate("luca", PASSWORD).name == "luca"


def test_add_by_prompt_on_a_real_terminal(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "sojourn", "users", "add", "ada", "--data-dir", str(tmp_path)],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # no controlling terminal, so the prompt reads stdin
        env=clean_environment(),
    ) as process:
        assert process.stderr is not None
        for expected in ("Password: ", "Repeat for confirmation: "):
            read = ""
            deadline = time.monotonic() + 30
            while not read.endswith(expected):
                assert time.monotonic() < deadline, read
                read += process.stderr.read(1)
            os.write(leader, f"{PASSWORD}\n".encode())
        out, _ = process.communicate(timeout=30)
    os.close(leader)
    os.close(follower)
    assert (process.returncode, out) == (0, "added ada\n")
    with SessionManager(f"sqlite:///{tmp_path}/sojourn.db") as manager:
        users = UserDirectory(manager)
        assert users.authenticate("ada", PASSWORD).name == "ada"
        users.close()


def test_no_option_takes_a_password(house: House) -> None:
    for command in ("add", "passwd"):
        assert "--password TEXT" not in house.run(command, "--help").stdout
        assert house.run(command, "x", "--password", PASSWORD).exit_code == 2


@pytest.mark.parametrize(
    ("name", "password", "advice"),
    [
        ("ada", "short", "8"),
        ("ada", "password1", "tried first"),
        ("_ada", PASSWORD, "underscore"),
        ("a:b", PASSWORD, "`:`"),
        ("ada", "", "nothing came"),
    ],
)
def test_what_is_not_accepted_is_2_and_says_why(house: House, name: str, password: str, advice: str) -> None:
    done = subprocess_result(house, "add", name, "--password-stdin", text=password)
    assert (done.returncode, done.stdout) == (2, "")
    assert advice in done.stderr
    assert "Traceback" not in done.stderr
    assert password not in done.stderr or not password
    assert list(house.users.list()) == []


def subprocess_result(house: House, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """A whole process, where the exit code of an error of ours is asked for."""
    return sojourn("users", *arguments, "--data-dir", str(house.folder), text=text)


def test_a_name_that_is_taken(house: House) -> None:
    house.users.create("ada", PASSWORD)
    done = house.run("add", "ada", "--password-stdin", input="another marmot 48")
    assert done.exit_code == 1
    assert "sojourn users passwd ada" in done.stderr
    assert house.users.authenticate("ada", PASSWORD).name == "ada"


def test_without_a_password_nobody_is_asked_in_a_script(house: House) -> None:
    done = house.run("add", "ada", "--no-input")
    assert done.exit_code == 2
    assert "--password-stdin" in done.stderr


def test_list_for_people_and_programs(house: House) -> None:
    house.manager.setup()
    assert "sojourn users add NAME --role _admin" in house.run("list").stderr
    house.users.create("ada", PASSWORD, roles=["_admin", "x"])
    house.users.create("luca", PASSWORD)
    assert house.run("list").stdout == "USER  ROLES\nada   _admin, x\nluca  -\n"
    listed = json.loads(house.run("list", "--json").stdout)
    assert listed == [{"name": "ada", "roles": ["_admin", "x"]}, {"name": "luca", "roles": []}]


def test_a_new_password_ends_the_sessions(house: House) -> None:
    house.users.create("luca", PASSWORD)
    house.manager.create(uid="luca")
    other = house.manager.create(uid="other")
    done = house.run("passwd", "luca", "--password-stdin", input="another marmot 48")
    assert done.exit_code == 0
    assert [session.handle for session in house.manager.list()] == [other.handle]
    with pytest.raises(WrongCredentials):
        house.users.authenticate("luca", PASSWORD)
    assert house.users.authenticate("luca", "another marmot 48").name == "luca"


def test_deleting_is_confirmed_and_ends_the_sessions(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.users.create("luca", PASSWORD)
    house.manager.create(uid="luca")
    assert house.run("delete", "luca").exit_code == 2
    monkeypatch.setattr(common, "may_ask", lambda: True)
    done = house.run("delete", "luca", input="n\n")
    assert done.exit_code == 1
    assert "end 1 sessions?" in done.stderr
    assert house.users.get("luca") is not None
    assert house.run("delete", "luca", "--yes").stdout == "deleted luca\n"
    assert house.users.get("luca") is None
    assert house.manager.count() == 0


@pytest.mark.parametrize("command", [("passwd", "nobody"), ("delete", "nobody", "--yes")])
def test_nobody_is_3(house: House, command: tuple[str, ...]) -> None:
    house.manager.setup()
    done = house.run(*command, input=PASSWORD)
    assert (done.exit_code, done.stdout) == (3, "")
    assert "sojourn users list" in done.stderr
