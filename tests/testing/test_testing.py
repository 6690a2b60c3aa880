"""sojourn.testing: what is public there, and that nothing loads before it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sojourn import testing

PROGRAM = """
import sys
import sojourn.testing
assert not [name for name in sys.modules if name.startswith("sojourn.testing.")], "loaded on import"
from sojourn.testing import FakeClock, EventRecorder
assert "sojourn.testing.conformance" not in sys.modules
from sojourn.testing import StoreConformance, conformance, races
assert conformance.behaviours()
assert "pytest" not in sys.modules
assert "apsw" not in sys.modules
"""


def test_nothing_loads_before_it_is_used_and_pytest_never() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there() -> None:
    for name in testing.__all__:
        assert getattr(testing, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'FakeClocks'"):
        _ = testing.FakeClocks
