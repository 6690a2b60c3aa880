"""A real `sojourn serve` in a process of its own, and its command line, for the tests that need both."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

__all__ = ["PASSWORD", "Events", "Served", "Watcher", "clean_environment", "served", "sojourn", "watching"]

PASSWORD = "relaxed marmot 47"
PATIENCE_S = 30.0
"""How long anything may take on a machine that others use too; what is promised sooner is asserted sooner."""


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without anything of ours in it."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SOJOURN_")}
    return {**kept, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", **more}


def sojourn(*arguments: str, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sojourn", *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        env=clean_environment(**environment),
        check=False,
    )


class _Lines:
    """The lines of a process's output as they come."""

    def __init__(self, pipe: Any) -> None:
        self._lines: queue.Queue[str] = queue.Queue()
        self.seen: list[str] = []
        self.thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self.thread.start()

    def _read(self, pipe: Any) -> None:
        with pipe:
            for line in pipe:
                self.seen.append(line.rstrip("\n"))
                self._lines.put(line.rstrip("\n"))

    def next(self, timeout_s: float = PATIENCE_S) -> str:
        return self._lines.get(timeout=timeout_s)


class Served:
    """A server that runs.

    Attributes:
        url: Its origin.
        banner: What it printed at the start.
    """

    def __init__(self, process: subprocess.Popen[str], data_dir: Path) -> None:
        self.process = process
        self.data_dir = data_dir
        self.out, self.err = _Lines(process.stdout), _Lines(process.stderr)
        self.url = ""
        self._clients: list[httpx2.Client] = []
        self._streams: list[Events] = []
        while not self.url:
            try:
                line = self.out.next()
            except queue.Empty:
                raise AssertionError(f"the server did not start: {self.err.seen}") from None
            if line.startswith("server:"):
                self.url = line.split()[1].rstrip("/")

    def run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command on this server's store."""
        return sojourn(*arguments, "--data-dir", str(self.data_dir), text=text)

    def add(self, name: str, *roles: str) -> None:
        """Add a user with PASSWORD."""
        chosen = [part for role in roles for part in ("--role", role)]
        done = self.run("users", "add", name, *chosen, "--password-stdin", text=PASSWORD)
        assert done.returncode == 0, done.stderr

    def client(self, name: str | None = None) -> httpx2.Client:
        """A browser without scripts, signed in as this user."""
        client = httpx2.Client(base_url=self.url, timeout=PATIENCE_S)
        self._clients.append(client)
        if name is not None:
            answer = client.post("/_session", json={"name": name, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
        return client

    def events(self, client: httpx2.Client, path: str = "/events", **options: Any) -> Events:
        """Open an event stream."""
        stream = Events(client, path, **options)
        self._streams.append(stream)
        return stream

    def log(self) -> list[dict[str, Any]]:
        """The log so far, each line parsed."""
        return [json.loads(line) for line in self.err.seen]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop; answers its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """Kill it if it still runs, and let go of everything."""
        self.process.kill()
        self.process.wait()
        for stream in self._streams:
            stream.thread.join(PATIENCE_S)
        for client in self._clients:
            client.close()
        self.out.thread.join(PATIENCE_S)
        self.err.thread.join(PATIENCE_S)


@contextmanager
def served(data_dir: Path, *arguments: str, **environment: str) -> Iterator[Served]:
    """A server on a free port, with its store in this folder, killed at the end if it still runs."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sojourn", "serve", "--port", "0", "--data-dir", str(data_dir), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(**environment),
    )
    running = None
    try:
        running = Served(process, data_dir)
        yield running
    finally:
        process.kill()
        process.wait()
        if running is not None:
            running.close()


class Events:
    """An open event stream, read in a thread: `(event, data, id)` one at a time."""

    def __init__(self, client: httpx2.Client, path: str, **options: Any) -> None:
        self._found: queue.Queue[tuple[str, Any, str | None] | None] = queue.Queue()
        self.comments = 0
        self._client = client
        self.status = 0
        self._begun = threading.Event()
        self.thread = threading.Thread(target=self._read, args=(path, options), daemon=True)
        self.thread.start()
        assert self._begun.wait(PATIENCE_S)

    def _read(self, path: str, options: dict[str, Any]) -> None:
        fields: dict[str, str] = {}
        try:
            with self._client.stream("GET", path, **options) as response:
                self.status, self.headers = response.status_code, response.headers
                self._begun.set()
                for line in response.iter_lines():
                    name, _, value = line.partition(": ")
                    if line.startswith(":"):
                        self.comments += 1
                    elif line:
                        fields[name] = value
                    elif "event" in fields:
                        self._found.put((fields["event"], json.loads(fields["data"]), fields.get("id")))
                        fields = {}
        except httpx2.HTTPError as error:
            self._found.put(("broken", str(error), None))
        finally:
            self._begun.set()
            self._found.put(None)

    def next(self, timeout_s: float = PATIENCE_S) -> tuple[str, Any, str | None] | None:
        """The next event; None at the end of the stream."""
        return self._found.get(timeout=timeout_s)

    def until(self, event: str) -> Any:
        """The data of the next event of this name."""
        while (found := self.next()) is not None:
            if found[0] == event:
                return found[1]
        raise AssertionError(f"the stream ended without {event}")

    def is_quiet(self, for_s: float = 0.3) -> bool:
        """Whether nothing comes for so long."""
        try:
            found = self._found.get(timeout=for_s)
        except queue.Empty:
            return True
        raise AssertionError(f"unexpected: {found}")


class Watcher:
    """A running `sojourn sessions watch --json`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._err = _Lines(process.stderr)
        self.lines = _Lines(process.stdout)
        assert "watching" in self._err.next()

    def close(self) -> None:
        """Read what is left."""
        self.lines.thread.join(PATIENCE_S)
        self._err.thread.join(PATIENCE_S)

    @property
    def errors(self) -> list[str]:
        """What it wrote beside its data."""
        return self._err.seen

    def wait_for(self, event: str, handle: str) -> dict[str, Any]:
        """The first event of this kind about this session."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found: dict[str, Any] = json.loads(self.lines.next())
            if (found["event"], found.get("handle")) == (event, handle):
                return found
        raise AssertionError(f"{event} of {handle} did not come")

    def count(self, event: str, handle: str) -> int:
        """How many events of this kind about this session were printed so far."""
        found = [json.loads(line) for line in self.lines.seen]
        return sum((one["event"], one.get("handle")) == (event, handle) for one in found)


@contextmanager
def watching(data_dir: Path, *arguments: str) -> Iterator[Watcher]:
    """A watcher of the store in this folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sojourn", "sessions", "watch", "--json", "--data-dir", str(data_dir), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    watcher = None
    try:
        watcher = Watcher(process)
        yield watcher
    finally:
        process.kill()
        process.wait()
        if watcher is not None:
            watcher.close()
