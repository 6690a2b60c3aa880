"""Request bodies, read with bounds and parsed strictly: what two parsers could read differently is refused.

A member that stands twice in a JSON object is the hole of CVE-2017-12635 (one parser checks the first `roles`, another
obeys the second); NaN, lone surrogates and a depth that exhausts the stack are refused for the same reason.
"""

from __future__ import annotations

import asyncio
import json
import zlib
from typing import Any, cast
from urllib.parse import parse_qsl

from starlette.requests import Request

from sojourn.server.couch_answers import Refusal

__all__ = ["BODY_S", "MAX_BODY", "JsonObject", "media_type", "parse_form", "parse_json", "read_body"]

MAX_BODY = 1_048_576
"""Octets of a body, before and after unpacking."""

BODY_S = 20.0
"""Seconds until a body is complete, from when a route begins to read it."""

_MAX_FIELDS = 100

JsonObject = dict[str, Any]


def media_type(request: Request) -> str:
    """The media type of the body in lower case, without its parameters; empty if the request names none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_body(request: Request) -> bytes:
    """The whole body, unpacked if it is gzipped (ibmcloudant gzips every document).

    Raises:
        Refusal: 408 after `BODY_S`, 413 over `MAX_BODY`, 415 for another encoding, 400 for a broken one.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Refusal(415, "bad_content_encoding", "Only gzip and identity are understood as Content-Encoding.")
    try:
        async with asyncio.timeout(BODY_S):
            body = await _read(request)
    except TimeoutError:
        reason = f"The body did not come within {BODY_S:g} seconds."
        raise Refusal(408, "request_timeout", reason, {"Connection": "close"}) from None
    return _unpack(body) if encoding == "gzip" else body


async def _read(request: Request) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def _too_large() -> Refusal:
    return Refusal(413, "too_large", f"The request entity is too large: at most {MAX_BODY} bytes.")


def _unpack(body: bytes) -> bytes:
    """What a gzip body holds; it stops at the bound, so a bomb costs no more than that."""
    engine = zlib.decompressobj(wbits=31)
    try:
        unpacked = engine.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise Refusal(400, "bad_request", "The body is no gzip.") from error
    if len(unpacked) > MAX_BODY:
        raise _too_large()
    if not engine.eof or engine.unused_data:
        raise Refusal(400, "bad_request", "The gzip body is cut off, or something follows it.")
    return unpacked


def parse_json(body: bytes) -> JsonObject:
    """The JSON object of a body.

    Raises:
        Refusal: 400 for what is no JSON or no object, has a member twice, or cannot be kept exactly.
    """
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        if "\\u" in text:  # only an escape can make a lone surrogate, and most texts have none
            _ = json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        if isinstance(error, _TwiceError):
            raise Refusal(400, "bad_request", f"The member {error.member!r} stands twice in one object.") from None
        raise Refusal(400, "bad_request", "invalid UTF-8 JSON") from None
    if not isinstance(value, dict):
        raise Refusal(400, "bad_request", "Document must be a JSON object")
    return cast("JsonObject", value)


class _TwiceError(ValueError):
    def __init__(self, member: str) -> None:
        super().__init__()
        self.member = member.encode("utf-8", "replace").decode()[:64]


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        for member, _ in pairs:
            if member in seen:
                raise _TwiceError(member)
            seen.add(member)
    return made


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def parse_form(body: bytes) -> JsonObject:
    """The fields of a form body.

    Raises:
        Refusal: 400 for what is no UTF-8, over 100 fields, or one field with two values.
    """
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise Refusal(400, "bad_request", "The form is not percent-encoded UTF-8.") from None
    fields: JsonObject = {}
    for field, value in pairs:
        if fields.setdefault(field, value) != value:
            raise Refusal(400, "bad_request", "A field of the form has two values.")
    return fields
