"""`sojourn sweep`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from serving import clean_environment, sojourn, watching
from sojourn import SessionManager
from sojourn.testing.clock import FakeClock

pytestmark = pytest.mark.xdist_group("timing")

LONG_AGO = 1_000_000_000_000


def test_once_ends_all_that_has_expired(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/sojourn.db"
    with SessionManager(url, ttl="1 h", clock=FakeClock(start_ms=LONG_AGO)) as past, SessionManager(url) as now:
        for _ in range(1_203):  # more than two batches
            past.create()
        alive = now.create()
        with watching(tmp_path) as watcher:
            done = sojourn("sweep", "--once", "--data-dir", str(tmp_path), "--json")
            assert json.loads(done.stdout) == {"ended": 1_203, "held": True}
            later = now.create()
            watcher.wait_for("session_created", later.handle or "")
            ended = [json.loads(line) for line in watcher.lines.seen if "session_ended" in line]
        assert len({event["id"] for event in ended}) == len(ended) == 1_203
        assert {event["reason"] for event in ended} == {"expired"}
        assert now.count() == 2
        now.find(alive.handle or "")
        assert sojourn("sweep", "--once", "--data-dir", str(tmp_path)).stdout == "ended 0\n"


def test_it_goes_on_until_it_is_stopped(tmp_path: Path) -> None:
    with SessionManager(f"sqlite:///{tmp_path}/sojourn.db", ttl="1 s") as sessions:
        sessions.setup()
        command = [sys.executable, "-m", "sojourn", "sweep", "--data-dir", str(tmp_path), "--json"]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment()
        ) as process:
            assert process.stdout is not None
            for uid in ("luca", "ada"):
                handle = sessions.create(uid=uid).handle
                assert json.loads(process.stdout.readline()) == {"ended": handle, "uid": uid}
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130


def test_without_a_store_there_is_nothing_to_sweep(tmp_path: Path) -> None:
    assert sojourn("sweep", "--once", "--data-dir", str(tmp_path / "x")).returncode == 4
