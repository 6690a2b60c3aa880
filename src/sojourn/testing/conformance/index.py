"""The index of a user's sessions: an order, a limit that is kept in one step, and names that are kept apart."""

from __future__ import annotations

from sojourn.core.events import UserLoggedIn
from sojourn.core.operations import Ability, Create, Delist, Enlist, Enlisted, FindByUser, Flow, Tail
from sojourn.testing.conformance.asking import Asked, Body, came
from sojourn.testing.conformance.behaviour import Trial, behaviour
from sojourn.testing.conformance.expecting import expect, same
from sojourn.testing.conformance.hard_values import HARD_KEYS

__all__ = [
    "enlist_appends_its_event",
    "enlist_counts_to_the_limit",
    "enlist_keeps_the_order",
    "enlist_refuses_at_the_limit",
    "enlisted_at_once_never_pass_a_refusing_limit",
    "users_are_kept_apart",
]

_NEEDS = Ability.USER_INDEX


def _handles(trial: Trial, count: int, uid: str = "ann") -> Flow[Asked, list[str]]:
    """So many sessions of a user, stored and not yet enlisted."""
    handles: list[str] = []
    for _ in range(count):
        record = trial.record(uid=uid)
        _ = yield from Create(record)
        handles.append(record.handle)
    return handles


@behaviour("design 7: FindByUser, oldest entry first", _NEEDS)
def enlist_keeps_the_order(trial: Trial) -> Body:
    """Entries stand in the order in which they were added; one that is added again keeps its place."""
    handles = yield from _handles(trial, 5)
    for handle in (*handles, handles[1], handles[0], handles[4]):
        same((yield from Enlist("ann", handle)), Enlisted(True), "the answer of Enlist without a limit")
    same((yield from FindByUser("ann")), tuple(handles), "the order of the entries")
    yield from Delist("ann", handles[0])
    yield from Delist("ann", handles[3])
    same((yield from FindByUser("ann")), (handles[1], handles[2], handles[4]), "the order after two were taken out")
    _ = yield from Enlist("ann", handles[0])
    wanted = (handles[1], handles[2], handles[4], handles[0])
    same((yield from FindByUser("ann")), wanted, "one that was taken out and added again stands at the end")


@behaviour("design 7: Enlist answers who must go", _NEEDS)
def enlist_counts_to_the_limit(trial: Trial) -> Body:
    """Up to the limit nobody is named; over it the session is admitted and all are named, oldest first."""
    handles = yield from _handles(trial, 4)
    for handle in handles[:2]:
        same((yield from Enlist("ann", handle, 2)), Enlisted(True), "Enlist within the limit")
    same((yield from Enlist("ann", handles[0], 2)), Enlisted(True), "Enlist of one that is in, at the limit")
    for number in (3, 4):
        wanted = Enlisted(True, tuple(handles[:number]))
        same((yield from Enlist("ann", handles[number - 1], 2)), wanted, "Enlist over the limit")
    same((yield from Enlist("ann", handles[0], 2)), Enlisted(True, tuple(handles)), "one that is in, over the limit")
    same((yield from Enlist("ann", handles[3], 4)), Enlisted(True), "under a larger limit nobody is named")


@behaviour("design 7: or refuses", _NEEDS)
def enlist_refuses_at_the_limit(trial: Trial) -> Body:
    """With `refuse`, one that would pass the limit is not added; one that is in stays admitted."""
    handles = yield from _handles(trial, 3)
    for handle in handles[:2]:
        same((yield from Enlist("ann", handle, 2, refuse=True)), Enlisted(True), "Enlist within the limit")
    wanted = Enlisted(False, tuple(handles[:2]))
    same((yield from Enlist("ann", handles[2], 2, refuse=True)), wanted, "Enlist at the limit, with refuse")
    same((yield from FindByUser("ann")), tuple(handles[:2]), "the entries after a refusal")
    same((yield from Enlist("ann", handles[1], 2, refuse=True)), Enlisted(True), "one that is in, at the limit")
    yield from Delist("ann", handles[0])
    same((yield from Enlist("ann", handles[2], 2, refuse=True)), Enlisted(True), "after one was taken out")


@behaviour("design 8: the statement that admits appends", Ability.USER_INDEX | Ability.EVENTS)
def enlist_appends_its_event(trial: Trial) -> Body:
    """The event given is appended if the session was admitted, else not."""
    handles = yield from _handles(trial, 2)
    start = yield from Tail(None)
    events = [UserLoggedIn(id=f"{handle}-1-login-1", at=trial.now, handle=handle, uid="ann") for handle in handles]
    for handle, event in zip(handles, events, strict=True):
        _ = yield from Enlist("ann", handle, 1, True, event)
    same((yield from Tail(start.cursor)).events, (events[0],), "the events of one admitted and one refused")


@behaviour("design 7: entries and users that are not there are no error", _NEEDS)
def users_are_kept_apart(trial: Trial) -> Body:
    """User ids that differ only in case, dots, spaces or Unicode spelling are different users."""
    names = [name for name in (*HARD_KEYS, "ann", "Ann", "ANN", "ann ", "a.n", "ann\u200b") if name]
    handles = yield from _handles(trial, len(names))
    for name, handle in zip(names, handles, strict=True):
        same((yield from FindByUser(name)), (), f"the entries of {name[:20]!a} before the first")
        yield from Delist(name, handle)
        _ = yield from Enlist(name, handle)
    for name, handle in zip(names, handles, strict=True):
        same((yield from FindByUser(name)), (handle,), f"the entries of {name[:20]!a}")
    yield from Delist(names[0], handles[1])
    yield from Delist(names[0], handles[0])
    same((yield from FindByUser(names[0])), (), "the entries of a user after the last was taken out")
    same((yield from FindByUser(names[1])), (handles[1],), "another user's entries after that")


@behaviour("design 7: Enlist is atomic; promise 8", _NEEDS)
def enlisted_at_once_never_pass_a_refusing_limit(trial: Trial) -> Body:
    """Of many who ask to be enlisted at once under a refusing limit, exactly as many as it allows are admitted."""
    for turn in range(trial.races // 4 + 1):
        uid = f"user-{turn}"
        handles = yield from _handles(trial, 8, uid)
        answers = yield from came(*[iter(Enlist(uid, handle, 3, refuse=True)) for handle in handles])
        admitted = {handle for handle, answer in zip(handles, answers, strict=True) if answer.admitted}
        same(len(admitted), 3, "how many of eight were admitted under a limit of three")
        found = yield from FindByUser(uid)
        same(set(found), admitted, "the entries after eight asked at once")
        expect(all(len(answer.members) in (0, 3) for answer in answers), "a refusal names others than the three")
