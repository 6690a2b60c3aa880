"""What the server was told: argument before environment before default, each checked once, unsafe ones refused.

The table `OPTIONS` is the one list of them: the command line is made of it, and `SOJOURN_...` names follow from it.
Importing reads nothing; `load` is handed the environment.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from sojourn.errors import ConfigurationError
from sojourn.options import DEFAULT, Default
from sojourn.server import parsing
from sojourn.server.parsing import Reader, is_loopback

__all__ = ["OPTIONS", "STORE_OPTIONS", "Option", "Settings", "load", "prepare", "store_of", "unknown_names"]

PREFIX = "SOJOURN_"
OTHER_NAMES = ("SOJOURN_PASSWORD", "SOJOURN_JSON", "SOJOURN_NO_INPUT")
"""Names in the environment that belong to other commands."""


class Option(NamedTuple):
    """One option of the server.

    Attributes:
        name: As on the command line, without the dashes.
        reader: From its text to its value.
        help: One line for people.
        metavar: What stands for the value in the help; empty for a flag.
        default: As people read it in the help.
    """

    name: str
    reader: Reader
    help: str
    metavar: str
    default: str = ""

    @property
    def field(self) -> str:
        """Its name among the settings."""
        return self.name.replace("-", "_")

    @property
    def env(self) -> str:
        """Its name in the environment."""
        return PREFIX + self.field.upper()


STORE_OPTIONS = (
    Option("store", parsing.read_store, "The store's URL.", "URL", "SQLite in the data folder"),
    Option("data-dir", parsing.read_folder, "The folder of the default store.", "DIR", "./.sojourn"),
)

OPTIONS = (
    Option("host", parsing.read_host, "Where to listen.", "HOST", "127.0.0.1"),
    Option("port", parsing.read_port, "The port; 0 takes a free one and prints it.", "PORT", "8000"),
    *STORE_OPTIONS,
    Option("open-users", parsing.read_flag, "Let anybody create a user, as an opened CouchDB does.", ""),
    Option("password-policy", parsing.one_of("standard", "none"), "For new passwords.", "standard|none", "standard"),
    Option("ttl", parsing.read_duration, "A session ends so long after its last access.", "DURATION", "14 days"),
    Option("absolute", parsing.read_duration, "A session ends so long after its creation.", "DURATION", "30 days"),
    Option("max-sessions", parsing.read_count, "The most sessions of one user; the oldest go.", "N", "none"),
    Option("tls-cert", parsing.read_file, "Serve https with this certificate (PEM).", "FILE"),
    Option("tls-key", parsing.read_file, "The certificate's key (PEM).", "FILE"),
    Option("behind-proxy", parsing.read_proxies, "Trust X-Forwarded-* of these proxies.", "ADDRESS,..."),
    Option(
        "plain-http",
        parsing.one_of("loopback", "anywhere"),
        "Where cookies may go without https.",
        "loopback|anywhere",
        "loopback",
    ),
    Option("log-format", parsing.one_of("auto", "human", "json"), "auto: human on a terminal.", "FORMAT", "auto"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every option with its value.

    Attributes:
        store: The URL of the store.
        data_dir: The folder to make for it; None where the store's URL was given.
        https: Whether clients use https: the server's own, or a proxy's.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    store: str = "memory://"
    data_dir: Path | None = None
    open_users: bool = False
    password_policy: Literal["standard", "none"] = "standard"  # noqa: S105 - the name of a policy
    ttl: str | None | Default = DEFAULT
    absolute: str | None | Default = DEFAULT
    max_sessions: int | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: tuple[str, ...] = ()
    plain_http: Literal["loopback", "anywhere"] = "loopback"
    log_format: Literal["auto", "human", "json"] = "auto"
    https: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "https", self.tls_cert is not None or bool(self.behind_proxy))


def load(given: Mapping[str, str | bool | None], environ: Mapping[str, str]) -> Settings:
    """The settings of a command line and an environment.

    Args:
        given: By name as in `Settings`; None where the command line says nothing.
        environ: `os.environ`, or what stands for it.

    Raises:
        ConfigurationError: A value cannot be read, two contradict each other, or what they make is unsafe.
    """
    values = _values(OPTIONS, given, environ)
    store, data_dir = store_of(given, environ)
    values |= {"store": store, "data_dir": data_dir}
    settings = Settings(**values)
    _refuse_unsafe(settings)
    return settings


def store_of(given: Mapping[str, str | bool | None], environ: Mapping[str, str]) -> tuple[str, Path | None]:
    """The store's URL, and the folder to make for it: None where a URL was given.

    An argument beats the environment, so `--data-dir` is heard although `SOJOURN_STORE` is set.

    Raises:
        ConfigurationError: Both are given at the same place.
    """
    for source in ({name: given.get(name) for name in ("store", "data_dir")}, {}):
        values = _values(STORE_OPTIONS, source, {} if any(source.values()) else environ)
        if "store" in values and "data_dir" in values:
            raise ConfigurationError(
                "--store and --data-dir contradict each other: the folder is for the default store only. Give one."
            )
        if "store" in values:
            return values["store"], None
        if "data_dir" in values or not source:
            break
    folder = Path(values.get("data_dir", Path(".sojourn")))
    return f"sqlite:///{quote(str(folder / 'sojourn.db'))}", folder


def prepare(settings: Settings) -> None:
    """Make the data folder, for this user's eyes only.

    Raises:
        ConfigurationError: It cannot be made or written to.
    """
    folder = settings.data_dir
    if folder is None:
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise ConfigurationError(f"--data-dir={folder}: cannot be made ({why}); name a folder of yours.") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"--data-dir={folder}: may not be written to; change its owner, or name another one.")


def unknown_names(environ: Mapping[str, str]) -> list[str]:
    """A warning for each `SOJOURN_...` in the environment that is none of ours: most are misspelt."""
    known = [option.env for option in OPTIONS] + list(OTHER_NAMES)
    warnings: list[str] = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], 1)
            hint = f"; did you mean {PREFIX}{near[0]}?" if near else "."
            warnings.append(f"{name} in the environment is no option{hint}")
    return warnings


def _values(
    options: tuple[Option, ...], given: Mapping[str, str | bool | None], environ: Mapping[str, str]
) -> dict[str, Any]:
    """What was said, read; an empty environment variable says nothing."""
    values: dict[str, Any] = {}
    for option in options:
        said = given.get(option.field)
        if isinstance(said, bool):
            values[option.field] = said
        elif said is not None:
            values[option.field] = option.reader(said, f"--{option.name}")
        elif environ.get(option.env):
            values[option.field] = option.reader(environ[option.env], option.env)
    return values


def _refuse_unsafe(settings: Settings) -> None:
    if (settings.tls_cert is None) != (settings.tls_key is None):
        raise ConfigurationError("--tls-cert and --tls-key belong together: give both, or none.")
    if settings.tls_cert is not None and settings.behind_proxy:
        raise ConfigurationError("--behind-proxy says that the proxy speaks https: leave --tls-cert and --tls-key out.")
    public = not is_loopback(settings.host)
    if public and not settings.https and settings.plain_http != "anywhere":
        raise ConfigurationError(
            f"--host={settings.host} would carry passwords and session cookies over the network in plain http, where "
            "anybody on the way can read them. Give --tls-cert and --tls-key, or --behind-proxy ADDRESS where a proxy "
            "speaks https; --plain-http anywhere takes the risk, in a closed test network."
        )
    if settings.password_policy == "none" and (  # noqa: S105 - the name of a policy
        public or settings.behind_proxy
    ):
        raise ConfigurationError(
            "--password-policy none takes any password and is for tests on this machine only: leave it out, or listen "
            "on 127.0.0.1 without --behind-proxy."
        )
