"""Operations are frozen values that a flow asks by `yield from`, and each names what it answers."""

from __future__ import annotations

import typing
from collections.abc import Generator

import pytest
from msgspec import Struct

from sojourn.core import operations
from sojourn.core.events import EndReason
from sojourn.core.operations import Ability, Announce, Delete, Load, Op, StoreOp

OPERATIONS = [kind for kind in Op.__subclasses__() if kind.__module__ == operations.__name__]


def test_yield_from_asks_and_answers() -> None:
    def flow() -> Generator[Load, object, object]:
        return (yield from Load("h", None, 5))

    running = flow()
    assert next(running) == Load("h", None, 5)
    with pytest.raises(StopIteration) as done:
        running.send("the reply")
    assert done.value.value == "the reply"


def test_an_error_reaches_the_flow_where_it_asked() -> None:
    def flow() -> Generator[Load, object, str]:
        try:
            yield from Load("h", None, 5)
        except LookupError as error:
            return str(error)
        return "none"

    running = flow()
    next(running)
    with pytest.raises(StopIteration) as done:
        running.throw(LookupError("gone"))
    assert done.value.value == "gone"


def test_operations_are_frozen_and_equal_by_value() -> None:
    one = Delete("h", 1, EndReason.LOGOUT, only_uid="luca")
    assert one == Delete("h", 1, EndReason.LOGOUT, only_uid="luca")
    assert one != Delete("h", 1, EndReason.LOGOUT)
    with pytest.raises(AttributeError):
        one.handle = "other"  # type: ignore[misc]  # that is the test
    assert len({one, Delete("h", 1, EndReason.LOGOUT, only_uid="luca")}) == 1


def test_a_store_is_asked_every_operation_but_announce() -> None:
    assert set(typing.get_args(StoreOp)) == set(OPERATIONS) - {Announce}
    assert len(OPERATIONS) >= 20


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind.__name__)
def test_each_operation_is_public_documented_and_names_its_answer(kind: type[Struct]) -> None:
    assert kind.__name__ in operations.__all__
    assert kind.__doc__
    assert typing.get_args(kind.__orig_bases__[0])  # type: ignore[attr-defined]  # Op[Reply]


def test_abilities_can_be_put_together() -> None:
    some = Ability.USER_INDEX | Ability.EVENTS
    assert Ability.EVENTS in some
    assert Ability.LISTING not in some
