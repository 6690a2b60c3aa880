"""The house's own test rules: a skip for want of a tool is loud, and in CI it fails."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support import ROOT, find_free_port, find_tool, find_tool_module, needs

SAMPLE = """
import pytest
from support import needs

@needs("no-such-program-here")
def test_tool(): pass

@needs(modules=("no_such_module.at_all",))
def test_module(): pass

@pytest.mark.skip(reason="not on this system")
def test_other(): pass

@pytest.mark.anyio
async def test_async(anyio_backend_name): assert anyio_backend_name == "asyncio"
"""


def run_sample(folder: Path, *, ci: bool) -> subprocess.CompletedProcess[str]:
    """Runs the sample file in a process of its own under our conftest."""
    for name in ("conftest.py", "support.py"):
        shutil.copy(ROOT / "tests" / name, folder)
    (folder / "test_sample.py").write_text(SAMPLE)
    (folder / "test_whole.py").write_text("import pytest\npytest.importorskip('no_such_module')\n")
    environment = {**os.environ, "CI": "true" if ci else ""}
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder)]
    command += ["-o", f"pythonpath={folder}", "-p", "no:cacheprovider", "--continue-on-collection-errors"]
    return subprocess.run(
        [*command, str(folder)], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_skip_for_want_of_a_tool_is_loud(tmp_path: Path) -> None:
    done = run_sample(tmp_path, ci=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT TESTED: 4 skipped" in done.stdout
    assert "missing tool: no-such-program-here" in done.stdout
    assert "1 passed, 4 skipped" in done.stdout


def test_with_ci_such_a_skip_fails_and_others_do_not(tmp_path: Path) -> None:
    done = run_sample(tmp_path, ci=True)
    assert done.returncode != 0
    assert "CI=true allows no skip for want of a tool. missing tool: no-such-program-here" in done.stdout
    assert "NOT TESTED: 1 skipped" in done.stdout
    assert "not on this system" in done.stdout
    assert "1 passed, 1 skipped, 3 errors" in done.stdout


def test_needs_lets_a_test_run_when_all_is_there() -> None:
    assert needs("python", modules=("pytest",)).args == (False,)
    assert needs("python", "no-such-program-here").args == (True,)


def test_find_tool_looks_beside_this_python_first() -> None:
    found = find_tool("python")
    assert found is not None
    assert Path(found).parent == Path(sys.executable).parent
    assert not find_tool_module("no_such_module.at_all")


def test_free_port_can_be_listened_on(free_port: int) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port))
    assert find_free_port() > 0


@pytest.mark.anyio
async def test_async_tests_run_on_asyncio(anyio_backend_name: str) -> None:
    assert anyio_backend_name == "asyncio"
