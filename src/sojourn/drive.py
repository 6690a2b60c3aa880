"""The two drivers: they run a flow and have each operation that it asks for performed, in one colour or the other.

This is the only place where the colours differ for a flow. An exception of the performer is thrown into the flow, at
the `yield from` that asked, so a flow handles errors like any code; the flow is closed whatever happens.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

__all__ = ["adrive", "drive"]

Result = TypeVar("Result")


def drive(flow: Generator[Any, Any, Result], perform: Callable[[Any], Any]) -> Result:
    """Run a flow to its result, performing each operation by a blocking call."""
    try:
        op = next(flow)
        while True:
            try:
                reply = perform(op)
            except Exception as error:  # noqa: BLE001 - every error belongs to the flow that asked
                op = flow.throw(error)
            else:
                op = flow.send(reply)
    except StopIteration as done:
        result: Result = done.value
        return result
    finally:
        flow.close()


async def adrive(flow: Generator[Any, Any, Result], perform: Callable[[Any], Awaitable[Any]]) -> Result:
    """Run a flow to its result, awaiting each operation.

    A cancellation is thrown into the flow like an error, so that its `finally` parts run, and is then raised.
    """
    try:
        op = next(flow)
        while True:
            try:
                reply = await perform(op)
            except BaseException as error:  # noqa: BLE001 - cancellation reaches the flow too
                op = flow.throw(error)
            else:
                op = flow.send(reply)
    except StopIteration as done:
        result: Result = done.value
        return result
    finally:
        flow.close()
