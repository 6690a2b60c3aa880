"""Cookies as text: find ours in a request, write ours into a response.

Both directions are our own. Reading, because the general parsers decode names, undo quotes and take time
that grows with the square of the input (security.md A.9 #4-#8). Writing, because a cookie that browsers drop
in silence (wrong prefix, SameSite=None without Secure, over 4,096 octets) must be an error, not a riddle.

Grammar: RFC 6265bis, sections 4.1.1 (what a server writes), 4.2 (what it reads), 4.1.3 (name prefixes).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from types import EllipsisType
from typing import Literal, NamedTuple

from sojourn.errors import ConfigurationError, UsageError

__all__ = [
    "MAX_AGE_LIMIT_S",
    "MAX_COOKIE_OCTETS",
    "CookieFault",
    "CookiePolicy",
    "Spelling",
    "clear_cookie",
    "find_cookie",
    "set_cookie",
]

MAX_COOKIE_OCTETS = 4096
"""The most octets of name and value together that browsers keep (RFC 6265bis 5.6; ASVS 3.3.5)."""

MAX_AGE_LIMIT_S = 400 * 86_400
"""Seconds: browsers cut every longer lifetime to 400 days (RFC 6265bis 5.5)."""

_MAX_ATTRIBUTE_OCTETS = 1024
# cookie-octet of RFC 6265bis 4.1.1: visible ASCII without quote, comma, semicolon and backslash.
_OCTETS = bytes(c for c in range(0x21, 0x7F) if c not in b'",;\\')
_OWS = b" \t"
_SEMICOLON = 0x3B
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_DOMAIN = re.compile(r"\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_PATH = re.compile(r"/[\x20-\x3A\x3C-\x7E]*")
# Longest first: `__Host-Http-` begins with `__Host-` as well.
_PREFIXES = ("__Host-Http-", "__Host-", "__Secure-", "__Http-")
_LONG_AGO = "Thu, 01 Jan 1970 00:00:00 GMT"
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class CookieFault(Enum):
    """Why a request's cookie cannot be used; the request is then anonymous."""

    MALFORMED = "its value is no cookie-value, or longer than a browser would send"
    CONFLICT = "the request holds several values for it, and their order proves nothing (RFC 6265bis 4.2.2)"


def find_cookie(lines: Iterable[bytes], name: bytes) -> bytes | CookieFault | None:
    """The value of our cookie in a request's Cookie header lines.

    The name is compared octet by octet: nothing is percent-decoded, no case is folded, a nameless cookie
    (`=__Host-x=bad`) stays nameless, and a blank before `=` makes it another name (no browser sends one).
    Only `;` ends a value, as in browsers: quotes, brackets and commas have no power (A.9 #4-#7).
    The time is linear in the length of the lines, the extra memory one value.

    Args:
        lines: The values of the Cookie headers; HTTP/2 and proxies may send several.
        name: The exact name, from `CookiePolicy.name_for`; never empty and without `=`.

    Returns:
        The value without the blanks around it (perhaps empty), None when there is no such cookie, or the
        fault. The same value twice is no fault. Two different ones are `CONFLICT` in either order, even
        where one of them is malformed.
    """
    needle = name + b"="
    width = len(needle)
    found: bytes | None = None
    for line in lines:
        at = line.find(needle)
        while at >= 0:
            begin = at + width
            if _begins_pair(line, at):
                end = line.find(b";", begin)
                value = (line[begin:] if end < 0 else line[begin:end]).strip(_OWS)
                if found is None:
                    found = value
                elif value != found:
                    return CookieFault.CONFLICT
            # The name holds no `=`, so two hits never overlap, and blanks are walked over once at most.
            at = line.find(needle, begin)
    if found is None:
        return None
    if width - 1 + len(found) > MAX_COOKIE_OCTETS or found.translate(None, _OCTETS):
        return CookieFault.MALFORMED
    return found


def _begins_pair(line: bytes, at: int) -> bool:
    """Whether only blanks stand between `at` and the `;` or the beginning of the line."""
    while at and line[at - 1] in _OWS:
        at -= 1
    return at == 0 or line[at - 1] == _SEMICOLON


class Spelling(NamedTuple):
    """One way a policy is written, formatted once: all but the value and what depends on the time.

    Attributes:
        name: The exact name in requests.
        head: `NAME=`.
        attributes: What follows the value, without a lifetime.
        lasting: The same with the policy's own lifetime.
        cleared: The whole Set-Cookie value that deletes the cookie.
    """

    name: bytes
    head: str
    attributes: str
    lasting: str
    cleared: bytes


@dataclass(frozen=True, slots=True)
class CookiePolicy:
    """How a cookie is named and guarded; what a browser would drop in silence is refused here.

    `secure="auto"` follows the request: over https the cookie has Secure and is named `__Host-NAME`, or
    `__Secure-NAME` where a domain or another path than `/` forbids the stronger prefix; over plain http it is
    the bare NAME without Secure. The two names never stand for each other, so that a cookie planted over http
    is not read over https. `secure=True` and `secure=False` use the name as it is written.

    Warning:
        `same_site="none"` lets any site send requests with this cookie (cross-site request forgery): use it
        only for embedded pages, with CSRF tokens. A `domain` hands the cookie to all its sub-domains, each of
        which can then also set it (session fixation from a neighbour).

    Attributes:
        name: A token of RFC 9110; of the known prefixes only the exact spelling.
        path: Where it is sent; `__Host-` needs `/`.
        domain: None sends it back to this very host only.
        secure: True, False, or "auto" (see above).
        http_only: Hidden from scripts (ASVS 3.3.4).
        same_site: "lax", "strict" or "none"; always written, because an absent one lets unsafe cross-site
            requests through for two minutes in some browsers (RFC 6265bis 5.6.7.2).
        partitioned: One jar per embedding site (CHIPS); needs `secure=True`, makes sense with "none".
        max_age_s: Seconds, at least 1; None ends it with the browser. Over 400 days is cut there, with a
            warning, as browsers would do.

    Raises:
        ConfigurationError: An option is malformed or contradicts another one; the text says what to write.
    """

    name: str = "sid"
    path: str = "/"
    domain: str | None = None
    secure: bool | Literal["auto"] = "auto"
    http_only: bool = True
    same_site: Literal["lax", "strict", "none"] = "lax"
    partitioned: bool = False
    max_age_s: int | None = None
    _https: Spelling = field(init=False, repr=False, compare=False)
    _http: Spelling = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_name(self.name)
        _check_place(self.name, self.path, self.domain)
        _check_guards(self)
        if self.max_age_s is not None:
            object.__setattr__(self, "max_age_s", _checked_max_age(self.max_age_s, self.name))
        over_https = _spell(self, _name_over_https(self), secure=self.secure is not False)
        is_auto = self.secure == "auto"
        object.__setattr__(self, "_https", over_https)
        object.__setattr__(self, "_http", _spell(self, self.name, secure=False) if is_auto else over_https)

    @classmethod
    def default(cls, name: str = "sid", *, max_age_s: int | None = None) -> CookiePolicy:
        """The safe choice for a site of its own: auto Secure and prefix, HttpOnly, SameSite=Lax."""
        return cls(name, max_age_s=max_age_s)

    @classmethod
    def cross_site(cls, name: str = "sid", *, max_age_s: int | None = None) -> CookiePolicy:
        """For pages embedded in other sites: `__Host-` name, Secure, SameSite=None, Partitioned; https only.

        A name without one of the known prefixes gets `__Host-` in front, as CHIPS advises.
        """
        full = name if _prefix_of(name) else "__Host-" + name
        return cls(full, secure=True, same_site="none", partitioned=True, max_age_s=max_age_s)

    def companion(self) -> CookiePolicy:
        """The same policy for the seeds' signature cookie, `NAME_sig` (F12): set and clear both together."""
        return replace(self, name=self.name + "_sig")

    def name_for(self, *, https: bool) -> bytes:
        """The exact name in requests and responses of that scheme; no other name is ours."""
        return self.spelling(https=https).name

    def spelling(self, *, https: bool) -> Spelling:
        """The texts that `set_cookie` and `clear_cookie` build on."""
        return self._https if https else self._http


def set_cookie(
    policy: CookiePolicy,
    value: str,
    *,
    https: bool,
    max_age_s: int | EllipsisType | None = ...,
    now_ms: int | None = None,
) -> bytes:
    """The value of a Set-Cookie header that hands out `value`.

    No attribute stands twice in it. Two of these with one name in a response are the caller's to avoid (A.4).

    Args:
        policy: Name and guards.
        value: Within the cookie-octet grammar, as our tokens and signatures are.
        https: The scheme that the client used; matters where `secure="auto"`.
        max_age_s: Seconds, instead of the policy's, for "remember me" of one session; None ends it with the
            browser. Cut at 400 days without a word.
        now_ms: When given, Expires stands beside Max-Age, for clients that read only that (nano).

    Raises:
        UsageError: A character outside the grammar, over 4,096 octets with the name, or a lifetime under 1;
            the text never shows the value.
    """
    spelling = policy.spelling(https=https)
    if not value.isascii() or value.encode("ascii").translate(None, _OCTETS):
        msg = f"the value of cookie {policy.name!r} holds a character that no cookie may: use base64url."
        raise UsageError(msg)
    if len(spelling.name) + len(value) > MAX_COOKIE_OCTETS:
        size = len(spelling.name) + len(value)
        msg = f"cookie {policy.name!r} would have {size} octets; browsers drop more than {MAX_COOKIE_OCTETS}."
        raise UsageError(msg + " Keep the data in the session and hand out its token only.")
    if max_age_s is ... and now_ms is None:
        return (spelling.head + value + spelling.lasting).encode("ascii")
    age_s = policy.max_age_s if max_age_s is ... else max_age_s
    lasting = "" if age_s is None else _lasting(_cut_max_age(age_s, policy.name), now_ms)
    return (spelling.head + value + spelling.attributes + lasting).encode("ascii")


def clear_cookie(policy: CookiePolicy, *, https: bool) -> bytes:
    """The value of a Set-Cookie header that deletes what `set_cookie` with this policy and scheme has set.

    Name, path, domain and guards are the same, or browsers would keep it (RFC 6265bis 5.7); the lifetime is
    over twice, by Max-Age=0 and by Expires, for clients that know only one of them (F14, AB5, CouchDB #2655).
    """
    return policy.spelling(https=https).cleared


def _check_name(name: object) -> None:
    """Refuse what is no name in a header. It takes any object: settings come from files, too."""
    if not isinstance(name, str) or not _TOKEN.fullmatch(name):
        msg = f"cookie name {name!r} is no token (RFC 9110 5.6.2): write one such as 'sid'."
        raise ConfigurationError(msg)
    if len(name) + len("__Secure-") >= MAX_COOKIE_OCTETS:
        msg = f"the cookie name has {len(name)} octets and leaves no room for a value: write a short one."
        raise ConfigurationError(msg)


def _check_place(name: str, path: object, domain: object) -> None:
    """Refuse texts that would break out of their attribute, or that browsers ignore."""
    if not isinstance(path, str) or not _PATH.fullmatch(path) or len(path) > _MAX_ATTRIBUTE_OCTETS:
        msg = f"path of cookie {name!r} is not '/' and at most 1,023 visible ASCII characters without ';': "
        raise ConfigurationError(msg + "write path='/', or percent-encode it.")
    if domain is None:
        return
    if not isinstance(domain, str) or not _DOMAIN.fullmatch(domain) or len(domain) > _MAX_ATTRIBUTE_OCTETS:
        msg = f"domain of cookie {name!r} is no host name: write one such as 'example.org' "
        raise ConfigurationError(msg + "(no scheme, no port, other scripts as xn--), or None for this host only.")


def _check_guards(policy: CookiePolicy) -> None:
    """Refuse guards that contradict each other: browsers would drop such a cookie without a word."""
    name = policy.name
    _check_choice(name, "secure", policy.secure, (True, False, "auto"))
    _check_choice(name, "same_site", policy.same_site, ("lax", "strict", "none"))
    _check_choice(name, "http_only", policy.http_only, (True, False))
    _check_choice(name, "partitioned", policy.partitioned, (True, False))
    if policy.secure is not True and (policy.same_site == "none" or policy.partitioned):
        option = "same_site='none'" if policy.same_site == "none" else "partitioned=True"
        msg = f"{option} of cookie {name!r} needs secure=True: browsers drop it otherwise. "
        raise ConfigurationError(msg + "Write secure=True or use CookiePolicy.cross_site().")
    prefix = _prefix_of(name)
    if policy.secure == "auto" and prefix:
        msg = f"cookie {name!r}: secure='auto' adds the prefix itself: write name={name[len(prefix) :]!r}, "
        raise ConfigurationError(msg + "or secure=True.")
    # With "auto" too: a name such as `Http-x` would become the prefix `__Host-Http-` on the wire.
    _check_prefix(policy, _name_over_https(policy))


def _check_choice(name: str, option: str, value: object, choices: tuple[bool | str, ...]) -> None:
    # The type as well: 1 equals True, but is not the True that the rest of this module asks for.
    if type(value) not in (bool, str) or value not in choices:
        known = ", ".join(map(repr, choices))
        msg = f"{option} of cookie {name!r} is {value!r}: write one of {known}."
        raise ConfigurationError(msg)


def _check_prefix(policy: CookiePolicy, name: str) -> None:
    """Hold a prefixed name to the rules of RFC 6265bis 4.1.3 and of layered-cookies (`__Http-`)."""
    prefix = _prefix_of(name)
    if not prefix:
        return
    if not name.startswith(prefix):
        msg = f"cookie name {name!r}: browsers read this prefix in any case: write {prefix!r}."
        raise ConfigurationError(msg)
    if policy.secure is False:
        msg = f"cookie {name!r}: the prefix {prefix!r} needs secure=True."
        raise ConfigurationError(msg)
    if prefix.startswith("__Host-") and (policy.path != "/" or policy.domain is not None):
        msg = f"cookie {name!r}: the prefix {prefix!r} needs path='/' and domain=None; or write '__Secure-'."
        raise ConfigurationError(msg)
    if "Http-" in prefix and not policy.http_only:
        msg = f"cookie {name!r}: the prefix {prefix!r} needs http_only=True."
        raise ConfigurationError(msg)


def _prefix_of(name: str) -> str:
    """The known prefix that a browser sees in `name`, in its right spelling, or an empty text."""
    lowered = name.lower()
    return next((prefix for prefix in _PREFIXES if lowered.startswith(prefix.lower())), "")


def _checked_max_age(max_age_s: object, name: str) -> int:
    """The policy's lifetime, at most 400 days; says so when it cuts."""
    cut = _cut_max_age(max_age_s, name, ConfigurationError)
    if cut != max_age_s:
        text = f"max_age_s of cookie {name!r} is over the 400 days of browsers: write {MAX_AGE_LIMIT_S}."
        warnings.warn(text, UserWarning, stacklevel=4)  # 4: the caller of CookiePolicy(...)
    return cut


def _cut_max_age(max_age_s: object, name: str, error: type[UsageError] = UsageError) -> int:
    """Whole seconds from 1 to 400 days: zero and less would be a deletion in disguise (A.9 #48)."""
    if not isinstance(max_age_s, int) or isinstance(max_age_s, bool) or max_age_s < 1:
        msg = f"max_age_s of cookie {name!r} is {max_age_s!r}: write whole seconds, at least 1, or None."
        raise error(msg)
    return min(max_age_s, MAX_AGE_LIMIT_S)


def _name_over_https(policy: CookiePolicy) -> str:
    if policy.secure != "auto":
        return policy.name
    return ("__Host-" if policy.path == "/" and policy.domain is None else "__Secure-") + policy.name


def _spell(policy: CookiePolicy, name: str, *, secure: bool) -> Spelling:
    """Format all that does not depend on the value, once."""
    parts = [f"; Path={policy.path}"]
    if policy.domain is not None:
        parts.append(f"; Domain={policy.domain}")
    if secure:
        parts.append("; Secure")
    if policy.http_only:
        parts.append("; HttpOnly")
    parts.append(f"; SameSite={policy.same_site.capitalize()}")
    if policy.partitioned:
        parts.append("; Partitioned")
    attributes = "".join(parts)
    lasting = attributes if policy.max_age_s is None else attributes + _lasting(policy.max_age_s, None)
    cleared = f"{name}={attributes}; Max-Age=0; Expires={_LONG_AGO}".encode("ascii")
    return Spelling(name.encode("ascii"), name + "=", attributes, lasting, cleared)


def _lasting(max_age_s: int, now_ms: int | None) -> str:
    """Max-Age, and Expires beside it where the time is known."""
    if now_ms is None:
        return f"; Max-Age={max_age_s}"
    at = datetime.fromtimestamp(now_ms // 1000 + max_age_s, UTC)
    # IMF-fixdate (RFC 9110 5.6.7) by hand: strftime writes the names of days in the process's language.
    day = f"{_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04}"
    return f"; Max-Age={max_age_s}; Expires={day} {at:%H:%M:%S} GMT"
