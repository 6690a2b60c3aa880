"""What a fork does to open databases.

SQLite keeps the file locks of a process in a table of its own, and POSIX gives no lock to a child. A child that
inherits an open connection inherits that table: a *new* connection in it would then believe to hold locks that it has
not, and another process could delete the log under it, with acknowledged changes inside. (Seen in /proc/locks.)
So every connection is closed before a fork and opened again on either side when it is needed. What cannot be closed,
because another thread is inside of it, is left open in the child, and never used or closed there.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any, Final, Protocol

__all__ = ["GATE", "Forking", "abandon", "register"]


class Forking(Protocol):
    """What has something to do around a fork."""

    def hold(self) -> None:
        """Finish the transaction that is begun, and begin none until the fork is over."""

    def let_go(self) -> None:
        """Close the connections. The gate is shut: nobody opens one until the fork is over."""

    def go_on(self) -> None:
        """In the parent, afterwards."""

    def begin_anew(self) -> None:
        """In the child: locks, queue and threads are the parent's."""


class _Gate:
    """One lock for opening connections in this process; a fork holds it, and the child gets another."""

    def __init__(self) -> None:
        self.lock = threading.RLock()


GATE: Final = _Gate()
_members: weakref.WeakSet[Forking] = weakref.WeakSet()
_held: list[Forking] = []
_abandoned: list[Any] = []


def register(member: Forking) -> None:
    """Call the methods of an object around each fork, for as long as it exists."""
    _members.add(member)


def abandon(connections: list[Any]) -> None:
    """Keep connections of the parent from being closed in this child."""
    _abandoned.extend(connections)


def _before() -> None:
    _held[:] = tuple(_members)
    for member in _held:
        member.hold()
    _ = GATE.lock.acquire()  # after the stores' own locks, under which a connection may just be opened
    for member in _held:
        member.let_go()


def _after_in_parent() -> None:
    GATE.lock.release()
    for member in _held:
        member.go_on()
    _held.clear()


def _after_in_child() -> None:
    GATE.lock = threading.RLock()
    for member in _held:
        member.begin_anew()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
