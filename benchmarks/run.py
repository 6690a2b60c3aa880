"""`make bench`: every claim of docs/performance.md, measured. ARGS="--quick" for a look, ARGS="asgi" for a part."""

from __future__ import annotations

import argparse

import asgi_cost
import expiry_delay
import sqlite_cost
from measure import machine


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", choices=["asgi", "sqlite", "expiry"], default=[])
    parser.add_argument("--quick", action="store_true", help="fewer rounds, shorter waits")
    wanted = parser.parse_args()
    which = wanted.which or ["asgi", "sqlite", "expiry"]
    print(f"Measured on {machine()}. Times differ between machines; ratios and differences less.")
    if "asgi" in which:
        asgi_cost.main(*((3, 500) if wanted.quick else ()))
    if "sqlite" in which:
        sqlite_cost.main(*((3, 200) if wanted.quick else ()))
    if "expiry" in which:
        expiry_delay.main(*((1_000, 5.0) if wanted.quick else ()))


if __name__ == "__main__":
    main()
