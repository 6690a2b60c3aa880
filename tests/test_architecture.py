"""The invariants of ARCHITECTURE.md that are about source text, each proved able to fail by a bad snippet.

The rules themselves are in house_layers.py and house_rules.py. A finding names the file, the line and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from house_layers import BELOW, PURE, Module, layer_findings, purity_findings, read
from house_rules import (
    MAX_FILE_LINES,
    all_findings,
    compare_findings,
    cookie_findings,
    docstring_findings,
    function_sizes,
    hashing_findings,
    length_findings,
    unsafe_findings,
)
from support import SRC

AIM, LIMIT = 40, 60
LONG_FUNCTIONS = {
    "flows.lifecycle:_write": "one request's outcome, case by case, in the order in which they must be told apart",
    "stores.memory:MemoryStore._perform": "one case an operation, so that assert_never finds a forgotten one",
}
"""Functions of more than 40 lines (docstrings not counted), with the reason; more than 60 are never allowed."""

MODULES = read(SRC / "sojourn")
Rule = Callable[[Module], Iterator[str]]


def house_keeps(rule: Rule) -> None:
    """Fails with every finding of a rule over the whole product."""
    found = [text for module in MODULES for text in rule(module)]
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def found_in(rule: Rule, name: str, text: str) -> list[str]:
    """The findings of a rule in a snippet that stands as the module of that name."""
    return list(rule(Module(name, text)))


def test_there_is_a_house_to_look_at() -> None:
    assert any(module.name == "errors" for module in MODULES)


def test_imports_point_down_only() -> None:
    house_keeps(layer_findings)


def test_the_drawing_has_no_circle() -> None:
    for layer, below in BELOW.items():
        for other in below - {layer}:
            assert layer not in BELOW[other], f"{layer} and {other} may import each other"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("core.record", "from sojourn.stores.memory import MemoryStore"),
        ("core.record", "from ..flows import lifecycle"),
        ("core.record", "def late():\n    import sojourn.manager"),
        (
            "core.record",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sojourn.web import asgi",
        ),
        ("core.record", "from sojourn import SessionManager"),
        ("core.__init__", "from ..http import cookies"),
        ("http.cookies", "import sojourn.flows.lifecycle as lifecycle"),
        ("flows.login", "from sojourn.users.passwords import verify"),
        ("stores.sqlite.store", "from ...flows.sweep import sweep"),
        ("stores.cached", "from importlib import import_module\nimport_module('sojourn.server.app')"),
        ("manager", "from sojourn.web import asgi"),
        ("web.asgi", "from sojourn.realtime.hub import Hub"),
        ("server.app", "from sojourn.cli import main"),
        ("server.app", "from sojourn.testing import FakeClock"),
        ("errors", "from .core import values"),
        ("attic.old", ""),
    ],
)
def test_an_import_upwards_is_found(name: str, text: str) -> None:
    assert len(found_in(layer_findings, name, text)) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "core.record",
            "from .values import encode\nfrom ..errors import SojournError\nimport sojourn.core.changes",
        ),
        ("stores.sqlite.store", "from ...core.record import Record\nfrom ..memory import MemoryStore"),
        ("manager", "from sojourn.flows import lifecycle\nfrom . import drive"),
        ("web.asgi", "from sojourn import AsyncSessionManager\nimport starlette"),
        ("cli.main", "from sojourn.server.app import make_app"),
    ],
)
def test_an_import_downwards_is_no_finding(name: str, text: str) -> None:
    assert not found_in(layer_findings, name, text)


def test_pure_layers_take_no_clock_entropy_or_io() -> None:
    house_keeps(purity_findings)


@pytest.mark.parametrize("layer", sorted(PURE))
@pytest.mark.parametrize(
    "text",
    [
        *(
            "import asyncio",
            "import threading",
            "import time",
            "import os.path",
            "import socket",
            "import random",
        ),
        *("from secrets import token_bytes", "from os import urandom", "import logging", "import redis"),
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime as dt\nnow = dt.now",
        "from datetime import date\ndate.today()",
        "import uuid\nuuid.uuid4()",
        "from uuid import uuid1 as name\nname()",
        "open('file')",
    ],
)
def test_impurity_is_found(layer: str, text: str) -> None:
    assert found_in(purity_findings, f"{layer}.part", text)


def test_purity_lets_values_and_the_codec_be() -> None:
    text = (
        "import msgspec\nfrom datetime import UTC, datetime\ndatetime.fromtimestamp(0, UTC)\nnow = op.now\nimport uuid"
    )
    assert not found_in(purity_findings, "core.values", text)
    assert found_in(purity_findings, "drive", "import msgspec")
    assert not found_in(purity_findings, "stores.memory", "import time, threading\ntime.time()")


def test_only_http_writes_set_cookie() -> None:
    house_keeps(cookie_findings)


@pytest.mark.parametrize(
    "text",
    ["send(b'set-cookie', value)", "f'Set-Cookie: {value}'", "from http.cookies import SimpleCookie"],
)
def test_a_cookie_written_elsewhere_is_found(text: str) -> None:
    assert found_in(cookie_findings, "web.asgi", text)
    assert not found_in(cookie_findings, "web.asgi", '"""Sends no Set-Cookie itself."""')


def test_the_header_name_may_stand_in_http() -> None:
    assert not found_in(cookie_findings, "http.exchange", "NAME = b'set-cookie'")


def test_hashes_and_random_bytes_are_made_in_their_homes() -> None:
    house_keeps(hashing_findings)


@pytest.mark.parametrize(
    "text",
    [
        "import hashlib\nhashlib.sha256(secret)",
        "from hashlib import sha256 as quick\nquick(secret)",
        "import hmac\nhmac.new(key, text, 'sha256')",
        "import secrets\nsecrets.token_urlsafe()",
        "from os import urandom\nurandom(32)",
        "import uuid\nuuid.uuid4()",
    ],
)
def test_a_token_made_elsewhere_is_found(text: str) -> None:
    assert found_in(hashing_findings, "web.asgi", text)


def test_comparing_digests_is_allowed_everywhere() -> None:
    assert not found_in(hashing_findings, "stores.memory", "import hmac\nhmac.compare_digest(a, b)")
    assert not found_in(hashing_findings, "core.tokens", "import hashlib\nhashlib.sha256(secret)")


def test_nothing_runs_data_as_code() -> None:
    house_keeps(unsafe_findings)


@pytest.mark.parametrize(
    "text",
    ["import pickle", "from marshal import loads", "def f():\n    import yaml", "eval('1')", "exec(text)"],
)
def test_code_out_of_data_is_found(text: str) -> None:
    assert found_in(unsafe_findings, "stores.memory", text)
    assert not found_in(unsafe_findings, "stores.memory", "import re\nre.compile('a')\nmodel.eval()")


def test_secrets_are_compared_in_constant_time() -> None:
    house_keeps(compare_findings)


@pytest.mark.parametrize(
    "text",
    [
        "record.secret_hash == other",
        "other != make_signature(text)",
        "digest.hexdigest() == given",
        "if a < b == self._mac: pass",
        "previousHash == given",
        "secret in known",
    ],
)
def test_a_leaking_comparison_is_found(text: str) -> None:
    assert found_in(compare_findings, "core.tokens", text)


@pytest.mark.parametrize(
    "text",
    [
        "machine == other",
        "len(secret) == 32",
        "secret is None",
        "len(mac) == HASH_BYTES",
        "'secret' in record",
        "mac == ''",
    ],
)
def test_other_comparisons_are_no_finding(text: str) -> None:
    assert not found_in(compare_findings, "core.tokens", text)


def test_every_module_says_what_is_public() -> None:
    house_keeps(all_findings)


@pytest.mark.parametrize(
    "text",
    [
        "def f(): pass",
        "__all__ = ['g']\ndef f(): pass",
        "__all__ = []\ndef f(): pass",
        "__all__ = names()\ndef f(): pass",
        "__all__ = ['lazy']\n_WHERE = {'other': '.there'}\ndef __getattr__(name): ...",
    ],
)
def test_a_wrong_all_is_found(text: str) -> None:
    assert found_in(all_findings, "core.part", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "'''Only a docstring.'''\nfrom __future__ import annotations",
        "__all__ = ['A', 'b', 'c']\ntry:\n    import c\nexcept ImportError:\n    c = None\nclass A: ...\nb: int = 1",
        "__all__ = ['lazy']\n_WHERE = {'lazy': '.there'}\ndef __getattr__(name): ...",
    ],
)
def test_a_right_all_is_no_finding(text: str) -> None:
    assert not found_in(all_findings, "core.__init__", text)


def test_every_public_name_has_a_docstring() -> None:
    house_keeps(docstring_findings)


def test_a_missing_docstring_is_found() -> None:
    text = "'''Module.'''\n__all__ = ['A', 'f']\ndef f(): pass\nclass A:\n    def m(self): pass\n    def _p(self): pass"
    assert [found.split()[1] for found in found_in(docstring_findings, "core.part", text)] == ["f", "A", "m"]
    assert found_in(docstring_findings, "core.part", "__all__ = []")
    assert not found_in(docstring_findings, "core.part", "'''Module.'''\n__all__ = ['g']\ndef _f(): pass\ng = 1")


def test_files_hold_one_idea() -> None:
    house_keeps(length_findings)


def test_a_long_file_is_found() -> None:
    assert found_in(length_findings, "core.part", "x = 1\n" * (MAX_FILE_LINES + 1))
    assert not found_in(length_findings, "core.part", "x = 1\n" * MAX_FILE_LINES)


def test_functions_are_short_or_listed_with_the_reason() -> None:
    sizes = {name: size for module in MODULES for name, size in function_sizes(module)}
    unlisted = {name: size for name, size in sizes.items() if size > (LIMIT if name in LONG_FUNCTIONS else AIM)}
    stale = {name for name in LONG_FUNCTIONS if sizes.get(name, 0) <= AIM}
    if unlisted:
        pytest.fail(f"split these, or list them in LONG_FUNCTIONS with the reason: {unlisted}", pytrace=False)
    assert not stale, "these need no exception any more"


def test_function_sizes_count_code_and_not_docstrings() -> None:
    long = "".join(f"        x = {number}\n" for number in range(50))
    text = f"class A:\n    def m(self):\n        '''One.\n\n        Two.\n        '''\n{long}\ndef f():\n    pass\n"
    assert list(function_sizes(Module("core.part", text))) == [("core.part:A.m", 51), ("core.part:f", 2)]
