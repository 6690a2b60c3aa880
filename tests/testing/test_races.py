"""sojourn.testing.races: the helpers themselves, and what every order of steps has to come to (promise 2, design 7)."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from sojourn import LimitReached, SessionError, SessionNotFound
from sojourn.core.changes import increment, set_value
from sojourn.core.events import EndReason
from sojourn.core.operations import Announce, Apply, Create, FindByUser, Load, Ping
from sojourn.core.record import Identity
from sojourn.core.session import Recording
from sojourn.core.tokens import make_token, secret_hash
from sojourn.flows import lifecycle, revoke
from sojourn.stores.memory import MemoryStore
from sojourn.testing import processes, races
from sojourn.testing.conformance import Came, Trial

SEEDS = range(200)


def for_every_seed(test: Callable[..., None]) -> Callable[..., None]:
    """One test for all seeds: what fails names the seed with which it fails again."""

    def run(**given: Any) -> None:
        for seed in SEEDS:
            try:
                test(seed=seed, **given)
            except AssertionError as error:
                raise AssertionError(f"with seed {seed}: {error}") from error

    run.__name__ = test.__name__
    names = [name for name in inspect.signature(test).parameters if name != "seed"]
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # how pytest learns the other parameters
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in names]
    )
    run.pytestmark = getattr(test, "pytestmark", [])  # type: ignore[attr-defined]  # the other marks
    return run


def step(log: list[str], name: str, count: int = 3) -> Generator[Any, Any, str]:
    for _ in range(count):
        yield Announce(())
        yield from Ping()
        log.append(name)
    return name


def test_interleaved_takes_another_order_for_each_seed_and_the_same_again() -> None:
    def run(seed: int) -> tuple[str, ...]:
        log: list[str] = []
        outcomes = races.interleaved([step(log, "a"), step(log, "b")], MemoryStore().perform, seed)
        assert [outcome.result for outcome in outcomes] == ["a", "b"]
        return tuple(log)

    assert run(3) == run(3)
    assert len({run(seed) for seed in SEEDS}) == 20  # all ways to merge three steps and three


def test_interleaved_gives_errors_to_the_flow_that_asked() -> None:
    def forgiving() -> Generator[Any, Any, str]:
        try:
            yield from lifecycle.find(0, "0" * 32)
        except SessionNotFound:
            return "forgiven"
        return "found"

    outcomes = races.interleaved([forgiving(), lifecycle.find(0, "1" * 32)], MemoryStore().perform, 1)
    assert outcomes[0] == Came("forgiven")
    assert isinstance(outcomes[1].error, SessionNotFound)
    assert races.interleaved([], MemoryStore().perform, 1) == ()


def test_interleaved_finds_what_only_some_orders_break() -> None:
    """A flow that reads, adds and sets loses updates; one that increments does not."""

    def naive(trial: Trial, handle: str) -> Generator[Any, Any, None]:
        record = yield from Load(handle, None, trial.now)
        yield from Apply(handle, trial.now, changes=set_value("n", int(record.data.get("n", b"0")) + 1))

    def exact(trial: Trial, handle: str) -> Generator[Any, Any, None]:
        yield from Load(handle, None, trial.now)
        yield from Apply(handle, trial.now, changes=(increment("n"),))

    found: dict[str, set[bytes]] = {"naive": set(), "exact": set()}
    for seed in SEEDS:
        for flow in (naive, exact):
            store, trial = MemoryStore(), Trial(MemoryStore.abilities)
            record = trial.record()
            store.perform(Create(record))
            races.interleaved([flow(trial, record.handle) for _ in range(3)], store.perform, seed)
            found[flow.__name__].add(store.perform(Load(record.handle, None, 0)).data["n"])
    assert found == {"naive": {b"1", b"2", b"3"}, "exact": {b"3"}}


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_at_once_runs_in_both_colours(colour: Any) -> None:
    outcomes = races.at_once(MemoryStore(), [step([], name) for name in "abc"], colour)
    assert [outcome.result for outcome in outcomes] == ["a", "b", "c"]


def sign_in(trial: Trial, **policy: Any) -> Generator[Any, Any, Any]:
    return lifecycle.create(trial.policy(**policy), trial.now, trial.entropy, {}, Identity("ann"))


def alive(store: MemoryStore) -> set[str]:
    return {handle for handle, record in store._records.items() if record.uid == "ann"}


@for_every_seed
def test_in_every_order_a_limit_of_one_leaves_one(seed: int) -> None:
    store, trial = MemoryStore(), Trial(MemoryStore.abilities)
    outcomes = races.interleaved([sign_in(trial, max_sessions=1) for _ in range(4)], store.perform, seed)
    assert all(outcome.error is None for outcome in outcomes)
    assert len(alive(store)) == 1
    assert alive(store) == set(store.perform(FindByUser("ann")))


@for_every_seed
def test_in_every_order_a_refusing_limit_of_one_grants_one(seed: int) -> None:
    store, trial = MemoryStore(), Trial(MemoryStore.abilities)
    flows = [sign_in(trial, max_sessions=1, at_limit="refuse") for _ in range(3)]
    outcomes = races.interleaved(flows, store.perform, seed)
    granted = [outcome.result[0].handle for outcome in outcomes if outcome.error is None]
    assert all(isinstance(outcome.error, LimitReached | None) for outcome in outcomes)
    assert len(granted) == 1
    assert alive(store) == set(granted) == set(store.perform(FindByUser("ann")))


def stored_session(store: MemoryStore, trial: Trial, uid: str | None = None) -> Recording:
    token = make_token(trial.handle(), trial.entropy(32))
    record = trial.record(handle=token.handle, secret_hash=secret_hash(token.secret), uid=uid)
    assert store.perform(Create(record))
    return Recording(record, token)


@for_every_seed
def test_in_every_order_what_signs_in_while_all_are_revoked_is_ended_or_found(seed: int) -> None:
    store, trial = MemoryStore(), Trial(MemoryStore.abilities)
    session = stored_session(store, trial)
    session.sign_in("ann")
    flows = [
        lifecycle.commit(session, trial.policy(), trial.now, trial.entropy),
        sign_in(trial),
        revoke.revoke_user(trial.policy(), trial.now, "ann"),
    ]
    outcomes = races.interleaved(flows, store.perform, seed)
    assert all(isinstance(outcome.error, SessionError | None) for outcome in outcomes)
    assert alive(store) <= set(store.perform(FindByUser("ann"))), "it lives, and nobody can find it"


@for_every_seed
@pytest.mark.parametrize("what", ["write", "sign in", "switch user", "rotate", "regenerate", "touch", "empty"])
def test_in_every_order_an_ended_session_stays_ended(seed: int, what: str) -> None:
    store, trial = MemoryStore(), Trial(MemoryStore.abilities)
    session = stored_session(store, trial, "ann" if what == "switch user" else None)
    handle, policy = session.handle or "", trial.policy()
    if what == "sign in":
        session.sign_in("ann")
    elif what == "switch user":
        session.sign_in("bob")
    elif what == "rotate":
        session.rotate()
    elif what != "empty":
        session["late"] = 1
    late: Generator[Any, Any, Any] = lifecycle.commit(
        session, policy, trial.now, trial.entropy, drop_empty=what == "empty"
    )
    if what == "regenerate":
        late = lifecycle.regenerate(session, policy, trial.now, trial.entropy, keep=True)
    elif what == "touch":
        late = lifecycle.touch(session, trial.now)
    outcomes = races.interleaved([late, revoke.revoke_one(policy, trial.now, handle)], store.perform, seed)
    assert isinstance(outcomes[0].error, SessionError | None)
    assert store.perform(Load(handle, None, trial.now)) is None
    ends = [event for _, event in store._outbox._events if event.handle == handle and hasattr(event, "reason")]
    assert len(ends) == 1, f"{len(ends)} ends are told"
    assert ends[0].reason in (EndReason.REVOKED, EndReason.REPLACED)


def test_resurrections_reports_each_way_of_ending() -> None:
    report = races.resurrections(MemoryStore, "async", races=2)
    assert report.is_good
    assert all(name.endswith("_wins_every_race") for name in report.passed)
    assert len(report.passed) == 9


def test_processes_are_others_and_report_in_order(tmp_path: Path) -> None:
    said = races.in_processes(f"sqlite:///{tmp_path}/s.db", processes.tell_who, [1, 2])
    assert [len(messages) for messages in said] == [1, 2]
    pids = {messages[0] for messages in said}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_a_failing_process_fails_the_test(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="process 1 failed: UsageError"):
        races.in_processes(f"sqlite:///{tmp_path}/s.db", processes.tell_who, [1, -1])


def test_a_silent_process_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="said nothing for 0 s"):
        races.in_processes(f"sqlite:///{tmp_path}/s.db", processes.tell_who, [1], patience_s=0.01)
