"""From the text of an option or environment variable to its value; what cannot be is refused with what to write.

Each reader takes the text and where it stood (`--port`, `SOJOURN_PORT`), so that a refusal names both.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from sojourn.core.durations import parse_duration
from sojourn.errors import ConfigurationError

__all__ = [
    "Reader",
    "is_loopback",
    "one_of",
    "read_count",
    "read_duration",
    "read_file",
    "read_flag",
    "read_folder",
    "read_host",
    "read_port",
    "read_proxies",
    "read_store",
    "refuse",
]

Reader = Callable[[str, str], Any]

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


def refuse(where: str, value: str, rule: str) -> NoReturn:
    """Say that the value of an option cannot be, and why.

    Raises:
        ConfigurationError: Always.
    """
    raise ConfigurationError(f"{where}={ascii(value)[1:-1][:80]}: {rule}")


def one_of(*choices: str) -> Reader:
    """A reader of one word among these."""

    def read(text: str, where: str) -> str:
        if text not in choices:
            refuse(where, text, f"write one of {', '.join(choices)}.")
        return text

    return read


def read_host(text: str, where: str) -> str:
    """A name or address to listen on."""
    name = text.removeprefix("[").removesuffix("]")
    if not name or "/" in name or " " in name or "://" in text or (":" in name and not _is_address(name)):
        refuse(where, text, "write a host name or address alone, such as 127.0.0.1; the port is an option of its own.")
    return name


def read_port(text: str, where: str) -> int:
    """A TCP port; 0 lets the system choose a free one."""
    if len(text) > 9 or not (text.isascii() and text.isdecimal()) or int(text) > 65_535:
        refuse(where, text, "a port is a number from 1 to 65535, or 0 for any free one.")
    return int(text)


def read_count(text: str, where: str) -> int | None:
    """A number from 1 upwards, or `none` for no limit."""
    if text.lower() == "none":
        return None
    if len(text) > 9 or not (text.isascii() and text.isdecimal()) or not 1 <= int(text) <= 1_000_000:
        refuse(where, text, "write a number from 1 upwards, or none for no limit.")
    return int(text)


def read_duration(text: str, where: str) -> str | None:
    """A length of time with its unit, as text that was tried, or `none` for no limit."""
    if text.lower() == "none":
        return None
    _ = parse_duration(text, where)
    return text


def read_flag(text: str, where: str) -> bool:
    """Yes or no, in the usual spellings."""
    if text.lower() not in _YES + _NO:
        refuse(where, text, "write 1 or 0.")
    return text.lower() in _YES


def read_store(text: str, where: str) -> str:
    """The URL of a store; what stands in it is judged when it is opened."""
    if "://" not in text:
        refuse(where, text, "a store is a URL, such as sqlite:///sojourn.db; a folder is given by --data-dir.")
    return text


def read_folder(text: str, _where: str) -> Path:
    """A folder, which need not exist yet."""
    return Path(text).expanduser()


def read_file(text: str, where: str) -> Path:
    """A file that is there."""
    path = Path(text).expanduser()
    if not path.is_file():
        refuse(where, text, "there is no such file.")
    return path


def read_proxies(text: str, where: str) -> tuple[str, ...]:
    """Addresses or networks of proxies, separated by commas.

    Warning:
        Whoever connects from there may claim any client address and any scheme, so `*` is refused.
    """
    proxies = tuple([part.strip() for part in text.split(",") if part.strip()])
    for proxy in proxies:
        try:
            _ = ipaddress.ip_network(proxy)
        except ValueError:
            refuse(where, proxy, "name your proxy's address or network, such as 127.0.0.1 or 10.0.0.0/8.")
    if not proxies:
        refuse(where, text, "name your proxy's address, such as 127.0.0.1.")
    return proxies


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on this name or address."""
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(text: str) -> bool:
    try:
        _ = ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
