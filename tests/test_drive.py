"""The two drivers: results, errors thrown into the flow, closing, cancellation. Each test runs in both colours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest

from sojourn.drive import adrive, drive

Perform = Callable[[Any], Any]


def run_sync(flow: Generator[Any, Any, Any], perform: Perform) -> Any:
    return drive(flow, perform)


def run_async(flow: Generator[Any, Any, Any], perform: Perform) -> Any:
    async def aperform(op: Any) -> Any:
        await asyncio.sleep(0)
        return perform(op)

    async def main() -> Any:
        return await adrive(flow, aperform)

    return asyncio.run(main())


@pytest.fixture(params=[run_sync, run_async], ids=["sync", "async"])
def run(request: pytest.FixtureRequest) -> Callable[[Generator[Any, Any, Any], Perform], Any]:
    runner: Callable[[Generator[Any, Any, Any], Perform], Any] = request.param
    return runner


Run = Callable[[Generator[Any, Any, Any], Perform], Any]


def test_replies_go_in_and_the_result_comes_out(run: Run) -> None:
    def flow() -> Generator[int, int, int]:
        return (yield 1) + (yield 2)

    assert run(flow(), lambda op: op * 10) == 30


def test_a_flow_that_asks_nothing(run: Run) -> None:
    def flow() -> Generator[int, int, str]:
        return "at once"
        yield 1

    assert run(flow(), lambda op: pytest.fail("asked")) == "at once"


def test_an_error_of_the_performer_is_the_flows_to_handle(run: Run) -> None:
    def flow() -> Generator[str, str, list[str]]:
        heard = []
        try:
            yield "bad"
        except KeyError as error:
            heard.append(f"caught {error.args[0]}")
        heard.append((yield "good"))
        return heard

    def perform(op: str) -> str:
        if op == "bad":
            raise KeyError(op)
        return op

    assert run(flow(), perform) == ["caught bad", "good"]


def test_an_error_that_the_flow_lets_through_is_the_very_one(run: Run) -> None:
    error, closed = LookupError("the store"), []

    def flow() -> Generator[int, int, None]:
        try:
            yield 1
        finally:
            closed.append(True)

    def perform(op: int) -> int:
        raise error

    with pytest.raises(LookupError) as caught:
        run(flow(), perform)
    assert caught.value is error
    assert closed == [True]


def test_an_error_of_the_flow_itself_comes_out(run: Run) -> None:
    def flow() -> Generator[int, int, None]:
        yield 1
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        run(flow(), lambda op: op)


def test_a_performer_that_stops_iterating_ends_no_flow_silently(run: Run) -> None:
    def flow() -> Generator[int, int, str]:
        yield 1
        return "unreached"

    def perform(op: int) -> int:
        raise StopIteration("a bug")

    with pytest.raises(RuntimeError):
        run(flow(), perform)


def test_what_is_no_exception_of_programs_closes_the_flow() -> None:
    seen: list[str] = []

    def flow() -> Generator[int, int, None]:
        try:
            yield 1
        except Exception:  # noqa: BLE001 - KeyboardInterrupt is none
            seen.append("handled")
        finally:
            seen.append("closed")

    def perform(op: int) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drive(flow(), perform)
    assert seen == ["closed"]


@pytest.mark.anyio
async def test_a_cancellation_reaches_the_flow_and_is_raised() -> None:
    seen: list[str] = []
    asked = asyncio.Event()

    def flow() -> Generator[str, Any, str]:
        try:
            yield "wait"
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            seen.append("closed")
        return "unreached"

    async def perform(op: str) -> None:
        asked.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(adrive(flow(), perform))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled", "closed"]


@pytest.mark.anyio
async def test_a_flow_may_still_ask_while_it_is_cancelled() -> None:
    performed: list[str] = []
    asked = asyncio.Event()

    def flow() -> Generator[str, Any, None]:
        try:
            yield "wait"
        finally:
            yield "tidy up"

    async def perform(op: str) -> None:
        performed.append(op)
        if op == "wait":
            asked.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(adrive(flow(), perform))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert performed == ["wait", "tidy up"]
