"""The session while an application works with it: a mapping that records what is done to it as commands.

It is pure: no clock, no entropy, no I/O, no colour. The managers hand out subclasses (`faces`) that add the calls which
ask the store: `commit`, `refresh`, `take`, `end`, ...

How it works: `_texts` holds the canonical text of every key as this request sees it, `_values` the decoded values that
were looked at, `_changes` the commands not sent yet. A list or an object that was handed out may be altered in place;
before anything depends on it, its canonical text is compared and the difference recorded (design 5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, TypeVar, cast

from sojourn.core import changes as commands
from sojourn.core.apply import apply
from sojourn.core.changes import AnyPath, Change
from sojourn.core.diff import difference
from sojourn.core.record import Client, Identity, Lifetime, Record, as_roles, identity_of
from sojourn.core.tokens import Token
from sojourn.core.values import Fields, decode, encode
from sojourn.errors import SessionNotFound, SojournError, UsageError, ValueRefused

__all__ = ["Intent", "Recording"]

Default = TypeVar("Default")


class Intent:
    """What is to happen to the session itself, beside its data, at the next commit.

    Attributes:
        identity: Become this user; None leaves it as it is.
        replace: End the session and begin another one, because its user is another one.
        rotate: Get a new secret.
        lifetime: Live this long instead.
        client: Note this about the device.
    """

    __slots__ = ("client", "identity", "lifetime", "replace", "rotate")

    def __init__(self) -> None:
        self.identity: Identity | None = None
        self.replace = False
        self.rotate = False
        self.lifetime: Lifetime | None = None
        self.client: Client | None = None

    def __bool__(self) -> bool:
        return self.rotate or not (self.identity is None and self.lifetime is None and self.client is None)


class Recording(MutableMapping[str, Any]):
    """A session's data as a mapping, its attributes, and the commands recorded on it.

    Looking at a key that is not there raises KeyError, as with a dict. A value that cannot be stored is refused with
    `ValueRefused` at the line that sets it; one made unstorable in place is refused at commit.
    """

    __slots__ = ("_changes", "_intent", "_record", "_texts", "_token", "_values", "ended")

    def __init__(self, record: Record | None = None, token: Token | None = None) -> None:
        self._record = record
        self._token = token
        self._texts: Fields = {} if record is None else record.data
        self._values: dict[str, Any] = {}
        self._changes: list[Change] = []
        self._intent: Intent | None = None
        self.ended = False

    # What it is -------------------------------------------------------------------------------------------------

    @property
    def handle(self) -> str | None:
        """The public name: it stays through rotation and sign-in. None until the session is stored."""
        return None if self._record is None else self._record.handle

    @property
    def token(self) -> str | None:
        """What the client keeps: a secret, so never log it. None until stored, and for sessions found by handle."""
        return None if self._token is None else self._token.text

    @property
    def is_new(self) -> bool:
        """Whether no store holds it yet."""
        return self._record is None

    @property
    def identity(self) -> Identity:
        """Who is signed in, a sign-in that waits for the commit included."""
        if self._intent is not None and self._intent.identity is not None:
            return self._intent.identity
        return Identity() if self._record is None else identity_of(self._record)

    @property
    def uid(self) -> str | None:
        """The signed-in user, or None."""
        return self.identity.uid

    @property
    def roles(self) -> tuple[str, ...]:
        """The user's roles, as copied at sign-in."""
        return self.identity.roles

    @property
    def user_data(self) -> Any:
        """What the application keeps about the user (F9); a fresh copy at each call."""
        return decode(self.identity.user_data)

    @property
    def authenticated_at(self) -> int | None:
        """When the person last proved to be the user, in milliseconds."""
        return self.identity.authenticated_at

    @property
    def client(self) -> Client:
        """What is known of the device."""
        if self._intent is not None and self._intent.client is not None:
            return self._intent.client
        return Client() if self._record is None else self._record.client

    @property
    def created(self) -> int | None:
        """When it was stored for the first time, in milliseconds."""
        return None if self._record is None else self._record.created

    @property
    def last_access(self) -> int | None:
        """The last noted access, in milliseconds; at most the touch interval behind."""
        return None if self._record is None else self._record.last_access

    @property
    def last_update(self) -> int | None:
        """The last change, in milliseconds."""
        return None if self._record is None else self._record.last_update

    @property
    def record(self) -> Record | None:
        """What the store answered last, without what was recorded since."""
        return self._record

    @property
    def has_changes(self) -> bool:
        """Whether a commit would write."""
        self._note_alterations()
        return bool(self._changes) or bool(self._intent)

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
        for change in commands.set_value(key, value):
            self._write(key, change.text, change)
        self._values[key] = value  # the caller's own object, as in a dict; altered later, it is compared

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
        return self._record_change(commands.increment(path, by))._at(path)

    def minimum(self, path: AnyPath, value: int | float) -> Any:
        """Lower a number to `value` if it is larger, and answer it as this request sees it."""
        return self._record_change(commands.minimum(path, value))._at(path)

    def maximum(self, path: AnyPath, value: int | float) -> Any:
        """Raise a number to `value` if it is smaller, and answer it as this request sees it."""
        return self._record_change(commands.maximum(path, value))._at(path)

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
        self._changes.append(commands.check(path, value))

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
        if not isinstance(uid, str) or not uid or "\x00" in uid:
            raise ValueRefused(f"sign_in takes the user's id as a string that is not empty, not {type(uid).__name__}")
        if self.uid not in (None, uid):
            self._changes, self._texts = [], {}
            self._values.clear()
            self._want().replace = self._record is not None
        self._want().identity = Identity(
            uid, as_roles(roles), encode(dict(user_data or {}), ("user_data",)), None, acting_as
        )

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
        """Note about the device what lists of sessions show; texts are cut at 512 characters."""
        cut = [None if text is None else text[:512] for text in (ip, user_agent, label)]
        self._want().client = Client(*cut)

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

    def _write(self, key: str, text: bytes, change: Change) -> None:
        self._changes.append(change)
        if self._record is not None and self._texts is self._record.data:
            self._texts = dict(self._texts)
        self._texts[key] = text

    def _record_change(self, change: Change) -> Recording:
        """Apply a command to what this request sees, then keep it for the commit; refused, it leaves no trace."""
        self._note_alterations()
        self._texts, _ = apply(self._texts, (change,))
        self._changes.append(change)
        self._forget_values(change)
        return self

    def _forget_values(self, change: Change) -> None:
        if isinstance(change, commands.Clear):
            self._values.clear()
            return
        self._values.pop(change.path[0], None)
        if isinstance(change, commands.Rename):
            self._values.pop(change.new[0], None)

    def _note_alterations(self) -> None:
        """Record what was done in place to lists and objects that were handed out."""
        for key, value in self._values.items():
            if isinstance(value, (dict, list)) and key in self._texts:
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

    def put_back(self, changes: tuple[Change, ...], intent: Intent | None) -> None:
        """Take back what was certainly not done, before anything recorded since."""
        self._changes[:0] = changes
        if self._intent is None:
            self._intent = intent

    def adopt(self, record: Record, token: Token | None = None) -> None:
        """Become what the store answered, with what was recorded since on top.

        Lists and objects handed out earlier are brought up to date in place, so that altering them still counts.
        """
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
            if old.get(key) != texts.get(key) and not self._renew(value, texts.get(key)):
                del self._values[key]

    @staticmethod
    def _renew(value: object, text: bytes | None) -> bool:
        fresh = None if text is None else decode(text)
        if isinstance(value, dict) and isinstance(fresh, dict):
            mine = cast("dict[str, Any]", value)
            mine.clear()
            mine.update(fresh)
            return True
        if isinstance(value, list) and isinstance(fresh, list):
            value[:] = fresh
            return True
        return False

    def drop_changes(self) -> None:
        """Forget what was recorded; see again what the store answered last."""
        self._changes, self._intent = [], None
        self._values.clear()
        self._texts = {} if self._record is None else self._record.data

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
