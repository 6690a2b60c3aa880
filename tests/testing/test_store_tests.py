"""StoreConformance: ten lines make a store's tests, in a pytest run of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sojourn.testing import conformance

PLUGIN_FREE = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:anyio"]

GOOD = """
import pytest
from sojourn.core.operations import Ability
from sojourn.stores.memory import MemoryStore
from sojourn.testing import StoreConformance

class Plain(MemoryStore):
    abilities = Ability(0)

class TestPlain(StoreConformance):
    races = 2

    @pytest.fixture
    def store(self):
        return Plain()
"""
BROKEN = GOOD.replace("abilities = Ability(0)", "def _delete(self, op): return None")


def run_sample(folder: Path, text: str, *more: str) -> str:
    (folder / "test_sample.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "--rootdir", str(folder), "-c", "/dev/null", *PLUGIN_FREE, *more]
    return subprocess.run([*command, str(folder)], cwd=folder, capture_output=True, text=True, check=False).stdout


def test_a_good_store_passes_and_missing_abilities_are_skipped(tmp_path: Path) -> None:
    said = run_sample(tmp_path, GOOD)
    every = conformance.behaviours()
    needy = [one for one in every if one.needs]
    assert f"{2 * (len(every) - len(needy))} passed, {2 * len(needy)} skipped" in said, said[-2_000:]


def test_a_broken_store_fails_by_name_store_colour_and_promise(tmp_path: Path) -> None:
    said = run_sample(tmp_path, BROKEN, "-k", "delete_answers_what_it_ended and async")
    assert "1 failed" in said
    assert "test_behaviour[delete_answers_what_it_ended-async]" in said
    assert "Plain (async) fails 'delete_answers_what_it_ended'" in said
    assert "promised by: design 7: Delete answers the record" in said
