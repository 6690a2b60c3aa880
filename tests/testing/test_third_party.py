"""The example of a third party's store: the kit passes the one and fails the other, without a test framework."""

from __future__ import annotations

import subprocess
import sys

from support import ROOT


def test_the_example_passes_one_store_and_fails_the_other() -> None:
    program = [sys.executable, "-W", "error", str(ROOT / "examples" / "third_party_store.py")]
    done = subprocess.run(program, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stdout
    for colour in ("sync", "async"):
        assert f"FolderlessStore ({colour}): good" in said
        assert f"HastyStore ({colour}): NOT GOOD" in said
        assert f"HastyStore ({colour}) fails 'logout_is_final'" in said
    assert "promised by: promise 2: logout is final" in said
    assert "'set' on an ended session was done" in said
