# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A turn on a host: real files, and other processes that hold it, let go of it and are killed."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Iterator
from unittest.mock import Mock

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import turn
from ansible_collections.caravan.kamal.plugins.module_utils._errors import FileError, LockError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from faults import Killed, failing_os

FILE = ".kamal/turn-hello"
# What another module does, without importing anything of ours: it holds the turn until its input ends.
HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
input()
"""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setattr(turn, "POLL", 0.01)


@pytest.fixture
def file(home: Path) -> Path:
    (home / ".kamal").mkdir()
    return home / FILE


@pytest.fixture
def other(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the turn."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def run(number: int | None, **more: str) -> dict[str, Any]:
    return {"number": number, "owner": "laptop:1", "by": "sam", "version": f"v{number}", **more}


def take(number: int | None = None, patience: float = 60, check: bool = False) -> list[str]:
    """Take the turn and let go of it; the notices."""
    changes = Changes(check)
    with turn.taken(changes, FILE, run(number) if number else None, patience):
        pass
    return changes.notices


def test_a_run_leaves_its_name_in_a_private_file(home: Path) -> None:
    assert take(7) == []
    assert (home / FILE).stat().st_mode & 0o777 == 0o600
    content = json.loads((home / FILE).read_text())
    assert (content["number"], content["by"], content["version"], content["owner"]) == (7, "sam", "v7", "laptop:1")
    assert content["at"]


@pytest.mark.parametrize(
    ("last", "number", "stays"),
    [(7, 7, 7), (7, 8, 8), (7, None, 7), (None, 3, 3)],
    ids=["the same run", "a later one", "a run without the lock", "the first one"],
)
def test_a_run_that_was_not_overtaken_passes(home: Path, last: int | None, number: int | None, stays: int) -> None:
    if last:
        take(last)
    take(number)
    assert json.loads((home / FILE).read_text())["number"] == stays


def test_a_run_that_was_overtaken_is_refused_and_told_by_whom(home: Path) -> None:
    take(8)
    before = (home / FILE).read_text()
    with pytest.raises(LockError, match="overtaken: sam with version v8 since 2.*Nothing was changed") as error:
        take(7)
    assert str(home / FILE) in error.value.message
    assert (home / FILE).read_text() == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"number": "x"}', b"\xff\xfe", b'{"by": "sam"}', b"null"])
def test_a_broken_file_is_no_fence_and_is_written_anew(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    take(1)
    assert json.loads(file.read_text())["number"] == 1


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.ENOLCK])
@pytest.mark.parametrize(
    ("user", "call", "verb"),
    [
        ("os", "pread", "read"),
        ("os", "pwrite", "write"),
        ("os", "ftruncate", "write"),
        ("os", "fsync", "write"),
        ("fcntl", "flock", "lock"),
    ],
)
def test_a_file_system_that_fails_is_one_message_with_the_file_and_nothing_is_done(
    file: Path, monkeypatch: pytest.MonkeyPatch, user: str, call: str, verb: str, number: int
) -> None:
    take(7)
    with monkeypatch.context() as patch, pytest.raises(FileError) as error:
        patch.setattr(turn, user, failing_os(call, number, real=getattr(turn, user)))
        with turn.taken(Changes(False), FILE, run(8)):
            pytest.fail("it has no turn")
    assert error.value.message.startswith(f"Could not {verb} {file}: {os.strerror(number)}. ")
    assert error.value.message.endswith("and run this again.")
    take(8, patience=0)


def test_what_fails_within_a_turn_is_not_taken_for_a_failure_of_its_file(home: Path) -> None:
    with pytest.raises(ConnectionResetError), turn.taken(Changes(False), FILE, run(1)):
        raise ConnectionResetError


def test_a_shorter_entry_leaves_nothing_of_a_longer_one(file: Path) -> None:
    file.write_text(json.dumps({"number": 1, "by": "x" * 500}))
    take(2)
    assert json.loads(file.read_text())["by"] == "sam"


def test_a_run_that_is_killed_before_the_longer_entry_is_cut_off_came_before_earlier_ones_all_the_same(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with turn.taken(Changes(False), FILE, run(7, by="x" * 500)):
        pass
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(turn.os, "ftruncate", Mock(side_effect=Killed))
        take(8)
    with pytest.raises(LockError, match="overtaken: sam with version v8"):
        take(7)
    take(8)
    assert json.loads(file.read_text())["by"] == "sam"


def test_the_turn_is_waited_for_and_that_is_told(other: subprocess.Popen[str]) -> None:
    threading.Timer(0.3, lambda: other.communicate("\n")).start()
    (notice,) = take(1)
    assert notice.startswith("Waited ")
    assert "hello" in notice


def test_a_process_that_is_killed_lets_go(other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    assert take(1, patience=10) == []


def test_waiting_ends_and_names_who_is_at_work(file: Path, other: subprocess.Popen[str]) -> None:
    file.write_text(json.dumps({"number": 5, "by": "ada", "version": "v5", "at": "2026-11-21T07:00:00Z"}))
    with pytest.raises(LockError, match="still at work on hello.*ada with version v5 since 2026.*fuser") as error:
        take(9, patience=0.05)
    assert "Nothing was changed" in error.value.message
    assert json.loads(file.read_text())["number"] == 5


def test_two_modules_of_one_run_take_turns(home: Path) -> None:
    """Two open files of one process exclude each other too, as two processes do."""
    with turn.taken(Changes(False), FILE, run(1)), pytest.raises(LockError, match="sam with version v1"):
        take(1, patience=0)
    take(1, patience=0)


def test_an_error_lets_go(home: Path) -> None:
    with pytest.raises(KeyError), turn.taken(Changes(False), FILE, run(1)):
        raise KeyError
    take(1, patience=0)


def test_check_mode_takes_no_turn(home: Path) -> None:
    take(1, check=True)
    assert not (home / ".kamal").exists()


def test_no_symbolic_link_is_followed(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.write_text("precious")
    file.symlink_to(target)
    with pytest.raises(FileError, match="turn-hello.*symbolic link"):
        take(1)
    assert target.read_text() == "precious"


def test_a_pipe_in_its_place_is_an_error_and_no_wait(file: Path) -> None:
    os.mkfifo(file)
    with pytest.raises(FileError, match="turn-hello"):
        take(1)
