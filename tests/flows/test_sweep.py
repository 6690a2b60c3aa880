"""The sweep as a flow: handlers and acknowledgement, what a dead process left, and how long to sleep."""

from __future__ import annotations

import pytest

from flow_player import NOW, make_policy, make_record, play
from sojourn.core.events import EndReason, session_ended
from sojourn.core.operations import Ability, Acknowledge, Announce, Claim, Sweep, Swept
from sojourn.flows import sweep

POLICY = make_policy()
EVENT = session_ended(make_record(), NOW, EndReason.EXPIRED)


def test_what_was_claimed_is_handled_and_acknowledged() -> None:
    swept, asked = play(
        sweep.sweep(POLICY, NOW, "me", 7), (Sweep, Swept(True, (EVENT,))), (Announce, None), (Acknowledge, None)
    )
    assert swept.ended == (EVENT,)
    assert asked == [Sweep(NOW, "me", 7), Announce((EVENT,)), Acknowledge((EVENT.id,))]


def test_without_handlers_here_the_events_are_left_to_others() -> None:
    _, asked = play(sweep.sweep(make_policy(owner=None), NOW, "me"), (Sweep, Swept(True, (EVENT,))), (Announce, None))
    assert not asked[0].claim_events


def test_nothing_due_is_one_question() -> None:
    play(sweep.sweep(POLICY, NOW, "me"), (Sweep, Swept(held=False)))


def test_what_a_dead_process_left_is_taken_over() -> None:
    count, asked = play(sweep.drain(POLICY, NOW), (Claim, (EVENT,)), (Announce, None), (Acknowledge, None))
    assert count == 1
    assert asked[0].owner == "me"
    assert play(sweep.drain(make_policy(owner=None), NOW)) == (0, [])
    assert play(sweep.drain(make_policy(abilities=Ability(0)), NOW)) == (0, [])


@pytest.mark.parametrize(
    ("swept", "pause"),
    [
        (Swept(held=False, next_due=NOW), 500),
        (Swept(True), 500),
        (Swept(True, next_due=NOW + 10_000), 500),
        (Swept(True, next_due=NOW + 99), 100),  # one past the deadline: F6
        (Swept(True, next_due=NOW - 5), 1),
        (Swept(True, (EVENT,) * 2, 0, NOW + 99), 100),
        (Swept(True, (EVENT,) * 2, 1, NOW + 99), 0),
        (Swept(True, (), 3, None), 0),
    ],
)
def test_how_long_a_sweeper_sleeps(swept: Swept, pause: int) -> None:
    assert sweep.pause_ms(swept, NOW, limit=3) == pause
