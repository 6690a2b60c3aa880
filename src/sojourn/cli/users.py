"""`sojourn users`: add, list, passwd, delete."""

from __future__ import annotations

import json
import os
import sys

import click

from sojourn.cli.common import (
    Output,
    as_actor,
    ask_yes,
    existing_store,
    new_store,
    open_manager,
    output_options,
    store_options,
)
from sojourn.cli.program import NotThere
from sojourn.errors import DocumentConflict
from sojourn.server.directory import UserDirectory

__all__ = ["command", "read_password"]

ENV = "SOJOURN_PASSWORD"


@click.group("users")
def command() -> None:
    """The users who may sign in at the server. The role _admin makes an administrator."""


@command.command("add")
@click.argument("name")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="A role; may be given several times.")
@click.option("--password-stdin", is_flag=True, help=f"Read the password from stdin.  [env var: {ENV} holds it]")
@store_options
@output_options
def add(
    store: str | None,
    data_dir: str | None,
    name: str,
    roles: tuple[str, ...],
    *,
    password_stdin: bool,
    output: Output,
) -> None:
    """Add a user. The password is asked for, or comes from stdin or the environment; never as an argument."""
    with open_manager(new_store(store, data_dir)) as manager:
        users = UserDirectory(manager)
        if users.get(name) is not None:
            raise click.ClickException(f"there is a user {name!r}; `sojourn users passwd {name}` changes the password.")
        try:
            user = users.create(name, read_password(output, from_stdin=password_stdin), roles=roles)
        except DocumentConflict:
            raise click.ClickException(f"somebody else has just added {name!r}.") from None
        finally:
            users.close()
    shown = f" with {', '.join(user.roles)}" if user.roles else ""
    output.value({"name": user.name, "roles": list(user.roles)}, f"added {user.name}{shown}")


@command.command("list")
@store_options
@output_options
def list_(store: str | None, data_dir: str | None, output: Output) -> None:
    """List all users with their roles."""
    with open_manager(existing_store(store, data_dir)) as manager:
        users = [{"name": user.name, "roles": list(user.roles)} for user in UserDirectory(manager).list()]
    if output.as_json:
        click.echo(json.dumps(users, ensure_ascii=False))
        return
    output.table([[str(user["name"]), ", ".join(user["roles"]) or "-"] for user in users], ("USER", "ROLES"))
    if not users:
        click.echo("no users; `sojourn users add NAME --role _admin` adds the first administrator", err=True)


@command.command("passwd")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help=f"Read the password from stdin.  [env var: {ENV} holds it]")
@store_options
@output_options
def passwd(store: str | None, data_dir: str | None, name: str, *, password_stdin: bool, output: Output) -> None:
    """Give a user a new password. All of the user's sessions end."""
    with open_manager(existing_store(store, data_dir)) as manager:
        users = UserDirectory(manager)
        _require(users, name)
        try:
            users.change_password(name, read_password(output, from_stdin=password_stdin), actor=as_actor())
        finally:
            users.close()
    output.value({"name": name, "changed": True}, f"changed the password of {name}; all sessions of {name} ended")


@command.command("delete")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@store_options
@output_options
def delete(store: str | None, data_dir: str | None, name: str, *, yes: bool, output: Output) -> None:
    """Delete a user and end all of the user's sessions."""
    with open_manager(existing_store(store, data_dir)) as manager:
        users = UserDirectory(manager)
        _require(users, name)
        ask_yes(f"Delete {name} and end {manager.count(uid=name)} sessions?", output, yes=yes)
        if not users.delete(name, actor=as_actor()):
            raise NotThere(f"there is no user {name!r} any more.")
    output.value({"name": name, "deleted": True}, f"deleted {name}")


def _require(users: UserDirectory, name: str) -> None:
    if users.get(name) is None:
        raise NotThere(f"there is no user {name!r}; `sojourn users list` shows all.")


def read_password(output: Output, *, from_stdin: bool) -> str:
    """The new password, from stdin, the environment or a prompt, in this order; one line break at its end is cut.

    Raises:
        click.UsageError: There is nobody to ask, or nothing came.
    """
    if from_stdin:
        text = sys.stdin.read(4_096)
        password = text.removesuffix("\n").removesuffix("\r")
        if not password:
            raise click.UsageError("--password-stdin: nothing came from stdin.")
        return password
    if os.environ.get(ENV):
        return os.environ[ENV]
    if not output.may_ask:
        raise click.UsageError(f"a password is needed: --password-stdin reads it, or set {ENV}.")
    prompted: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return prompted
