"""Running behaviours over a store, with or without a test framework, and what is reported of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias, get_args

from msgspec import Struct

from sojourn.core.operations import Ability
from sojourn.drive import adrive, drive
from sojourn.errors import ConfigurationError
from sojourn.stores.base import SessionStore
from sojourn.testing.conformance.behaviour import Behaviour, Trial, registered
from sojourn.testing.conformance.expecting import ConformanceFailure
from sojourn.testing.conformance.performing import Performer

__all__ = ["Colour", "Failure", "Report", "arun", "behaviours", "check", "run"]

Colour: TypeAlias = Literal["sync", "async"]
MakeStore: TypeAlias = "Callable[[], SessionStore]"


class Failure(Struct, frozen=True):
    """A behaviour that a store does not show."""

    behaviour: Behaviour
    text: str


class Report(Struct, frozen=True):
    """What came of a run.

    Attributes:
        store: The class of the store.
        colour: How it was asked.
        passed: The names of the behaviours that it shows.
        failures: The others.
        left_out: The names of those that need an ability which it does not declare.
    """

    store: str
    colour: Colour
    passed: tuple[str, ...]
    failures: tuple[Failure, ...]
    left_out: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing failed."""
        return not self.failures

    def __str__(self) -> str:
        lines = [f"{self.store} ({self.colour}): {len(self.passed)} behaviours shown, {len(self.failures)} failed"]
        if self.left_out:
            lines.append(f"left out, for want of an ability: {', '.join(self.left_out)}")
        return "\n".join([*lines, *[failure.text for failure in self.failures]])


def behaviours(store: SessionStore | None = None, only: Iterable[str] | None = None) -> list[Behaviour]:
    """The behaviours that a store with these abilities has to show; all of them without a store.

    Args:
        store: Whose abilities count.
        only: The names of those that are wanted.

    Raises:
        ConfigurationError: A name in `only` is none.
    """
    every = registered()
    if only is not None:
        wanted = set(only)
        if unknown := wanted - {one.name for one in every}:
            raise ConfigurationError(f"no behaviour is named {', '.join(sorted(unknown))}")
        every = tuple([one for one in every if one.name in wanted])
    return [one for one in every if store is None or one.needs in store.abilities]


def check(one: Behaviour, store: SessionStore, colour: Colour, *, races: int = 20, sign_ins: int = 200) -> None:
    """Hold a new and empty store against one behaviour, and close it.

    Raises:
        ConformanceFailure: It does otherwise; the message names behaviour, store, colour and promise.
    """
    if colour not in get_args(Colour):
        raise ConfigurationError(f"colour is 'sync' or 'async', not {colour!r}")
    trial = Trial(store.abilities, races=races, sign_ins=sign_ins)
    try:
        if colour == "sync":
            _check(one, store, trial)
        else:
            asyncio.run(_acheck(one, store, trial))  # the kit's own loop: this function is called from outside of one
    except Exception as error:
        raise ConformanceFailure(_told(one, store, colour, error)) from error


def run(
    make_store: MakeStore,
    colour: Colour = "sync",
    *,
    only: Iterable[str] | None = None,
    races: int = 20,
    sign_ins: int = 200,
) -> Report:
    """Hold a store against every behaviour, without any test framework; not from within an event loop.

    Args:
        make_store: Makes a new and empty store at each call; the kit sets it up and closes it.
        colour: "sync" asks by `perform`, "async" by `aperform`. A store has to pass both.
        only: The names of some behaviours.
        races: How many sessions each race is run on.
        sign_ins: How many sign-ins come at once.
    """
    passed: list[str] = []
    failures: list[Failure] = []
    abilities, name = _look_at(make_store)
    chosen = behaviours(None, only)
    for one in chosen:
        if one.needs in abilities:
            try:
                check(one, make_store(), colour, races=races, sign_ins=sign_ins)
                passed.append(one.name)
            except ConformanceFailure as failure:
                failures.append(Failure(one, str(failure)))
    left_out = tuple([one.name for one in chosen if one.needs not in abilities])
    return Report(name, colour, tuple(passed), tuple(failures), left_out)


async def arun(make_store: MakeStore, *, only: Iterable[str] | None = None, races: int = 20) -> Report:
    """`run` with the colour "async", from within an event loop (its own loop runs in a thread)."""
    return await asyncio.to_thread(run, make_store, "async", only=only, races=races)


def _look_at(make_store: MakeStore) -> tuple[Ability, str]:
    store = make_store()
    try:
        return store.abilities, type(store).__name__
    finally:
        store.close()


def _check(one: Behaviour, store: SessionStore, trial: Trial) -> None:
    try:
        store.setup()
        drive(one.body(trial), Performer(store).perform)
    finally:
        store.close()


async def _acheck(one: Behaviour, store: SessionStore, trial: Trial) -> None:
    try:
        await store.asetup()
        await adrive(one.body(trial), Performer(store).aperform)
    finally:
        await store.aclose()


def _told(one: Behaviour, store: SessionStore, colour: Colour, error: Exception) -> str:
    what = str(error) if isinstance(error, ConformanceFailure) else f"raised {type(error).__name__}: {error}"
    return f"{type(store).__name__} ({colour}) fails {one.name!r}: {one.says}\n  promised by: {one.promise}\n  {what}"
