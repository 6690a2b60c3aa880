"""Set-up of every test run: the asyncio backend, Hypothesis profiles, and skips that nobody can overlook."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from support import MISSING, find_free_port, in_ci

if TYPE_CHECKING:
    from collections.abc import Generator

# No deadline: the machine may be shared, and a slow example is no wrong one. Speed is for benchmarks/.
_COMMON = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
# The verdict on a submission depends on the submission alone, so CI draws the same examples each time.
settings.register_profile("ci", _COMMON, derandomize=True, print_blob=True)
# At the desk each run looks at new examples, and a failing one is kept in .hypothesis/ until it passes.
settings.register_profile("dev", _COMMON)
# By hand, before a release: pytest --hypothesis-profile=thorough
settings.register_profile("thorough", _COMMON, max_examples=5000)
settings.load_profile("ci" if in_ci() else "dev")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests (``@pytest.mark.anyio``) run on asyncio; session-wide, so any scope may be async."""
    return "asyncio"


@pytest.fixture
def free_port() -> int:
    """A free TCP port of 127.0.0.1; see support.find_free_port for the race that it leaves."""
    return find_free_port()


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason of a skip, without pytest's own prefix."""
    longrepr = report.longrepr
    text = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)
    return text.removeprefix("Skipped: ")


def _fail_if_missing(report: pytest.TestReport | pytest.CollectReport) -> None:
    """With CI=true turns a skip for want of a tool into a failure: an untested claim must not land."""
    if not (in_ci() and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = _reason(report)
    if reason.startswith((MISSING, "could not import")):
        report.outcome = "failed"
        report.longrepr = f"CI=true allows no skip for want of a tool. {reason}. Install it in .ci/run."


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Looks at each test's report on its way out."""
    report = yield
    _fail_if_missing(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for whole modules that skip themselves while they are collected (pytest.importorskip)."""
    report = yield
    _fail_if_missing(report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says at the end, one line a reason, what was not tested."""
    reasons = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", []))
    if not reasons:
        return
    terminalreporter.section(f"NOT TESTED: {sum(reasons.values())} skipped", sep="!", red=True, bold=True)
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:5d}  {reason}", red=True)
