# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A build that nobody waits for any more."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import hangup
from conftest import TREE

BUILDER = """\
import sys
sys.path.insert(0, {tree!r})
from ansible_collections.caravan.kamal.plugins.module_utils._build import client, hangup
hangup.EVERY = 0.05
with hangup.noticed(), client.opened("unix:///nowhere", None) as docker:
    docker.run(["sh", "-c", "echo $$; exec sleep 600"], {{}}, lambda line: print(line, end="", flush=True))
"""
Ends = Callable[[], tuple[int, int]]


def pipe() -> tuple[int, int]:
    return os.pipe()


def connection() -> tuple[int, int]:
    """What sshd gives a command to write to."""
    ours, theirs = socket.socketpair()
    return ours.detach(), theirs.detach()


@pytest.mark.parametrize("ends", [pipe, connection])
def test_it_ends_with_the_docker_command_that_it_has_started(ends: Ends) -> None:
    listening, speaking = ends()
    build = subprocess.Popen(
        [sys.executable, "-c", BUILDER.format(tree=str(TREE))], stdout=speaking, stderr=subprocess.PIPE, text=True
    )
    os.close(speaking)
    with open(listening, encoding="ascii") as lines:
        process = Path("/proc") / lines.readline().strip()
        assert process.exists() and build.poll() is None
    _nothing, said = build.communicate(timeout=60)
    assert not process.exists()
    assert build.returncode and "The run that asked for this build has ended" in said


def test_a_file_to_write_to_never_hangs_up(tmp_path: Path) -> None:
    with (tmp_path / "answer").open("w") as answer:
        assert not hangup.is_hung_up(answer.fileno())


def test_one_that_is_heard_to_its_end_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hangup, "EVERY", 0.01)
    listening, speaking = os.pipe()
    with hangup.noticed(speaking):
        threading.Event().wait(0.1)
    os.close(listening)
    threading.Event().wait(0.1)
    os.close(speaking)


def test_beside_other_threads_it_does_without() -> None:
    """Signals are the first thread's."""
    listening, speaking = os.pipe()
    os.close(listening)
    done: list[bool] = []

    def build() -> None:
        with hangup.noticed(speaking):
            done.append(True)

    thread = threading.Thread(target=build)
    thread.start()
    thread.join()
    assert done
    os.close(speaking)
