"""`sojourn serve` as a process: what it prints, how it stops, what it refuses."""

from __future__ import annotations

import signal
import socket
import stat
import time
from pathlib import Path

import httpx2
import pytest
import trustme

from serving import PASSWORD, served, sojourn
from sojourn.server.run import STOP_S, _shown
from support import find_free_port

pytestmark = pytest.mark.xdist_group("timing")


def test_it_prints_where_it_answers_and_what_to_do_first(tmp_path: Path) -> None:
    with served(tmp_path / "data") as server:
        hint = f"no administrator yet: sojourn users add NAME --role _admin --data-dir {tmp_path / 'data'}"
        assert [server.out.next(), server.out.next()] == [f"console: {server.url}/console", hint]
        assert server.out.seen[0].startswith("Sojourn ")
        port = int(server.url.rpartition(":")[2])
        assert port > 0
        assert server.client().get("/healthz").json()["ok"] is True
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
        server.add("ada", "_admin")
        assert server.stop() == 0
    with served(tmp_path / "data") as again:
        assert again.stop() == 0
        again.out.thread.join()
        assert not [line for line in again.out.seen if "administrator" in line]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_stop_ends_open_streams_and_finishes_requests(number: int, code: int, tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.add("luca")
        streams = [server.events(server.client("luca")), server.events(server.client())]
        for stream in streams:
            stream.until("hello")
        began = time.monotonic()
        assert server.stop(number) == code
        assert time.monotonic() - began < STOP_S / 2, "it did not have to wait for the streams"
        assert [stream.next() for stream in streams] == [None, None], "each came to its end, none was cut"
        server.err.thread.join()
        assert server.log()[-1]["message"] == "stopped"
        assert not [line for line in server.log() if line["level"] in ("error", "critical")]
    with served(tmp_path) as again:  # sessions outlive the server
        assert "luca" in again.run("sessions", "list").stdout


def test_a_request_that_never_ends_delays_the_stop_by_seconds_only(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        host, port = server.url.removeprefix("http://").split(":")
        head = b"POST /_session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"
        with socket.create_connection((host, int(port))) as stuck:
            stuck.sendall(head)
            assert server.client().get("/healthz").status_code == 200  # it has been read by now
            began = time.monotonic()
            assert server.stop() == 0
            assert time.monotonic() - began < 10
        server.err.thread.join()
        assert server.log()[-1]["message"] == "stopped"


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = sojourn("serve", "--port", str(port), "--data-dir", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: cannot listen on 127.0.0.1:{port} (")
    assert "--port 0" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "reason"),
    [
        (("--host", "0.0.0.0"), {}, "plain http"),
        ((), {"SOJOURN_HOST": "0.0.0.0"}, "plain http"),
        (("--password-policy", "none", "--behind-proxy", "127.0.0.1"), {}, "any password"),
        (("--store", "memory://", "--data-dir", "x"), {}, "contradict"),
        (("--ttl", "14"), {}, "say the unit"),
        (("--store", "nosql://x"), {}, "known: memory://"),
    ],
)
def test_unsafe_or_wrong_configuration_refuses_to_start(
    arguments: tuple[str, ...], environment: dict[str, str], reason: str
) -> None:
    done = sojourn("serve", "--port", "0", *arguments, **environment)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: ")
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "sojourn.db").write_bytes(b"this is no database, whatever its name says" * 100)
    done = sojourn("serve", "--port", "0", "--data-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_it_is_told_by_the_environment_too_and_notices_what_is_misspelt(tmp_path: Path) -> None:
    port = find_free_port()
    with served(tmp_path, SOJOURN_PORT=str(port), SOJOURN_PASWORD_POLICY="none", SOJOURN_TTL="2 h") as server:
        assert not server.url.endswith(f":{port}"), "the argument --port 0 beats it"
        server.add("luca")
        browser = server.client("luca")
        rows = server.run("sessions", "list")
        assert "in 2 h" in rows.stdout
        assert "SOJOURN_PASSWORD_POLICY?" in server.log()[0]["message"]
        browser.close()


def test_https_by_itself(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    pems = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    with served(tmp_path / "data", *pems) as server:
        assert server.url.startswith("https://")
        server.add("luca")
        import ssl

        trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        with httpx2.Client(base_url=server.url, verify=trusting) as browser:
            answer = browser.post("/_session", json={"name": "luca", "password": PASSWORD})
            assert "; Secure" in answer.headers["set-cookie"]
            assert browser.get("/_session").json()["userCtx"]["name"] == "luca"
            assert browser.get("/console").headers["strict-transport-security"]


def test_a_proxy_that_is_trusted_tells_scheme_and_address(tmp_path: Path) -> None:
    with served(tmp_path, "--behind-proxy", "127.0.0.1") as server:
        server.add("luca")
        forwarded = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9", "host": "app.example.org"}
        answer = httpx2.post(f"{server.url}/_session", json={"name": "luca", "password": PASSWORD}, headers=forwarded)
        assert "; Secure" in answer.headers["set-cookie"]
        assert "203.0.113.9" in server.run("sessions", "list").stdout


def test_nobody_else_may_claim_to_be_a_proxy(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.add("luca")
        forwarded = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
        httpx2.post(f"{server.url}/_session", json={"name": "luca", "password": PASSWORD}, headers=forwarded)
        listed = server.run("sessions", "list").stdout
        assert "203.0.113.9" not in listed
        assert "127.0.0.1" in listed


def test_a_store_s_password_is_not_shown() -> None:
    assert _shown("postgresql://app:hunter2@db/x?y=1") == "postgresql://app:•••@db/x?y=1"
    assert _shown("sqlite:///x.db") == "sqlite:///x.db"
