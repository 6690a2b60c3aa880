"""What a behaviour is: one body, a flow, that holds any store in either colour against one sentence of the contract."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any, TypeAlias

from msgspec import Struct

from sojourn.core.operations import Ability
from sojourn.core.record import Lifetime, Record
from sojourn.core.tokens import make_handle
from sojourn.flows.policy import Policy
from sojourn.testing.conformance.asking import Body

__all__ = ["LIFETIME", "NOTHING", "Behaviour", "Trial", "behaviour", "register", "registered"]

NOTHING = Ability(0)
"""What a behaviour of the five required operations needs."""

LIFETIME = Lifetime(ttl_ms=1_000_000, ttl_type="last_access", absolute_ms=10_000_000, touch_ms=10_000)
"""Of records that do not say otherwise: idle after 1,000 s, over after 10,000 s, touched every 10 s."""

_SCRAMBLE = 0x9E3779B97F4A7C15F39CC0605CEDC835  # odd, so that no two numbers below 2^128 meet


class Trial:
    """What a behaviour is given: a moment, records with names of their own, and the sizes of races.

    Attributes:
        now: The moment at which it begins, in milliseconds.
        abilities: What the store declares.
        races: How many sessions each race is run on.
        sign_ins: How many sign-ins come at once.
    """

    def __init__(self, abilities: Ability, *, races: int = 20, sign_ins: int = 200) -> None:
        self.now = 1_780_000_000_000
        self.abilities = abilities
        self.races = races
        self.sign_ins = sign_ins
        self._numbers = count(1)

    def entropy(self, size: int) -> bytes:
        """Bytes that look random, differ at every call and are the same in every run."""
        number = next(self._numbers) * _SCRAMBLE % 2**128
        return (number.to_bytes(16, "big") * (size // 16 + 1))[:size]

    def handle(self) -> str:
        """A handle that nobody has; handles do not sort in the order in which they were made."""
        return make_handle(self.entropy(16))

    def record(self, **fields: Any) -> Record:
        """A new session's record; anything given replaces what it would have."""
        now = fields.get("created", self.now)
        told: dict[str, Any] = {
            "handle": self.handle(),
            "secret_hash": self.entropy(32),
            "created": now,
            "last_access": now,
            "last_update": now,
            "lifetime": LIFETIME,
            "seq": 1,
        }
        return Record(**(told | fields))

    def policy(self, **choices: Any) -> Policy:
        """What a manager over this store would be set to."""
        told: dict[str, Any] = {"lifetime": LIFETIME, "abilities": self.abilities}
        return Policy(**(told | choices))


BodyOf: TypeAlias = "Callable[[Trial], Body]"


class Behaviour(Struct, frozen=True):
    """One sentence of the contract and the flow that tries it.

    Attributes:
        name: Short, for choosing and for reports.
        says: The sentence.
        promise: Where it is promised: a section of the design, a promise by its number, an item of the seeds.
        needs: The abilities that its operations belong to.
        body: The flow; it raises `ConformanceFailure` if the store does otherwise.
    """

    name: str
    says: str
    promise: str
    needs: Ability
    body: BodyOf

    def __repr__(self) -> str:
        return f"<Behaviour {self.name}>"


_registered: dict[str, Behaviour] = {}


def register(name: str, says: str, promise: str, needs: Ability, body: BodyOf) -> None:
    """Add a behaviour; for families of them that a loop makes."""
    assert name not in _registered, f"two behaviours are named {name}"
    _registered[name] = Behaviour(name, says, promise, needs, body)


def behaviour(promise: str, needs: Ability = NOTHING) -> Callable[[BodyOf], BodyOf]:
    """Make a flow a behaviour: its function's name is the name, its docstring's first line the sentence."""

    def add(body: BodyOf) -> BodyOf:
        register(body.__name__, (body.__doc__ or "").partition("\n")[0].strip(), promise, needs, body)
        return body

    return add


def registered() -> tuple[Behaviour, ...]:
    """All behaviours, in the order of their files."""
    return tuple(_registered.values())
