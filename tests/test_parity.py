"""The two colours have the same words: methods, parameters, defaults; only close and aclose differ."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from sojourn import AsyncSession, AsyncSessionManager, Session, SessionManager

PAIRS = [(SessionManager, AsyncSessionManager), (Session, AsyncSession)]
RENAMED = {"aclose": "close"}


def public(kind: type) -> dict[str, Any]:
    found = {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}
    return {RENAMED.get(name, name): member for name, member in found.items()}


def words(member: Any) -> list[tuple[str, Any, Any]]:
    return [(p.name, p.kind, p.default) for p in inspect.signature(member).parameters.values()]


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS)
def test_both_have_the_same_names(sync: type, asynchronous: type) -> None:
    assert public(sync).keys() == public(asynchronous).keys()


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS)
def test_both_take_the_same_words(sync: type, asynchronous: type) -> None:
    other = public(asynchronous)
    compared = 0
    for name, member in public(sync).items():
        if callable(member):
            assert words(member) == words(other[name]), name
            compared += 1
        else:
            assert type(member) is type(other[name]), name
    assert compared > 15
    assert words(sync) == words(asynchronous)


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS)
def test_what_asks_the_store_is_awaited_and_nothing_else(sync: type, asynchronous: type) -> None:
    """A coloured method is one that the class itself defines; what both inherit is plain."""
    plain = {"new", "start_sweeper"}
    own = {name for name in vars(asynchronous) if not name.startswith("_")}
    assert {RENAMED.get(name, name) for name in own} == {name for name in vars(sync) if not name.startswith("_")}
    for name in own - plain:
        member = getattr(asynchronous, name)
        assert inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member), name
    for name, member in public(sync).items():
        assert not inspect.iscoroutinefunction(member), name


@pytest.mark.parametrize(("sync", "asynchronous"), PAIRS)
def test_each_contract_is_written_once_and_pointed_to(sync: type, asynchronous: type) -> None:
    other = public(asynchronous)
    for name, member in public(sync).items():
        if inspect.ismemberdescriptor(member):
            continue  # a plain attribute: its class describes it
        assert inspect.getdoc(member), name
        assert inspect.getdoc(other[name]), name
