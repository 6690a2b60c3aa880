"""How many sign-ins may be tried: a pure decision, and the counters of this process, bounded in memory.

Three limits, each of which must agree:

* CouchDB's lock-out (C13): after 5 failures for one name from one address, further tries are refused for 5 minutes from
  the *first* failure, the right password included. A success clears the count. Tries in flight count as if they had
  failed, so tries at once are no way round it; one that never tells how it went (cancelled, say) does so for a minute.
* A rate for each name and address, and one for each address, by GCRA (the "leaky bucket as a meter" of ITU-T I.371):
  one instant per key says when its allowance is full again. A try costs one, a success gives it back.

Nobody can lock a victim out of elsewhere: everything is counted by address, running sessions are not touched, and other
addresses go on (ASVS 6.1.1, 6.3.1). Where an administrator shares an address with an attacker, a new password ends the
lock-out at once (`sojourn users passwd`, from any process), since the count belongs to the password's stamp; another
address, loopback among them, is not locked; and the wait never grows, as refused tries do not count.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from sojourn.core.accounts import Admit, NoteFailure, NoteSuccess
from sojourn.errors import ConfigurationError

__all__ = ["Count", "Limits", "Rate", "Throttle", "address_key", "gcra", "lock_out", "settle"]

Value = TypeVar("Value")

_PENDING_MS = 60_000
"""How long a try that nobody reports on counts as in flight."""

_BUSY_MS = 1_000
"""The wait that is told where only tries in flight are in the way: comparing a password takes less."""


class Rate(Struct, frozen=True):
    """At most `burst` at once, then one every `period_ms`."""

    burst: int
    period_ms: int


class Limits(Struct, frozen=True):
    """What a `Throttle` allows.

    Attributes:
        failures: Failures for one name at one address until it is locked, tries in flight among them; None switches the
            lock-out off.
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


class Count(Struct, frozen=True):
    """What is known of one name at one address.

    Attributes:
        first: The instant of the first failure, in milliseconds; means nothing without failures.
        failures: Failures since then.
        pending: The instants at which the tries in flight were admitted.
    """

    first: int = 0
    failures: int = 0
    pending: tuple[int, ...] = ()


def lock_out(count: Count | None, now: int, limits: Limits) -> tuple[Count, int]:
    """Decide one try by the lock-out: (the count with this try in flight, milliseconds to wait or 0).

    A refused try is not counted. The wait is that of the lock-out, or a second where only tries in flight are in the
    way.
    """
    count = _living(count, now, limits)
    if limits.failures is None:
        return count, 0
    if count.failures >= limits.failures:
        return count, count.first + limits.window_ms - now
    if count.failures + len(count.pending) >= limits.failures:
        return count, _BUSY_MS
    return replace(count, pending=(*count.pending, now)), 0


def settle(count: Count | None, now: int, limits: Limits, *, failed: bool) -> Count:
    """The count after a try admitted at `now` has ended: one less in flight, and one failure more or none at all."""
    pending = [] if count is None else list(count.pending)  # all that are younger stay, however long this one took
    count = _living(count, now, limits)
    if now in pending:  # else it took over a minute and no longer counts as in flight
        pending.remove(now)
    if not failed:
        return Count(pending=tuple(pending))
    return Count(count.first if count.failures else now, count.failures + 1, tuple(pending))


def _living(count: Count | None, now: int, limits: Limits) -> Count:
    """The count without what is too old to count."""
    if count is None:
        return Count()
    failures = count.failures if now - count.first < limits.window_ms else 0
    pending = tuple(start for start in count.pending if abs(now - start) < _PENDING_MS)  # a clock may be set back
    return Count(count.first, failures, pending)


class Throttle:
    """Performs `Admit`, `NoteFailure` and `NoteSuccess` with counters in this process's memory.

    Safe to share between threads. A restart forgets everything; each process of a server counts for itself.
    """

    def __init__(self, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        if limits.failures is not None and limits.failures < 1:
            raise ConfigurationError(f"failures is a number from 1 upwards, or None, not {limits.failures!r}")
        self.limits = limits
        self._lock = threading.Lock()
        self._counts: OrderedDict[bytes, Count] = OrderedDict()
        self._rates: OrderedDict[bytes, int] = OrderedDict()

    def admit(self, op: Admit) -> int:
        """0 if the try may go on, and it is counted; else the milliseconds until it may."""
        key, rated = _key(op), self._rated(op)
        with self._lock:
            count, wait = lock_out(self._counts.get(key), op.now, self.limits)
            decided: list[tuple[bytes, int]] = []
            for rate_key, rate in rated:
                full_at, pause = gcra(self._rates.get(rate_key), op.now, rate)
                wait = max(wait, pause)
                decided.append((rate_key, full_at))
            if wait == 0:
                for rate_key, full_at in decided:
                    _put(self._rates, rate_key, full_at, self.limits.capacity)
                if self.limits.failures is not None:
                    _put(self._counts, key, count, self.limits.capacity)
            return wait

    def note_failure(self, op: NoteFailure) -> None:
        """Count a failure; the count lives from its first one. `now` is the instant at which the try was admitted."""
        if self.limits.failures is None:
            return
        key = _key(op)
        with self._lock:
            count = settle(self._counts.get(key), op.now, self.limits, failed=True)
            _put(self._counts, key, count, self.limits.capacity)

    def note_success(self, op: NoteSuccess) -> None:
        """Forget the failures, and give back what the try had cost. `now` is the instant at which it was admitted."""
        key, rated = _key(op), self._rated(op)
        with self._lock:
            count = settle(self._counts.pop(key, None), op.now, self.limits, failed=False)
            if count.pending:
                _put(self._counts, key, count, self.limits.capacity)
            for rate_key, rate in rated:
                if rate_key in self._rates:
                    self._rates[rate_key] -= rate.period_ms

    def _rated(self, op: Admit | NoteSuccess) -> list[tuple[bytes, Rate]]:
        rated: list[tuple[bytes, Rate]] = []
        if self.limits.by_name is not None:
            rated.append((_key(op), self.limits.by_name))
        if self.limits.by_address is not None:
            rated.append((_digest(address_key(op.address)), self.limits.by_address))
        return rated


def _key(op: Admit | NoteFailure | NoteSuccess) -> bytes:
    """What a try counts under: name, stamp and address, in 32 octets, since a name may be a megabyte long."""
    return _digest(address_key(op.address), op.name, op.stamp)


def _digest(*parts: str) -> bytes:
    """SHA-256 of the parts, each with its length in front, so that no two lists of them are alike."""
    digest = hashlib.sha256()
    for part in parts:
        octets = part.encode("utf-8", "surrogatepass")  # a name may be any text that came
        digest.update(len(octets).to_bytes(8, "big"))
        digest.update(octets)
    return digest.digest()


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


def _put(table: OrderedDict[bytes, Value], key: bytes, value: Value, capacity: int) -> None:
    table[key] = value
    table.move_to_end(key)
    while len(table) > capacity:
        table.popitem(last=False)
