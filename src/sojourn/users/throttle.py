"""How many sign-ins may be tried: a pure decision, and the counters of this process, bounded in memory.

Three limits, each of which must agree:

* CouchDB's lock-out (C13): after 5 failures for one name from one address, further tries are refused for 5 minutes from
  the *first* failure, the right password included. A success clears the count.
* A rate for each name and address, and one for each address, by GCRA (the "leaky bucket as a meter" of ITU-T I.371):
  one instant per key says when its allowance is full again. A try costs one, a success gives it back.

Nobody can lock a victim out of elsewhere: everything is counted by address, running sessions are not touched, and other
addresses go on (ASVS 6.1.1, 6.3.1). Where an administrator shares an address with an attacker, a new password ends the
lock-out at once (`sojourn users passwd`, from any process), since the count belongs to the password's stamp; another
address, loopback among them, is not locked; and the wait never grows, as refused tries do not count.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from msgspec import Struct

from sojourn.core.accounts import Admit, NoteFailure, NoteSuccess
from sojourn.errors import ConfigurationError

__all__ = ["Limits", "Rate", "Throttle", "address_key", "gcra"]

Value = TypeVar("Value")


class Rate(Struct, frozen=True):
    """At most `burst` at once, then one every `period_ms`."""

    burst: int
    period_ms: int


class Limits(Struct, frozen=True):
    """What a `Throttle` allows.

    Attributes:
        failures: Failures for one name at one address until it is locked; None switches the lock-out off.
        window_ms: How long failures count, from the first one on.
        by_name: The rate for a name at an address; NIST SP 800-63B-4 3.2.2 asks for at most 100 in a row.
        by_address: The rate for an address, whatever the names.
        capacity: The most keys that are remembered; the oldest go first.
    """

    failures: int | None = 5
    window_ms: int = 300_000
    by_name: Rate | None = Rate(100, 60_000)
    by_address: Rate | None = Rate(200, 1_000)
    capacity: int = 10_000

    @classmethod
    def off(cls) -> Limits:
        """No limit at all.

        Warning:
            For tests only: passwords can then be guessed as fast as they are hashed (brute force, credential stuffing).
        """
        return cls(failures=None, by_name=None, by_address=None)


def gcra(full_at: int | None, now: int, rate: Rate) -> tuple[int, int]:
    """Decide one try: (the new instant at which the allowance is full again, milliseconds to wait or 0).

    `full_at` is the former instant, None if the key is new. A refused try changes nothing.
    """
    start = now if full_at is None or full_at < now else full_at
    after = start + rate.period_ms
    wait = after - rate.burst * rate.period_ms - now
    return (start, wait) if wait > 0 else (after, 0)


class _Count(Struct):
    first: int
    failures: int


class Throttle:
    """Performs `Admit`, `NoteFailure` and `NoteSuccess` with counters in this process's memory.

    Safe to share between threads. A restart forgets everything; each process of a server counts for itself.
    """

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        if limits.failures is not None and limits.failures < 1:
            raise ConfigurationError(f"failures is a number from 1 upwards, or None, not {limits.failures!r}")
        self.limits = limits
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, ...], _Count] = OrderedDict()
        self._rates: OrderedDict[tuple[str, ...], int] = OrderedDict()

    def admit(self, op: Admit) -> int:
        """0 if the try may go on, and it is counted; else the milliseconds until it may."""
        where = address_key(op.address)
        with self._lock:
            wait = self._locked_for((where, op.name, op.stamp), op.now)
            decided: list[tuple[tuple[str, ...], int]] = []
            for key, rate in self._rated(where, op.name, op.stamp):
                full_at, pause = gcra(self._rates.get(key), op.now, rate)
                wait = max(wait, pause)
                decided.append((key, full_at))
            if wait == 0:
                for key, full_at in decided:
                    _put(self._rates, key, full_at, self.limits.capacity)
            return wait

    def note_failure(self, op: NoteFailure) -> None:
        """Count a failure; the count lives from its first one."""
        if self.limits.failures is None:
            return
        key = (address_key(op.address), op.name, op.stamp)
        with self._lock:
            count = self._counts.get(key)
            if count is None or op.now - count.first >= self.limits.window_ms:
                _put(self._counts, key, _Count(op.now, 1), self.limits.capacity)
            else:
                count.failures += 1

    def note_success(self, op: NoteSuccess) -> None:
        """Forget the failures, and give back what the try had cost."""
        where = address_key(op.address)
        with self._lock:
            self._counts.pop((where, op.name, op.stamp), None)
            for key, rate in self._rated(where, op.name, op.stamp):
                if key in self._rates:
                    self._rates[key] -= rate.period_ms

    def _locked_for(self, key: tuple[str, ...], now: int) -> int:
        count = self._counts.get(key)
        if count is None or self.limits.failures is None or count.failures < self.limits.failures:
            return 0
        return max(0, count.first + self.limits.window_ms - now)

    def _rated(self, where: str, name: str, stamp: str) -> list[tuple[tuple[str, ...], Rate]]:
        rated: list[tuple[tuple[str, ...], Rate]] = []
        if self.limits.by_name is not None:
            rated.append(((where, name, stamp), self.limits.by_name))
        if self.limits.by_address is not None:
            rated.append(((where,), self.limits.by_address))
        return rated


@lru_cache(maxsize=1024)
def address_key(address: str | None) -> str:
    """What counts as one address: an IPv4 address, a /64 network of IPv6 (one customer has them all), or the text."""
    if address is None:
        return ""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address[:64]
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{parsed.packed[:8].hex()}/64"


def _put(table: OrderedDict[tuple[str, ...], Value], key: tuple[str, ...], value: Value, capacity: int) -> None:
    table[key] = value
    table.move_to_end(key)
    while len(table) > capacity:
        table.popitem(last=False)
