# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What ends a process is heard, whichever of its threads gets the signal, and what there is to do is done first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from conftest import TREE

LIMIT = 60
# The main thread blocks what another one then gets, as it happens where a second signal comes right after the first.
PROGRAM = """
import os, signal, subprocess, threading
from ansible_collections.caravan.kamal.plugins.plugin_utils import signals

def end():
    os.write(1, b"ends\\n")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.ENDING)

threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, signals.ENDING)
with signals.waking_us(), signals.{way}:
    try:
        waiting = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        print("waits", flush=True)
        waiting.wait()
    finally:
        end()
"""


@pytest.mark.parametrize("way", ["ending_with_us(end)", "leaving_first()"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_another_thread_got_is_heard(way: str, number: int) -> None:
    program = [sys.executable, "-c", PROGRAM.format(way=way)]
    with subprocess.Popen(program, env={"PYTHONPATH": str(TREE)}, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout and running.stdout.readline() == "waits\n"
            running.send_signal(number)
            said, _errors = running.communicate(timeout=LIMIT)
        finally:
            running.kill()
    assert running.returncode == -number
    assert said == "ends\n"


@pytest.mark.parametrize(
    "way", ["waking_us()", "ending_with_us(print)", "put_off()", "leaving_first()", "undisturbed()"]
)
def test_afterwards_signals_are_handled_as_before(way: str) -> None:
    program = f"""
import signal
from ansible_collections.caravan.kamal.plugins.plugin_utils import signals

def state():
    kinds = [*signals.ENDING, signals.WAKE]
    descriptor = signal.set_wakeup_fd(-1)
    return [signal.getsignal(kind) for kind in kinds], signal.pthread_sigmask(signal.SIG_BLOCK, ()), descriptor

signal.signal(signal.SIGHUP, signal.SIG_IGN)
before = state()
with signals.{way}:
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
assert state() == before
"""
    subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(TREE)}, check=True, timeout=LIMIT)


# A worker of Ansible, and above it the main process.
FOLLOWS = """
import os, signal, threading
from ansible_collections.caravan.kamal.plugins.plugin_utils import follow, signals
from ansible_collections.caravan.kamal.plugins.plugin_utils.terminal import Way

def end(number, frame):
    os.write(1, b"ends\\n")
    os._exit(0)

if os.fork():
    signal.pause()
signal.signal(signal.SIGTERM, end)
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, {blocked})
print(os.getpid(), flush=True)
follow.follow([follow.Place("web", Way([], [], False), ())], follow.Wish(), print)
"""
# Stands for docker, which logs nothing.
QUIET = "#!/bin/sh\ntouch {folder}/begun\nexec sleep 600\n"


@contextmanager
def follows(tmp_path: Path, blocked: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The main process, and the ID of the worker that follows logs. Another thread of that gets what is `blocked`."""
    (tmp_path / "docker").write_text(QUIET.format(folder=tmp_path))
    (tmp_path / "docker").chmod(0o755)
    known = {"PYTHONPATH": str(TREE), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    program = [sys.executable, "-c", FOLLOWS.format(blocked=blocked)]
    with subprocess.Popen(program, env=known, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        worker = int(running.stdout.readline())

        def kill() -> None:
            for process in (running.pid, worker):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)

        # What reads from them gets the end of their output then, and the test fails.
        limit = threading.Timer(LIMIT, kill)
        limit.start()
        try:
            while not (tmp_path / "begun").exists():
                assert limit.is_alive()
                time.sleep(0.05)
            yield running, worker
        finally:
            limit.cancel()
            kill()


def test_who_follows_logs_hears_a_signal_that_another_thread_got(tmp_path: Path) -> None:
    with follows(tmp_path, "signals.ENDING") as (running, worker):
        os.kill(worker, signal.SIGTERM)
        assert running.stdout and running.stdout.readline() == "ends\n"


def test_who_follows_logs_ends_when_the_main_process_has(tmp_path: Path) -> None:
    """As that of Ansible does where its terminal is closed."""
    with follows(tmp_path, "()") as (running, _worker):
        running.kill()
        assert running.stdout and running.stdout.readline() == "ends\n"
