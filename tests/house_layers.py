"""Which part of Sojourn may import which, and what the pure parts may take from outside.

The drawing stands in ARCHITECTURE.md: dependencies point down only. Every import counts: inside functions, under
TYPE_CHECKING, and by ``import_module("...")`` with a plain string. Read by test_architecture.py.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "BELOW",
    "PURE",
    "Module",
    "imports",
    "layer_findings",
    "purity_findings",
    "qualified_uses",
    "read",
]

_VALUES = {"core", "errors"}
_LOGIC = _VALUES | {"http", "flows", "stores", "users", "drive", "manager"}
_PUBLIC = _LOGIC | {"__init__"}  # the package itself, as its users import it

_MANAGER = {"async_manager", "background", "base_manager", "dispatch", "faces", "manager", "options"}
"""The files beside the packages that make up the layer `manager`."""

BELOW: dict[str, set[str]] = {
    "errors": set(),
    "core": _VALUES,
    "http": _VALUES | {"http"},
    "flows": _VALUES | {"flows"},
    "stores": _VALUES | {"stores"},
    "users": _VALUES | {"users"},
    "drive": _VALUES,
    "manager": _LOGIC,
    "__init__": _LOGIC,
    "web": _PUBLIC | {"web"},
    "realtime": _PUBLIC | {"realtime"},
    "client": _PUBLIC | {"client"},
    "testing": _PUBLIC | {"testing"},
    "server": _PUBLIC | {"web", "realtime", "client", "server"},
    "cli": _PUBLIC | {"web", "realtime", "client", "server", "cli"},
    "__main__": {"cli"},
}
"""What each layer may import of ours. Nothing but its users imports testing/."""

# fmt: off
_PURE_STDLIB = {
    "__future__", "abc", "base64", "binascii", "bisect", "collections", "contextlib", "copy", "dataclasses", "datetime",
    "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "hmac", "ipaddress", "itertools", "json", "math",
    "numbers", "operator", "re", "string", "struct", "textwrap", "types", "typing", "unicodedata", "urllib.parse",
    "uuid", "warnings",
}
# fmt: on
PURE: dict[str, set[str]] = {
    "errors": _PURE_STDLIB,
    "core": _PURE_STDLIB | {"msgspec"},
    "http": _PURE_STDLIB | {"msgspec"},
    "flows": _PURE_STDLIB | {"msgspec"},
    "drive": _PURE_STDLIB,
}
"""What the layers without clock, entropy and I/O may import from outside: what cannot bring them along."""

# fmt: off
_IMPURE_NAMES = {
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
    "uuid.uuid1", "uuid.uuid4", "open", "input", "print", "breakpoint",
}
# fmt: on
_IMPURE_MODULES = ("asyncio", "os", "random", "secrets", "socket", "ssl", "threading", "time")


def _layer(name: str) -> str:
    """The layer of a dotted name below ``sojourn``: the package of ours, or the file beside the packages."""
    first = name.partition(".")[0]
    return "manager" if first in _MANAGER else first


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: its dotted name below ``sojourn`` (``core.tokens``; of a package ``core.__init__``)."""

    name: str
    text: str

    @property
    def layer(self) -> str:
        """Where it stands in the drawing."""
        return _layer(self.name)

    @property
    def tree(self) -> ast.Module:
        """The parsed source."""
        return ast.parse(self.text)


def read(package: Path) -> list[Module]:
    """Every module of the package in this folder."""
    modules: list[Module] = []
    for path in sorted(package.rglob("*.py")):
        name = ".".join(path.relative_to(package).with_suffix("").parts)
        modules.append(Module(name, path.read_text(encoding="utf-8")))
    return modules


def _absolute(module: Module, node: ast.ImportFrom) -> str:
    """The full name of the module that ``from ... import`` reads."""
    if node.level == 0:
        return node.module or ""
    parts = ["sojourn", *module.name.split(".")]
    return ".".join([*parts[: len(parts) - node.level], *([node.module] if node.module else [])])


def imports(module: Module) -> Iterator[tuple[int, str, str]]:
    """Each import as (line, full dotted name of what is imported, the name it is bound to here)."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, alias.asname or alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            source = _absolute(module, node)
            for alias in node.names:
                yield node.lineno, f"{source}.{alias.name}", alias.asname or alias.name
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                yield node.lineno, node.args[0].value, ""


def layer_findings(module: Module) -> Iterator[str]:
    """Imports of ours that do not point down."""
    if module.layer not in BELOW:
        yield f"{module.name}: no known layer; give it one in tests/house_layers.py and ARCHITECTURE.md"
        return
    for line, full, _ in imports(module):
        top, _, rest = full.partition(".")
        if top != "sojourn":
            continue
        target = _layer(rest) if _layer(rest) in BELOW else "__init__"
        if target not in BELOW[module.layer]:
            yield f"{module.name}:{line}: {module.layer} may not import {full}; it stands higher"


def qualified_uses(module: Module) -> Iterator[tuple[int, str]]:
    """Each use of an imported or built-in name as (line, full dotted name), whatever this file calls it.

    ``from datetime import datetime as dt; dt.now()`` gives ``datetime.datetime.now``.
    """
    bound: dict[str, str] = {}
    for _, full, name in imports(module):
        if name:  # `import os.path` binds os, `import os.path as path` binds os.path
            bound[name] = full if full.endswith(f".{name}") or not full.startswith(f"{name}.") else name
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node.lineno, bound.get(node.id, node.id)
        elif isinstance(node, ast.Attribute):
            parts = [node.attr]
            inner: ast.expr = node.value
            while isinstance(inner, ast.Attribute):
                parts.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id in bound:
                yield node.lineno, ".".join([bound[inner.id], *reversed(parts)])


def purity_findings(module: Module) -> Iterator[str]:
    """What brings a clock, entropy, I/O or somebody else's package into a pure layer."""
    allowed = PURE.get(module.layer)
    if allowed is None:
        return
    for line, full, _ in imports(module):
        if full.partition(".")[0] == "sojourn":
            continue
        if not any(full == name or full.startswith(f"{name}.") for name in allowed):
            yield f"{module.name}:{line}: {module.layer} is pure and may not import {full}"
    for line, full in qualified_uses(module):
        if full in _IMPURE_NAMES or full.startswith(tuple(f"{name}." for name in _IMPURE_MODULES)):
            yield f"{module.name}:{line}: {module.layer} is pure and may not use {full}; hand its result in"
