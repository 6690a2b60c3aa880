"""Strict parsing, beyond what the routes' tests send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.server.bodies import parse_form, parse_json
from sojourn.server.couch_answers import Refusal

texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(texts, values, max_size=4), st.booleans())
def test_every_json_object_is_read_as_it_is(document: dict[str, Any], is_ascii: bool) -> None:
    read = parse_json(json.dumps(document, ensure_ascii=is_ascii).encode())
    assert json.dumps(read) == json.dumps(document)


@pytest.mark.parametrize(
    "body",
    [b'{"a":1,"a":1}', b'{"x":{"a":1,"a":2}}', b'{"x":[{"a":1,"b":2,"a":3}]}', b'{"a":1,"\\u0061":2}'],
)
def test_a_member_stands_once_at_every_depth_and_in_every_spelling(body: bytes) -> None:
    with pytest.raises(Refusal, match="'a' stands twice"):
        parse_json(body)


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"{", b"\xef\xbb\xbf{}", b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":"\\ud83d"}', b'{"\\udc00":1}',
     b'{"a":01}', b"{'a':1}", b'{"a":1,}', b'{"a":"\xc3"}', b"[" * 200_000, b'{"a":' * 200_000],
)  # fmt: skip
def test_what_is_no_json_is_400(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        parse_json(body)
    assert (refused.value.status, refused.value.error) == (400, "bad_request")


@given(st.dictionaries(texts.filter(bool), texts, max_size=5))
def test_every_form_is_read_as_it_is(fields: dict[str, str]) -> None:
    from urllib.parse import urlencode

    assert parse_form(urlencode(fields).encode()) == fields


@pytest.mark.parametrize("body", [b"a=1&a=2", b"a=%ff", b"a=\xff", b"&".join(b"f%d=1" % n for n in range(101))])
def test_forms_that_can_be_read_in_two_ways_are_400(body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        parse_form(body)
    assert refused.value.status == 400
