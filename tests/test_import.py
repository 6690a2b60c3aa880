"""What ``import sojourn`` costs, seen from a fresh interpreter: no loop, no TLS, no third party but msgspec."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

SCRIPT = """
import json, sys, time
before = set(sys.modules)
start = time.perf_counter()
{statement}
seconds = time.perf_counter() - start
print(json.dumps([seconds, sorted(set(sys.modules) - before)]))
"""
FORBIDDEN = {"asyncio", "ssl", "_ssl", "socket", "sqlite3", "apsw", "concurrent.futures", "multiprocessing"}


def load(statement: str) -> tuple[float, set[str]]:
    """Runs a statement in a fresh Python and answers the seconds it took and the modules that it loaded."""
    command = [sys.executable, "-c", SCRIPT.format(statement=statement)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{statement!r} failed:\n{done.stderr}", pytrace=False)
    seconds, names = json.loads(done.stdout)
    return float(seconds), set(names)


def unwanted(names: set[str]) -> set[str]:
    """The modules among these that the package must not load."""
    third_parties = set(packages_distributions()) - {"sojourn", "msgspec"} - set(sys.stdlib_module_names)
    return {name for name in names if name in FORBIDDEN or name.partition(".")[0] in third_parties}


def test_importing_sojourn_loads_little(capsys: pytest.CaptureFixture[str]) -> None:
    seconds, names = load("import sojourn")
    assert "sojourn" in names
    _, brought = load("import msgspec")  # it takes typing_extensions along where that is installed
    assert not unwanted(brought) & FORBIDDEN
    assert not unwanted(names) - brought
    with capsys.disabled():
        print(f"\nimport sojourn: {seconds * 1000:.0f} ms, {len(names)} modules")


@pytest.mark.parametrize("module", ["asyncio", "ssl", "apsw", "hypothesis"])
def test_what_must_not_be_loaded_would_be_noticed(module: str) -> None:
    _, names = load(f"import {module}")
    assert unwanted(names)


def test_every_public_name_can_be_had() -> None:
    load("import sojourn\nfor name in getattr(sojourn, '__all__', ()): getattr(sojourn, name)")
