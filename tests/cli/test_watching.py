"""`sojourn sessions watch`: each event once."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving import watching
from sojourn import Client, EndReason, LoginFailed, LogoutRequested, SessionCreated, SessionEnded, SessionManager
from sojourn.cli.watching import Once, in_words
from sojourn.core.operations import Append

pytestmark = pytest.mark.xdist_group("timing")


def test_an_id_is_new_once() -> None:
    once = Once(room=3)
    assert [once.is_new(text) for text in "aabac"] == [True, False, True, False, True]
    assert once.is_new("d")  # the fourth pushes out the oldest
    assert once.is_new("a")
    assert not once.is_new("d")


def test_a_line_for_people() -> None:
    created = SessionCreated(id="h-1", at=0, handle="0123456789abcdef" * 2, uid="luca", client=Client())
    assert in_words(created).split()[1:] == ["session_created", "0123456789ab", "luca"]
    ended = SessionEnded(
        id="h-2", at=0, handle="0123456789abcdef" * 2, uid="lu\x1b[2Jca", reason=EndReason.REVOKED, actor="ada"
    )
    assert in_words(ended).split()[1:] == ["session_ended", "0123456789ab", "lu�[2Jca", "revoked", "by", "ada"]
    failed = LoginFailed(id="x", at=0, name="no\nbody", address="192.0.2.1")
    assert in_words(failed).split()[1:] == ["login_failed", "no�body", "192.0.2.1"]


def test_every_event_comes_once_and_in_order(tmp_path: Path) -> None:
    with SessionManager(f"sqlite:///{tmp_path}/sojourn.db") as sessions:
        sessions.create(uid="before")  # not heard: watching begins later
        with watching(tmp_path) as watcher:
            handles = []
            for number in range(50):
                session = sessions.create(uid=f"user{number}")
                handles.append(session.handle or "")
                session.end()
            watcher.wait_for("session_ended", handles[-1])
            for handle in handles:
                assert (watcher.count("session_created", handle), watcher.count("session_ended", handle)) == (1, 1)
            assert not [line for line in watcher.lines.seen if "before" in line]


def test_an_event_that_a_crash_repeated_is_printed_once(tmp_path: Path) -> None:
    with SessionManager(f"sqlite:///{tmp_path}/sojourn.db") as sessions, watching(tmp_path) as watcher:
        session = sessions.create()
        notice = LogoutRequested(id="same", at=1, handle=session.handle)
        sessions.store.perform(Append((notice,)))
        sessions.store.perform(Append((notice,)))
        session.end()
        watcher.wait_for("session_ended", notice.handle or "")
        assert watcher.count("logout_requested", notice.handle or "") == 1


def test_only_one_user_s(tmp_path: Path) -> None:
    with SessionManager(f"sqlite:///{tmp_path}/sojourn.db") as sessions:
        sessions.setup()
        with watching(tmp_path, "--uid", "luca") as watcher:
            sessions.create(uid="ada")
            handle = sessions.create(uid="luca").handle or ""
            watcher.wait_for("session_created", handle)
            assert not [line for line in watcher.lines.seen if "ada" in line]
