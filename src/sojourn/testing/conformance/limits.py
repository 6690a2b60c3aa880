"""The flows that rest on the order of the user index: limits on sessions, and ending all of a user's (design 7)."""

from __future__ import annotations

from collections.abc import Generator
from itertools import count
from typing import Any

from sojourn.core.events import EndReason, SessionEnded
from sojourn.core.operations import Ability, Create, Delete, Enlist, FindByUser, Flow, Load, Tail
from sojourn.core.record import Identity, Record, deadline, identity_of
from sojourn.core.session import Recording
from sojourn.core.tokens import make_token, secret_hash
from sojourn.core.values import encode_fields
from sojourn.errors import LimitReached
from sojourn.flows import lifecycle, revoke
from sojourn.flows.policy import Policy
from sojourn.testing.conformance.asking import Asked, Body, Together, came, errors
from sojourn.testing.conformance.behaviour import Trial, behaviour
from sojourn.testing.conformance.expecting import expect, gone, refuses, same

__all__ = [
    "a_limit_evicts_the_oldest",
    "a_refusing_limit_leaves_nothing_behind",
    "dead_entries_do_not_count",
    "parallel_sign_ins_keep_a_refusing_limit",
    "parallel_sign_ins_keep_the_limit",
    "revoking_all_misses_no_sign_in",
]

_NEEDS = Ability.USER_INDEX


def _sign_in(trial: Trial, policy: Policy, uid: str = "ann") -> Generator[Any, Any, Any]:
    return lifecycle.create(policy, trial.now, trial.entropy, {}, Identity(uid))


def _alive(trial: Trial, records: list[Record]) -> Flow[Asked, list[str]]:
    alive: list[str] = []
    for record in records:
        found = yield from Load(record.handle, None, trial.now)
        if found is not None and found.uid == record.uid:
            alive.append(record.handle)
    return alive


@behaviour("design 7: limits; ASVS 7.1.2", _NEEDS)
def a_limit_evicts_the_oldest(trial: Trial) -> Body:
    """A sign-in beyond the limit ends the user's oldest session as evicted, and nobody else's."""
    policy = trial.policy(max_sessions=2)
    other, _ = yield from _sign_in(trial, policy, "bob")
    records: list[Record] = []
    for _ in range(4):
        record, _ = yield from _sign_in(trial, policy)
        records.append(record)
    wanted = [record.handle for record in records[2:]]
    same((yield from _alive(trial, records)), wanted, "who lives after four sign-ins under a limit of two")
    same((yield from FindByUser("ann")), tuple(wanted), "the entries of the user")
    same((yield from _alive(trial, [other])), [other.handle], "another user's session")
    if Ability.EVENTS in trial.abilities:
        ends = [event for event in (yield from Tail(0)).events if isinstance(event, SessionEnded)]
        told = [(event.handle, event.reason) for event in ends]
        same(told, [(record.handle, EndReason.EVICTED) for record in records[:2]], "the ends that are told")


@behaviour("design 7: or refuses, and the identity is taken back", _NEEDS)
def a_refusing_limit_leaves_nothing_behind(trial: Trial) -> Body:
    """A refused sign-in leaves no session; on a session that was there, its former identity, secret and data."""
    policy = trial.policy(max_sessions=1, at_limit="refuse")
    first, _ = yield from _sign_in(trial, policy)
    _ = yield from refuses(_sign_in(trial, policy), LimitReached, "a sign-in over the limit")
    same((yield from FindByUser("ann")), (first.handle,), "the entries after a refused sign-in")
    token = make_token(trial.handle(), trial.entropy(32))
    anonymous = trial.record(
        handle=token.handle, secret_hash=secret_hash(token.secret), data=encode_fields({"cart": [1]})
    )
    _ = yield from Create(anonymous)
    session = Recording(anonymous, token)
    session.sign_in("ann")
    _ = yield from refuses(
        lifecycle.commit(session, policy, trial.now, trial.entropy), LimitReached, "signing in a session"
    )
    found, _ = yield from lifecycle.opened(policy, trial.now, token.text)
    same(identity_of(found), Identity(), "the identity of a session whose sign-in was refused")
    same(found.data, anonymous.data, "its data")
    same((yield from FindByUser("ann")), (first.handle,), "the entries after that")


@behaviour("design 7: entries without a session are repaired when met", _NEEDS)
def dead_entries_do_not_count(trial: Trial) -> Body:
    """Entries of sessions that ended, expired or were never there make room, and are taken out."""
    policy = trial.policy(max_sessions=3, at_limit="refuse")
    over = trial.record(uid="ann", created=trial.now - 10**9)
    other = trial.record(uid="bob")
    assert (deadline(over) or 0) < trial.now
    for record in (over, other):
        _ = yield from Create(record)
    for handle in (trial.handle(), over.handle, other.handle):
        _ = yield from Enlist("ann", handle)
    record, _ = yield from _sign_in(trial, policy)
    same((yield from FindByUser("ann")), (record.handle,), "the entries after a sign-in among dead ones")
    yield from gone(over.handle, trial.now, "an expired session that was met")
    same((yield from _alive(trial, [other])), [other.handle], "another user's session that was met")


@behaviour("design 7: two logins at once never both stand under a limit of one; scorecard 35", _NEEDS)
def parallel_sign_ins_keep_the_limit(trial: Trial) -> Body:
    """Of many sign-ins of one user at once exactly as many sessions live as the limit allows."""
    for uid, limit, sign_ins in (("many", 5, trial.sign_ins), ("one", 1, 20)):
        policy = trial.policy(max_sessions=limit)
        made = yield from came(*[_sign_in(trial, policy, uid) for _ in range(sign_ins)])
        records = [record for record, _ in made]
        alive = yield from _alive(trial, records)
        same(len(alive), limit, f"how many of {sign_ins} sessions live under a limit of {limit}")
        same(set((yield from FindByUser(uid))), set(alive), "the entries of the user")


@behaviour("design 7: or refuses; scorecard 35", _NEEDS)
def parallel_sign_ins_keep_a_refusing_limit(trial: Trial) -> Body:
    """Of many sign-ins at once at most as many are granted as the limit allows; the others are told, and gone."""
    policy = trial.policy(max_sessions=5, at_limit="refuse")
    outcomes = yield from Together(tuple([_sign_in(trial, policy) for _ in range(trial.sign_ins)]))
    granted = [outcome.result[0] for outcome in outcomes if outcome.error is None]
    for error in errors(outcomes):
        same(type(error), LimitReached, "what the others are told")
        assert isinstance(error, LimitReached)
        yield from gone(error.handle or "", trial.now, "after a refused sign-in")
    expect(1 <= len(granted) <= 5, f"{len(granted)} sign-ins were granted under a limit of 5")
    alive = yield from _alive(trial, granted)
    same(alive, [record.handle for record in granted], "who lives of those that were granted")
    same(set((yield from FindByUser("ann"))), set(alive), "the entries of the user")


@behaviour("design 7: a login that races a revoke-all comes after it or is revoked", _NEEDS)
def revoking_all_misses_no_sign_in(trial: Trial) -> Body:
    """What was acknowledged before ending all of a user's sessions began is gone; what came later can be found."""
    for turn in range(trial.races):
        uid, ticks, policy = f"user-{turn}", count(), trial.policy()
        acknowledged: list[tuple[int, Record]] = []
        began: list[int] = []

        def signing_in(
            uid: str = uid,
            ticks: count[int] = ticks,
            policy: Policy = policy,
            acknowledged: list[tuple[int, Record]] = acknowledged,
        ) -> Generator[Any, Any, None]:
            for _ in range(3):
                record, _ = yield from _sign_in(trial, policy, uid)
                acknowledged.append((next(ticks), record))

        def revoking(
            uid: str = uid, ticks: count[int] = ticks, policy: Policy = policy, began: list[int] = began
        ) -> Generator[Any, Any, int]:
            began.append(next(ticks))
            return (yield from revoke.revoke_user(policy, trial.now, uid))

        yield from came(signing_in(), signing_in(), revoking(), signing_in())
        early = [record for tick, record in acknowledged if tick < began[0]]
        same((yield from _alive(trial, early)), [], "who lives of those that were signed in before")
        everyone = [record for _, record in acknowledged]
        alive = yield from _alive(trial, everyone)
        expect(set(alive) <= set((yield from FindByUser(uid))), "a living session is not among its user's")
        _ = yield from revoke.revoke_user(policy, trial.now, uid)
        same((yield from _alive(trial, everyone)), [], "who lives after ending all once more")
        same((yield from Delete(everyone[0].handle, trial.now, EndReason.LOGOUT)), None, "a second end")
