"""The program: its commands, which load when they are used, and its exit codes.

Exit codes: 0 done; 1 it failed; 2 it was called wrongly, or the configuration is unsafe; 3 there is no such session or
user; 4 the store does not answer; 130 Ctrl-C. Data goes to stdout, everything else to stderr.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

import click

from sojourn import __version__
from sojourn.errors import SessionNotFound, SojournError, StoreError, UsageError

__all__ = ["FAILED", "INTERRUPTED", "MISUSED", "NOT_FOUND", "UNREACHABLE", "NotThere", "program", "run"]

FAILED, MISUSED, NOT_FOUND, UNREACHABLE, INTERRUPTED = 1, 2, 3, 4, 130

_COMMANDS = {
    "serve": ("sojourn.cli.serve", "Run the server: CouchDB's /_session, event streams, a console."),
    "sessions": ("sojourn.cli.sessions", "List, show, revoke and watch sessions."),
    "sweep": ("sojourn.cli.sweep", "End expired sessions on time, for programs that do not sweep."),
    "users": ("sojourn.cli.users", "Add, list and delete users; change passwords."),
    "version": ("sojourn.cli.version", "Print the version."),
}


class NotThere(click.ClickException):
    """What was named does not exist."""

    exit_code = NOT_FOUND


class _Program(click.Group):
    """A group whose commands are imported when they run; their help lines are known before."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(_COMMANDS[cmd_name][0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in sorted(_COMMANDS.items())])


@click.command(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, message="%(prog)s %(version)s", prog_name="sojourn")
def program() -> None:
    """Sessions for web applications: atomic changes, final logout, an event for every end.

    Every option can stand in the environment too: SOJOURN_STORE, SOJOURN_DATA_DIR, ... An argument beats it.
    """


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run the program on the command line, or these arguments, and exit. Errors of ours are one line, no traceback."""
    try:
        code = program.main(arguments, prog_name="sojourn", standalone_mode=False)
    except click.Abort as error:
        code = _aborted(error)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except SojournError as error:
        code = _failed(error)
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def _failed(error: SojournError) -> int:
    click.echo(f"Error: {error}", err=True)
    if isinstance(error, StoreError):
        return UNREACHABLE
    if isinstance(error, SessionNotFound):
        return NOT_FOUND
    return MISUSED if isinstance(error, UsageError) else FAILED


def _aborted(error: click.Abort) -> int:
    """Ctrl-C, or an input that ended where something was asked."""
    if isinstance(error.__cause__ or error.__context__, EOFError):
        click.echo("\nError: the input ended before it was answered.", err=True)
        return FAILED
    click.echo("", err=True)
    return INTERRUPTED
