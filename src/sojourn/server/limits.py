"""What a connection may take before it has asked for anything, and how many connections there may be.

ASVS 13.1.3 and 13.2.6; RFC 6585 section 5 for 431.

uvicorn itself bounds neither: a client that sends a head slowly, or one without end, would hold a connection for ever.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sojourn.server.answers import problem

__all__ = ["HEAD_OCTETS", "HEAD_S", "MAX_CONNECTIONS", "BoundedProtocol", "connections_at_most"]

HEAD_OCTETS = 65_536
"""Octets of a request line and its headers, or of the trailers together with them."""

HEAD_S = 20.0
"""Seconds until a head is complete: from the connection, or from the first octet of a further request."""

MAX_CONNECTIONS = 20_000

_SPARE_FILES = 64
"""Kept for the store, the log and the sockets that listen."""

_PIECE = 16_384
"""A read is parsed in pieces: how far a head may go over before it is noticed, at most."""

_log = logging.getLogger("sojourn.server")


def connections_at_most() -> int:
    """How many connections to take: fewer than the files this process may open, so that accepting never fails."""
    if sys.platform == "win32":
        return MAX_CONNECTIONS
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, max(soft - _SPARE_FILES, soft // 2)))


class _HeadTooLongError(Exception):
    """Thrown through the parser, which stops at it."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with bounds on a head; neither a streaming answer nor an idle connection is touched.

    A head over `head_octets` is answered with 431 and the connection closed; one that takes longer than `head_s` is
    closed without a word, as is a body that goes on so long after its answer.
    """

    head_octets = HEAD_OCTETS
    head_s = HEAD_S

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._is_in_head = True  # or before one
        self._heads = 0
        self._received = 0
        self._parsed = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count it as long as it belongs to a head."""
        for start in range(0, len(data), _PIECE):
            if self.transport.is_closing():
                return
            piece = data[start : start + _PIECE]
            heads = self._heads if self._is_in_head else -1
            if self._is_in_head and self._deadline is None and not self._is_answering():
                self._wait()  # an empty line before the request: the parser says nothing of it
            super().data_received(piece)
            if self._is_in_head and self._heads == heads:
                self._received += len(piece)
                if self._received > self.head_octets and not self.transport.is_closing():
                    self._refuse()

    def on_message_begin(self) -> None:
        """The first octet of a request."""
        super().on_message_begin()
        self._parsed = 0
        self._wait()

    def on_url(self, url: bytes) -> None:
        """A part of the request line."""
        super().on_url(url)
        self._parsed += len(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer after the body: both are kept, so both count."""
        self._parsed += len(name) + len(value) + 4
        if self._parsed > self.head_octets:
            raise _HeadTooLongError
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        parser: Any = self.parser  # None only once the connection is lost
        self._parsed += len(parser.get_method()) + len(b"  HTTP/1.1\r\n\r\n")
        if max(self._parsed, self._received) > self.head_octets:
            raise _HeadTooLongError
        self._wait_no_more()
        self._is_in_head = False
        self._heads += 1
        self._received = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is complete; the next octet belongs to another head."""
        super().on_message_complete()
        self._is_in_head = True
        self._wait_no_more()
        if not self._is_answering():  # the answer came first, and the body has undone uvicorn's own timer
            self._wait()

    def on_response_complete(self) -> None:
        """The answer is sent; a body that is not yet complete has as long as a head."""
        super().on_response_complete()
        if not self._is_in_head and not self.pipeline and not self.transport.is_closing():
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser stopped at."""
        if self._parsed > self.head_octets or self._received > self.head_octets:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _is_answering(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, whatever uvicorn's annotation says
        return cycle is not None and not cycle.response_complete

    def _wait(self) -> None:
        self._wait_no_more()
        self._deadline = self.loop.call_later(self.head_s, self._close_late)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close_late(self) -> None:
        self._deadline = None
        if self._is_answering():
            self.cycle.keep_alive = False  # the answer under way is finished first; then the connection closes
        elif not self.transport.is_closing():
            self.transport.close()

    def _refuse(self) -> None:
        _log.info("a request head was too long: at most %d bytes", self.head_octets)
        if not self._is_answering():  # otherwise it would stand in the midst of another answer
            answer = problem(431, f"The request's head is too long: at most {self.head_octets} bytes.")
            headers = [b"%b: %b" % pair for pair in (*answer.raw_headers, (b"connection", b"close"))]
            lines = [b"HTTP/1.1 431 Request Header Fields Too Large", *headers, b"", bytes(answer.body)]
            self.transport.write(b"\r\n".join(lines))
        self.transport.close()
