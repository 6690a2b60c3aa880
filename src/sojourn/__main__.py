"""`python -m sojourn` is `sojourn`."""

from sojourn.cli import main

main()
