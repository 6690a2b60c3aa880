"""Lengths of time as people write them, in whole milliseconds inside. Seed item A2, design 6.

Numbers are seconds. Text is a number and a unit, or several, largest first: `14 days`, `1h30m`, `1.5 h`; or ISO 8601:
`P1M`, `PT15M`. The units are those of npm's ms 3, in any case: ms, s, m, h, d, w, mo, y and their long forms. So `m`
and `M` are minutes; months are `mo`. A year is 365.25 days and a month its twelfth, 30.4375 days.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta
from fractions import Fraction

from sojourn.errors import ConfigurationError, UsageError

__all__ = ["MAX_DURATION_MS", "format_duration", "parse_duration"]

_SECOND = 1000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY
_YEAR = 31_557_600_000
_MONTH = _YEAR // 12

MAX_DURATION_MS = 1000 * _YEAR
"""The longest duration, 1000 years: a longer one is a wrong unit, or None meant."""

_SPELLINGS = {
    _YEAR: "y yr yrs year years",
    _MONTH: "mo month months",
    _WEEK: "w week weeks",
    _DAY: "d day days",
    _HOUR: "h hr hrs hour hours",
    _MINUTE: "m min mins minute minutes",
    _SECOND: "s sec secs second seconds",
    1: "ms msec msecs millisecond milliseconds",
}
_UNITS = {spelling: ms for ms, spellings in _SPELLINGS.items() for spelling in spellings.split()}
# What is a round number of these reads best as that; hours only under a day, and so on.
_WHOLE = (
    (_YEAR, "year", math.inf),
    (_MONTH, "month", math.inf),
    (_DAY, "day", math.inf),
    (_HOUR, "hour", _DAY),
    (_MINUTE, "minute", _HOUR),
    (_SECOND, "second", _MINUTE),
)
_LONGEST_TEXT = 100  # as ms 3 has it; also keeps the digits of a number few
_NUMBER = r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+"
_part = re.compile(rf"({_NUMBER}) *([a-z]+)[ ,]*").match
_is_bare_number = re.compile(rf"[+-]?(?:{_NUMBER})(?:e[+-]?[0-9]+)?", re.IGNORECASE).fullmatch
_ISO_NUMBER = r"([0-9]+(?:[.,][0-9]+)?)"
_iso = re.compile(
    rf"P(?=[0-9T])(?:{_ISO_NUMBER}Y)?(?:{_ISO_NUMBER}M)?(?:{_ISO_NUMBER}W)?(?:{_ISO_NUMBER}D)?"
    rf"(?:T(?=[0-9])(?:{_ISO_NUMBER}H)?(?:{_ISO_NUMBER}M)?(?:{_ISO_NUMBER}S)?)?"
).fullmatch
_ISO_UNITS = (_YEAR, _MONTH, _WEEK, _DAY, _HOUR, _MINUTE, _SECOND)


def parse_duration(value: object, name: str) -> int | None:
    """Give a duration in milliseconds; None stands for no limit and stays None.

    Fractions of a millisecond are rounded to the nearest one.

    Args:
        value: None, seconds as int or float, a timedelta, or text by the module's grammar.
        name: The option's name, for the error.

    Raises:
        ConfigurationError: It is zero, negative, half a millisecond or less, over 1000 years, NaN, infinite, a bool,
            a number as text without a unit, or no duration at all. A duration that is no number is never taken
            for "for ever" (security.md A.9, 48).
    """
    if value is None:
        return None
    if isinstance(value, bool):
        raise _refusal(name, value, "a bool is no duration")
    if isinstance(value, str):
        exact = _parse_text(value, name)
    elif isinstance(value, timedelta):
        exact = Fraction(value // timedelta(microseconds=1)) / 1000
    elif isinstance(value, int):
        exact = Fraction(int(value)) * _SECOND
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _refusal(name, value, "it is not a finite number")
        exact = Fraction(repr(float(value))) * _SECOND
    else:
        raise _refusal(name, value, "it is no number of seconds, text or timedelta")
    if exact <= 0:
        raise _refusal(name, value, "it must be longer than zero")
    if exact > MAX_DURATION_MS:
        raise _refusal(name, value, "it is longer than 1000 years")
    milliseconds = round(exact)
    if milliseconds == 0:
        raise _refusal(name, value, "it is shorter than a millisecond")
    return milliseconds


def format_duration(ms: int) -> str:
    """Give short text for a duration in milliseconds: `14 days`, `1 h 30 min`. `parse_duration` gives it back exactly.

    (But for zero, which is shown as `0 ms` and is no duration for an option, and for more than 1000 years.)

    Raises:
        UsageError: The duration is negative.
    """
    if ms < 0:
        raise UsageError(f"a duration of {ms} ms cannot be shown: it is negative.")
    for unit, word, end in _WHOLE:
        if unit <= ms < end and ms % unit == 0:
            return f"{ms // unit} {word}" + ("" if ms == unit else "s")
    parts: list[str] = []
    for unit, short in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"), (_SECOND, "s"), (1, "ms")):
        count, ms = divmod(ms, unit)
        if count:
            parts.append(f"{count} {short}")
    return " ".join(parts) or "0 ms"


def _parse_text(text: str, name: str) -> Fraction:
    stripped = text.strip()
    if len(text) > _LONGEST_TEXT:
        raise _refusal(name, text, f"it is longer than {_LONGEST_TEXT} characters")
    if _is_bare_number(stripped):
        raise _refusal(name, text, "say the unit, or give seconds as a number")
    if stripped.startswith("-"):
        raise _refusal(name, text, "it must be longer than zero")
    if stripped.startswith("P"):
        return _parse_iso(stripped, name)
    total, position, smallest = Fraction(0), 0, math.inf
    lowered = stripped.lower()
    while position < len(lowered):
        part = _part(lowered, position)
        unit = _UNITS.get(part[2]) if part else None
        if part is None or unit is None:
            raise _refusal(name, text, "it is not understood")
        if unit >= smallest:
            raise _refusal(name, text, "write each unit once, the largest first")
        total += Fraction(part[1]) * unit
        position, smallest = part.end(), unit
    if not lowered or lowered.endswith(","):
        raise _refusal(name, text, "it is not understood")
    return total


def _parse_iso(text: str, name: str) -> Fraction:
    found = _iso(text)
    if found is None:
        raise _refusal(name, text, "it is no ISO 8601 duration such as 'P1M' or 'PT15M'")
    numbers = [group and group.replace(",", ".") for group in found.groups()]
    given = [number for number in numbers if number]
    if any("." in number for number in given[:-1]):
        raise _refusal(name, text, "only the last number may have a fraction")
    return sum((Fraction(n) * unit for n, unit in zip(numbers, _ISO_UNITS, strict=True) if n), Fraction(0))


def _refusal(name: str, value: object, why: str) -> ConfigurationError:
    # Only what this module takes is shown: another object's repr may hold anything, or fail.
    shown = type(value).__name__
    if isinstance(value, (str, float, timedelta, bool)):
        shown = ascii(value)[:60]
    elif isinstance(value, int):
        shown = str(value) if value.bit_length() < 128 else f"an int of {value.bit_length()} bits"
    return ConfigurationError(
        f"{name}={shown}: {why}. Write for example {name}='14 days', {name}='1h30m' or {name}=900 (seconds), "
        "or None for no limit."
    )
