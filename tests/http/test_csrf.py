"""The table of security.md A.6 row by row, the bypasses of A.9 #38, and CSRF tokens (A14, A15)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.errors import ConfigurationError
from sojourn.http.csrf import AllowedOrigins, Verdict, cross_origin_verdict

HOST = "example.org"
LISTED = AllowedOrigins(["https://shop.example.net", "http://localhost:8000"])
UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "WEBSOCKET", "post", "get", "Get", "TRACE", "PROPFIND", ""]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("site", [None, "same-origin", "none", "same-site", "cross-site", "bogus"])
@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "https://example.org"])
def test_a6_safe_methods_pass(method: str, site: str | None, origin: str | None) -> None:
    assert cross_origin_verdict(method, HOST, origin, site, LISTED) is Verdict.SAFE_METHOD


@pytest.mark.parametrize("method", UNSAFE)
@pytest.mark.parametrize(
    ("site", "origin", "expected"),
    [
        ("same-origin", None, Verdict.SAME_ORIGIN),
        ("same-origin", "https://example.org", Verdict.SAME_ORIGIN),
        ("none", None, Verdict.USER_STARTED),
        ("cross-site", None, Verdict.CROSS_SITE),
        ("cross-site", "https://evil.example", Verdict.CROSS_SITE),
        ("cross-site", "https://example.org", Verdict.CROSS_SITE),
        ("cross-site", "null", Verdict.CROSS_SITE),
        ("same-site", None, Verdict.SAME_SITE),
        ("same-site", "https://blog.example.org", Verdict.SAME_SITE),
        ("same-site", "https://shop.example.net", Verdict.LISTED_ORIGIN),
        ("cross-site", "https://shop.example.net", Verdict.LISTED_ORIGIN),
        ("cross-site", "https://shop.example.net:443", Verdict.LISTED_ORIGIN),
        ("cross-site", "https://shop.example.net:444", Verdict.CROSS_SITE),
        ("cross-site", "http://shop.example.net", Verdict.CROSS_SITE),
        ("cross-site", "https://shop.example.net/", Verdict.CROSS_SITE),
        ("cross-site", "https://x.shop.example.net", Verdict.CROSS_SITE),
        ("bogus", "https://example.org", Verdict.CROSS_SITE),
        ("Same-Origin", None, Verdict.CROSS_SITE),
        ("same-origin, cross-site", None, Verdict.CROSS_SITE),
        (" none", None, Verdict.CROSS_SITE),
        (None, None, Verdict.NO_BROWSER),
        ("", "", Verdict.NO_BROWSER),
        (None, "https://example.org", Verdict.SAME_ORIGIN),
        ("", "https://example.org", Verdict.SAME_ORIGIN),
        (None, "http://example.org", Verdict.SAME_ORIGIN),
        (None, "https://other.example", Verdict.OTHER_ORIGIN),
        (None, "null", Verdict.NULL_ORIGIN),
        (None, "https://example.org.evil", Verdict.OTHER_ORIGIN),
        (None, "https://example.org.evil.example", Verdict.OTHER_ORIGIN),
        (None, "https://evil-example.org", Verdict.OTHER_ORIGIN),
        (None, "https://blog.example.org", Verdict.OTHER_ORIGIN),
        (None, "https://example.org.", Verdict.OTHER_ORIGIN),
        (None, "https://example.org:8443", Verdict.OTHER_ORIGIN),
        (None, "https://example.org:80", Verdict.OTHER_ORIGIN),
        (None, "https://shop.example.net", Verdict.LISTED_ORIGIN),
        (None, "http://localhost:8000", Verdict.LISTED_ORIGIN),
        (None, "http://localhost", Verdict.OTHER_ORIGIN),
    ],
)
def test_a6_unsafe_methods(method: str, site: str | None, origin: str | None, expected: Verdict) -> None:
    assert cross_origin_verdict(method, HOST, origin, site, LISTED) is expected


def test_a6_which_verdicts_let_a_request_through() -> None:
    allowed = {verdict for verdict in Verdict if verdict.is_allowed}
    assert allowed == {
        Verdict.SAFE_METHOD,
        Verdict.SAME_ORIGIN,
        Verdict.USER_STARTED,
        Verdict.LISTED_ORIGIN,
        Verdict.NO_BROWSER,
    }
    assert len({verdict.reason for verdict in Verdict}) == len(Verdict) == 10


def test_without_a_list_no_foreign_origin_passes() -> None:
    assert cross_origin_verdict("POST", HOST, "https://shop.example.net", None) is Verdict.OTHER_ORIGIN
    assert cross_origin_verdict("POST", HOST, None, "cross-site") is Verdict.CROSS_SITE


@pytest.mark.parametrize(
    ("host", "origin", "expected"),
    [
        ("Example.ORG", "https://example.org", Verdict.SAME_ORIGIN),
        ("example.org", "HTTPS://EXAMPLE.org", Verdict.SAME_ORIGIN),
        ("example.org:443", "https://example.org", Verdict.SAME_ORIGIN),
        ("example.org", "https://example.org:443", Verdict.SAME_ORIGIN),
        ("example.org:80", "http://example.org", Verdict.SAME_ORIGIN),
        ("example.org:80", "https://example.org", Verdict.OTHER_ORIGIN),
        ("example.org:443", "http://example.org", Verdict.OTHER_ORIGIN),
        ("example.org:8443", "https://example.org:8443", Verdict.SAME_ORIGIN),
        ("example.org:8443", "https://example.org", Verdict.OTHER_ORIGIN),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", Verdict.SAME_ORIGIN),
        ("localhost:8000", "http://127.0.0.1:8000", Verdict.OTHER_ORIGIN),
        ("[::1]:8000", "http://[::1]:8000", Verdict.SAME_ORIGIN),
        ("[::1]", "http://[::1]", Verdict.SAME_ORIGIN),
        ("[0:0::1]", "http://[::1]:80", Verdict.SAME_ORIGIN),
        ("[2001:DB8::1]", "https://[2001:db8::1]", Verdict.SAME_ORIGIN),
        ("[::1]", "http://[::2]", Verdict.OTHER_ORIGIN),
        ("[::1]:8000", "http://[::1]:8001", Verdict.OTHER_ORIGIN),
        ("my_app:8000", "http://my_app:8000", Verdict.SAME_ORIGIN),
        # The Kelvin sign lower-cases to a plain k.
        ("bank.example", "https://ban\u212a.example", Verdict.MALFORMED_ORIGIN),
        (None, "https://example.org", Verdict.MALFORMED_ORIGIN),
        ("", "https://example.org", Verdict.MALFORMED_ORIGIN),
        ("example.org/evil", "https://example.org", Verdict.MALFORMED_ORIGIN),
        ("evil@example.org", "https://example.org", Verdict.MALFORMED_ORIGIN),
        ("example.org, evil.example", "https://example.org", Verdict.MALFORMED_ORIGIN),
        ("example.org:", "https://example.org", Verdict.MALFORMED_ORIGIN),
        ("\u212aelvin.example", "https://kelvin.example", Verdict.MALFORMED_ORIGIN),
        ("example.org", "example.org", Verdict.MALFORMED_ORIGIN),
        ("example.org", "//example.org", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://example.org/", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://example.org?x", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://example.org#x", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://user@example.org", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://evil.example@example.org", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://example.org https://evil.example", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://example.org, https://evil.example", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://example.org\n", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://example.org:99999", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://example.org:4\u06643", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://", Verdict.MALFORMED_ORIGIN),
        ("example.org", "https://*", Verdict.MALFORMED_ORIGIN),
        ("[::1", "http://[::1", Verdict.MALFORMED_ORIGIN),
        ("[::1::]", "http://[::1::]", Verdict.MALFORMED_ORIGIN),
        ("example.org", "NULL", Verdict.MALFORMED_ORIGIN),
        ("null", "null", Verdict.NULL_ORIGIN),
    ],
)
def test_hosts_are_compared_by_meaning(host: str | None, origin: str, expected: Verdict) -> None:
    assert cross_origin_verdict("POST", host, origin, None) is expected


def test_a9_38_behind_tls_the_plain_http_page_is_another_origin() -> None:
    assert cross_origin_verdict("POST", HOST, "http://example.org", None, https=True) is Verdict.OTHER_ORIGIN
    assert cross_origin_verdict("POST", HOST, "https://example.org", None, https=True) is Verdict.SAME_ORIGIN
    listed = AllowedOrigins(["http://example.org"])
    assert cross_origin_verdict("POST", HOST, "http://example.org", None, listed, https=True).is_allowed


@pytest.mark.parametrize("https", [True, False])
def test_a9_38_the_foreign_origin_is_refused_on_both_schemes(https: bool) -> None:
    for origin in ("https://evil.example", "http://evil.example", "null"):
        assert not cross_origin_verdict("POST", HOST, origin, None, https=https).is_allowed


schemes = st.sampled_from(["http", "https"])
hosts = st.sampled_from(["a.example", "b.example", "a.example.b.example", "[::1]", "[::2]", "127.0.0.1"])
ports = st.sampled_from([None, 80, 443, 8000])


@given(schemes, hosts, ports, hosts, ports)
def test_same_origin_is_same_host_and_port(
    scheme: str, host: str, port: int | None, origin_host: str, origin_port: int | None
) -> None:
    def join(name: str, number: int | None) -> str:
        return name if number is None else f"{name}:{number}"

    default = {"http": 80, "https": 443}[scheme]
    is_same = host == origin_host and (port or default) == (origin_port or default)
    verdict = cross_origin_verdict("POST", join(host, port), f"{scheme}://{join(origin_host, origin_port)}", None)
    assert verdict is (Verdict.SAME_ORIGIN if is_same else Verdict.OTHER_ORIGIN)


texts = st.one_of(st.none(), st.text(max_size=30), st.from_regex(r"https?://[a-z.:\[\]0-9]{0,20}"))


@given(st.sampled_from(UNSAFE), texts, texts, texts)
def test_no_header_makes_the_verdict_raise_or_opens_a_door(
    method: str, host: str | None, origin: str | None, site: str | None
) -> None:
    verdict = cross_origin_verdict(method, host, origin, site)
    if verdict.is_allowed and site not in ("same-origin", "none"):
        assert not site
        assert not origin or (verdict is Verdict.SAME_ORIGIN and host)


@pytest.mark.parametrize(
    "origin",
    [
        "example.org",
        "//example.org",
        "https://example.org/",
        "https://example.org/path",
        "https://example.org?q",
        "https://example.org#f",
        "https://user@example.org",
        "https://*.example.org",
        "https://exämple.org",
        "https://example.org:port",
        "https://example.org:70000",
        "https://[::g]",
        "https://",
        " https://example.org",
        "https://example.org\n",
        "null",
        "*",
        "",
        None,
        7,
    ],
)
def test_a6_a_listed_origin_that_could_not_match_is_refused_at_start(origin: str) -> None:
    with pytest.raises(ConfigurationError, match="exactly scheme, host and port"):
        AllowedOrigins(["https://good.example", origin])


def test_a_single_text_is_no_list() -> None:
    with pytest.raises(ConfigurationError, match="not a list"):
        AllowedOrigins("https://example.org")


def test_listed_origins_are_exact_but_for_case_and_default_port() -> None:
    listed = AllowedOrigins(["HTTPS://Shop.example:443", "chrome-extension://abcdef", "http://[0:0::1]:80"])
    for origin in (
        "https://shop.example",
        "https://SHOP.example:443",
        "chrome-extension://abcdef",
        "http://[::1]",
    ):
        assert origin in listed
    for other in (
        "http://shop.example",
        "https://shop.example:444",
        "https://a.shop.example",
        "null",
        "",
        None,
        7,
    ):
        assert other not in listed
    assert repr(listed) == "AllowedOrigins(3 origins)"
