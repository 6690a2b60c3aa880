"""From the words of a manager's call to a `Policy`: every option is checked once, when the manager is made."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, TypeAlias, get_args

from sojourn.core.durations import format_duration, parse_duration
from sojourn.core.operations import Ability
from sojourn.core.record import Lifetime, TtlType
from sojourn.core.values import DEFAULT_MAX_BYTES
from sojourn.errors import ConfigurationError
from sojourn.flows.policy import Policy

__all__ = ["DEFAULT", "AtLimit", "Default", "Duration", "Profile", "make_lifetime", "make_policy"]

Duration: TypeAlias = "str | int | float | timedelta | None"
"""Human text ("14 days"), seconds, or a timedelta; None = no such limit."""

AtLimit: TypeAlias = Literal["evict", "refuse"]
Profile: TypeAlias = Literal["aal1", "aal2", "aal3"]


class Default:
    """The type of `DEFAULT`: "as the profile says", where None already means "no limit"."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "DEFAULT"


DEFAULT = Default()

_DAY = 86_400_000
_STANDARD = (14 * _DAY, 30 * _DAY)
# NIST SP 800-63B-4: 2.1.3 (AAL1), 2.2.3 (AAL2), 2.3.3 (AAL3): idle and overall lifetimes
_PROFILES: dict[str, tuple[int, int]] = {
    "aal1": (30 * _DAY, 30 * _DAY),
    "aal2": (3_600_000, _DAY),
    "aal3": (900_000, _DAY // 2),
}


def make_lifetime(
    ttl: Duration | Default = DEFAULT,
    ttl_type: TtlType = "last_access",
    absolute: Duration | Default = DEFAULT,
    touch_interval: Duration | Default = DEFAULT,
    profile: Profile | None = None,
) -> Lifetime:
    """The lifetime that these options describe.

    The defaults are 14 days since the last access and 30 days in all. A profile sets the limits of NIST SP 800-63B-4
    and refuses to be exceeded. An access is noted when the last noted one is older than ttl/20, at most a minute,
    unless `touch_interval` says otherwise; with "0.001s" or less every access is.

    Raises:
        ConfigurationError: A duration is malformed, zero or negative, or passes the profile's limit.
    """
    if ttl_type not in get_args(TtlType):
        raise ConfigurationError(f"ttl_type is one of {', '.join(get_args(TtlType))}, not {ttl_type!r}")
    if profile is not None and profile not in _PROFILES:
        raise ConfigurationError(f"profile is one of {', '.join(_PROFILES)}, not {profile!r}")
    most = _STANDARD if profile is None else _PROFILES[profile]
    ttl_ms = most[0] if isinstance(ttl, Default) else parse_duration(ttl, "ttl")
    absolute_ms = most[1] if isinstance(absolute, Default) else parse_duration(absolute, "absolute")
    if isinstance(absolute, Default) and profile is None and ttl_ms is not None and absolute_ms is not None:
        absolute_ms = max(absolute_ms, ttl_ms)  # a ttl beyond the default absolute limit is meant
    if profile is not None:
        for name, value, limit in (("ttl", ttl_ms, most[0]), ("absolute", absolute_ms, most[1])):
            if value is None or value > limit:
                raise ConfigurationError(
                    f"{name} may be at most {format_duration(limit)} under profile {profile!r} (NIST SP 800-63B-4)"
                )
    if isinstance(touch_interval, Default):
        touch_ms = 60_000 if ttl_ms is None else min(60_000, ttl_ms // 20)
    elif touch_interval == 0 and not isinstance(touch_interval, bool):
        touch_ms = 0
    else:
        touch_ms = parse_duration(touch_interval, "touch_interval") or 0
    if ttl_ms is not None and ttl_type == "last_access" and touch_ms >= ttl_ms:
        raise ConfigurationError(
            f"touch_interval={format_duration(touch_ms)} is not shorter than ttl={format_duration(ttl_ms)}: a session "
            "in use would expire before its access is noted. Leave it out, or write less than half of ttl."
        )
    return Lifetime(ttl_ms, ttl_type, absolute_ms, touch_ms)


def make_policy(
    abilities: Ability,
    lifetime: Lifetime,
    *,
    max_sessions: int | None,
    at_limit: AtLimit,
    max_bytes: int,
    change_events: bool,
    on_reuse: Literal["notify", "end"],
) -> Policy:
    """The policy of these options.

    Raises:
        ConfigurationError: An option is out of its range, or the store cannot do what it asks for.
    """
    if max_sessions is not None and (isinstance(max_sessions, bool) or max_sessions < 1):
        raise ConfigurationError(f"max_sessions is a number from 1 upwards, or None for no limit, not {max_sessions!r}")
    if max_sessions is not None and Ability.USER_INDEX not in abilities:
        raise ConfigurationError("max_sessions needs a store with a user index; this one declares none")
    if at_limit not in get_args(AtLimit):
        raise ConfigurationError(f"at_limit is 'evict' (the oldest goes) or 'refuse', not {at_limit!r}")
    if on_reuse not in ("notify", "end"):
        raise ConfigurationError(f"on_reuse is 'notify' or 'end', not {on_reuse!r}")
    if max_bytes < 1_024 or max_bytes > 16 * DEFAULT_MAX_BYTES:
        raise ConfigurationError(f"max_bytes lies between 1024 and {16 * DEFAULT_MAX_BYTES}, not {max_bytes!r}")
    return Policy(lifetime, abilities, max_sessions, at_limit, max_bytes, change_events, on_reuse)
