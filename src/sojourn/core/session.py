"""The session while an application works with it: a mapping that records what is done to it as commands.

It is pure: no clock, no entropy, no I/O, no colour. The managers hand out subclasses (`faces`) that add the calls which
ask the store: `commit`, `refresh`, `take`, `end`, ...

How it works: `_texts` holds the canonical text of every key as this request sees it, `_values` the decoded values that
were looked at, `_changes` the commands not sent yet. A list or an object that was handed out may be altered in place;
before anything depends on it, its canonical text is compared and the difference recorded (design 5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from sojourn.core import changes as commands
from sojourn.core.apply import apply
from sojourn.core.attributes import Attributes
from sojourn.core.changes import AnyPath, Change
from sojourn.core.diff import difference, renew
from sojourn.core.intent import Intent
from sojourn.core.record import Client, Identity, Lifetime, Record, as_client, as_roles, as_uid, as_user_data
from sojourn.core.tokens import Token
from sojourn.core.values import Fields, decode, encode
from sojourn.errors import SessionNotFound, SojournError, UsageError, ValueRefused

__all__ = ["Recording"]

_CONTAINERS: tuple[type, ...] = (dict, list, tuple)
_UNALTERABLE = frozenset((str, int, float, bool, type(None)))


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueRefused(f"a key is a string, not {type(key).__name__}; set(path, value) takes paths")
    return key


class Recording(Attributes, MutableMapping[str, Any]):
    """A session's data as a mapping, its attributes, and the commands recorded on it.

    Looking at a key that is not there raises KeyError, as with a dict. A value that cannot be stored is refused with
    `ValueRefused` at the line that sets it; one made unstorable in place is refused at commit.

    Attributes:
        ended: Whether it was ended, or found to have ended, through this very object.
    """

    __slots__ = ("_changes", "_foreign", "_intent", "_record", "_texts", "_token", "_values", "ended")

    def __init__(self, record: Record | None = None, token: Token | None = None) -> None:
        self._record = record
        self._token = token
        self._texts: Fields = {} if record is None else record.data
        self._values: dict[str, Any] = {}
        self._foreign: set[str] = set()  # keys whose value is the caller's own object, not one of ours
        self._changes: list[Change] = []
        self._intent: Intent | None = None
        self.ended = False

    @property
    def has_changes(self) -> bool:
        """Whether a commit would write."""
        if self._changes or self._intent:
            return True
        self._note_alterations()
        return bool(self._changes)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.handle or 'new'} uid={self.uid!r}>"

    # The mapping ------------------------------------------------------------------------------------------------

    def __getitem__(self, key: str) -> Any:
        values = self._values
        if key in values:
            return values[key]
        value = values[key] = decode(self._texts[key])
        return value

    def __setitem__(self, key: str, value: object) -> None:
        (change,) = commands.set_value(_key(key), value)
        self._write(change, change.text, value)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """The value of the key; if it is missing, `default` is put there, unless somebody else was first meanwhile."""
        if _key(key) not in self._texts:
            change = commands.set_default(key, default)
            self._write(change, change.text, default)
        return self[key]

    def __delitem__(self, key: str) -> None:
        if key not in self._texts:
            raise KeyError(key)
        self._record_change(commands.unset(key))

    def __contains__(self, key: object) -> bool:
        return key in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._texts))

    def __len__(self) -> int:
        return len(self._texts)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default; Mapping's own goes through an exception where there is none."""
        return self[key] if key in self._texts else default

    def clear(self) -> None:
        """Remove all data, as one command; the session and its identity stay."""
        if self._texts:
            self._record_change(commands.clear())

    # The commands: recorded, visible here at once, sent by commit --------------------------------------------------

    def set(self, path: AnyPath | Mapping[str, object], value: object = commands.ABSENT) -> None:
        """Put a value at a path, creating parents: `set(("cart", "open"), True)`; or several keys: `set({...})`."""
        for change in commands.set_value(path, value):
            self._record_change(change)

    def set_default(self, path: AnyPath, value: object) -> None:
        """Put a value at a path unless something is there."""
        self._record_change(commands.set_default(path, value))

    def unset(self, *paths: AnyPath) -> None:
        """Remove what is at the paths; nothing happens where nothing is."""
        for path in paths:
            self._record_change(commands.unset(path))

    def rename(self, path: AnyPath, new: AnyPath) -> None:
        """Move a value to another path, over what may be there."""
        self._record_change(commands.rename(path, new))

    def increment(self, path: AnyPath, by: int | float = 1) -> Any:
        """Add to a number and answer the sum as this request sees it; concurrent increments all count."""
        self._record_change(commands.increment(path, by))
        return self._at(path)

    def minimum(self, path: AnyPath, value: int | float) -> Any:
        """Lower a number to `value` if it is larger, and answer it as this request sees it."""
        self._record_change(commands.minimum(path, value))
        return self._at(path)

    def maximum(self, path: AnyPath, value: int | float) -> Any:
        """Raise a number to `value` if it is smaller, and answer it as this request sees it."""
        self._record_change(commands.maximum(path, value))
        return self._at(path)

    def push(self, path: AnyPath, *values: object, keep: int | None = None) -> None:
        """Append values to a list; with `keep` only its last `keep` elements stay."""
        self._record_change(commands.push(path, *values, keep=keep))

    def add_to_set(self, path: AnyPath, *values: object) -> None:
        """Append those values that the list does not hold yet."""
        self._record_change(commands.add_to_set(path, *values))

    def pull(self, path: AnyPath, *values: object) -> None:
        """Remove every occurrence of the values from a list."""
        self._record_change(commands.pull(path, *values))

    def check(self, path: AnyPath, value: object) -> None:
        """Let the commit fail with `Conflict`, and apply nothing, unless the stored value is this one."""
        self._note_alterations()
        change = commands.check(path, value)
        if self._record is None:  # nothing is stored that it could be held against later
            _ = apply(self._texts, (change,))
        self._changes.append(change)

    # Intents: what is to happen to the session itself, at commit ----------------------------------------------------

    def sign_in(
        self,
        uid: str,
        *,
        roles: Sequence[str] = (),
        user_data: Mapping[str, object] | None = None,
        acting_as: str | None = None,
    ) -> None:
        """Become this user at the commit, which always makes a new token (promise 6, ASVS 7.2.4).

        An anonymous session keeps its data. One that belongs to another user is ended as `replaced`, and nothing of
        it is carried over (CVE-2014-0482).
        """
        kept = as_user_data(user_data)
        identity = Identity(as_uid(uid), as_roles(roles), kept, None, None if acting_as is None else as_uid(acting_as))
        stored = None if self._record is None else self._record.uid
        if self.uid not in (None, uid) or stored not in (None, uid):
            self._changes, self._texts = [], {}
            self._forget_values()
            self._want().replace = self._record is not None
        self._want().identity = identity

    def set_user(self, uid: str | None, user_data: Mapping[str, object] | None = None) -> None:
        """Set or, with None, remove the active user (F9); the data stays. The token changes either way."""
        if uid is None:
            self._want().identity = Identity()
        else:
            self.sign_in(uid, user_data=user_data)

    def rotate(self) -> None:
        """Get a new secret at the commit; handle, data and identity stay."""
        self._want().rotate = True

    def wish_lifetime(self, lifetime: Lifetime) -> None:
        """Live this long instead, from the commit on; `set_lifetime` of a manager's session takes durations."""
        self._want().lifetime = lifetime

    def set_client(self, *, ip: str | None = None, user_agent: str | None = None, label: str | None = None) -> None:
        """Note about the device what lists of sessions show; what is not given stays. Texts are cut (512)."""
        known = self.client
        given = Client(ip or known.ip, user_agent or known.user_agent, label or known.label)
        self._want().client = as_client(given)

    # For the flows -------------------------------------------------------------------------------------------------

    def _want(self) -> Intent:
        if self._intent is None:
            self._intent = Intent()
        return self._intent

    def _at(self, path: AnyPath) -> Any:
        value: Any = self
        for key in commands.as_path(path):
            value = value[key]
        return value

    def _write(self, change: commands.Set | commands.SetDefault, text: bytes, value: object) -> None:
        key = change.path[0]
        self._changes.append(change)
        if self._record is not None and self._texts is self._record.data:
            self._texts = dict(self._texts)
        self._texts[key] = text
        self._values[key] = value  # the caller's own object, as in a dict; altered later, it is compared
        self._foreign.add(key)

    def _record_change(self, change: Change) -> None:
        """Apply a command to what this request sees, then keep it for the commit; refused, it leaves no trace."""
        self._note_alterations()
        self._texts, _ = apply(self._texts, (change,))
        self._changes.append(change)
        if isinstance(change, commands.Clear):
            self._forget_values()
        else:
            self._forget_value(change.path[0])
            if isinstance(change, commands.Rename):
                self._forget_value(change.new[0])

    def _forget_value(self, key: str) -> None:
        self._values.pop(key, None)
        self._foreign.discard(key)

    def _forget_values(self) -> None:
        self._values.clear()
        self._foreign.clear()

    def _note_alterations(self) -> None:
        """Record what was done in place to lists and objects that were handed out."""
        for key, value in self._values.items():
            if type(value) not in _UNALTERABLE:  # asked on every request, so without a call for each value
                self._note_alteration(key)

    def _note_alteration(self, key: str) -> None:
        value: object = self._values[key]
        if isinstance(value, _CONTAINERS) and key in self._texts:
            found = difference((key,), self._texts[key], value)
            if found:
                self._texts = {**self._texts, key: encode(value, (key,))}
                self._changes.extend(found)

    def swap_out(self) -> tuple[tuple[Change, ...], Intent | None]:
        """Hand over what was recorded, once: what is sent is never sent again."""
        self._note_alterations()
        changes, intent = tuple(self._changes), self._intent
        self._changes, self._intent = [], None
        return changes, intent

    def recorded(self) -> tuple[tuple[Change, ...], Intent | None]:
        """What a `swap_out` would hand over; it stays recorded."""
        self._note_alterations()
        return tuple(self._changes), self._intent

    def put_back(self, changes: tuple[Change, ...], intent: Intent | None) -> None:
        """Take back what was certainly not done, before anything recorded since."""
        self._changes[:0] = changes
        if self._intent is None:
            self._intent = intent
        elif intent is not None:
            self._intent.put_under(intent)

    def adopt(self, record: Record, token: Token | None = None) -> None:
        """Become what the store answered, with what was recorded or altered since on top.

        Lists and objects handed out earlier are brought up to date in place, so that altering them still counts. Those
        that the caller made are not: a constant shared by requests must not learn one user's data. They are let go.
        """
        unfit = self._note_what_fits()
        self._record = record
        if token is not None:
            self._token = token
        texts = record.data
        if self._changes:
            try:
                texts, _ = apply(texts, self._changes)
            except SojournError:  # it no longer fits; the commit will say so
                texts = record.data
        old, self._texts = self._texts, texts
        for key, value in tuple(self._values.items()):
            text = texts.get(key)
            if old.get(key) == text or key in unfit:
                continue
            renewed = key not in self._foreign and text is not None and renew(value, decode(text))
            if not renewed or encode(value) != text:  # one object at two places cannot become two
                self._forget_value(key)

    def _note_what_fits(self) -> frozenset[str]:
        """Note alterations; answers the keys of values that can no longer be stored, which the commit will refuse."""
        unfit: list[str] = []
        for key in self._values:
            try:
                self._note_alteration(key)
            except ValueRefused:
                unfit.append(key)
        return frozenset(unfit)

    def drop_changes(self) -> None:
        """Forget what was recorded; see again what the store answered last."""
        self._changes, self._intent = [], None
        self._forget_values()
        self._texts = {} if self._record is None else self._record.data

    def detach(self, texts: Fields) -> None:
        """Become a session that no store holds, with this data; nothing is recorded."""
        self.ended, self._record, self._token = False, None, None
        self.drop_changes()
        self._texts = texts

    def forget(self) -> None:
        """Become what an ended session is: no record, no token, no data."""
        self.ended = True
        self._record = self._token = None
        self.drop_changes()

    def texts(self) -> Fields:
        """The canonical texts as this request sees them, what was recorded included."""
        self._note_alterations()
        return self._texts

    def living(self) -> Record:
        """The record of a session that is stored.

        Raises:
            SessionNotFound: It has ended by its own `end`.
            UsageError: It was never stored.
        """
        if self._record is None:
            if self.ended:
                raise SessionNotFound(message="this session has ended; create a new one")
            raise UsageError("this session is not stored yet; commit it first")
        return self._record
