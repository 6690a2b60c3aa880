"""What a session can remember, and its canonical text: one codec for every store (design 4).

A value is what JSON has, plus datetime, date, bytes, UUID and Decimal, each kept exactly. Its canonical text is compact
UTF-8 JSON of which there is only one for each value, so stores compare values by their texts:

* members are sorted by key (code points); the order in which they were set is not kept;
* a float always has a point (`1.0`, `1.0e22`, `5.0e-324`), an int never; -0.0 is written 0.0;
* other types are objects of one member whose key begins with a single `$`: `{"$date":"2026-01-31"}`;
* a key of the user's that begins with `$` is written with one more: `$ref` as `$$ref`.

So True, 1 and 1.0 are three values, and Decimal("1.0") is not Decimal("1.00"). A datetime is kept as its UTC instant.
A tuple is stored as a list, and an instance of a subclass of str, int, float, list, tuple or dict (a member of an enum,
a named tuple, a defaultdict) as its base. Subclasses of other types are refused: what they add would be lost unseen.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

import msgspec

from sojourn.errors import ConfigurationError, ValueRefused

__all__ = ["DEFAULT_MAX_BYTES", "MAX_DEPTH", "Fields", "Path", "Value"]
__all__ += ["decode", "decode_fields", "encode", "encode_fields", "join", "register", "size", "split"]

_Scalar: TypeAlias = bool | int | float | str | bytes | datetime | date | UUID | Decimal | None
Value: TypeAlias = "_Scalar | list[Value] | dict[str, Value]"
"""What `decode` gives, registered types aside. `encode` takes any object and refuses what it cannot keep."""

Fields: TypeAlias = dict[str, bytes]
"""The canonical text of each top-level key. Keys are the user's own, unescaped. Never changed in place."""

Path: TypeAlias = tuple[str, ...]
"""Keys from the data downwards through objects; none of them is split at dots."""

MAX_DEPTH = 64
"""Most containers inside one another within the value of one top-level key."""

DEFAULT_MAX_BYTES = 1024 * 1024
"""Most octets of a session's canonical text, unless the store was told otherwise (`SessionTooLarge`)."""

_T = TypeVar("_T")
_LEAST_INT, _MOST_INT = -(2**63), 2**63 - 1
# Between these two msgspec and repr write a float alike and without an exponent (a test compares them).
_LEAST_FLOAT, _MOST_FLOAT = 1e-4, 1e16
_json = msgspec.json.Encoder(order="sorted").encode
_parse = msgspec.json.Decoder().decode
_parse_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_TAG_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
# Bare types under names whose members the type checker knows.
_LIST: type[list[Any]] = list
_TUPLE: type[tuple[Any, ...]] = tuple
_DICT: type[dict[Any, Any]] = dict
_type_of: Callable[[object], type[Any]] = type
_lone_surrogate = re.compile("[\ud800-\udfff]").search


class _Tag(NamedTuple):
    name: str
    kind: type[Any]
    to_value: Callable[[Any], object]
    from_value: Callable[[Any], object]
    is_ours: bool


class _Unfit(Exception):
    """What is wrong with a value; each container that it passes on its way out adds where that stood."""

    def refusal(self, path: tuple[str | int, ...]) -> ValueRefused:
        place = (*path, *self.args[:0:-1])
        # ascii and cut: a key may hold anything, and it is bound for logs.
        where = "data" + "".join([f"[{ascii(part)[:48]}]" for part in place]) if place else "the value"
        return ValueRefused(f"{where}: {self.args[0]}", place)


def encode(value: Any, path: tuple[str | int, ...] = ()) -> bytes:
    """Give the canonical text of a value.

    Args:
        value: Anything that the module's text names, or of a registered type.
        path: Where the value is to stand; only for the error's message and its `path`, not counted as depth.

    Raises:
        ValueRefused: No store could keep it exactly: NaN, an infinity, an int beyond 64 bits, U+0000 in a key, a lone
            surrogate, a key that is no string, an unknown type, a naive datetime, more than `MAX_DEPTH` containers
            inside one another. `path` names the very place.
    """
    kind = _type_of(value)
    # Most calls end in one of these branches. What is not plain, or not allowed, takes the slow way below, which
    # also finds the place; nothing is raised here, so that no error carries the value as its context.
    try:
        if kind is str or value is None or kind is bool:
            return _json(value)
        if kind is int:
            if _LEAST_INT <= value <= _MOST_INT:
                return _json(value)
        elif (kind is dict or kind is list) and _is_plain(value, 0):
            return _json(value)
    except UnicodeEncodeError:
        pass
    try:
        return _json(_exact(value, 0))
    except _Unfit as unfit:
        raise unfit.refusal(path) from unfit.__cause__


def decode(text: bytes) -> Value:
    """Give the value of a canonical text: fresh objects at each call, so the caller may alter them.

    The text must come from `encode`: of its limits only the depth is checked again.

    Raises:
        ValueRefused: The text is damaged, or holds a type that nobody registered in this process.
    """
    value: Value = _parsed(text, _parse)
    # Untagged and shallow is the rule and needs no walk. (65 containers have 130 brackets, strings included.)
    is_flat = len(text) <= 2 * MAX_DEPTH or text.count(b"[") + text.count(b"{") <= MAX_DEPTH
    return value if is_flat and b'"$' not in text else _restore(value, 0)


def encode_fields(mapping: Mapping[str, object]) -> Fields:
    """Give the canonical text of each top-level value.

    Raises:
        ValueRefused: As `encode`, with the key first in the path; also for a top-level key that cannot be kept.
    """
    try:
        return {(name := _key(key)): encode(value, (name,)) for key, value in mapping.items()}
    except _Unfit as unfit:
        raise unfit.refusal(()) from None


def decode_fields(fields: Fields) -> dict[str, Value]:
    """Give the values of all fields, fresh objects each time; raises as `decode`."""
    return {name: decode(text) for name, text in fields.items()}


def join(fields: Fields) -> bytes:
    """Give the one canonical object text of all fields, keys sorted and escaped."""
    return b"{" + b",".join([_json(_escape(name)) + b":" + fields[name] for name in sorted(fields)]) + b"}"


def split(text: bytes) -> Fields:
    """Give the fields of an object text without decoding their values: the inverse of `join`.

    Raises:
        ValueRefused: The text is no object, is damaged between its members, or has a key that `join` never
            writes. Damage within a member may only be found when that member is decoded.
    """
    return {_unescape(key): bytes(raw) for key, raw in _parsed(text, _parse_members).items()}


def size(fields: Fields) -> int:
    """Give the length of `join(fields)` in octets without building it: braces, and two signs a member but one."""
    return sum([len(_json(_escape(name))) + len(text) + 2 for name, text in fields.items()], 1 if fields else 2)


def register(tag: str, kind: type[_T], to_value: Callable[[_T], object], from_value: Callable[[Any], _T], /) -> None:
    """Teach the codec one more type, stored as `{"$tag": to_value(it)}`.

    Every process must register it before it reads such sessions: elsewhere the value is undecodable, never
    mistaken for another. Registering the same tag and type again replaces the two functions. Instances of
    subclasses are not covered. A registered type counts as one container of the depth.

    Args:
        tag: Lower-case letters, digits and `_`, beginning with a letter, at most 32.
        kind: The exact type.
        to_value: Gives something that `encode` takes, the same for equal instances. May raise `ValueRefused`.
        from_value: Its inverse; gets what `decode` gives.

    Raises:
        ConfigurationError: The tag is malformed or another type's, or the type is already stored otherwise.
    """
    if not _TAG_NAME.fullmatch(tag):
        raise ConfigurationError(f"tag {tag!r}: use lower-case letters, digits and _, such as 'objectid'.")
    known = _TAGS.get(tag)
    if known is not None and (known.is_ours or known.kind is not kind):
        raise ConfigurationError(f"tag {tag!r} stands for {known.kind.__name__} already; choose another.")
    if known is None and kind in _WRITERS:
        raise ConfigurationError(f"tag {tag!r}: {kind.__name__} is stored in another way already.")
    _add_tag(_Tag(tag, kind, to_value, from_value, is_ours=False))


def _is_plain(value: Any, level: int) -> bool:
    """Tell whether msgspec alone writes a dict or list canonically. If in doubt no: the slow way is exact."""
    if level >= MAX_DEPTH:
        return False
    items = value
    if _type_of(value) is dict:
        for key in value:
            if type(key) is not str or "$" in key or "\0" in key:
                return False
        items = value.values()
    for item in items:
        kind = _type_of(item)
        if kind is str or kind is bool or item is None:
            continue
        if kind is int:
            if not _LEAST_INT <= item <= _MOST_INT:
                return False
        elif kind is float:
            if not (_LEAST_FLOAT <= item < _MOST_FLOAT or _LEAST_FLOAT <= -item < _MOST_FLOAT):
                return False
        elif not ((kind is dict or kind is list) and _is_plain(item, level + 1)):
            return False
    return True


def _exact(value: Any, level: int) -> object:
    """Give what msgspec writes as the canonical text; `level` is the number of containers around it."""
    kind = _type_of(value)
    write = _WRITERS.get(kind)
    if write is not None:
        return write(value, level)
    # issubclass of the type, not isinstance: an object may lie about its __class__ (mocks do). The writers pass
    # over what the subclass added (its own __str__, __iter__, items): only the base's part is stored.
    for base in (str, int, float, list, tuple, dict):
        if issubclass(kind, base):
            return _WRITERS[base](value, level)
    raise _Unfit(f"a {kind.__qualname__} cannot be stored; convert it to str, list or dict, or register it.")


def _exact_str(value: str, _level: int) -> object:
    if _lone_surrogate(value):
        raise _Unfit("the str holds a lone surrogate, which is no character; store bytes instead.")
    return str.__str__(value)


def _exact_int(value: int, _level: int) -> object:
    value = int.__int__(value)
    if not _LEAST_INT <= value <= _MOST_INT:
        raise _Unfit("the int needs more than 64 bits; store it as Decimal or str.")
    return value


def _exact_float(value: float, _level: int) -> object:
    value = float.__float__(value)
    if _LEAST_FLOAT <= abs(value) < _MOST_FLOAT:
        return value
    if value - value != 0:  # true of NaN and the infinities only
        raise _Unfit(f"the float is {value!r}, which is no number; store None instead.")
    if value == 0:
        return 0.0
    mantissa, mark, exponent = repr(value).partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return msgspec.Raw(f"{mantissa}e{int(exponent)}".encode() if mark else mantissa.encode())


def _exact_list(value: list[Any] | tuple[Any, ...], level: int) -> object:
    _check_level("list", level)
    items: list[object] = []
    for item in _LIST.__iter__(value) if isinstance(value, list) else _TUPLE.__iter__(value):
        try:
            is_easy = type(item) is str and item.isascii()  # spares a call in the common case
            items.append(item if is_easy else _exact(item, level + 1))
        except _Unfit as unfit:
            unfit.args += (len(items),)
            raise
    return items


def _exact_dict(value: dict[Any, Any], level: int) -> object:
    _check_level("dict", level)
    members: dict[str, object] = {}
    for key, item in _DICT.items(value):
        name = _key(key)
        try:
            is_easy = type(item) is str and item.isascii()
            members[_escape(name)] = item if is_easy else _exact(item, level + 1)
        except _Unfit as unfit:
            unfit.args += (name,)
            raise
    if len(members) != _DICT.__len__(value):  # possible only with subclasses of str that compare in their own way
        raise _Unfit("two keys of the dict are the same text; use plain str keys.")
    return members


def _exact_tagged(tag: _Tag, value: Any, level: int) -> object:
    if not tag.is_ours:  # a to_value that gives its own type again ends here
        _check_level(tag.kind.__qualname__, level)
    try:
        inner = tag.to_value(value)
    except ValueRefused as error:
        raise _Unfit(str(error)) from None
    except Exception as error:
        # Only the class of the error is told: its text may hold the value.
        raise _Unfit(f"the to_value registered for ${tag.name} raised {type(error).__name__}.") from error
    return {"$" + tag.name: inner if tag.is_ours else _exact(inner, level + 1)}


def _check_level(kind: str, level: int) -> None:
    if level >= MAX_DEPTH:
        raise _Unfit(f"a {kind} inside {MAX_DEPTH} containers is too deep; store flatter data, no cycles.")


def _key(key: Any) -> str:
    if not issubclass(type(key), str):
        raise _Unfit(f"one of the keys is a {type(key).__qualname__}; keys are strings: write str(key).")
    name: str = str.__str__(key)
    if "\0" in name or (not name.isascii() and _lone_surrogate(name)):
        raise _Unfit("the key, a str, holds U+0000 or a lone surrogate; leave it out.", name)
    return name


def _parsed(text: bytes, parse: Callable[[bytes], Any]) -> Any:
    try:
        return parse(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = type(error).__name__
    # Raised out here, because a UnicodeDecodeError as context would carry the whole text into logs.
    raise ValueRefused(f"the stored text is damaged or not ours ({reason}): restore or delete it.")


def _restore(value: Any, level: int) -> Any:
    """Turn tagged objects into their values and unescape keys, in place where possible; check the depth."""
    kind = _type_of(value)
    if kind is not dict and kind is not list:
        return value
    if kind is dict and len(value) == 1:
        (key,) = value
        if key[:1] == "$" and key[:2] != "$$":
            return _from_tag(key[1:], value[key], level)
    if level >= MAX_DEPTH:
        raise ValueRefused(f"the stored text has more than {MAX_DEPTH} containers inside one another.")
    for place, item in enumerate(value) if kind is list else value.items():
        if type(item) is dict or type(item) is list:
            value[place] = _restore(item, level + 1)  # replaces a member, which upsets no iteration
    has_dollar = kind is dict and "$" in "".join(value)
    return {_unescape(key): item for key, item in value.items()} if has_dollar else value


def _from_tag(name: str, inner: Any, level: int) -> object:
    tag, cause, reason = _TAGS.get(name), None, "not spelled as we spell it"
    if tag is None:
        raise ValueRefused(f"the stored type ${name[:32]} is unknown here; register it before reading.")
    try:
        value = tag.from_value(inner if tag.is_ours else _restore(inner, level + 1))
        if not tag.is_ours or tag.to_value(value) == inner:  # else two texts would stand for one value
            return value
    except Exception as error:  # noqa: BLE001  # raised anew below
        # The error of one of ours may tell the value; a registered function's author needs to see theirs.
        reason, cause = type(error).__name__, None if tag.is_ours else error
    raise ValueRefused(f"the stored ${name} could not be read ({reason}).") from cause


def _escape(name: str) -> str:
    return "$" + name if name[:1] == "$" else name


def _unescape(key: str) -> str:
    if key[:1] == "$" and key[:2] != "$$":
        raise ValueRefused(f"the stored key {ascii(key)[:48]} is neither escaped nor a type: it is not ours.")
    return key[1:] if key[:1] == "$" else key


def _datetime_text(value: datetime) -> str:
    if value.utcoffset() is None:
        raise ValueRefused("a naive datetime names no instant; write datetime.now(UTC) or add tzinfo=UTC.")
    try:
        instant = value.astimezone(UTC)
    except OverflowError:
        raise ValueRefused("the datetime is outside the years 1 to 9999 in UTC; store None.") from None
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _bytes_text(value: bytes) -> str:
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def _decimal_text(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueRefused("the Decimal is no finite number; store None instead.")
    return str(value).upper()  # a decimal context may ask for a small e


_WRITERS: dict[type[Any], Callable[[Any, int], object]] = dict.fromkeys((bool, type(None)), lambda value, _level: value)
_WRITERS.update({str: _exact_str, int: _exact_int, float: _exact_float})
_WRITERS.update({list: _exact_list, tuple: _exact_list, dict: _exact_dict})
_TAGS: dict[str, _Tag] = {}


def _add_tag(tag: _Tag) -> None:
    _TAGS[tag.name] = tag
    _WRITERS[tag.kind] = partial(_exact_tagged, tag)


_add_tag(_Tag("datetime", datetime, _datetime_text, datetime.fromisoformat, is_ours=True))
_add_tag(_Tag("date", date, date.isoformat, date.fromisoformat, is_ours=True))
_add_tag(_Tag("bytes", bytes, _bytes_text, binascii.a2b_base64, is_ours=True))
_add_tag(_Tag("uuid", UUID, str, UUID, is_ours=True))
_add_tag(_Tag("decimal", Decimal, _decimal_text, Decimal, is_ours=True))
