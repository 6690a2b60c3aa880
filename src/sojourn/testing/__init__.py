"""For tests: of programs that use Sojourn, and of stores that others write.

`FakeClock` and `EventRecorder` are for every program's tests; `conformance` holds a store against the contract,
`StoreConformance` does so under pytest, and `races` runs many flows at once, in threads, tasks or processes.
Nothing is loaded before it is used, and pytest only by pytest itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import sojourn.testing.conformance as conformance
    import sojourn.testing.races as races
    from sojourn.testing.clock import FakeClock
    from sojourn.testing.recorder import EventRecorder
    from sojourn.testing.store_tests import StoreConformance

__all__ = ["EventRecorder", "FakeClock", "StoreConformance", "conformance", "races"]

_HOMES = {
    "EventRecorder": "recorder",
    "FakeClock": "clock",
    "StoreConformance": "store_tests",
    "conformance": "",
    "races": "",
}


def __getattr__(name: str) -> Any:
    """Load a public name on its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    module = import_module(f"{__name__}.{home or name}")
    return getattr(module, name) if home else module
