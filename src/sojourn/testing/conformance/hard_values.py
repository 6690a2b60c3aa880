"""Values and keys that stores are known to lose, round, reorder or mistake for others (design 4)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

__all__ = ["HARD_KEYS", "HARD_NUMBERS", "HARD_VALUES", "nested"]


def nested(depth: int, inner: object = 1) -> object:
    """Objects and lists inside one another, so many of them."""
    value = inner
    for level in range(depth):
        value = [value] if level % 2 else {"in": value}
    return value


HARD_NUMBERS: dict[str, int | float] = {
    "zero": 0,
    "one": 1,
    "minus one": -1,
    "one as a float": 1.0,
    "minus zero": -0.0,
    "0.1+0.2": 0.1 + 0.2,
    "1e22": 1e22,
    "1e23": 1e23,
    "smallest double": 5e-324,
    "largest double": 1.7976931348623157e308,
    "2**53": 2**53,
    "2**53+1": 2**53 + 1,
    "2**53 as a float": float(2**53),
    "2**63-1": 2**63 - 1,
    "-2**63": -(2**63),
    "2**63 as a float": float(2**63),
}
"""Numbers that JSON parsers in other languages round or change in type."""

HARD_VALUES: dict[str, Any] = {
    **HARD_NUMBERS,
    "true": True,
    "false": False,
    "null": None,
    "empty text": "",
    "empty list": [],
    "empty object": {},
    "empty ones inside": {"list": [], "object": {}, "lists": [[], [[]], {}]},
    "U+0000": "a\0b\0",
    "emoji": "\U0001f469\u200d\U0001f680 \U0001f1e9\U0001f1ea",
    "two spellings of one letter": ["é", "e\u0301"],
    "line ends": "\u2028\u2029\r\n\t\b\f\\\"'/",
    "control and private characters": "\x01\x1f\x7f\x80\ue000\uffff\U0010ffff",
    "looks like a number": ["1", "1.0", "1e5", "NaN", "Infinity", "null", "true"],
    "looks like a tag": {"$datetime": "2026-01-01", "$$": {"$bytes": 1}},
    "three that Python takes for one": [True, 1, 1.0, "1"],
    "64 levels": nested(64),
    "datetime": datetime(2026, 2, 28, 23, 59, 59, 999_999, UTC),
    "earliest datetime": datetime(1, 1, 1, tzinfo=UTC),
    "date": date(2024, 2, 29),
    "bytes": bytes(range(256)),
    "no bytes": b"",
    "UUID": UUID("00000000-0000-4000-8000-ffffffffffff"),
    "Decimal": [Decimal("1.0"), Decimal("1.00"), Decimal("-0"), Decimal("1E+30"), Decimal("0.1")],
}
"""Values by what is hard about them."""

HARD_KEYS: tuple[str, ...] = (
    *("", " ", "a.b", "a.b.c", ".", "..", "$", "$set", "$$twice", "$datetime", "a$b", "*", "?", "[0]", "a[b]"),
    *("0", "-1", "__proto__", "constructor", "toString", "commit", "token", "handle", "data", "_id", "uid"),
    *("'; DROP TABLE sessions; --", '"', "'", "\\", "%", "_", ":", "{}", "\n", "\u2028", "\x01", "\x7f"),
    *("é", "e\u0301", "ß", "SS", "\U0001f600", "\ud7ff", "\uffff", "\U0010ffff", "k" * 1_000),
)
"""Keys that paths, query languages, objects of other languages or collations treat as something else."""
