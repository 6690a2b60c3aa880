"""The headers' half of design 9's outcome table, the cookie's lifetime, and both styles of signing (F11-F14, A8)."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sojourn.core.record import Lifetime, Record
from sojourn.core.tokens import Token, make_handle, make_token, secret_hash
from sojourn.errors import ConfigurationError
from sojourn.http.cookies import MAX_AGE_LIMIT_S, CookiePolicy
from sojourn.http.exchange import NOTHING, Presented, Terms, Upshot, check_way, cookie_lines, read, write
from sojourn.http.headers import Headers
from sojourn.http.signing import Signer

NOW = 1_780_000_000_000
DAY = 86_400_000
TERMS = Terms()
OLD, NEW = "o" * 32, "n" * 32


def token_of(number: int) -> Token:
    return make_token(make_handle(bytes([number]) * 16), hashlib.sha256(bytes([number])).digest())


def record_of(token: Token, **fields: Any) -> Record:
    lifetime = fields.pop("lifetime", Lifetime(14 * DAY, "last_access", 30 * DAY, 60_000))
    return Record(token.handle, secret_hash(token.secret), NOW, NOW, NOW, lifetime, **fields)


OURS, OTHER = token_of(1), token_of(2)
RECORD = record_of(OURS)


def written(upshot: Upshot, terms: Terms = TERMS, *, https: bool = False, **options: Any) -> Headers:
    """The headers that an answer with one header of its own goes out with."""
    headers: Headers = [(b"content-type", b"text/html")]
    host = options.get("host", "localhost")
    write(terms, headers, upshot, https=https, host=lambda: host, clock=lambda: options.get("now", NOW))
    headers.remove((b"content-type", b"text/html"))
    return headers


def cookies(headers: Headers) -> list[str]:
    return [value.decode() for name, value in headers if name == b"set-cookie"]


def outcome(headers: Headers) -> str:
    """What a row of the table says: the cookie, and whether caches are told of it."""
    rest = [pair for pair in headers if pair[0] != b"set-cookie"]
    private = [(b"vary", b"Cookie"), (b"cache-control", b"private, no-store")]
    lines = cookies(headers)
    cookie = "nothing" if not lines else "cleared" if "Max-Age=0" in lines[0] else "set"
    if rest == [(b"vary", b"Cookie")]:
        return f"vary; {cookie}"
    assert rest[:2] == private
    cleaned = "" if len(rest) == 2 else f"; {rest[2][0].decode()}"
    return f"private; {cookie}{cleaned}"


# Design 9, row by row. The columns of a store that is down are the middleware's: there is nothing to write then.
COLUMNS: dict[str, Presented] = {
    "no token": NOTHING,
    "malformed": Presented("malformed"),
    "forged": Presented("forged"),
    "unknown or expired": Presented("token", OURS),
    "live": Presented("token", OURS),
    "ended meanwhile": Presented("token", OURS),
}
TABLE: list[tuple[str, str, dict[str, Any], str]] = [
    ("reads", "no token", {}, "vary; nothing"),
    ("reads", "malformed", {}, "private; cleared"),
    ("reads", "forged", {}, "private; cleared"),
    ("reads", "unknown or expired", {}, "private; cleared"),
    ("reads", "live", {"record": RECORD, "token": OURS}, "private; nothing"),
    ("reads", "ended meanwhile", {"record": RECORD, "token": OURS}, "private; nothing"),
    ("writes", "no token", {"record": record_of(OTHER), "token": OTHER}, "private; set"),
    ("writes", "malformed", {"record": record_of(OTHER), "token": OTHER}, "private; set"),
    ("writes", "forged", {"record": record_of(OTHER), "token": OTHER}, "private; set"),
    ("writes", "unknown or expired", {"record": record_of(OTHER), "token": OTHER}, "private; set"),
    ("writes", "live", {"record": replace(RECORD, data={"a": b"1"}), "token": OURS, "noted_access": True},
     "private; nothing"),
    ("writes", "ended meanwhile", {}, "private; cleared"),
    ("signs in", "live", {"record": record_of(OTHER, uid="ada"), "token": OTHER}, "private; set"),
    ("ends", "no token", {"logged_out": True}, "vary; nothing"),
    ("ends", "malformed", {"logged_out": True}, "private; cleared"),
    ("ends", "unknown or expired", {"logged_out": True}, "private; cleared"),
    ("ends", "live", {"logged_out": True}, "private; cleared"),
    ("ends", "ended meanwhile", {"logged_out": True}, "private; cleared"),
]  # fmt: skip


@pytest.mark.parametrize("https", [False, True])
@pytest.mark.parametrize(("row", "column", "upshot", "expected"), TABLE)
def test_design_9(row: str, column: str, upshot: dict[str, Any], expected: str, https: bool) -> None:
    facts = {"record": None, "token": None, **upshot}
    if row == "ends" and https and "cleared" in expected:
        expected += "; clear-site-data"
    assert outcome(written(Upshot(COLUMNS[column], **facts), https=https)) == expected


def test_a_cookie_is_left_alone_while_another_response_brings_the_new_one() -> None:
    upshot = Upshot(Presented("token", OURS), None, None, keep_cookie=True)
    assert outcome(written(upshot)) == "private; nothing"


def test_a_logout_clears_the_cookie_even_then() -> None:
    upshot = Upshot(Presented("token", OURS), None, None, keep_cookie=True, logged_out=True)
    assert outcome(written(upshot)) == "private; cleared"


# Reading ------------------------------------------------------------------------------------------------------------


def read_text(text: str, terms: Terms = TERMS, *, https: bool = False) -> Presented:
    return read(terms, [text.encode()], https=https)


@pytest.mark.parametrize(
    "text", ["", "sid=", "sid= ", "other=1", "__Host-sid=1", "SID=1", "%73id=1", "=sid=1", "sidx=1"]
)
def test_what_is_no_cookie_of_ours(text: str) -> None:
    assert read_text(text) == NOTHING


@pytest.mark.parametrize(
    "value",
    ["x", "null", OURS.handle, f"{OURS.text}x", OURS.text.upper(), f'"{OURS.text}"', "\xe9", "a" * 5000,
     f"{OURS.text}=", f"{OURS.text}; sid={OTHER.text}"],
)  # fmt: skip
def test_a_cookie_that_is_no_token_is_malformed(value: str) -> None:
    assert read_text(f"sid={value}") == Presented("malformed")


def test_a_token_is_read_under_the_name_of_its_scheme_only() -> None:
    assert read_text(f"a=b; sid={OURS.text}; c=d") == Presented("token", OURS)
    assert read_text(f"__Host-sid={OURS.text}", https=True) == Presented("token", OURS)
    assert read_text(f"sid={OURS.text}", https=True) == NOTHING
    assert read_text(f"__Host-sid={OURS.text}") == NOTHING


def test_several_lines_are_one_request_and_two_values_are_none() -> None:
    ours, other = f"sid={OURS.text}".encode(), f"sid={OTHER.text}".encode()
    assert read(TERMS, [b"a=b", ours], https=False) == Presented("token", OURS)
    assert read(TERMS, [ours, ours], https=False) == Presented("token", OURS)
    assert read(TERMS, [ours, other], https=False) == read(TERMS, [other, ours], https=False) == Presented("malformed")


def test_cookie_lines_are_found_among_headers() -> None:
    headers = [(b"host", b"x"), (b"cookie", b"a=1"), (b"cookies", b"no"), (b"cookie", b"b=2")]
    assert cookie_lines(headers) == [b"a=1", b"b=2"]


@given(st.lists(st.binary(max_size=200), max_size=4), st.sampled_from(["value", "companion"]), st.booleans())
def test_reading_never_raises_and_never_takes_what_is_not_signed(lines: list[bytes], style: Any, https: bool) -> None:
    presented = read(Terms(signer=Signer([NEW], "p"), sign_style=style), lines, https=https)
    assert presented.kind != "token"


# Signatures ---------------------------------------------------------------------------------------------------------


def signing(*secrets: str, style: str = "value", **options: Any) -> Terms:
    return Terms(signer=Signer(secrets, "session:sid"), sign_style=style, **options)  # type: ignore[arg-type]


def jar(headers: Headers) -> str:
    """A Cookie header of what was set."""
    return "; ".join(line.partition(";")[0] for line in cookies(headers))


CREATED = Upshot(NOTHING, RECORD, OURS)


@pytest.mark.parametrize("style", ["value", "companion"])
def test_what_was_signed_is_read_again(style: str) -> None:
    terms = signing(NEW, style=style)
    assert read_text(jar(written(CREATED, terms)), terms) == Presented("token", OURS)


@pytest.mark.parametrize("style", ["value", "companion"])
def test_a8_a_former_secret_still_opens_and_is_signed_anew(style: str) -> None:
    former, both, later = signing(OLD, style=style), signing(NEW, OLD, style=style), signing(NEW, style=style)
    held = jar(written(CREATED, former))
    presented = read_text(held, both)
    assert presented == Presented("token", OURS, is_stale=True)
    headers = written(Upshot(presented, RECORD, presented.token), both)
    assert outcome(headers) == "private; set"
    assert read_text(jar(headers), later) == Presented("token", OURS)
    assert read_text(held, later) == Presented("forged")


def test_nothing_is_signed_anew_in_place_of_a_token_that_came_meanwhile() -> None:
    both = signing(NEW, OLD)
    presented = read_text(jar(written(CREATED, signing(OLD))), both)
    rotated = replace(RECORD, secret_hash=b"x" * 32)
    assert outcome(written(Upshot(presented, rotated, presented.token), both)) == "private; nothing"


@pytest.mark.parametrize("style", ["value", "companion"])
def test_every_changed_character_is_refused(style: str) -> None:
    terms = signing(NEW, style=style)
    held = jar(written(CREATED, terms))
    for at, character in enumerate(held):
        if character in "=; ":
            continue
        changed = held[:at] + ("A" if character != "A" else "B") + held[at + 1 :]
        assert read_text(changed, terms).kind in ("forged", "none"), at


def test_an_unsigned_token_is_forged_where_signatures_are_asked() -> None:
    assert read_text(f"sid={OURS.text}", signing(NEW)) == Presented("forged")


def test_a9_17_a_former_secret_is_never_used_to_sign() -> None:
    assert read_text(jar(written(CREATED, signing(NEW, OLD))), signing(OLD)) == Presented("forged")


def test_a9_18_another_sites_signature_is_forged() -> None:
    other = Terms(signer=Signer([NEW], "session:other"))
    assert read_text(jar(written(CREATED, other)), signing(NEW)) == Presented("forged")


COMPANION = signing(NEW, style="companion")


def test_f11_f12_the_second_cookie_is_the_signature_and_missing_or_wrong_it_is_forged() -> None:
    line = jar(written(CREATED, COMPANION))
    main, beside = line.split("; ")
    assert main == f"sid={OURS.text}"
    assert beside.startswith("sid_sig=")
    assert len(beside) == len("sid_sig=") + 64
    assert read_text(f"{beside}; {main}", COMPANION) == Presented("token", OURS)
    for wrong in (main, f"{main}; sid_sig=", f"{main}; sid_sig={'0' * 64}", f"{main}; {beside}; sid_sig=00"):
        assert read_text(wrong, COMPANION) == Presented("forged"), wrong
    assert read_text(beside, COMPANION) == NOTHING


def test_f13_both_cookies_live_equally_long_and_ours_comes_first() -> None:
    main, beside = cookies(written(CREATED, COMPANION))
    assert main.startswith("sid=")
    assert beside.startswith("sid_sig=")
    assert main.partition("; ")[2] == beside.partition("; ")[2]
    assert "Max-Age=2592000" in main


@pytest.mark.parametrize("https", [False, True])
def test_f14_both_cookies_are_cleared_with_the_guards_they_were_set_with(https: bool) -> None:
    made = cookies(written(CREATED, COMPANION, https=https))
    gone = cookies(written(Upshot(Presented("token", OURS), None, None), COMPANION, https=https))
    assert [line.partition("=")[0] for line in made] == [line.partition("=")[0] for line in gone]
    for before, after in zip(made, gone, strict=True):
        attributes = {part for part in before.split("; ")[1:] if not part.startswith("Max-Age")}
        cleared = after.split("; ")
        assert cleared[0].endswith("=")
        assert attributes < set(cleared)
        assert {"Max-Age=0", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"} < set(cleared)


# The cookie ---------------------------------------------------------------------------------------------------------


def max_age(terms: Terms, lifetime: Lifetime, *, now: int = NOW, **upshot: Any) -> str | None:
    record = record_of(OTHER, lifetime=lifetime)
    (line,) = cookies(written(Upshot(upshot.pop("presented", NOTHING), record, OTHER, **upshot), terms, now=now))
    found = [part for part in line.split("; ") if part.startswith("Max-Age=")]
    return found[0].partition("=")[2] if found else None


def test_max_age_is_what_is_left_of_the_absolute_lifetime() -> None:
    life = Lifetime(14 * DAY, "last_access", 30 * DAY, 60_000)
    assert max_age(TERMS, life) == str(30 * 86_400)
    assert max_age(TERMS, life, now=NOW + 10 * DAY) == str(20 * 86_400)
    assert max_age(TERMS, life, now=NOW + 31 * DAY) == "1"  # never a zero, which would clear it


def test_max_age_follows_a_lifetime_that_counts_from_creation() -> None:
    assert max_age(TERMS, Lifetime(DAY, "created", 30 * DAY, 60_000)) == "86400"
    assert max_age(TERMS, Lifetime(1500, "created", None, 60_000)) == "1"


def test_max_age_without_a_limit_is_what_browsers_allow() -> None:
    assert max_age(TERMS, Lifetime(DAY, "last_access", None, 60_000)) == str(MAX_AGE_LIMIT_S)
    assert max_age(TERMS, Lifetime(None, "last_access", None, 60_000)) == str(MAX_AGE_LIMIT_S)
    assert max_age(TERMS, Lifetime(None, "last_access", 1000 * DAY, 60_000)) == str(MAX_AGE_LIMIT_S)


def test_a_cookie_that_ends_with_the_browser_has_no_max_age() -> None:
    assert max_age(Terms(persistent=False), Lifetime(DAY, "created", DAY, 60_000)) is None


def test_expires_stands_beside_max_age_on_request() -> None:
    (line,) = cookies(written(CREATED, Terms(expires=True)))
    assert line.endswith("; Max-Age=2592000; Expires=Sat, 27 Jun 2026 20:26:40 GMT")


RENEWED = Lifetime(14 * DAY, "last_access", None, 60_000)


@pytest.mark.parametrize(
    ("lifetime", "noted", "terms", "expected"),
    [
        (RENEWED, True, TERMS, "set"),
        (RENEWED, False, TERMS, "nothing"),
        (RENEWED, True, Terms(persistent=False), "nothing"),
        (replace(RENEWED, absolute_ms=30 * DAY), True, TERMS, "nothing"),
        (replace(RENEWED, ttl_type="created"), True, TERMS, "nothing"),
        (replace(RENEWED, ttl_type="last_update"), True, TERMS, "set"),
    ],
)
def test_a9_51_the_cookie_is_sent_again_only_without_absolute_limit_and_with_a_noted_access(
    lifetime: Lifetime, noted: bool, terms: Terms, expected: str
) -> None:
    upshot = Upshot(Presented("token", OURS), record_of(OURS, lifetime=lifetime), OURS, noted_access=noted)
    assert outcome(written(upshot, terms)) == f"private; {expected}"


def test_a_renewed_cookie_never_comes_in_the_place_of_a_rotated_one() -> None:
    rotated = replace(record_of(OURS, lifetime=RENEWED), secret_hash=secret_hash(OTHER.secret))
    assert outcome(written(Upshot(Presented("token", OURS), rotated, OURS, noted_access=True))) == "private; nothing"


def test_set_cookie_comes_first_and_once_for_each_name() -> None:
    for terms in (TERMS, COMPANION):
        for upshot in (CREATED, Upshot(Presented("malformed"), None, None)):
            headers: Headers = [(b"set-cookie", b"lang=en"), (b"x", b"y")]
            write(terms, headers, upshot, https=False, host=lambda: "localhost", clock=lambda: NOW)
            names = [value.partition(b"=")[0] for name, value in headers if name == b"set-cookie"]
            assert names == ([b"sid", b"sid_sig", b"lang"] if terms is COMPANION else [b"sid", b"lang"])
            assert headers[0][1].startswith(b"sid=")


def test_clear_site_data_is_for_logouts_over_https() -> None:
    ended = Upshot(Presented("token", OURS), None, None, logged_out=True)
    assert (b"clear-site-data", b'"cache", "storage"') in written(ended, https=True)
    assert outcome(written(ended)) == "private; cleared"
    assert outcome(written(ended, Terms(clear_site_data=None), https=True)) == "private; cleared"
    assert outcome(written(Upshot(Presented("token", OURS), None, None), https=True)) == "private; cleared"


# Plain http ---------------------------------------------------------------------------------------------------------

LOCAL = ["localhost", "localhost:8000", "LOCALHOST", "app.localhost:80", "127.0.0.1", "127.9.9.9:5", "[::1]",
         "[::1]:8000", "testserver"]  # fmt: skip
DISTANT = ["example.org", "example.org:80", "10.0.0.1", "128.0.0.1", "[2001:db8::1]:80", "localhost.example.org",
           "127.0.0.1.example.org", "127.0.0.x", "notlocalhost", "127.1"]  # fmt: skip


@pytest.mark.parametrize("host", LOCAL)
def test_a_token_may_go_over_plain_http_to_this_machine(host: str) -> None:
    assert outcome(written(CREATED, host=host)) == "private; set"


@pytest.mark.parametrize("host", DISTANT)
def test_a_token_does_not_go_over_plain_http_elsewhere(host: str) -> None:
    with pytest.raises(ConfigurationError, match="plain http") as caught:
        written(CREATED, host=host)
    assert OURS.secret not in str(caught.value)
    with pytest.raises(ConfigurationError):
        check_way(TERMS, https=False, host=lambda: host)
    check_way(TERMS, https=True, host=lambda: host)
    assert outcome(written(CREATED, host=host, https=True)) == "private; set"
    assert outcome(written(CREATED, Terms(plain_http="anywhere"), host=host)) == "private; set"


def test_clearing_and_reading_are_allowed_over_plain_http() -> None:
    assert outcome(written(Upshot(Presented("malformed"), None, None), host="example.org")) == "private; cleared"
    assert outcome(written(Upshot(Presented("token", OURS), RECORD, OURS), host="example.org")) == "private; nothing"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"sign_style": "both"}, "sign_style is 'value' or 'companion'"),
        ({"plain_http": "yes"}, "plain_http is 'loopback' or 'anywhere'"),
        ({"cookie": CookiePolicy("sid", max_age_s=60)}, "lives as long as the session"),
    ],
)
def test_terms_that_cannot_work_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigurationError, match=text):
        Terms(**options)
