"""The conformance kit: every promise that a store makes, as one body per behaviour, for every store and colour.

    from sojourn.testing import conformance

    report = conformance.run(MyStore)               # and once more with "async"
    print(report)
    raise SystemExit(not report.is_good)

Under pytest, derive from `sojourn.testing.StoreConformance` instead. A store that fails here would break promises of
the library that rests on it, so a third party's store is held against exactly what ours are.
"""

from __future__ import annotations

from importlib import import_module

from sojourn.testing.conformance.asking import Came, Cancelled, Mark, SetUpAgain, Together
from sojourn.testing.conformance.behaviour import Behaviour, Trial, behaviour
from sojourn.testing.conformance.expecting import ConformanceFailure, expect, gone, refuses, same, stands
from sojourn.testing.conformance.performing import Performer
from sojourn.testing.conformance.running import Colour, Failure, Report, arun, behaviours, check, run

__all__ = [
    "Behaviour",
    "Came",
    "Cancelled",
    "Colour",
    "ConformanceFailure",
    "Failure",
    "Mark",
    "Performer",
    "Report",
    "SetUpAgain",
    "Together",
    "Trial",
    "arun",
    "behaviour",
    "behaviours",
    "check",
    "expect",
    "gone",
    "refuses",
    "run",
    "same",
    "stands",
]

# Each of these adds its behaviours when it is imported; their order is the order of a report.
for _part in (
    *("creating", "loading", "applying", "commands", "identity", "ending", "resurrection", "racing", "sweeping"),
    *("listing", "index", "limits", "outbox", "documents"),
):
    _ = import_module(f"{__name__}.{_part}")
