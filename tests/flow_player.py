"""Plays a flow by feeding it replies: no store, no loop, no clock."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sojourn.core.operations import Ability
from sojourn.core.record import Lifetime, Record
from sojourn.core.tokens import make_token, secret_hash
from sojourn.core.values import encode_fields
from sojourn.errors import SojournError
from sojourn.flows.policy import Policy

__all__ = ["ALL", "HANDLE", "LIFE", "NOW", "TOKEN", "entropy", "make_policy", "make_record", "play"]

HANDLE = "a" * 32
NOW = 10_000
TOKEN = make_token(HANDLE, b"s" * 32)
LIFE = Lifetime(1_000, "last_access", None, 0)
ALL = Ability.USER_INDEX | Ability.LISTING | Ability.COUNT | Ability.EVENTS | Ability.DOCUMENTS

Step = tuple[type[Any], Any]


def make_policy(**more: Any) -> Policy:
    fields: dict[str, Any] = {"lifetime": LIFE, "abilities": ALL, "owner": "me", **more}
    return Policy(**fields)


def make_record(data: dict[str, Any] | None = None, handle: str = HANDLE, **more: Any) -> Record:
    fields: dict[str, Any] = {
        "secret_hash": secret_hash(TOKEN.secret),
        "created": NOW - 100,
        "last_access": NOW - 50,
        "last_update": NOW - 50,
        "lifetime": LIFE,
        "data": encode_fields(data or {}),
        **more,
    }
    return Record(handle=handle, **fields)


def entropy(length: int) -> bytes:
    return b"e" * length


def play(flow: Generator[Any, Any, Any], *steps: Step) -> tuple[Any, list[Any]]:
    """Feed a reply for each operation that the flow is expected to ask, in order; answers its result and what it asked.

    A reply may be an exception, which is thrown into the flow, or a function of the operation.
    """
    asked: list[Any] = []
    try:
        op = next(flow)
        for kind, reply in steps:
            assert type(op) is kind, f"expected {kind.__name__} after {asked}, was asked {op}"
            asked.append(op)
            try:
                answer = reply(op) if callable(reply) else reply
            except SojournError as error:
                answer = error
            op = flow.throw(answer) if isinstance(answer, BaseException) else flow.send(answer)
        raise AssertionError(f"the flow asked more than expected: {op}")
    except StopIteration as done:
        assert len(asked) == len(steps), f"the flow ended after {asked}, before {steps[len(asked)][0].__name__}"
        return done.value, asked
    finally:
        flow.close()
