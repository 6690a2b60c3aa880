"""The command line: `sojourn serve`, `sojourn sessions list`, ... `main` is the program; the rest loads when used."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the program and exit; the exit codes stand in `cli.program`."""
    from sojourn.cli.program import run

    run()
