"""`sojourn serve`."""

from __future__ import annotations

import os
from typing import Any

import click

from sojourn.cli.common import option
from sojourn.server.settings import OPTIONS, load

__all__ = ["command"]


@click.command("serve")
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Run the server until Ctrl-C or SIGTERM.

    Without any option it keeps its sessions in ./.sojourn and answers on http://127.0.0.1:8000, to this machine only.
    Configuration that cannot be safe is refused.
    """
    settings = load(given, os.environ)
    try:
        from sojourn.server.run import serve
    except ModuleNotFoundError as error:
        raise click.ClickException(f'the server needs {error.name}: install "sojourn[server]"') from error
    ctx.exit(serve(settings))


for _known in OPTIONS:
    command = option(_known)(command)
