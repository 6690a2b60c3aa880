"""Listing and counting: pages that no write shifts, and numbers that mean the living."""

from __future__ import annotations

from itertools import count

from sojourn.core.changes import set_value
from sojourn.core.events import EndReason
from sojourn.core.operations import Ability, Apply, Count, Create, Delete, Enlist, Flow, List, Page
from sojourn.core.record import Identity, Lifetime, Record, cursor_of, deadline
from sojourn.testing.conformance.asking import Asked, Body, came
from sojourn.testing.conformance.behaviour import Trial, behaviour
from sojourn.testing.conformance.expecting import expect, same

__all__ = [
    "count_means_the_living",
    "list_filters",
    "list_goes_by_creation",
    "list_pages_stay_under_writes",
    "list_pages_under_parallel_writes",
]

_PAGES = 1_000


def _pages(op: List) -> Flow[Asked, list[str]]:
    """The handles of all pages from this one on."""
    handles: list[str] = []
    for _ in range(_PAGES):
        page: Page = yield from op
        expect(len(page.records) <= op.limit, f"a page has {len(page.records)} records, over its limit")
        handles += [record.handle for record in page.records]
        if page.next is None:
            return handles
        op = List(page.next, op.limit, op.uid, op.handle_prefix, op.newest_first)
    raise AssertionError(f"no last page after {_PAGES}")


def _made(trial: Trial, count: int, **fields: object) -> Flow[Asked, list[Record]]:
    """Records of a few creation times, made in another order; answered in that of a listing."""
    records = [trial.record(created=trial.now + 10 * (number * 7 % 5), **fields) for number in range(count)]
    for record in records:
        _ = yield from Create(record)
        if record.uid is not None and Ability.USER_INDEX in trial.abilities:
            _ = yield from Enlist(record.uid, record.handle)
    return sorted(records, key=cursor_of)


@behaviour("design 7: Listing, keyset by creation", Ability.LISTING)
def list_goes_by_creation(trial: Trial) -> Body:
    """Records come by creation, then handle, or the other way round; pages of any size make the same list."""
    same((yield from List()), Page(()), "the page of an empty store")
    records = yield from _made(trial, 23)
    wanted = [record.handle for record in records]
    same((yield from List()), Page(tuple(records)), "one page with all records")
    for limit in (1, 2, 5, 22, 23, 24):
        same((yield from _pages(List(limit=limit))), wanted, f"pages of {limit}")
        same((yield from _pages(List(limit=limit, newest_first=True))), wanted[::-1], f"pages of {limit}, newest first")
    after = cursor_of(records[9])
    same((yield from _pages(List(after, 4))), wanted[10:], "the pages after a record's cursor")
    same((yield from _pages(List(after, 4, newest_first=True))), wanted[:9][::-1], "after it, newest first")
    _ = yield from Delete(records[9].handle, trial.now, EndReason.LOGOUT)
    same((yield from _pages(List(after, 4))), wanted[10:], "after the cursor of a record that has ended")
    expired = [record.handle for record in (yield from List()).records if (deadline(record) or 0) < trial.now]
    same(expired, [], "expired records among living ones")


@behaviour("design 7: filters uid and handle prefix", Ability.LISTING)
def list_filters(trial: Trial) -> Body:
    """A listing may be of one user's sessions, of handles that begin so, and of both."""
    anonymous = yield from _made(trial, 6)
    prefix = anonymous[2].handle[:8]
    wanted = [record.handle for record in anonymous if record.handle.startswith(prefix)]
    same((yield from _pages(List(limit=2, handle_prefix=prefix))), wanted, "handles that begin so")
    same((yield from _pages(List(limit=2, handle_prefix=anonymous[0].handle))), [anonymous[0].handle], "a whole handle")
    for wild in ("%", "_", "*", "g", "'", anonymous[0].handle + "0", anonymous[0].handle[:6].upper() + "%"):
        same((yield from _pages(List(handle_prefix=wild))), [], f"handles that begin with {wild!r}")
    if Ability.USER_INDEX not in trial.abilities:
        return
    mine = yield from _made(trial, 9, uid="ann")
    theirs = yield from _made(trial, 3, uid="Ann")
    for uid, records in (("ann", mine), ("Ann", theirs), ("nobody", [])):
        handles = [record.handle for record in records]
        same((yield from _pages(List(limit=2, uid=uid))), handles, f"the sessions of {uid!r}")
        same((yield from _pages(List(limit=3, uid=uid, newest_first=True))), handles[::-1], "newest first")
    chosen = [record.handle for record in mine if record.handle.startswith(mine[4].handle[:5])]
    same((yield from _pages(List(uid="ann", handle_prefix=mine[4].handle[:5]))), chosen, "a user's, that begin so")
    _ = yield from Apply(mine[0].handle, trial.now, identity=Identity())
    handles = [record.handle for record in mine[1:]]
    same((yield from _pages(List(uid="ann"))), handles, "after one of them signed out and is still in the index")


@behaviour("design 7: no page shifts under writes", Ability.LISTING)
def list_pages_stay_under_writes(trial: Trial) -> Body:
    """Sessions made and ended between two pages make none that stays be shown twice or be missed."""
    for newest_first in (False, True):
        records = yield from _made(trial, 12)
        order = [record.handle for record in records][:: -1 if newest_first else 1]
        staying = set(order[::2])
        seen: list[str] = []
        cursor: str | None = None
        for turn in count():
            page = yield from List(cursor, 3, newest_first=newest_first)
            seen += [record.handle for record in page.records]
            cursor = page.next
            if cursor is None:
                break
            expect(turn < _PAGES, "no last page")
            for handle in order[2 * turn + 1 : 2 * turn + 2]:
                _ = yield from Delete(handle, trial.now, EndReason.LOGOUT)
            if turn < 20:
                for step in (-1_000, 25, 1_000):
                    _ = yield from Create(trial.record(created=trial.now + step))
            _ = yield from Apply(order[0], trial.now + 5, changes=set_value("turn", turn))
        same(len(seen), len(set(seen)), "how often a session is shown")
        expect(staying <= set(seen), "a session that was there all the time is not shown")


@behaviour("design 7: no page shifts under writes; promise 8", Ability.LISTING)
def list_pages_under_parallel_writes(trial: Trial) -> Body:
    """The same while others write all the time."""
    records = yield from _made(trial, 5 * trial.races)
    wanted = [record.handle for record in records]

    def writing() -> Body:
        for number in range(2 * trial.races):
            record = trial.record(created=trial.now + number % 50)
            _ = yield from Create(record)
            _ = yield from Apply(wanted[number % len(wanted)], trial.now + 1, changes=set_value("n", number))
            _ = yield from Delete(record.handle, trial.now, EndReason.LOGOUT)

    _, forward, backward, _ = yield from came(
        writing(), _pages(List(limit=5)), _pages(List(limit=5, newest_first=True)), writing()
    )
    same([handle for handle in forward if handle in set(wanted)], wanted, "those that stayed, oldest first")
    same([handle for handle in backward if handle in set(wanted)], wanted[::-1], "those that stayed, newest first")


@behaviour("design 8: active is the store's Count; seeds F6", Ability.COUNT)
def count_means_the_living(trial: Trial) -> Body:
    """Sessions are counted until past their deadline, ended ones not, of everybody or of one user."""
    for ttl in (100, 200, 300):
        _ = yield from Create(trial.record(lifetime=Lifetime(ttl, "created", None, 10)))
    forever = trial.record(lifetime=Lifetime(None, "created", None, 10))
    _ = yield from Create(forever)
    for step, wanted in ((0, 4), (100, 4), (101, 3), (201, 2), (301, 1), (10**12, 1)):
        same((yield from Count(trial.now + step)), wanted, f"how many live after {step} ms")
    _ = yield from Delete(forever.handle, trial.now, EndReason.LOGOUT)
    same((yield from Count(trial.now)), 3, "how many live after one has ended")
    if Ability.USER_INDEX not in trial.abilities:
        return
    mine = yield from _made(trial, 4, uid="ann", lifetime=Lifetime(10_000, "created", None, 10))
    _ = yield from _made(trial, 2, uid="bob", lifetime=Lifetime(10_000, "created", None, 10))
    for uid, now, wanted in (("ann", 100, 4), ("bob", 100, 2), ("nobody", 0, 0), ("ann", 10**6, 0), (None, 10**3, 6)):
        same((yield from Count(trial.now + now, uid)), wanted, f"how many live of {uid!r} after {now} ms")
    _ = yield from Apply(mine[0].handle, trial.now, identity=Identity("bob"))
    same((yield from Count(trial.now, "ann")), 3, "how many of a user's live after one became another's")
