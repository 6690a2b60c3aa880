"""The repository's plumbing: the pinned versions are complete, verified and free of addresses; make help tells all."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from sojourn.core.events import EndReason
from support import ROOT, needs

PINNED = {name: (ROOT / name).read_text() for name in ("constraints.txt", "constraints-server.txt")}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(text: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Each pinned package as name -> (version, hashes)."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for block in re.split(r"(?m)^(?=\w)", text):
        if head := re.match(r"([\w.-]+)==([^\s;\\]+)", block):
            found[head[1]] = (head[2], frozenset(re.findall(r"--hash=(sha256:[0-9a-f]{64})\b", block)))
    return found


def wanted(requirements: list[object]) -> set[str]:
    """The names in a list of requirements; included groups have no name of their own."""
    found = [re.match(r"[\w.-]+", text) for text in requirements if isinstance(text, str)]
    return {match[0].lower() for match in found if match}


@pytest.mark.parametrize("name", sorted(PINNED))
def test_every_pin_has_hashes_and_no_line_an_address_or_option(name: str) -> None:
    text = PINNED[name]
    assert all(hashes for _, hashes in pins(text).values())
    assert len(pins(text)) == len(re.findall(r"(?m)^\w", text)) > 0
    assert not re.findall(r"(?m)://|^[-/].*| @ ", text)


def test_all_that_the_project_asks_for_is_pinned() -> None:
    project = PROJECT["project"]
    always = wanted(project["dependencies"])
    groups = [*project["optional-dependencies"].values(), *PROJECT["dependency-groups"].values()]
    missing = always.union(*map(wanted, groups)) - set(pins(PINNED["constraints.txt"]))
    assert not missing, "run make lock"
    server = always | wanted(project["optional-dependencies"]["server"]) | wanted(PROJECT["dependency-groups"]["build"])
    assert not server - set(pins(PINNED["constraints-server.txt"])), "run make lock"


def test_the_server_runs_on_what_was_tested() -> None:
    everything = pins(PINNED["constraints.txt"])
    for name, pin in pins(PINNED["constraints-server.txt"]).items():
        assert everything.get(name) == pin, f"{name} differs: run make lock"


def test_the_core_depends_on_msgspec_only() -> None:
    assert wanted(PROJECT["project"]["dependencies"]) == {"msgspec"}


def test_a_changed_hash_is_noticed() -> None:
    text = PINNED["constraints-server.txt"]
    assert pins(text.replace("sha256:", "sha256:0", 1)) != pins(text)


@needs("make")
def test_make_help_names_every_command() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    commands = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    assert commands == set(re.findall(r"(?m)^  ([a-z]+)\s", done.stdout)) >= {"serve", "test", "check", "bench"}


def test_find_python_says_what_to_do() -> None:
    command = ["sh", "scripts/find-python"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"PYTHON": "/no/python"}, check=False)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; tried: /no/python" in done.stderr


def test_the_glossary_explains_every_reason() -> None:
    told = (ROOT / "docs" / "glossary.md").read_text().partition("## Why a session ended")[2]
    assert re.findall(r"(?m)^\| `(\w+)` \|", told) == [reason.value for reason in EndReason]
