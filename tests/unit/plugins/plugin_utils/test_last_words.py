# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said once when a process ends, whatever its Ansible does at SIGTERM, and by no fork of it."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from conftest import TREE

BEFORE = """
import os, signal, sys
from ansible_collections.caravan.kamal.plugins.plugin_utils.last_words import at_the_end

def first():
    print("first", flush=True)

def broken():
    raise ValueError

def last():
    print("last", flush=True)

def of_ansible(number, frame):
    print("workers end", flush=True)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)

signal.signal(signal.SIGTERM, {handler})
for word in (first, broken, last, first):
    at_the_end(word)
"""
# From 2.19 on Ansible has a handler.
HANDLERS = {"signal.SIG_DFL": "", "of_ansible": "workers end\n"}
SAID = "first\nlast\n"


def result(handler: str, then: str) -> tuple[int, str]:
    program = [sys.executable, "-c", BEFORE.format(handler=handler) + then]
    done = subprocess.run(
        program, env={"PYTHONPATH": str(TREE)}, stdout=subprocess.PIPE, text=True, check=False, timeout=60
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("handler", HANDLERS)
def test_at_sigterm_it_is_said_first(handler: str) -> None:
    ended = result(handler, "os.kill(os.getpid(), signal.SIGTERM)\n")
    assert ended == (-signal.SIGTERM, SAID + HANDLERS[handler])


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_fork_that_is_ended_says_nothing(handler: str) -> None:
    then = """
child = os.fork()
if not child:
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
print("over", flush=True)
"""
    assert result(handler, then) == (0, f"{HANDLERS[handler]}over\n{SAID}")


@pytest.mark.parametrize("end", ["raise KeyboardInterrupt", "sys.exit(2)"])
def test_however_else_it_ends_it_is_said_too(end: str) -> None:
    code, said = result("of_ansible", end)
    assert code and said == SAID


def test_a_run_that_ignores_sigterm_goes_on_ignoring_it() -> None:
    then = "os.kill(os.getpid(), signal.SIGTERM)\nprint('goes on', flush=True)\n"
    assert result("signal.SIG_IGN", then) == (0, f"goes on\n{SAID}")
