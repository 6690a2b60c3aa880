"""What the commands share: the store's options, opening it, and writing for people or for programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from sojourn.core.durations import format_duration
from sojourn.errors import ConfigurationError, StoreUnavailable
from sojourn.manager import SessionManager
from sojourn.server.settings import STORE_OPTIONS, Option, store_of

__all__ = [
    "Output",
    "ago",
    "as_actor",
    "ask_yes",
    "clock",
    "existing_store",
    "may_ask",
    "new_store",
    "open_manager",
    "option",
    "output_options",
    "store_options",
]

Function = TypeVar("Function", bound=Callable[..., Any])


def option(known: Option) -> Callable[[Function], Function]:
    """The click option of one of the server's options. Its text is read by `server.settings`, with the environment."""
    default = f"; default: {known.default}" if known.default else ""
    text = f"{known.help}  [env var: {known.env}{default}]"
    if not known.metavar:
        return click.option(f"--{known.name}/--no-{known.name}", known.field, default=None, help=text)
    return click.option(f"--{known.name}", known.field, metavar=known.metavar, help=text)


def store_options(function: Function) -> Function:
    """`--store` and `--data-dir`."""
    for known in reversed(STORE_OPTIONS):
        function = option(known)(function)
    return function


class Output(NamedTuple):
    """How a command writes.

    Attributes:
        as_json: For programs.
        may_ask: Whether somebody may be asked something.
    """

    as_json: bool
    may_ask: bool

    def value(self, value: object, text: str) -> None:
        """One result: as JSON, or in words."""
        click.echo(json.dumps(value, ensure_ascii=False) if self.as_json else text)

    def table(self, rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
        """Aligned columns with a head; the head alone is left out when there is no row."""
        if not rows:
            return
        shown = [[_printable(cell) for cell in row] for row in (head, *rows)]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        for number, row in enumerate(shown):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            click.echo(click.style(line, bold=True) if number == 0 and _is_colourful() else line)


def output_options(function: Function) -> Function:
    """`--json` and `--no-input`, handed on as `output`."""

    @click.option("--json", "as_json", is_flag=True, envvar="SOJOURN_JSON", show_envvar=True, help="Write JSON.")
    @click.option(
        "--no-input", is_flag=True, envvar="SOJOURN_NO_INPUT", show_envvar=True, help="Never ask; fail instead."
    )
    @wraps(function)
    def with_output(*args: Any, as_json: bool, no_input: bool, **options: Any) -> Any:
        return function(*args, output=Output(as_json, not no_input and may_ask()), **options)

    return with_output  # type: ignore[return-value]  # click replaces the function by a command anyway


def may_ask() -> bool:
    """Whether somebody sits there."""
    return sys.stdin.isatty()


def new_store(store: str | None, data_dir: str | None) -> str:
    """The store's URL, its folder made if need be.

    Raises:
        ConfigurationError: The options contradict each other, or the store lives in one process only.
    """
    url, folder = store_of({"store": store, "data_dir": data_dir}, os.environ)
    if url.startswith("memory:"):
        raise ConfigurationError("memory:// lives inside the server's process; no other program can reach it.")
    if folder is not None:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"--data-dir={folder}: cannot be made ({error.strerror}).") from error
    return url


def existing_store(store: str | None, data_dir: str | None) -> str:
    """The URL of a store that is there: a command that only looks makes none.

    Raises:
        StoreUnavailable: There is no store in the data folder.
        ConfigurationError: As `new_store`.
    """
    _, folder = store_of({"store": store, "data_dir": data_dir}, os.environ)
    if folder is not None and not (folder / "sojourn.db").is_file():
        raise StoreUnavailable(
            f"there is no store in {folder}: name its folder by --data-dir or its URL by --store, or begin with "
            "`sojourn serve`."
        )
    return new_store(store, data_dir)


def open_manager(url: str) -> SessionManager:
    """The sessions of a store, opened at once so that errors come before anything is asked or written."""
    manager = SessionManager(url)
    manager.setup()
    return manager


def ask_yes(question: str, output: Output, *, yes: bool) -> None:
    """Go on only if somebody agrees, or `--yes` was given.

    Raises:
        click.UsageError: Nobody can be asked.
        click.ClickException: The answer was no.
    """
    if yes:
        return
    if not output.may_ask:
        raise click.UsageError("this cannot be undone: add --yes to confirm it.")
    if not click.confirm(question, err=True):
        raise click.ClickException("nothing was done.")


def as_actor() -> str:
    """Who acts, for the events: the name of this machine's user."""
    import getpass

    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # a container's user may have no name
        return "cli"


def ago(at: int | None, now: int) -> str:
    """How long a moment in milliseconds is past, or still to come, roughly."""
    if at is None:
        return "never"
    distance = round(abs(now - at), -3)
    for unit in (86_400_000, 3_600_000, 60_000, 1_000):
        if distance >= unit:
            text = format_duration(round(distance / unit) * unit)
            return f"{text} ago" if at <= now else f"in {text}"
    return "now"


def clock(at: int) -> str:
    """A moment as local wall time."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone().strftime("%H:%M:%S")


def _printable(text: str) -> str:
    """What came from outside must not move the cursor or colour the terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _is_colourful() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
