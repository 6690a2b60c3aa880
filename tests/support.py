"""What many test files share and no fixture can give: marks and small helpers.

Imported as ``from support import needs`` (``tests`` is on pytest's path). Keep this module small: what one
test file alone uses stays in that file.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "MISSING",
    "ROOT",
    "SRC",
    "find_free_port",
    "find_tool",
    "find_tool_module",
    "in_ci",
    "needs",
    "source_files",
]

ROOT = Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

MISSING = "missing tool: "
"""How the reason of each skip begins that an installed tool would turn into a run; see tests/conftest.py."""


def in_ci() -> bool:
    """Whether this run decides about a submission, where nothing may be left untested."""
    return os.environ.get("CI", "").lower() in {"1", "true"}


def find_tool(name: str) -> str | None:
    """The path of a program: first beside this Python (the virtual environment), then on PATH."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


def find_tool_module(name: str) -> bool:
    """Whether a module can be imported, without importing it."""
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the parent of a dotted name is missing
        return False


def needs(*tools: str, modules: tuple[str, ...] = ()) -> pytest.MarkDecorator:
    """Marks a test that needs programs (``needs("chromium")``) or modules (``needs(modules=("uvicorn",))``).

    Without them the test is skipped, and said so loudly; with CI=true the skip counts as a failure.
    A module as a whole is marked by ``pytestmark = needs("node")``.
    """
    absent = [name for name in tools if find_tool(name) is None]
    absent += [name for name in modules if not find_tool_module(name)]
    return pytest.mark.skipif(bool(absent), reason=f"{MISSING}{', '.join(absent)}")


def find_free_port() -> int:
    """A TCP port of the loopback address that nobody listened on a moment ago.

    Another process may take it before you do: where the program under test can listen on port 0 and tell
    which port it got, prefer that.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


def source_files(under: Path = SRC / "sojourn") -> Iterator[Path]:
    """Every Python file of the product, in a fixed order."""
    yield from sorted(under.rglob("*.py"))
