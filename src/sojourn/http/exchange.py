"""One request and its response, as far as sessions go: facts in, header edits out. Only this builds a Set-Cookie.

The table of design 9 says what happens; `flows.visit` decides what becomes of the session, this what becomes of the
headers. Both colours and every adapter use the same two steps: `read` before, `write` when the response begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from msgspec import Struct

from sojourn.core.record import Record, proof
from sojourn.core.tokens import Token, parse_token, secret_hash
from sojourn.errors import ConfigurationError
from sojourn.http.cookies import MAX_AGE_LIMIT_S, CookieFault, CookiePolicy, clear_cookie, find_cookie, set_cookie
from sojourn.http.headers import CLEAR_SITE_DATA, Headers, add_vary, add_vary_and_private
from sojourn.http.signing import Signer

__all__ = ["NOTHING", "Presented", "Terms", "Upshot", "check_way", "cookie_lines", "read", "write"]

SignStyle: TypeAlias = Literal["value", "companion"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What an application and its sessions agreed on: names, guards, signatures. Made once, checked once.

    Attributes:
        cookie: The name and guards of the cookie.
        signer: If given, the cookie is signed; else the opaque token stands alone, which is enough.
        sign_style: `value` signs as `token.signature`, `companion` by the seeds' second cookie NAME_sig (F12).
        persistent: Whether the cookie outlives the browser. Without, it has no Max-Age (NIST SP 800-63B-4 5.1).
        expires: Whether Expires stands beside Max-Age, for clients that read only that.
        plain_http: Where cookies without Secure may be sent: on `loopback` only, or `anywhere`.
        clear_site_data: What a logout over https asks the browser to forget; None asks nothing.
    """

    cookie: CookiePolicy = field(default_factory=CookiePolicy.default)
    signer: Signer | None = None
    sign_style: SignStyle = "value"
    persistent: bool = True
    expires: bool = False
    plain_http: Literal["loopback", "anywhere"] = "loopback"
    clear_site_data: bytes | None = CLEAR_SITE_DATA
    companion: CookiePolicy = field(init=False, repr=False)
    names: tuple[bytes, bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.sign_style not in ("value", "companion"):
            raise ConfigurationError(f"sign_style is 'value' or 'companion', not {self.sign_style!r}")
        if self.plain_http not in ("loopback", "anywhere"):
            raise ConfigurationError(f"plain_http is 'loopback' or 'anywhere', not {self.plain_http!r}")
        if self.cookie.max_age_s is not None:
            raise ConfigurationError(
                "a session's cookie lives as long as the session: leave max_age_s of the CookiePolicy out, and set "
                "ttl and absolute, or persistent=False."
            )
        object.__setattr__(self, "companion", self.cookie.companion())
        object.__setattr__(self, "names", (self.cookie.name_for(https=False), self.cookie.name_for(https=True)))


class Presented(Struct, frozen=True, gc=False):
    """What a request's cookie says.

    Attributes:
        kind: `none`; `malformed`, of no token's form, or several different ones; `forged`, its signature is not
            ours; `token`, which only the store can judge.
        token: What it holds, for `token` only.
        is_stale: A former secret signed it, so it is to be signed anew (A8).
    """

    kind: Literal["none", "malformed", "forged", "token"]
    token: Token | None = None
    is_stale: bool = False


NOTHING = Presented("none")
_MALFORMED = Presented("malformed")
_FORGED = Presented("forged")


def cookie_lines(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """The values of all Cookie headers of an ASGI header list; HTTP/2 and proxies may send several (RFC 9113 8.2.3)."""
    return [value for name, value in headers if name == b"cookie"]


def read(terms: Terms, lines: list[bytes], *, https: bool) -> Presented:
    """What a request presents: from its Cookie lines, without asking the store. Never raises."""
    if not lines:
        return NOTHING
    found = find_cookie(lines, terms.names[https])
    if found is None or found == b"":
        return NOTHING
    if isinstance(found, CookieFault):
        return _MALFORMED
    text = found.decode("ascii")
    is_stale = False
    if terms.signer is not None:
        if terms.sign_style == "value":
            signed = terms.signer.unsign(text)
        else:
            beside = find_cookie(lines, terms.companion.name_for(https=https))
            signed = terms.signer.verify(text, beside.decode("ascii") if isinstance(beside, bytes) else None)
        if signed is None:
            return _FORGED
        text, is_stale = signed.value, signed.stale
    token = parse_token(text)
    return _MALFORMED if token is None else Presented("token", token, is_stale)


class Upshot(Struct, frozen=True):
    """What became of a request that looked at its session.

    Attributes:
        presented: What it came with.
        record: The session's record now; None when it is anonymous and nothing is stored.
        token: The session's token now, as the client is to hold it.
        keep_cookie: Leave the client's cookie alone although no session stands.
        logged_out: The request itself ended its session.
        noted_access: This request noted an access, so a cookie without an absolute limit is sent again.
    """

    presented: Presented
    record: Record | None
    token: Token | None
    keep_cookie: bool = False
    logged_out: bool = False
    noted_access: bool = False


def write(
    terms: Terms, headers: Headers, upshot: Upshot, *, https: bool, host: Callable[[], str], clock: Callable[[], int]
) -> None:
    """Edit a response's headers, in place, for a request that looked at its session.

    Set-Cookie comes first in the list: some clients take no other (couch.md). At most one is written for each name.
    `clock` (milliseconds) is asked only where a token is handed out, `host` only where that is over plain http.

    Raises:
        ConfigurationError: As `check_way`; the cookie is not written.
    """
    presented = upshot.presented
    if presented.kind == "none" and upshot.record is None:
        add_vary(headers)  # read without a cookie, and stays so: Vary is all that a cache has to know
        return
    add_vary_and_private(headers)
    if upshot.record is not None and upshot.token is not None:
        if upshot.token is presented.token and not _is_sent_again(terms, upshot, upshot.record, upshot.token):
            return
        check_way(terms, https=https, host=host)
        now = clock()
        _hand_out(terms, headers, upshot.token.text, _max_age_s(terms, upshot.record, now), https=https, now=now)
    elif upshot.logged_out or not upshot.keep_cookie:
        if terms.signer is not None and terms.sign_style == "companion":
            headers.insert(0, (b"set-cookie", clear_cookie(terms.companion, https=https)))
        headers.insert(0, (b"set-cookie", clear_cookie(terms.cookie, https=https)))
        if upshot.logged_out and https and terms.clear_site_data is not None:
            headers.append((b"clear-site-data", terms.clear_site_data))


def check_way(terms: Terms, *, https: bool, host: Callable[[], str]) -> None:
    """Refuse to hand out a token where others could read it on its way; ask this before one is made.

    Raises:
        ConfigurationError: It would go over plain http to a host that is not this machine.
    """
    if not https and terms.plain_http == "loopback" and not _is_loopback(name := host()):
        raise ConfigurationError(
            f"a session's cookie would go to {name[:255]!r} over plain http, where anybody on the way can read it. "
            "Serve https (behind a proxy: let the server trust its X-Forwarded-Proto), or allow it by "
            "plain_http='anywhere'."
        )


def _hand_out(terms: Terms, headers: Headers, token: str, age: int | None, *, https: bool, now: int) -> None:
    stamp = now if terms.expires else None
    value = token
    if terms.signer is not None:
        if terms.sign_style == "value":
            value = terms.signer.sign(token)
        else:
            line = set_cookie(terms.companion, terms.signer.signature(token), https=https, max_age_s=age, now_ms=stamp)
            headers.insert(0, (b"set-cookie", line))
    headers.insert(0, (b"set-cookie", set_cookie(terms.cookie, value, https=https, max_age_s=age, now_ms=stamp)))


def _max_age_s(terms: Terms, record: Record, now: int) -> int | None:
    """What is left of the absolute lifetime, so that the cookie need not be sent again at every access."""
    if not terms.persistent:
        return None
    life = record.lifetime
    ends = [MAX_AGE_LIMIT_S * 1000 + now]
    if life.absolute_ms is not None:
        ends.append(record.created + life.absolute_ms)
    if life.ttl_ms is not None and life.ttl_type == "created":
        ends.append(record.created + life.ttl_ms)
    return max(1, (min(ends) - now) // 1000)


def _is_sent_again(terms: Terms, upshot: Upshot, record: Record, token: Token) -> bool:
    """Whether the client gets the token again that it has: signed anew, or with a new Max-Age.

    The latter only without an absolute limit, with each noted access, so at most once a touch interval. Never if
    another request has rotated it away meanwhile: it would come in the new one's place.
    """
    life = record.lifetime
    if not upshot.presented.is_stale and not (
        upshot.noted_access and life.absolute_ms is None and life.ttl_type != "created" and terms.persistent
    ):
        return False
    return proof(record, secret_hash(token.secret)) == "valid"


def _is_loopback(host: str) -> bool:
    """Whether a Host names this machine: nobody can listen in between. `testserver` is what test clients send."""
    name = host.lower()
    if name.startswith("["):
        return name.startswith("[::1]")
    name = name.rpartition(":")[0] or name
    return name in ("localhost", "testserver") or name.endswith(".localhost") or _is_127(name)


def _is_127(name: str) -> bool:
    parts = name.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdecimal() and len(part) < 4 for part in parts)
