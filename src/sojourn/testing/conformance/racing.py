"""Races on one session: whatever was acknowledged is there, however many wrote at once (promise 1)."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from sojourn.core import changes as c
from sojourn.core.changes import Change
from sojourn.core.operations import Apply, Create, Flow, Load
from sojourn.core.record import Identity, Record
from sojourn.core.values import decode_fields, encode_fields
from sojourn.errors import Conflict, IdentityChanged
from sojourn.testing.conformance.asking import Asked, Body, Together, came, errors
from sojourn.testing.conformance.behaviour import Trial, behaviour
from sojourn.testing.conformance.expecting import expect, same

__all__ = [
    "checks_let_one_through",
    "concurrent_changes_all_stay",
    "identities_let_one_through",
    "what_is_taken_is_taken_once",
]

_WRITERS = 8


def _data(record: Record) -> Flow[Asked, dict[str, Any]]:
    found = yield from Load(record.handle, None, 0)
    assert found is not None
    return decode_fields(found.data)


@behaviour("promise 1: nothing is lost; scorecard 1, 2")
def concurrent_changes_all_stay(trial: Trial) -> Body:
    """Increments, pushes, members and keys of many writers at once are all there, each once."""
    record = trial.record(data=encode_fields({"n": 0, "o": {"n": 2**53}, "list": []}))
    _ = yield from Create(record)
    rounds = trial.races

    def writing(writer: int) -> Generator[Any, Any, None]:
        for turn in range(rounds):
            name = f"w{writer}-{turn}"
            batch: tuple[Change, ...] = (
                *c.set_value(("keys", name), turn), c.increment("n"), c.increment(("o", "n"), 2), c.push("list", name),
                c.push("last", name, keep=3), c.add_to_set("set", turn), c.maximum("most", turn), c.unset("nothing"),
            )  # fmt: skip
            _ = yield from Apply(record.handle, trial.now, 0, batch)

    _ = yield from came(*[writing(writer) for writer in range(_WRITERS)])
    data = yield from _data(record)
    names = {f"w{writer}-{turn}" for writer in range(_WRITERS) for turn in range(rounds)}
    same((data["n"], data["o"]), (len(names), {"n": 2**53 + 2 * len(names)}), "the counters")
    same((sorted(data["list"]), set(data["keys"])), (sorted(names), names), "what was pushed, and the keys")
    same((sorted(data["set"]), data["most"]), (list(range(rounds)), rounds - 1), "the set, and the most")
    same(data["last"], data["list"][-3:], "the last three that were pushed")


@behaviour("design 5: take, for one-time nonces; promise 1")
def what_is_taken_is_taken_once(trial: Trial) -> Body:
    """Of many who take a value at once one gets it; elements popped at once go to one each, and none is lost."""
    items = list(range(4 * trial.races))
    record = trial.record(data=encode_fields({"queue": items, "nonce": "once"}))
    _ = yield from Create(record)

    def taking(writer: int) -> Generator[Any, Any, list[bytes]]:
        got: list[bytes] = []
        while True:
            pop = c.pop_last("queue") if writer % 2 else c.pop_first("queue")
            applied = yield from Apply(record.handle, trial.now, 0, (c.take("nonce"), pop))
            got += [answer for answer in applied.answers if answer is not None]
            if applied.answers[1] is None:
                return got

    taken = yield from came(*[taking(writer) for writer in range(_WRITERS)])
    wanted = sorted([b'"once"', *[str(item).encode() for item in items]])
    same(sorted(answer for got in taken for answer in got), wanted, "what everybody got")
    same((yield from _data(record)), {"queue": []}, "what is left")


@behaviour("design 5: check is compare-and-set")
def checks_let_one_through(trial: Trial) -> Body:
    """Of many whose batch checks the same value at once one is applied, the others are told of the conflict."""
    record = trial.record(data=encode_fields({"turn": 0}))
    _ = yield from Create(record)
    for turn in range(trial.races):
        batches: list[tuple[Change, ...]] = [
            (c.check("turn", turn), *c.set_value("turn", turn + 1), c.push("won", n)) for n in range(_WRITERS)
        ]
        outcomes = yield from Together(tuple([iter(Apply(record.handle, trial.now, 0, one)) for one in batches]))
        told = [type(error) for error in errors(outcomes)]
        same(told, [Conflict] * (_WRITERS - 1), "what those are told that came too late")
    data = yield from _data(record)
    same((data["turn"], len(data["won"])), (trial.races, trial.races), "the turns, and the winners")


@behaviour("design 7: a request that began as one identity never writes into another's session")
def identities_let_one_through(trial: Trial) -> Body:
    """Of many sign-ins on the same loaded session one is done; writes of the identity before come before it."""
    for turn in range(trial.races // 2 + 1):
        record = trial.record(data=encode_fields({"cart": []}))
        _ = yield from Create(record)
        sign_ins = [
            Apply(record.handle, trial.now, 0, c.set_value("owner", f"user-{n}"), new_hash=trial.entropy(32),
                  identity=Identity(f"user-{n}"))
            for n in range(4)
        ]  # fmt: skip
        writes = [Apply(record.handle, trial.now, 0, (c.push("cart", n),)) for n in range(4)]
        mixed = [iter(op) for pair in zip(sign_ins, writes, strict=True) for op in pair]
        outcomes = yield from Together(tuple(mixed))
        expect(all(type(error) is IdentityChanged for error in errors(outcomes)), "told otherwise than IdentityChanged")
        done = [outcome.result for outcome in outcomes[::2] if outcome.error is None]
        same(len(done), 1, f"how many of four sign-ins were done in race {turn}")
        found = yield from Load(record.handle, None, trial.now)
        assert found is not None
        data = yield from _data(record)
        same((found.uid, found.generation), (data["owner"], 1), "who is signed in, and the generation")
        written = [n for n, outcome in enumerate(outcomes[1::2]) if outcome.error is None]
        same(sorted(data["cart"]), written, "what was written as the identity before")
        before = done[0].record.data.get("cart")
        same(found.data.get("cart"), before, "what was in the cart at the sign-in")
