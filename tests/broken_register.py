"""The register of stores that are broken in one way each: what test_mutants.py holds the conformance kit against.

Races are tried as tasks, whose order the kit's seed chooses, so each of them gives the same verdict every time.
"""

from __future__ import annotations

from collections.abc import Callable

from sojourn.stores.memory import MemoryStore
from sojourn.testing import conformance

__all__ = ["CAUGHT", "COMMANDS", "EVERY", "IS_FINAL", "RACES", "broken"]

EVERY = [one.name for one in conformance.behaviours()]
IS_FINAL = [name for name in EVERY if name.endswith("_is_final")]
RACES = [name for name in EVERY if name.endswith("_wins_every_race")]
COMMANDS = {name.removeprefix("command_"): name for name in EVERY if name.startswith("command_")}

CAUGHT: dict[str, tuple[Callable[[], MemoryStore], str, list[str]]] = {}


def broken(*names: str, colour: str = "sync") -> Callable[[type[MemoryStore]], type[MemoryStore]]:
    """A store that is broken so that these behaviours must fail."""

    def add(store: type[MemoryStore]) -> type[MemoryStore]:
        assert store.__name__ not in CAUGHT
        CAUGHT[store.__name__] = (store, colour, list(names))
        return store

    return add
