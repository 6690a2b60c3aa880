"""conformance.running: reports that name everything, abilities, and both colours."""

from __future__ import annotations

from typing import Any

import pytest

from sojourn import ConfigurationError
from sojourn.core.operations import Ability, Apply, Create
from sojourn.stores.memory import MemoryStore
from sojourn.testing import conformance


class Plain(MemoryStore):
    abilities = Ability.EVENTS


class Silent(MemoryStore):
    """Says that it created, and does nothing; its other colour works."""

    def perform(self, op: Any) -> Any:
        return True if isinstance(op, Create) else super().perform(op)

    async def aperform(self, op: Any) -> Any:
        return super().perform(op)


class Failing(MemoryStore):
    def _apply(self, op: Apply) -> Any:
        raise RuntimeError("the driver's own error")


def test_a_good_store_shows_all_and_what_it_lacks_is_left_out() -> None:
    report = conformance.run(Plain, races=1, sign_ins=2)
    assert report.is_good
    assert (report.store, report.colour, report.failures) == ("Plain", "sync", ())
    assert "enlist_keeps_the_order" in report.left_out
    assert "delete_appends_the_one_event" in report.passed
    assert len(report.passed) + len(report.left_out) == len(conformance.behaviours())
    assert "left out" in str(report)
    assert [one.name for one in conformance.behaviours(Plain())] == list(report.passed)


def test_a_failure_names_behaviour_store_colour_and_promise() -> None:
    report = conformance.run(Silent, only=["create_keeps_every_field", "ping_names_the_store"])
    assert not report.is_good
    assert report.passed == ("ping_names_the_store",)
    (failure,) = report.failures
    assert failure.behaviour.name == "create_keeps_every_field"
    for part in ("Silent (sync) fails 'create_keeps_every_field'", "design 7, Create", "a record with every field"):
        assert part in failure.text
        assert part in str(report)


def test_the_colours_are_told_apart() -> None:
    assert conformance.run(Silent, "async", only=["create_keeps_every_field"]).is_good
    with pytest.raises(ConfigurationError, match="'sync' or 'async'"):
        conformance.check(conformance.behaviours()[0], Plain(), "blue")


def test_a_stores_own_error_is_a_failure_and_its_cause() -> None:
    (one,) = conformance.behaviours(only=["apply_does_a_batch_in_order"])
    with pytest.raises(conformance.ConformanceFailure, match="raised RuntimeError: the driver's own error") as caught:
        conformance.check(one, Failing(), "async")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="no behaviour is named nothing_like_it"):
        conformance.behaviours(only=["nothing_like_it"])


@pytest.mark.anyio
async def test_from_within_a_loop_there_is_arun() -> None:
    report = await conformance.arun(Plain, only=["create_keeps_every_field"])
    assert (report.colour, report.passed) == ("async", ("create_keeps_every_field",))


def test_stores_are_set_up_and_closed() -> None:
    done: list[str] = []

    class Noting(MemoryStore):
        def setup(self) -> None:
            done.append("setup")

        async def asetup(self) -> None:
            done.append("asetup")

        def close(self) -> None:
            done.append("close")

        async def aclose(self) -> None:
            done.append("aclose")

    (one,) = conformance.behaviours(only=["create_keeps_every_field"])
    conformance.check(one, Noting(), "sync")
    conformance.check(one, Noting(), "async")
    assert done == ["setup", "close", "asetup", "aclose"]


def test_every_behaviour_has_a_sentence_and_a_promise() -> None:
    for one in conformance.behaviours():
        assert one.says.endswith("."), one
        assert one.promise, one
