"""Edits on a response's raw header list, in place: what caches may do, what a logout asks browsers to forget.

The list is ASGI's: pairs of octets, names in any case. The rules are security.md A.5 and A.7; each edit may
be repeated without effect, and none weakens what the application said.
"""

from __future__ import annotations

import re

from sojourn.errors import ConfigurationError

__all__ = ["CLEAR_SITE_DATA", "Headers", "add_private", "add_vary", "add_vary_and_private", "clear_site_data"]

Headers = list[tuple[bytes, bytes]]
"""A response's headers as ASGI carries them."""

_PRIVATE = b"private, no-store"
# One directive: octets outside quotes, or a quoted string with its escapes, up to a comma.
_DIRECTIVE = re.compile(rb'(?:[^",]|"(?:[^"\\]|\\.)*+")++', re.DOTALL)
_MAY_BE_SHARED = frozenset({b"public", b"s-maxage"})
# Headers that some shared caches obey before Cache-Control (RFC 9213 2.1, and its forerunner).
_TARGETED_SUFFIXES = (b"cdn-cache-control", b"surrogate-control")
_KINDS = frozenset(
    (
        "*",
        "cache",
        "clientHints",
        "cookies",
        "executionContexts",
        "prefetchCache",
        "prerenderCache",
        "storage",
    )
)


def add_vary(headers: Headers, name: str = "Cookie") -> None:
    """Say that the answer depends on a request header: for every answer that looked at its session (A.7).

    Appends to the last Vary line. A name that is there in any case, and `Vary: *`, stay as they are (django
    CVE-2026-6907).
    """
    wanted = name.encode("ascii")
    last = -1
    for index, (header, value) in enumerate(headers):
        if header.lower() != b"vary":
            continue
        last = index
        for member in value.split(b","):
            if member.strip(b" \t").lower() in (b"*", wanted.lower()):
                return
    if last < 0:
        headers.append((b"vary", wanted))
        return
    header, value = headers[last]
    kept = value.strip(b" \t,")
    headers[last] = (header, kept + b", " + wanted if kept else wanted)


def add_private(headers: Headers) -> None:
    """Keep every cache from storing the answer: `Cache-Control: private, no-store` (A.7; ASVS 14.3.2).

    The application's own directives stay, but for `public` and `s-maxage`, which would hand the page to
    shared caches. An application that already says `no-store` and neither of those is left as it is.
    `no-store` is added to a bare `private, max-age=60` too, or Back would show the page after logout.
    Directives that cannot be read (an open quote) are replaced. Headers for CDNs that outrank Cache-Control
    (RFC 9213) become `no-store`.
    """
    lines: list[int] = []
    for index, (header, _) in enumerate(headers):
        lowered = header.lower()
        if lowered == b"cache-control":
            lines.append(index)
        elif lowered.endswith(_TARGETED_SUFFIXES):
            headers[index] = (header, b"no-store")
    if not lines:
        headers.append((b"cache-control", _PRIVATE))
        return
    directives = _directives(b",".join(headers[index][1] for index in lines))
    names = {directive.partition(b"=")[0].rstrip(b" \t").lower() for directive in directives}
    # Only the bare words count: private="x-field" guards one header, not the page (RFC 9111 5.2.2.7).
    bare = {directive.lower() for directive in directives}
    if b"no-store" in bare and not names & _MAY_BE_SHARED:
        return
    kept = [one for one in directives if one.partition(b"=")[0].rstrip(b" \t").lower() not in _MAY_BE_SHARED]
    kept += [word for word in (b"private", b"no-store") if word not in bare]
    headers[lines[0]] = (headers[lines[0]][0], b", ".join(kept))
    for index in reversed(lines[1:]):
        del headers[index]


def add_vary_and_private(headers: Headers) -> None:
    """`add_vary` for Cookie, then `add_private`: what nearly every answer needs that looked at its session.

    Most applications say nothing of caches. Then a look at the length of each name is enough, and quicker than
    lowering them all: vary has 4, cache-control 13, and what ends in cdn-cache-control or surrogate-control 17 or more.
    """
    for name, _ in headers:
        length = len(name)
        if length in (4, 13) or length >= 17:
            add_vary(headers)
            add_private(headers)
            return
    headers.append((b"vary", b"Cookie"))
    headers.append((b"cache-control", _PRIVATE))


def _directives(value: bytes) -> list[bytes]:
    """The directives of a Cache-Control value, without empty ones; none when a quote stays open."""
    found = _DIRECTIVE.findall(value)
    # What the pattern skips are commas and nothing else, or a quote was left open.
    if sum(map(len, found)) + value.count(b",") - sum(one.count(b",") for one in found) != len(value):
        return []
    return [one for one in (directive.strip(b" \t") for directive in found) if one]


def clear_site_data(*kinds: str) -> bytes:
    """The value of a Clear-Site-Data header, for the answer to a logout over https.

    Browsers ignore it over plain http, and ignore kinds that are not in double quotes.

    Warning:
        `"cookies"` (and `"*"`) signs the user out of the whole registrable domain, sub-domains of others
        included; `"storage"` also removes the application's service workers and local drafts.

    Args:
        *kinds: Among cache, cookies, storage, executionContexts, clientHints, prefetchCache, prerenderCache,
            or `*`; written without quotes.

    Raises:
        ConfigurationError: No kind, an unknown one, or one twice.
    """
    if not kinds or not _KINDS.issuperset(kinds) or len(set(kinds)) != len(kinds):
        msg = f"clear_site_data{kinds!r}: write each of the kinds once, such as 'cache', 'storage'; "
        raise ConfigurationError(msg + f"known are {', '.join(sorted(_KINDS))}.")
    return ", ".join(f'"{kind}"' for kind in kinds).encode("ascii")


CLEAR_SITE_DATA = clear_site_data("cache", "storage")
"""What a logout sends unless told otherwise: pages and data of this origin, but no cookie.

Ours is cleared by its own Set-Cookie; `"cookies"` would reach sub-domains, so it is opt-in (security.md A.5).
"""
