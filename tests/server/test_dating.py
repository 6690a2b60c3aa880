"""The order of headers on the wire, seen through a socket of our own."""

from __future__ import annotations

import socket
from email.utils import parsedate_to_datetime
from pathlib import Path

from serving import PASSWORD, served


def test_set_cookie_is_the_first_header_and_date_is_there_once(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.add("luca")
        host, port = server.url.removeprefix("http://").split(":")
        body = f"name=luca&password={PASSWORD}".encode()
        head = (
            b"POST /_session HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(head + body)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
    lines = answer.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert lines[1].lower().startswith("set-cookie: authsession=")
    dates = [line.partition(": ")[2] for line in lines if line.lower().startswith("date:")]
    assert len(dates) == 1
    assert parsedate_to_datetime(dates[0]).tzinfo is not None
