"""SQLite against memory: the same operations in the same order give the same replies, in both colours."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from sojourn.core import changes as ch
from sojourn.core.events import EndReason, SessionEnded, TokenReused
from sojourn.core.operations import (
    Acknowledge,
    Append,
    Apply,
    Claim,
    Count,
    Create,
    Delete,
    DeleteDocument,
    Delist,
    Document,
    Enlist,
    FindByUser,
    List,
    ListDocuments,
    Load,
    LoadDocument,
    SaveDocument,
    StoreOp,
    Sweep,
    Swept,
    Tail,
)
from sojourn.core.record import Client, Identity, Lifetime
from sojourn.core.values import encode
from sojourn.errors import SojournError
from sojourn.stores.memory import MemoryStore
from sojourn.stores.sqlite import SqliteStore
from sqlite_workers import HASH, make_record

BACK = st.integers(0, 3)
LATER = st.sampled_from([0, 0, 1, 300, 700])
UIDS = st.sampled_from(["ada", "bob", "Zoë"])
ANYBODY = st.none() | UIDS
KEYS = st.sampled_from(["a", "b", "$x", "ünï"])
TEXTS = st.sampled_from([1, 2.5, "x", [1], {"k": 1}, None]).map(encode)
PATHS = st.lists(KEYS, min_size=1, max_size=2).map(tuple)
CHANGES = st.one_of(
    st.builds(ch.Set, PATHS, TEXTS),
    st.builds(ch.Increment, PATHS, st.integers(-3, 3)),
    st.builds(ch.Push, PATHS, st.tuples(TEXTS), st.none() | st.just(2)),
    st.builds(ch.Unset, PATHS),
    st.builds(ch.Take, PATHS),
    st.just(ch.Clear()),
)
LIFETIMES = st.sampled_from(
    [
        Lifetime(1_000, "last_access", None, 0),
        Lifetime(1_000, "last_access", None, 0),
        Lifetime(1_000, "last_update", 2_500, 100),
        Lifetime(400, "created", None, 0),
        Lifetime(None, "created", 1_500, 50),
        Lifetime(None, "created", None, 0),
    ]
)
IDENTITIES = st.builds(Identity, ANYBODY, st.sampled_from([(), ("r",)]), st.just(b"{}"), st.none() | st.just(5))


class Model(RuleBasedStateMachine):
    """Each rule asks both stores about one of the sessions made last, alive or not.

    A handle that has ended is not made again, as 128 random bits never are.
    """

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.memory = MemoryStore()
        self.sqlite = SqliteStore(Path(self.folder.name) / "x.db", synchronous="NORMAL")
        self.now = 1_000
        self.turn = 0
        self.made = 0
        self.ended: list[str] = ["no such event"]
        for uid, lifetime in (
            ("ada", Lifetime(1_000, "last_access", None, 0)),
            (None, Lifetime(None, "created", None, 0)),
        ):
            self.make(uid, lifetime)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.sqlite.close()
            self.loop.close()
            self.folder.cleanup()

    def ask(self, op: StoreOp) -> Any:
        self.turn += 1
        expected, found = _answer(self.memory.perform, op), _answer(self._sqlite, op)
        if isinstance(expected, Swept):  # memory keeps entries that are filed again at their old place as well
            dues = [due for due in self.memory._due.values() if due is not None]
            expected = replace(expected, next_due=min(dues, default=None))
        assert found == expected, op
        if isinstance(found, Swept):
            self.ended += [event.id for event in found.ended]
        return found

    def _sqlite(self, op: StoreOp) -> Any:
        if self.turn % 2:
            return self.sqlite.perform(op)
        return self.loop.run_until_complete(self.sqlite.aperform(op))

    def handle(self, back: int) -> str:
        return f"{max(1, self.made - back):032x}"

    @rule(uid=ANYBODY, lifetime=LIFETIMES)
    def make(self, uid: str | None, lifetime: Lifetime) -> None:
        self.made += 1
        record = make_record(self.made, self.now, {"a": 1}, uid=uid, lifetime=lifetime)
        assert self.ask(Create(record))
        if uid is not None:
            self.ask(Enlist(uid, record.handle))

    @rule(back=BACK)
    def make_again(self, back: int) -> None:
        living = self.memory.perform(Load(self.handle(back), None, 0))
        if living is not None:
            assert not self.ask(Create(living))

    @rule(back=BACK, presented=st.sampled_from([None, HASH, HASH, HASH, b"n" * 32, b"?" * 32]), by=LATER)
    def load(self, back: int, presented: bytes | None, by: int) -> None:
        self.now += by
        self.ask(Load(self.handle(back), presented, self.now))

    @rule(
        back=BACK,
        given=st.fixed_dictionaries(
            {},
            optional={
                "generation": st.just(0),
                "changes": st.lists(CHANGES, min_size=1, max_size=3).map(tuple),
                "touch_only": st.booleans(),
                "new_hash": st.just(b"n" * 32),
                "identity": IDENTITIES,
                "lifetime": LIFETIMES,
                "client": st.just(Client("::1", "agent", "label")),
                "max_bytes": st.integers(10, 60),
                "events": st.booleans(),
                "actor": st.just("root"),
            },
        ),
    )
    def apply(self, back: int, given: dict[str, Any]) -> None:
        self.ask(Apply(self.handle(back), self.now, **given))

    @rule(
        back=BACK,
        owner=st.sampled_from([None, "me"]),
        uid=ANYBODY,
        empty=st.booleans(),
        only_expired=st.booleans(),
    )
    def delete(self, back: int, owner: str | None, uid: str | None, empty: bool, only_expired: bool) -> None:
        ended = self.ask(Delete(self.handle(back), self.now, EndReason.LOGOUT, owner, "x", uid, empty, only_expired))
        if ended is not None:
            self.ended.append(ended.event.id)

    @rule(limit=st.integers(1, 5), claim=st.booleans(), by=LATER)
    def sweep(self, limit: int, claim: bool, by: int) -> None:
        self.now += by
        self.ask(Sweep(self.now, "me", limit, 1_000, claim, 800, 2_000))

    @rule(uid=UIDS, back=BACK, limit=st.none() | st.integers(1, 3), refuse=st.booleans(), told=st.booleans())
    def enlist(self, uid: str, back: int, limit: int | None, refuse: bool, told: bool) -> None:
        event = TokenReused(id=f"t{self.turn}", at=self.now) if told else None
        self.ask(Enlist(uid, self.handle(back), limit, refuse, event))

    @rule(uid=UIDS, back=BACK)
    def delist(self, uid: str, back: int) -> None:
        self.ask(Delist(uid, self.handle(back)))

    @rule(count=st.integers(0, 2), ended=st.booleans())
    def append(self, count: int, ended: bool) -> None:
        given = [f"{self.turn}-{number}" for number in range(count)]
        if ended:
            self.ask(Append(tuple([SessionEnded(id=id_, at=self.now, reason=EndReason.LOST) for id_ in given])))
        else:
            self.ask(Append(tuple([TokenReused(id=id_, at=self.now) for id_ in given])))

    @rule(owner=st.sampled_from(["me", "you"]), limit=st.integers(1, 3), lease=st.integers(1, 900), keep=st.booleans())
    def claim(self, owner: str, limit: int, lease: int, keep: bool) -> None:
        claimed = self.ask(Claim(self.now, owner, limit, lease))
        if not keep:
            self.ask(Acknowledge(tuple([event.id for event in claimed])))

    @rule(back=BACK)
    def acknowledge(self, back: int) -> None:
        self.ask(Acknowledge((self.ended[-1 - back % len(self.ended)], "no such event")))

    @rule(cursor=st.none() | st.integers(0, 8), limit=st.integers(1, 5))
    def tail(self, cursor: int | None, limit: int) -> None:
        self.ask(Tail(None if cursor is None else max(0, self.memory.event_mark() - cursor), limit))

    @rule(uid=ANYBODY, prefix=st.sampled_from(["", "0" * 31, f"{3:032x}", "f"]), newest=st.booleans(), limit=BACK)
    def pages(self, uid: str | None, prefix: str, newest: bool, limit: int) -> None:
        cursor = None
        for _ in range(10):
            page = self.ask(List(cursor, limit + 1, uid, prefix, newest))
            cursor = page.next
            if cursor is None:
                return

    @rule(
        key=KEYS, revision=st.sampled_from(["1", "2"]), expected=st.sampled_from([None, "1", "2"]), end=st.none() | KEYS
    )
    def documents(self, key: str, revision: str, expected: str | None, end: str | None) -> None:
        if revision == expected:
            self.ask(DeleteDocument("users", key, expected))
        else:
            self.ask(SaveDocument("users", Document(key, revision, b"\0body"), expected))
        self.ask(LoadDocument("users", key))
        self.ask(LoadDocument("others", key))
        self.ask(ListDocuments("users", key if end is None else "", end, 2))

    @invariant()
    def they_hold_the_same(self) -> None:
        if not hasattr(self, "sqlite"):
            return
        self.ask(List())
        self.ask(Count(self.now))
        for uid in ("ada", "bob", "Zoë"):
            self.ask(FindByUser(uid))
            self.ask(Count(self.now, uid))
        assert self.sqlite.event_mark() == self.memory.event_mark()


def _answer(perform: Any, op: StoreOp) -> Any:
    try:
        return perform(op)
    except SojournError as error:
        return type(error), str(error)


Model.TestCase.settings = settings(max_examples=60, stateful_step_count=60)
test_sqlite_answers_as_memory_does = Model.TestCase
