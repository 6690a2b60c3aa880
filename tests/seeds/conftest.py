"""Managers for the seeds' behaviours: on memory and on SQLite, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sojourn import SessionManager
from sojourn.stores.memory import MemoryStore
from sojourn.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Iterator[Callable[..., SessionManager]]:
    """Makes managers on one store that they share."""
    made: list[SessionManager] = []
    shared = MemoryStore() if request.param == "memory" else f"sqlite:///{tmp_path}/sessions.db?synchronous=NORMAL"

    def build(**options: Any) -> SessionManager:
        made.append(SessionManager(shared, **{"clock": clock, **options}))
        return made[-1]

    yield build
    for manager in made:
        manager.close()


@pytest.fixture
def sessions(make: Callable[..., SessionManager]) -> SessionManager:
    """A manager with the default options."""
    return make()
