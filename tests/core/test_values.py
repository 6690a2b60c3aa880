"""The codec: hard values one by one, every refusal with its place, and the properties that stores rely on."""

from __future__ import annotations

import decimal
import enum
import math
from collections import OrderedDict, UserDict, defaultdict
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, NamedTuple
from unittest.mock import Mock
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.core import values
from sojourn.core.values import MAX_DEPTH, decode, decode_fields, encode, encode_fields, join, register, size, split
from sojourn.errors import ConfigurationError, ValueRefused

NOON = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)

EXACT = [
    (None, b"null"),
    (True, b"true"),
    (False, b"false"),
    (1, b"1"),
    (1.0, b"1.0"),
    (0, b"0"),
    (-0.0, b"0.0"),
    (0.1 + 0.2, b"0.30000000000000004"),
    (1e22, b"1.0e22"),
    (1.5e300, b"1.5e300"),
    (1e-5, b"1.0e-5"),
    (1e-4, b"0.0001"),
    (1e16, b"1.0e16"),
    (9999999999999998.0, b"9999999999999998.0"),
    (123456789012345680.0, b"1.2345678901234568e17"),
    (5e-324, b"5.0e-324"),
    (-5e-324, b"-5.0e-324"),
    (1.7976931348623157e308, b"1.7976931348623157e308"),
    (2**53 + 1, b"9007199254740993"),
    (float(2**53), b"9007199254740992.0"),
    (2**63 - 1, b"9223372036854775807"),
    (-(2**63), b"-9223372036854775808"),
    ("", b'""'),
    ("a\0b", b'"a\\u0000b"'),
    ("\x1f\x7f\u2028", b'"\\u001f\x7f\xe2\x80\xa8"'),
    ('"\\/\n', b'"\\"\\\\/\\n"'),
    ("\U0001f600 \u00e9", b'"\xf0\x9f\x98\x80 \xc3\xa9"'),
    ("$5", b'"$5"'),
    ([], b"[]"),
    ({}, b"{}"),
    ([[], {}], b"[[],{}]"),
    ([1e22, -0.0, 1, True, None], b"[1.0e22,0.0,1,true,null]"),
    ({"b": 1, "a": 2, "": 3}, b'{"":3,"a":2,"b":1}'),
    ({"a.b": 1, "__proto__": 2, "constructor": 3}, b'{"__proto__":2,"a.b":1,"constructor":3}'),
    ({"\U0001f600": 1, "\uffff": 2}, '{"\uffff":2,"\U0001f600":1}'.encode()),
    ({"$": 1, "$a": 2, "$$": 3, "a$": 4}, b'{"$$":1,"$$$":3,"$$a":2,"a$":4}'),
    ({"$date": "2026-01-31"}, b'{"$$date":"2026-01-31"}'),
    (NOON, b'{"$datetime":"2026-01-31T12:00:00.000005Z"}'),
    (datetime(1, 1, 1, tzinfo=UTC), b'{"$datetime":"0001-01-01T00:00:00.000000Z"}'),
    (date(2026, 1, 31), b'{"$date":"2026-01-31"}'),
    (b"", b'{"$bytes":""}'),
    (b"\0\xff\xfe\xfb", b'{"$bytes":"AP/++w=="}'),
    (UUID(int=1), b'{"$uuid":"00000000-0000-0000-0000-000000000001"}'),
    (Decimal("1.0"), b'{"$decimal":"1.0"}'),
    (Decimal("1.00"), b'{"$decimal":"1.00"}'),
    (Decimal("-0"), b'{"$decimal":"-0"}'),
    (Decimal("1e400"), b'{"$decimal":"1E+400"}'),
    ({"at": [NOON], "$n": b"x"}, b'{"$$n":{"$bytes":"eA=="},"at":[{"$datetime":"2026-01-31T12:00:00.000005Z"}]}'),
]


def same(left: object, right: object) -> bool:
    """Equal in value and in type, all the way down; == alone takes True for 1."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(item, right[key]) for key, item in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return str(left) == str(right) if isinstance(left, Decimal) else left == right


def nested(depth: int, inner: object = None, wrap: Any = lambda value: [value]) -> Any:
    """`depth` containers around a value."""
    for _ in range(depth):
        inner = wrap(inner)
    return inner


@pytest.mark.parametrize(("value", "text"), EXACT, ids=lambda item: ascii(item)[:40])
def test_each_hard_value_has_its_one_text_and_comes_back(value: object, text: bytes) -> None:
    assert encode(value) == text
    assert same(decode(text), value)


@pytest.mark.parametrize(("value", "text"), EXACT, ids=lambda item: ascii(item)[:40])
def test_the_slow_way_gives_the_same_text(value: object, text: bytes) -> None:
    assert encode([value, NOON]) == b"[" + text + b"," + encode(NOON) + b"]"
    assert encode({"a": value, "b": NOON}) == b'{"a":' + text + b',"b":' + encode(NOON) + b"}"


def test_minus_zero_becomes_zero() -> None:
    assert math.copysign(1, decode(encode(-0.0))) == 1  # type: ignore[arg-type]  # a float, as the text says
    assert encode([-0.0]) == b"[0.0]"


def test_values_that_python_takes_for_equal_are_not() -> None:
    assert len({encode(value) for value in (True, 1, 1.0, "1", Decimal(1), Decimal("1.0"), [1], [True])}) == 8


def test_one_instant_has_one_text() -> None:
    there = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert encode(there) == encode(NOON)
    assert decode(encode(there)) == there


def test_a_decimal_does_not_depend_on_the_context() -> None:
    text = encode(Decimal("1E+30"))
    with decimal.localcontext(decimal.Context(prec=2, capitals=0)):
        assert encode(Decimal("1E+30")) == text
        assert same(decode(encode(Decimal("1.23456"))), Decimal("1.23456"))


def test_a_mebibyte_of_text_is_kept() -> None:
    for value in ("x" * 2**20, "\U0001f600" * 2**18, b"\xff" * 2**20):
        assert decode(encode(value)) == value


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class LoudStr(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "loud"


class LoudList(list[Any]):
    def __iter__(self) -> Any:
        return iter(["loud"])


class LoudDict(dict[str, Any]):
    def items(self) -> Any:
        return {"loud": 1}.items()

    def __len__(self) -> int:
        return 7


class LoudFloat(float):
    def __float__(self) -> float:
        return 9.0

    def __repr__(self) -> str:
        return "loud"


class Pair(NamedTuple):
    left: int
    right: str


@pytest.mark.parametrize(
    ("value", "base"),
    [
        ((1, (2,)), [1, [2]]),
        (Pair(1, "b"), [1, "b"]),
        (Colour.RED, "red"),
        (Level.HIGH, 3),
        (LoudStr("quiet"), "quiet"),
        (LoudFloat(1.5), 1.5),
        (LoudFloat(1e22), 1e22),
        (LoudList([1]), [1]),
        (LoudDict(a=1), {"a": 1}),
        (OrderedDict(b=1, a=2), {"a": 2, "b": 1}),
        (defaultdict(list, a=[1]), {"a": [1]}),
        ({Colour.RED: Level.HIGH}, {"red": 3}),
        ({LoudStr("quiet"): 1}, {"quiet": 1}),
    ],
    ids=ascii,
)
def test_a_tuple_is_a_list_and_a_subclass_is_its_base(value: object, base: object) -> None:
    assert encode(value) == encode(base)
    assert encode([value]) == encode([base])
    assert same(decode(encode(value)), base)


class NoOffset(tzinfo):
    def utcoffset(self, when: datetime | None) -> None:
        return None


class Stamp(datetime):
    pass


class Odd(str):
    """Equal to nothing, so that a dict holds the same text twice."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


LONE = "\ud800"
REFUSED = [
    (math.nan, (), "float"),
    (math.inf, (), "float"),
    (-math.inf, (), "float"),
    (2**63, (), "int"),
    (-(2**63) - 1, (), "int"),
    (10**5000, (), "int"),
    (LONE, (), "str"),
    ([1, "\U0001f600", "a" + LONE], (2,), "str"),
    ({"a": {LONE: 1}}, ("a", LONE), "str"),
    ({"a\0": 1}, ("a\0",), "U+0000"),
    ([{"k": [0, {"a\0": 1}]}], (0, "k", 1, "a\0"), "U+0000"),
    ({"n": [0, math.nan]}, ("n", 1), "float"),
    ({"n": {"m": 2**63}}, ("n", "m"), "int"),
    ({1: 2}, (), "int"),
    ({"a": {None: 2}}, ("a",), "NoneType"),
    ({"a": [{b"k": 2}]}, ("a", 0), "bytes"),
    ({"a": {1, 2}}, ("a",), "set"),
    (frozenset(), (), "frozenset"),
    (object(), (), "object"),
    (bytearray(b"x"), (), "bytearray"),
    (memoryview(b"x"), (), "memoryview"),
    (timedelta(1), (), "timedelta"),
    (NOON.time(), (), "time"),
    (1j, (), "complex"),
    (UserDict(a=1), (), "UserDict"),
    (range(3), (), "range"),
    (Mock(spec=str), (), "Mock"),
    (Stamp(2026, 1, 1, tzinfo=UTC), (), "Stamp"),
    ([datetime(2026, 1, 1)], (0,), "naive datetime"),  # noqa: DTZ001  # that is the point
    (datetime(2026, 1, 1, tzinfo=NoOffset()), (), "naive datetime"),
    (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1))), (), "datetime"),
    ({"d": Decimal("NaN")}, ("d",), "Decimal"),
    (Decimal("sNaN"), (), "Decimal"),
    (Decimal("Infinity"), (), "Decimal"),
    ({"a": {Odd("k"): 1, Odd("k"): 2}}, ("a",), "dict"),
]


@pytest.mark.parametrize(("value", "place", "word"), REFUSED, ids=lambda item: ascii(type(item))[:40])
def test_what_no_store_keeps_is_refused_with_its_place(value: object, place: tuple[Any, ...], word: str) -> None:
    with pytest.raises(ValueRefused) as raised:
        encode(value, ("top", 3))
    assert raised.value.path == ("top", 3, *place)
    where = "data" + "".join(f"[{part!a}]" for part in raised.value.path)
    assert str(raised.value).startswith(f"{where}: ")
    assert word in str(raised.value)
    assert not isinstance(raised.value.__cause__, UnicodeError)


def test_the_message_tells_no_value_and_cuts_long_keys() -> None:
    for value in ("hunter2" + LONE, datetime(2019, 7, 13), 77777 * 10**20, {"hunter2"}):  # noqa: DTZ001
        with pytest.raises(ValueRefused) as raised:
            encode({"k" * 1000: [value]})
        assert not any(part in str(raised.value) for part in ("hunter2", "2019", "77777"))
        assert len(str(raised.value)) < 250
        assert raised.value.path[0] == "k" * 1000


@pytest.mark.parametrize("wrap", [lambda v: [v], lambda v: {"k": v}, lambda v: (v,), lambda v: [v, NOON]])
def test_64_levels_are_kept_and_65_refused(wrap: Any) -> None:
    kept = nested(MAX_DEPTH, 1, wrap)
    text = encode(kept)
    assert encode(decode(text)) == text
    with pytest.raises(ValueRefused, match="64 containers") as raised:
        encode(nested(MAX_DEPTH + 1, 1, wrap))
    assert len(raised.value.path) == MAX_DEPTH


def test_a_tagged_value_is_no_level() -> None:
    text = encode(nested(MAX_DEPTH, NOON))
    assert encode(decode(text)) == text


def test_the_depth_of_a_stored_text_is_limited_too() -> None:
    assert decode(b"[" * 64 + b"]" * 64) == nested(63, [])
    for inner in (b"", b'"$"', b'{"a":1}'):
        with pytest.raises(ValueRefused):
            decode(b"[" * 65 + inner + b"]" * 65)
    for deep in (b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 70 + b"1" + b"}" * 70):
        with pytest.raises(ValueRefused):
            decode(deep)
    assert decode(encode("[{" * 500)) == "[{" * 500


def test_what_contains_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    loop: dict[str, Any] = {}
    loop["k"] = [loop]
    wide: list[Any] = [NOON]
    wide.append((wide,))
    for value in (ring, loop, wide):
        with pytest.raises(ValueRefused, match="too deep"):
            encode(value)


DAMAGED = [
    *(b"", b"{", b"[1,]", b"nul", b"01", b"NaN", b"Infinity", b"1 2", b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"'),
    *(b"1e400", b'{"a" 1}', b"'a'", b"\xef\xbb\xbf1", b"\0"),
    *(b'{"$nobody":1}', b'{"$":1}', b'{"$a":1,"b":2}', b'{"$date":"2026-01-31","b":2}', b'["x",{"$nobody":{}}]'),
    *(b'{"$date":5}', b'{"$date":null}', b'{"$date":"20260131"}', b'{"$date":"2026-W01-1"}', b'{"$date":"2026-02-30"}'),
    *(b'{"$datetime":"2026-01-31T12:00:00Z"}', b'{"$datetime":"2026-01-31T12:00:00.000000+00:00"}'),
    *(b'{"$datetime":"2026-01-31T12:00:00.000000"}', b'{"$datetime":{"$date":"2026-01-31"}}'),
    *(b'{"$bytes":"eA"}', b'{"$bytes":"eB=="}', b'{"$bytes":"e A=="}', '{"$bytes":"\u00e9"}'.encode()),
    *(b'{"$uuid":"00000000000000000000000000000001"}', b'{"$uuid":"{0}"}', b'{"$uuid":1}'),
    *(b'{"$decimal":"NaN"}', b'{"$decimal":"1e5"}', b'{"$decimal":" 1"}', b'{"$decimal":"1_0"}', b'{"$decimal":1}'),
    '{"$decimal":"\u0661"}'.encode(),
]


@pytest.mark.parametrize("text", DAMAGED, ids=ascii)
def test_a_damaged_text_is_refused_and_not_shown(text: bytes) -> None:
    with pytest.raises(ValueRefused) as raised:
        decode(text)
    # A UnicodeDecodeError keeps the whole text and some ValueErrors quote it: neither may hang on the error.
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None


def test_each_decoding_gives_fresh_objects() -> None:
    text = encode({"a": [1], "b": {"c": NOON}})
    first: Any = decode(text)
    first["a"].append(2)
    first["b"].clear()
    assert decode(text) == {"a": [1], "b": {"c": NOON}}


def test_encoding_leaves_the_value_alone() -> None:
    value = {"$b": [(1, NOON)], "a": -0.0}
    encode(value)
    assert repr(value) == repr({"$b": [(1, NOON)], "a": -0.0})


# Fields -------------------------------------------------------------------------------------------------------


def test_fields_are_joined_and_split() -> None:
    fields = encode_fields({"b": [1.0], "$a": NOON, "": None, "a.b": {"$x": 1}})
    assert fields == {"b": b"[1.0]", "$a": encode(NOON), "": b"null", "a.b": b'{"$$x":1}'}
    text = join(fields)
    assert text == b'{"":null,"$$a":' + encode(NOON) + b',"a.b":{"$$x":1},"b":[1.0]}'
    assert split(text) == fields
    assert size(fields) == len(text)
    assert decode_fields(fields) == {"b": [1.0], "$a": NOON, "": None, "a.b": {"$x": 1}}


def test_no_fields() -> None:
    assert join({}) == b"{}"
    assert split(b"{}") == {}
    assert size({}) == 2
    assert encode_fields({}) == {}


@pytest.mark.parametrize(
    ("mapping", "place"),
    [
        ({"a": {"b": math.nan}}, ("a", "b")),
        ({"a\0": 1}, ("a\0",)),
        ({LONE: 1}, (LONE,)),
        ({3: 1}, ()),
        ({"ok": 1, "bad": [{1}]}, ("bad", 0)),
    ],
    ids=ascii,
)
def test_fields_are_refused_with_their_place(mapping: dict[Any, object], place: tuple[Any, ...]) -> None:
    with pytest.raises(ValueRefused) as raised:
        encode_fields(mapping)
    assert raised.value.path == place


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"1", b'{"a":1', b'{"$date":"2026-01-31"}', b'{"$a":1,"b":2}', b'{"\xff":1}']
)
def test_split_refuses_what_join_never_writes(text: bytes) -> None:
    with pytest.raises(ValueRefused):
        split(text)


# Further types ------------------------------------------------------------------------------------------------


class Point:
    def __init__(self, x: object, y: object) -> None:
        self.x, self.y = x, y


@pytest.fixture
def _tags(monkeypatch: pytest.MonkeyPatch) -> None:
    """A codec of the test's own: what it registers is forgotten."""
    monkeypatch.setattr(values, "_TAGS", dict(values._TAGS))
    monkeypatch.setattr(values, "_WRITERS", dict(values._WRITERS))


def register_point() -> None:
    register("point", Point, lambda p: [p.x, p.y], lambda v: Point(*v))


@pytest.mark.usefixtures("_tags")
def test_a_registered_type_is_kept() -> None:
    register_point()
    text = encode({"at": Point(NOON, {"$d": 1.0})})
    assert text == b'{"at":{"$point":[' + encode(NOON) + b',{"$$d":1.0}]}}'
    back: Any = decode(text)
    assert (type(back["at"]), back["at"].x, back["at"].y) == (Point, NOON, {"$d": 1.0})
    register_point()  # once more is no conflict: modules are reloaded


def test_an_unknown_stored_type_is_undecodable() -> None:
    with pytest.raises(ValueRefused, match=r"\$point is unknown here; register it"):
        decode(b'{"at":{"$point":[1,2]}}')
    with pytest.raises(ValueRefused, match="Point cannot be stored"):
        encode(Point(1, 2))


@pytest.mark.usefixtures("_tags")
def test_the_place_within_a_registered_type_is_named() -> None:
    register_point()
    with pytest.raises(ValueRefused) as raised:
        encode({"at": Point(1, {2})})
    assert raised.value.path == ("at", 1)


@pytest.mark.usefixtures("_tags")
def test_a_registered_type_counts_as_a_level() -> None:
    register("point", Point, lambda p: p.x, lambda v: Point(v, 0))
    text = encode(nested(MAX_DEPTH - 1, Point(1, 0)))
    assert encode(decode(text)) == text
    with pytest.raises(ValueRefused, match="too deep"):
        encode(nested(MAX_DEPTH, Point(1, 0)))
    register("point", Point, lambda p: p, lambda v: v)
    with pytest.raises(ValueRefused, match="too deep"):
        encode(Point(1, 0))


@pytest.mark.usefixtures("_tags")
def test_a_registered_function_that_fails_is_named() -> None:
    def broken(_: object) -> Any:
        raise RuntimeError("hunter2")

    register("point", Point, broken, broken)
    with pytest.raises(ValueRefused, match=r"\$point raised RuntimeError") as raised:
        encode([Point(1, 2)])
    assert raised.value.path == (0,)
    assert isinstance(raised.value.__cause__, RuntimeError)
    with pytest.raises(ValueRefused, match=r"\$point could not be read \(RuntimeError\)") as raised:
        decode(b'{"$point":1}')
    assert "hunter2" not in str(raised.value)


@pytest.mark.usefixtures("_tags")
@pytest.mark.parametrize(
    ("tag", "kind"),
    [
        ("", Point),
        ("$x", Point),
        ("Point", Point),
        ("p" * 33, Point),
        ("1p", Point),
        ("p\n", Point),
        ("date", Point),
        ("date", date),
        ("text", str),
        ("yes", bool),
        ("row", tuple),
        ("day", date),
        ("taken", Odd),
    ],
)
def test_a_registration_that_cannot_work_is_refused(tag: str, kind: type[Any]) -> None:
    register("taken", Point, lambda p: 1, lambda v: Point(1, 2))
    with pytest.raises(ConfigurationError):
        register(tag, kind, lambda p: 1, lambda v: v)


# Properties ---------------------------------------------------------------------------------------------------

INTS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | st.sampled_from(
    ["$", "$date", "$$", "a.b", "__proto__"]
)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
SCALARS = (
    st.none()
    | st.booleans()
    | INTS
    | st.floats(allow_nan=False, allow_infinity=False).map(lambda number: number + 0.0)  # -0.0 comes back as 0.0
    | TEXTS
    | st.binary(max_size=20)
    | st.datetimes(timezones=st.just(UTC))
    | st.dates()
    | st.uuids()
    | DECIMALS
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


@given(VALUES)
def test_every_value_comes_back_as_it_was(value: object) -> None:
    text = encode(value)
    assert same(decode(text), value)
    assert encode(decode(text)) == text


def shuffled(value: Any, random: Any) -> Any:
    """The same value with all members set in another order."""
    if isinstance(value, list):
        return [shuffled(item, random) for item in value]
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key], random) for key in keys}
    return value


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(value: object, random: Any) -> None:
    assert encode(shuffled(value, random)) == encode(value)


@given(VALUES, VALUES)
def test_texts_are_equal_exactly_when_values_are(left: object, right: object) -> None:
    assert (encode(left) == encode(right)) is same(left, right)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_has_a_point_and_pythons_digits(number: float) -> None:
    text = encode(number).decode()
    assert float(text) == number
    assert "." in text
    assert text.partition("e")[0].removesuffix(".0") == repr(number + 0.0).partition("e")[0].removesuffix(".0")
    assert encode([number]) == b"[" + text.encode() + b"]" == encode((number,))


@given(st.floats(1e-4, 1e16, exclude_max=True) | st.floats(-1e16, -1e-4, exclude_min=True))
def test_msgspec_and_repr_agree_where_the_fast_way_relies_on_it(number: float) -> None:
    assert encode([number])[1:-1].decode() == repr(number)


@given(st.dictionaries(KEYS, VALUES, max_size=6))
def test_join_is_the_text_of_the_whole_and_split_its_inverse(mapping: dict[str, Any]) -> None:
    fields = encode_fields(mapping)
    text = join(fields)
    if mapping.keys():
        assert text == encode(mapping)
    assert split(text) == fields
    assert size(fields) == len(text)
    assert same(decode_fields(fields), mapping)


@given(st.binary(max_size=60) | TEXTS.map(str.encode))
def test_any_octets_are_decoded_or_refused(text: bytes) -> None:
    for read in (decode, split):
        try:
            read(text)
        except ValueRefused:
            continue
