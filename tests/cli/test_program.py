"""The program: what it loads, its exit codes, and errors as one line."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest

from serving import PASSWORD, clean_environment, sojourn, watching
from sojourn import (
    AccountLocked,
    ConfigurationError,
    DocumentConflict,
    SessionExpired,
    SessionNotFound,
    SojournError,
    StoreFull,
    StoreUnavailable,
    ValueRefused,
    WrongCredentials,
    __version__,
)
from sojourn.cli import program
from sojourn.cli.program import run


@pytest.mark.parametrize("arguments", [("version",), ("--version",)])
def test_the_version_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys\nfrom sojourn.cli.program import run\n"
        f"try:\n    run({list(arguments)!r})\nexcept SystemExit as done:\n    assert done.code == 0\n"
        "heavy = {'asyncio', 'ssl', 'starlette', 'uvicorn', 'argon2', 'apsw', 'sojourn.server'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=clean_environment(), check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"sojourn {__version__}\n", "")


def test_help_names_every_command_and_imports_none() -> None:
    done = sojourn("--help")
    assert done.returncode == 0
    for command in ("serve", "sessions", "sweep", "users", "version"):
        assert f"  {command}" in done.stdout


@pytest.mark.parametrize("command", ["serve", "sweep", "sessions list", "sessions revoke", "users add"])
def test_help_of_a_command_names_the_environment(command: str) -> None:
    done = sojourn(*command.split(), "--help")
    assert done.returncode == 0
    assert "SOJOURN_STORE" in done.stdout
    assert "SOJOURN_DATA_DIR" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("serve", "--nonsense"), ("sessions", "show"), ("sessions", "list", "--limit", "0"), ("users",)],
)
def test_wrong_calls_are_2(arguments: tuple[str, ...]) -> None:
    done = sojourn(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Usage:" in done.stderr


def raised(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    """The exit code where a command raises this."""

    @click.command("version")
    def command() -> None:
        raise error

    monkeypatch.setattr("sojourn.cli.version.command", command)
    with pytest.raises(SystemExit) as caught:
        run(["version"])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x"), 2),
        (ValueRefused("x"), 2),
        (SessionNotFound("0" * 32), 3),
        (SessionExpired("0" * 32, 1), 3),
        (program.NotThere("x"), 3),
        (StoreUnavailable("x"), 4),
        (StoreFull("x"), 4),
        (WrongCredentials(), 1),
        (AccountLocked(1000), 1),
        (DocumentConflict("x"), 1),
        (SojournError("x"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_has_its_exit_code_and_one_line(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert raised(error, monkeypatch) == code
    written = capsys.readouterr()
    assert written.out == ""
    assert "Traceback" not in written.err
    if code != 130:
        assert written.err.startswith("Error: ")


def test_ctrl_c_is_130_without_traceback(tmp_path: Path) -> None:
    assert sojourn("users", "add", "x", "--data-dir", str(tmp_path), SOJOURN_PASSWORD=PASSWORD).returncode == 0
    with watching(tmp_path) as watcher:
        watcher.process.send_signal(signal.SIGINT)
        assert watcher.process.wait(20) == 130
        watcher.close()
        assert not [line for line in watcher.errors if "Traceback" in line]


def test_a_reader_that_leaves_is_no_traceback(tmp_path: Path) -> None:
    sojourn("users", "add", "x", "--data-dir", str(tmp_path), SOJOURN_PASSWORD=PASSWORD)
    command = f"{sys.executable} -m sojourn users list --data-dir {tmp_path} | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env=clean_environment(), check=False)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr
