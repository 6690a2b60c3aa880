"""Identity: rotating and signing in are one change inside the record, on every store."""

from __future__ import annotations

from msgspec.structs import replace

from sojourn.core import changes as c
from sojourn.core.operations import Apply, Create
from sojourn.core.record import Client, Identity, Lifetime, proof
from sojourn.core.values import encode_fields
from sojourn.errors import IdentityChanged
from sojourn.testing.conformance.asking import Body
from sojourn.testing.conformance.behaviour import Trial, behaviour
from sojourn.testing.conformance.expecting import refuses, same, stands

__all__ = [
    "identity_changes_raise_the_generation",
    "lifetime_and_client_are_replaced",
    "rotation_keeps_the_previous_hash",
    "rotations_of_one_secret_do_not_both_stand",
]


@behaviour("design 2: rotating is one change inside one record; promise 6")
def rotation_keeps_the_previous_hash(trial: Trial) -> Body:
    """After a rotation the new secret is valid, the last one known as reused, those before it nothing."""
    record = trial.record(data=encode_fields({"kept": 1}), uid="ann", generation=2)
    _ = yield from Create(record)
    hashes = [record.secret_hash]
    for turn in range(3):
        fresh = trial.entropy(32)
        rotated = (yield from Apply(record.handle, trial.now + turn, 2, new_hash=fresh)).record
        hashes.append(fresh)
        shown = [proof(rotated, each) for each in hashes]
        same(shown, [*["none"] * turn, "reused", "valid"], f"what the secrets prove after rotation {turn + 1}")
        same((rotated.data, rotated.uid, rotated.generation), (record.data, "ann", 2), "what stays at a rotation")
        yield from stands(rotated, trial.now, "the rotated record")
    same((yield from Apply(record.handle, trial.now + 9, 2)).record.seq, 4, "the number of events after 3 rotations")


@behaviour("promise 6: an acknowledged token is not rotated away by who held the one before")
def rotations_of_one_secret_do_not_both_stand(trial: Trial) -> Body:
    """A rotation that names the secret which it replaces is refused when another one was first."""
    record = trial.record()
    _ = yield from Create(record)
    first, second = trial.entropy(32), trial.entropy(32)
    done = yield from Apply(record.handle, trial.now, 0, new_hash=first, old_hash=record.secret_hash)
    late = Apply(record.handle, trial.now, 0, new_hash=second, old_hash=record.secret_hash)
    _ = yield from refuses(late, IdentityChanged, "a second rotation of the same secret")
    yield from stands(done.record, trial.now, "the record after the first")


@behaviour("design 7: generation, raised when the identity changes")
def identity_changes_raise_the_generation(trial: Trial) -> Body:
    """Signing in, over, in again and out replaces the whole identity and shuts out writers of the one before."""
    record = trial.record(data=encode_fields({"cart": [1]}))
    _ = yield from Create(record)
    people = (
        Identity("ann", ("editor", "_admin"), b'{"name":"Ann"}', trial.now, None),
        Identity("Bob \U0001f600", (), b"{}", trial.now + 1, "root"),
        Identity("Bob \U0001f600", ("reader",), b"{}", trial.now + 2, None),
        Identity(),
    )
    wanted = record
    for turn, who in enumerate(people):
        batch = (c.increment("logins"),)
        now = trial.now + turn
        applied = yield from Apply(record.handle, now, turn, batch, identity=who, new_hash=wanted.secret_hash)
        wanted = replace(
            wanted,
            data=encode_fields({"cart": [1], "logins": turn + 1}),
            last_access=now,
            last_update=now,
            previous_hash=wanted.secret_hash,
            rotated_at=now,
            uid=who.uid,
            roles=who.roles,
            user_data=who.user_data,
            authenticated_at=who.authenticated_at,
            acting_as=who.acting_as,
            generation=turn + 1,
            seq=turn + 2,
        )
        same(applied.record, wanted, f"the record after the identity became {who.uid!r}")
        yield from stands(wanted, trial.now, "what is stored")
        late = Apply(record.handle, now, turn, c.set_value("late", 1))
        _ = yield from refuses(late, IdentityChanged, "a writer that loaded the identity before")


@behaviour("design 4: lifetime per session, client; seeds A16")
def lifetime_and_client_are_replaced(trial: Trial) -> Body:
    """A new lifetime and device replace the old ones whole and leave the rest."""
    record = trial.record(client=Client("192.0.2.1", "agent", "label"))
    _ = yield from Create(record)
    for lifetime in (Lifetime(None, "created", None, 0), Lifetime(10**9, "last_update", 2 * 10**9, 60_000)):
        applied = yield from Apply(record.handle, trial.now, 0, lifetime=lifetime, client=Client(label="phone"))
        wanted = replace(record, lifetime=lifetime, client=Client(None, None, "phone"))
        same(applied.record, wanted, "the record with another lifetime and device")
        yield from stands(wanted, trial.now, "what is stored")
