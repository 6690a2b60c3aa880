"""Proof that the conformance kit can fail: each broken store is found out, and each behaviour finds one out."""

from __future__ import annotations

from importlib import import_module

import pytest

from broken_register import CAUGHT, EVERY
from sojourn.testing import conformance

for _part in ("broken_operations", "broken_writes", "broken_indexes"):
    import_module(_part)


@pytest.mark.parametrize("name", CAUGHT)
def test_a_broken_store_is_found_out(name: str) -> None:
    make, colour, expected = CAUGHT[name]
    report = conformance.run(make, colour, only=expected)
    failed = {failure.behaviour.name for failure in report.failures}
    assert failed == set(expected), f"not found out by {sorted(set(expected) - failed)}"
    assert all(name in failure.text and colour in failure.text for failure in report.failures)


def test_every_behaviour_can_fail() -> None:
    found_out = {behaviour for _, _, names in CAUGHT.values() for behaviour in names}
    assert set(EVERY) == found_out
