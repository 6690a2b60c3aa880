"""Durations: the grammar of A2 with ISO 8601, every refusal, and texts that parse back."""

from __future__ import annotations

import decimal
import math
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.core.durations import MAX_DURATION_MS, format_duration, parse_duration
from sojourn.errors import ConfigurationError, UsageError

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
MONTH, YEAR = 2_629_800_000, 31_557_600_000

UNITS = {
    1: ["ms", "msec", "msecs", "millisecond", "milliseconds"],
    SECOND: ["s", "sec", "secs", "second", "seconds"],
    MINUTE: ["m", "min", "mins", "minute", "minutes"],
    HOUR: ["h", "hr", "hrs", "hour", "hours"],
    DAY: ["d", "day", "days"],
    7 * DAY: ["w", "week", "weeks"],
    MONTH: ["mo", "month", "months"],
    YEAR: ["y", "yr", "yrs", "year", "years"],
}


def test_a2_one_month_is_a_month() -> None:
    """The seed's own example, which its parser did not know."""
    assert parse_duration("1 month", "ttl") == MONTH == int(30.4375 * DAY)
    assert parse_duration("1 year", "ttl") == YEAR == int(365.25 * DAY)


@pytest.mark.parametrize(("ms", "spelling"), [(ms, word) for ms, words in UNITS.items() for word in words])
def test_every_unit_in_every_spelling(ms: int, spelling: str) -> None:
    for text in (f"3{spelling}", f"3 {spelling}", f" 3.0 {spelling.upper()} ", f"03 {spelling.title()}"):
        assert parse_duration(text, "ttl") == 3 * ms


@pytest.mark.parametrize(
    ("value", "ms"),
    [
        ("14 days", 14 * DAY),
        ("1h30m", 90 * MINUTE),
        ("1 h 30 min", 90 * MINUTE),
        ("1 hour, 30 minutes", 90 * MINUTE),
        ("1.5h", 90 * MINUTE),
        (".5 d", 12 * HOUR),
        ("1mo1m", MONTH + MINUTE),
        ("0d1h", HOUR),
        ("P1M", MONTH),
        ("PT1M", MINUTE),
        ("PT15M", 15 * MINUTE),
        ("P2W", 14 * DAY),
        ("P1Y2M3DT4H5M6.5S", YEAR + 2 * MONTH + 3 * DAY + 4 * HOUR + 5 * MINUTE + 6500),
        ("PT0,5H", 30 * MINUTE),
        ("1000 y", 1000 * YEAR),
        (900, 900 * SECOND),
        (0.25, 250),
        (0.1, 100),
        (1e-3, 1),
        (0.0006, 1),
        (1.0004, 1000),
        (timedelta(days=14), 14 * DAY),
        (timedelta(microseconds=1600), 2),
        (None, None),
    ],
)
def test_durations(value: object, ms: int | None) -> None:
    assert parse_duration(value, "ttl") == ms


def test_the_decimal_context_does_not_matter() -> None:
    with decimal.localcontext(decimal.Context(prec=1, traps=[decimal.Inexact])):
        assert parse_duration("1.2345678 days", "ttl") == 106_666_658
        assert parse_duration(1234.567, "ttl") == 1_234_567


@pytest.mark.parametrize("value", ["15", "1.5", " 900 ", "-3", "+3", "1e3", "1E-2", ".5"])
def test_a_bare_number_as_text_is_asked_for_its_unit(value: str) -> None:
    with pytest.raises(ConfigurationError, match="say the unit"):
        parse_duration(value, "ttl")


@pytest.mark.parametrize(
    "value", [0, 0.0, -0.0, -1, -0.5, timedelta(0), timedelta(-1), "0 s", "0 months", "PT0S", "-1 day"]
)
def test_zero_and_negatives_are_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="longer than zero"):
        parse_duration(value, "ttl")


@pytest.mark.parametrize(
    "value",
    [10**12, 10**5000, 1e308, timedelta.max, "1001 years", "P1001Y", "9" * 98 + "y", MAX_DURATION_MS // 1000 + 1],
    ids=lambda value: type(value).__name__,
)
def test_over_a_thousand_years_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError, match="1000 years"):
        parse_duration(value, "ttl")


JUNK: list[Any] = [
    *(True, False, math.nan, math.inf, -math.inf, 1e-9, "0.1 ms", b"14 days", [], {}, ..., decimal.Decimal(5), 1j),
    *("", " ", "days", "14 dayz", "14 days!", "1h30", "30 1h", "1h,", ",1h", "1 h and 30 m", "1..5h", "1.h", "1,5 h"),
    *("1h 1h", "30m 1h", "1m 60s 1m", "\u0661 d", "1\u00a0d", "1e3 s", "0x10 s", "+1 day", "1d" * 60, "x" * 1000),
    *("P", "PT", "P1", "P1H", "P1DT", "p1d", "PT1D", "P1.5DT1H", "P-1D", "P1D ago", "P1W2Y", "\0", "never", "infinite"),
]


@pytest.mark.parametrize("value", JUNK, ids=lambda value: ascii(value)[:30])
def test_junk_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_duration(value, "touch_interval")
    message = str(raised.value)
    assert message.startswith("touch_interval=")
    assert "touch_interval='14 days'" in message
    assert len(message) < 300


def test_the_message_shows_the_value_but_no_strangers_repr() -> None:
    class Stranger:
        def __repr__(self) -> str:
            return "hunter2"

    with pytest.raises(ConfigurationError, match="ttl='14 dayz'"):
        parse_duration("14 dayz", "ttl")
    with pytest.raises(ConfigurationError, match="ttl=Stranger"):
        parse_duration(Stranger(), "ttl")


def test_the_example_of_the_message_is_right() -> None:
    for example in ("14 days", "1h30m", 900):
        assert parse_duration(example, "ttl")


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (14 * DAY, "14 days"),
        (DAY, "1 day"),
        (90 * MINUTE, "1 h 30 min"),
        (15 * MINUTE, "15 minutes"),
        (MINUTE, "1 minute"),
        (12 * HOUR, "12 hours"),
        (25 * HOUR, "1 d 1 h"),
        (90 * SECOND, "1 min 30 s"),
        (30 * SECOND, "30 seconds"),
        (MONTH, "1 month"),
        (YEAR, "1 year"),
        (250, "250 ms"),
        (1500, "1 s 500 ms"),
        (DAY + 1, "1 d 1 ms"),
        (0, "0 ms"),
    ],
)
def test_format(ms: int, text: str) -> None:
    assert format_duration(ms) == text


def test_a_negative_duration_is_not_shown() -> None:
    with pytest.raises(UsageError, match="negative"):
        format_duration(-1)


@given(
    st.integers(1, MAX_DURATION_MS)
    | st.integers(1, 1000).flatmap(
        lambda n: st.sampled_from([n * unit for unit in UNITS if n * unit <= MAX_DURATION_MS])
    )
)
def test_what_is_shown_parses_back(ms: int) -> None:
    assert parse_duration(format_duration(ms), "ttl") == ms


@given(st.text(max_size=110) | st.from_regex(r"[P0-9 .,a-zA-Z-]{0,30}", fullmatch=True))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        ms = parse_duration(text, "ttl")
    except ConfigurationError:
        return
    assert ms is not None
    assert 0 < ms <= MAX_DURATION_MS
