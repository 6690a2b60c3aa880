"""Rules of the house that linters do not know, each from a module to its findings. Read by test_architecture.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from house_layers import Module, imports, qualified_uses

__all__ = [
    "all_findings",
    "compare_findings",
    "cookie_findings",
    "docstring_findings",
    "function_sizes",
    "hashing_findings",
    "length_findings",
    "unsafe_findings",
]

MAX_FILE_LINES = 400

_HASHING_HOMES = ("core.tokens", "http.signing", "users.")
"""Who may hash: tokens, cookie signatures, passwords. Elsewhere it is a secret handled beside the rules."""
_HASHING = ("hashlib.", "hmac.new", "hmac.digest")
_ENTROPY_LAYERS = {"manager", "users", "testing"}
"""Who may ask the operating system for random bytes; everybody else is handed them."""
_ENTROPY = ("secrets.", "os.urandom", "os.getrandom", "uuid.uuid1", "uuid.uuid4", "random.")
_UNSAFE_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml", "ruamel"}
_SECRET_WORDS = {
    *("secret", "secrets", "hash", "hashes", "hashed", "signature", "signatures"),
    *("digest", "digests", "hexdigest", "mac", "macs", "hmac"),
}


def _docstrings(tree: ast.AST) -> set[int]:
    """The ids of constants that only stand there to be read: docstrings, and the texts below a constant."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def cookie_findings(module: Module) -> Iterator[str]:
    """Outside http/: the header's name in a string, and the standard library's cookie writer."""
    if module.layer == "http":
        return
    tree = module.tree
    unread = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)) and id(node) not in unread:
            text = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
            if "set-cookie" in text.lower():
                yield f"{module.name}:{node.lineno}: only http/ writes Set-Cookie; ask http.exchange for the header"
    for line, full, _ in imports(module):
        if full.startswith("http.cookies"):
            yield f"{module.name}:{line}: http.cookies has other rules than ours; use sojourn.http.cookies"


def hashing_findings(module: Module) -> Iterator[str]:
    """Hashes and random bytes made where no token, signature or password is."""
    for line, full in qualified_uses(module):
        if full.startswith(_HASHING) and not f"{module.name}.".startswith(_HASHING_HOMES):
            yield f"{module.name}:{line}: {full} belongs into core/tokens.py, http/signing.py or users/"
        if full.startswith(_ENTROPY) and module.layer not in _ENTROPY_LAYERS:
            yield f"{module.name}:{line}: {full}: random bytes are handed in by the manager"


def unsafe_findings(module: Module) -> Iterator[str]:
    """Ways to run code out of data: foreign object formats, eval, exec."""
    for line, full, _ in imports(module):
        if full.partition(".")[0] in _UNSAFE_MODULES:
            yield f"{module.name}:{line}: {full} can run what it reads; values go through core/values.py"
    for node in ast.walk(module.tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"eval", "exec", "compile"}
        ):
            yield f"{module.name}:{node.lineno}: {node.func.id} runs text as code"


def _last_name(node: ast.expr) -> str:
    """The name that says what an expression holds: ``record.secret_hash``, ``secret_hash(text)``, ``hashes[0]``."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=inner) | ast.Subscript(value=inner) | ast.Await(value=inner):
            return _last_name(inner)
        case _:
            return ""


def _is_secret(node: ast.expr) -> bool:
    name = _last_name(node)
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return not name.isupper() and any(word.lower() in _SECRET_WORDS for word in words)


def compare_findings(module: Module) -> Iterator[str]:
    """Secrets compared by ``==`` or ``in``, whose duration tells how much of a guess was right (CWE-208)."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Compare):
            continue
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            sides = (left, right) if isinstance(operator, (ast.Eq, ast.NotEq)) else (left,)
            leaks = isinstance(operator, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)) and any(map(_is_secret, sides))
            if leaks and not any(isinstance(side, ast.Constant) for side in (left, right)):
                yield f"{module.name}:{node.lineno}: compare by hmac.compare_digest: {ast.unparse(node)}"
            left = right


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that bind names of the module, those under ``if`` and ``try`` included."""
    for node in body:
        yield node
        if isinstance(node, (ast.If, ast.Try)):
            yield from _top_level([*node.body, *node.orelse])
        if isinstance(node, ast.Try):
            yield from _top_level([*node.finalbody, *(inner for handler in node.handlers for inner in handler.body)])


def _bindings(node: ast.stmt) -> list[str]:
    """The names that a statement binds in its module."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [alias.asname or alias.name.partition(".")[0] for alias in names]
        case ast.Assign(targets=targets):
            return [inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def _strings(node: ast.AST) -> set[str]:
    constants = [inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant)]
    return {value for value in constants if isinstance(value, str)}


def _exported(module: Module) -> tuple[list[str] | None, set[str]]:
    """What ``__all__`` lists (None without one), and every name that the module can answer for."""
    exported: list[str] | None = None
    known: set[str] = set()
    tabled: set[str] = set()
    for node in _top_level(module.tree.body):
        names = _bindings(node)
        known.update(names)
        if "__all__" in names and isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            try:
                exported = list(ast.literal_eval(node.value))
            except ValueError:
                exported = []
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            tabled |= _strings(node)
    if "__getattr__" in known:  # names that load on first use: they stand in a table of strings
        known |= tabled
    return exported, known


def all_findings(module: Module) -> Iterator[str]:
    """Modules without a plain ``__all__``, and names in it that do not exist."""
    exported, known = _exported(module)
    if exported is None:
        if known - {"annotations"}:
            yield f"{module.name}: say in __all__ what is public"
        return
    for name in exported:
        if name not in known:
            yield f"{module.name}: __all__ lists {name}, which does not exist"
    if not exported and known - {"annotations", "__all__"} and not module.name.endswith("__main__"):
        yield f"{module.name}: __all__ is empty or no plain list of strings"


def _wants_docstring(node: ast.stmt) -> bool:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return False
    marks = {_last_name(mark) for mark in node.decorator_list}
    return not marks & {"overload", "setter", "deleter", "override"}


def docstring_findings(module: Module) -> Iterator[str]:
    """Public functions, classes and methods, and modules that hold any, without a docstring."""
    tree = module.tree
    if tree.body and ast.get_docstring(tree) is None:
        yield f"{module.name}: the module has no docstring"
    exported = set(_exported(module)[0] or [])
    for node in _top_level(tree.body):
        if not (_wants_docstring(node) and exported.intersection(_bindings(node))):
            continue
        members = node.body if isinstance(node, ast.ClassDef) else []
        public = [inner for inner in members if _wants_docstring(inner) and not _bindings(inner)[0].startswith("_")]
        for item in (node, *public):
            if ast.get_docstring(item) is None:  # type: ignore[arg-type]  # _wants_docstring looked at its type
                yield f"{module.name}:{item.lineno}: {_bindings(item)[0]} has no docstring"


def length_findings(module: Module) -> Iterator[str]:
    """Files that hold more than one idea."""
    lines = module.text.count("\n")
    if lines > MAX_FILE_LINES:
        yield f"{module.name}: {lines} lines; at most {MAX_FILE_LINES}: split it by noun"


def function_sizes(module: Module) -> Iterator[tuple[str, int]]:
    """Each function as (``module:Class.method``, lines), its docstring not counted."""

    def walk(node: ast.AST, outer: tuple[str, ...]) -> Iterator[tuple[str, int]]:
        for child in ast.iter_child_nodes(node):
            names = outer
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                names = (*outer, child.name)
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                text = child.body[0]
                spoken = (text.end_lineno or 0) - text.lineno + 1 if ast.get_docstring(child) is not None else 0
                yield f"{module.name}:{'.'.join(names)}", (child.end_lineno or 0) - child.lineno + 1 - spoken
            yield from walk(child, names)

    yield from walk(module.tree, ())
