"""`sojourn sweep`."""

from __future__ import annotations

import time

import click

from sojourn.cli.common import Output, existing_store, open_manager, output_options, store_options
from sojourn.flows.sweep import pause_ms
from sojourn.manager import SessionManager

__all__ = ["command"]


@click.command("sweep")
@click.option("--once", is_flag=True, help="End what has expired by now, say how many, and stop.")
@store_options
@output_options
def command(store: str | None, data_dir: str | None, *, once: bool, output: Output) -> None:
    """End expired sessions on time, so that each end has its event.

    `sojourn serve` and the ASGI middleware sweep by themselves; other programs need this beside them. Several may run:
    one at a time does the work.
    """
    with open_manager(existing_store(store, data_dir)) as manager:
        if once:
            _sweep_once(manager, output)
        else:
            click.echo("sweeping; Ctrl-C stops it", err=True)
            _sweep_on(manager, output)


def _sweep_once(manager: SessionManager, output: Output) -> None:
    ended = 0
    while True:
        swept = manager.sweep()
        ended += len(swept.ended)
        if not swept.held or pause_ms(swept, manager.now()) > 0:
            break
    if not swept.held:
        click.echo("another process sweeps this store", err=True)
    output.value({"ended": ended, "held": swept.held}, f"ended {ended}")


def _sweep_on(manager: SessionManager, output: Output) -> None:
    while True:
        swept = manager.sweep()
        for event in swept.ended:
            uid = event.uid or "anonymous"
            output.value({"ended": event.handle, "uid": event.uid}, f"expired {(event.handle or '')[:12]} {uid}")
        time.sleep(pause_ms(swept, manager.now()) / 1000)
