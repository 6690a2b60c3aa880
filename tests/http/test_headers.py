"""What caches may do with an answer (security.md A.7) and what a logout clears (A.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.errors import ConfigurationError
from sojourn.http.headers import CLEAR_SITE_DATA, Headers, add_private, add_vary, clear_site_data

HTML = (b"content-type", b"text/html")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [b"Cookie"]),
        ([b""], [b"Cookie"]),
        ([b"Accept"], [b"Accept, Cookie"]),
        ([b"Accept, Origin"], [b"Accept, Origin, Cookie"]),
        ([b"Accept,"], [b"Accept, Cookie"]),
        ([b"Accept", b"Origin"], [b"Accept", b"Origin, Cookie"]),
        ([b"Cookie"], [b"Cookie"]),
        ([b"cookie"], [b"cookie"]),
        ([b"Accept , COOKIE"], [b"Accept , COOKIE"]),
        ([b"Cookie", b"Accept"], [b"Cookie", b"Accept"]),
        ([b"X-Cookie"], [b"X-Cookie, Cookie"]),
        ([b"*"], [b"*"]),
        ([b"Accept, *"], [b"Accept, *"]),
        ([b"*", b"Accept"], [b"*", b"Accept"]),
    ],
)
def test_a7_vary_is_added_without_dropping_or_doubling(before: list[bytes], after: list[bytes]) -> None:
    headers: Headers = [HTML, *((b"Vary", value) for value in before)]
    add_vary(headers, "Cookie")
    name = b"Vary" if before else b"vary"
    assert headers == [HTML, *((name, value) for value in after)]
    again = list(headers)
    add_vary(again, "Cookie")
    assert again == headers


def test_vary_can_name_the_header_of_another_transport() -> None:
    headers: Headers = [(b"vary", b"Cookie")]
    add_vary(headers, "Authorization")
    assert headers == [(b"vary", b"Cookie, Authorization")]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], b"private, no-store"),
        ([b""], b"private, no-store"),
        ([b"public"], b"private, no-store"),
        ([b"public, max-age=600"], b"max-age=600, private, no-store"),
        ([b"PUBLIC , Max-Age=600"], b"Max-Age=600, private, no-store"),
        ([b"s-maxage=600, must-revalidate"], b"must-revalidate, private, no-store"),
        ([b"max-age=60"], b"max-age=60, private, no-store"),
        ([b"private"], b"private, no-store"),
        ([b"private, max-age=60"], b"private, max-age=60, no-store"),
        ([b"no-cache"], b"no-cache, private, no-store"),
        ([b"no-store"], b"no-store"),
        ([b"No-Store, max-age=0"], b"No-Store, max-age=0"),
        ([b"private, no-store"], b"private, no-store"),
        ([b"no-store, public"], b"no-store, private"),
        ([b"no-store, s-maxage=9"], b"no-store, private"),
        ([b"no-transform", b"public"], b"no-transform, private, no-store"),
        ([b'private="x-name"'], b'private="x-name", private, no-store'),
        ([b'no-store="x"'], b'no-store="x", private, no-store'),
        ([b'no-cache="a, public, b", max-age=1'], b'no-cache="a, public, b", max-age=1, private, no-store'),
        ([b'ext="no-store, \\" public"'], b'ext="no-store, \\" public", private, no-store'),
        ([b'public, ext="no-store'], b"private, no-store"),
        ([b'"', b"no-store"], b"private, no-store"),
        ([b",, public ,,"], b"private, no-store"),
    ],
)
def test_a7_the_answer_becomes_private_and_is_never_weakened(before: list[bytes], after: bytes) -> None:
    headers: Headers = [*((b"Cache-Control", value) for value in before), HTML]
    add_private(headers)
    expected = (b"Cache-Control" if before else b"cache-control", after)
    assert headers == ([expected, HTML] if before else [HTML, expected])
    again = list(headers)
    add_private(again)
    assert again == headers


@pytest.mark.parametrize("name", [b"CDN-Cache-Control", b"cloudflare-cdn-cache-control", b"Surrogate-Control"])
def test_a7_headers_that_outrank_cache_control_say_no_store_too(name: bytes) -> None:
    headers: Headers = [(name, b"max-age=600"), (b"cache-control", b"no-store")]
    add_private(headers)
    assert headers == [(name, b"no-store"), (b"cache-control", b"no-store")]


directives = st.sampled_from(
    [
        b"public",
        b"private",
        b"no-store",
        b"s-maxage=9",
        b"max-age=9",
        b'x="a, public"',
        b'"',
        b"\\",
        b",",
        b" ",
        b"=",
        b"\xff",
    ]
)


@given(st.lists(st.lists(directives, max_size=6).map(b",".join), max_size=3))
def test_a7_whatever_stood_there_no_cache_may_store_it(lines: list[bytes]) -> None:
    headers: Headers = [(b"cache-control", line) for line in lines]
    add_private(headers)
    value = b",".join(line for _, line in headers)
    # A cache that knows no quoted strings must read the same as one that does.
    words = {word.strip(b" \t").lower() for word in value.split(b",")}
    assert b"no-store" in words
    assert value.count(b'"') % 2 == 0 or b"\\" in value
    if b'"' not in value:
        assert not {b"public", b"s-maxage=9"} & words


def test_a5_the_default_clears_cache_and_storage_but_no_cookies() -> None:
    assert CLEAR_SITE_DATA == b'"cache", "storage"'


@pytest.mark.parametrize(
    ("kinds", "value"),
    [
        (("cookies",), b'"cookies"'),
        (("cache", "cookies", "storage"), b'"cache", "cookies", "storage"'),
        (("*",), b'"*"'),
    ],
)
def test_a5_every_kind_is_quoted(kinds: tuple[str, ...], value: bytes) -> None:
    assert clear_site_data(*kinds) == value


@pytest.mark.parametrize(
    "kinds", [(), ("",), ("Cache",), ('"cache"',), ("cache", "cache"), ("cache, storage",), ("x\r\n",)]
)
def test_a5_what_browsers_would_ignore_is_refused(kinds: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="clear_site_data"):
        clear_site_data(*kinds)
