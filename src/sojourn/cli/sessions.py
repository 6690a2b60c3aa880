"""`sojourn sessions`: list, show, revoke, watch."""

from __future__ import annotations

import json
from itertools import islice

import click

from sojourn.cli.common import (
    Output,
    ago,
    as_actor,
    ask_yes,
    existing_store,
    open_manager,
    output_options,
    store_options,
)
from sojourn.cli.program import NotThere
from sojourn.core.record import is_handle
from sojourn.manager import SessionManager
from sojourn.server.views import detail, summary

__all__ = ["command", "full_handle"]

SHOWN = 12
"""Characters of a handle in tables: enough to tell a million sessions apart, and taken back as a prefix."""

_PREFIX_LEAST = 8


@click.group("sessions")
def command() -> None:
    """Look at living sessions, and end them."""


@command.command("list")
@click.option("--uid", metavar="NAME", help="Only those of this user.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@store_options
@output_options
def list_(store: str | None, data_dir: str | None, uid: str | None, limit: int, output: Output) -> None:
    """List living sessions, newest first."""
    with open_manager(existing_store(store, data_dir)) as manager:
        found = list(islice(manager.list(uid=uid, newest_first=True), limit + 1))
        now = manager.now()
        rows = [summary(session.living()) for session in found[:limit]]
    if output.as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    output.table(
        [
            [
                row["handle"][:SHOWN],
                row["uid"] or "-",
                ago(row["created"], now),
                ago(row["last_access"], now),
                ago(row["expires_at"], now),
                row["client"]["ip"] or "-",
                (row["client"]["label"] or row["client"]["user_agent"] or "-")[:40],
            ]
            for row in rows
        ],
        ("SESSION", "USER", "CREATED", "SEEN", "EXPIRES", "ADDRESS", "CLIENT"),
    )
    if not rows:
        click.echo("no living session" + ("" if uid is None else f" of {uid}"), err=True)
    elif len(found) > limit:
        click.echo(f"there are more; --limit {limit * 10} shows them", err=True)


@command.command("show")
@click.argument("handle")
@store_options
@output_options
def show(store: str | None, data_dir: str | None, handle: str, output: Output) -> None:
    """Show one session with its data, named by its handle or the first 8 or more characters of it.

    Values under keys such as `password` or `token` are masked.
    """
    with open_manager(existing_store(store, data_dir)) as manager:
        record = manager.find(full_handle(manager, handle)).living()
        now = manager.now()
    view = detail(record)
    if output.as_json:
        click.echo(json.dumps(view, ensure_ascii=False))
        return
    client = [text for text in view["client"].values() if text]
    lines = {
        "session": view["handle"],
        "user": view["uid"] or "-",
        "roles": ", ".join(view["roles"]) or "-",
        "created": ago(view["created"], now),
        "seen": ago(view["last_access"], now),
        "changed": ago(view["last_update"], now),
        "expires": ago(view["expires_at"], now),
        "client": " | ".join(client) or "-",
        "size": f"{view['bytes']} bytes",
    }
    for name, text in lines.items():
        click.echo(f"{name:8} {''.join(c if c.isprintable() else '?' for c in text)}")
    # Escaped beyond ASCII: data comes from outside, and must not write to the terminal.
    click.echo(json.dumps(view["data"], indent=2))


@command.command("revoke")
@click.argument("handles", nargs=-1, metavar="[HANDLE]...")
@click.option("--uid", metavar="NAME", help="All sessions of this user.")
@click.option("--everybody", is_flag=True, help="All sessions. Asks first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_options
@output_options
def revoke(
    store: str | None,
    data_dir: str | None,
    handles: tuple[str, ...],
    uid: str | None,
    *,
    everybody: bool,
    yes: bool,
    output: Output,
) -> None:
    """End sessions at once and for good; their open pages are told."""
    if sum((bool(handles), uid is not None, everybody)) != 1:
        raise click.UsageError("say whose sessions to end: HANDLE..., --uid NAME or --everybody.")
    with open_manager(existing_store(store, data_dir)) as manager:
        if everybody:
            ask_yes(f"End all {manager.count()} sessions?", output, yes=yes)
            ended = manager.revoke(everybody=True, actor=as_actor())
        elif uid is not None:
            ended = manager.revoke(uid=uid, actor=as_actor())
        else:
            chosen = [full_handle(manager, handle) for handle in handles]  # all of them, before any is ended
            ended = sum(manager.revoke(handle, actor=as_actor()) for handle in chosen)
    output.value({"ended": ended}, f"ended {ended} session{'' if ended == 1 else 's'}")


@command.command("watch")
@click.option("--uid", metavar="NAME", help="Only events of this user.")
@store_options
@output_options
def watch(store: str | None, data_dir: str | None, uid: str | None, output: Output) -> None:
    """Print every event once, as it happens, wherever it happens; with --json one object a line. Ctrl-C stops it."""
    from sojourn.cli.watching import watch_events

    watch_events(existing_store(store, data_dir), uid, output)


def full_handle(manager: SessionManager, text: str) -> str:
    """The handle of a living session that begins with this text.

    Raises:
        NotThere: No session does.
        click.UsageError: It is no beginning of a handle, too short, or several sessions begin with it.
    """
    handle = text.lower()
    if is_handle(handle):
        return handle
    if "." in text:
        raise click.UsageError("this takes a session's handle, not its token: a token stays with its client.")
    if not handle.isalnum() or handle.strip("0123456789abcdef") or not _PREFIX_LEAST <= len(handle) < 32:
        raise click.UsageError(
            f"{text[:40]!r} is no handle: give its 32 hexadecimal characters, or the first {_PREFIX_LEAST} or more."
        )
    found = list(islice(manager.list(handle_prefix=handle), 2))
    if not found:
        raise NotThere(f"no living session begins with {handle}; `sojourn sessions list` shows those that live.")
    if len(found) > 1:
        raise click.UsageError(f"several sessions begin with {handle}: give more of its characters.")
    return found[0].living().handle
