"""`python -m sojourn` is `sojourn`."""

from sojourn.cli import main

__all__ = ["main"]

main()
