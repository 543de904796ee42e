# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command of the shell on a host, in the home of the user who is connected."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from typing import Any, Dict, Optional

from .._errors import ConfigError, Problem
from .._host.changes import Changes
from .._host.engine import Executed
from .._host.listening import Listener
from .._progress import Progress
from . import command as _command

PLACE, SHELL = "shell", "/bin/sh"
PIECE = 64 * 1024
# Seconds that a command has to end when it is asked to.
GRACE, POLL = 2.0, 0.1


def run(changes: Changes, command: str, host: str, raw: bool, progress: Optional[Progress] = None) -> Dict[str, Any]:
    """What it wrote, with `raw` also the bytes of its standard output. CommandError where its code is not 0."""
    name, listener = named(command), Listener(progress, PLACE) if progress else None
    executed = changes.do(f"run {name}", lambda: _run_streamed(command, listener) if listener else _run(command, raw))
    return _command.answer(name, name, executed, raw, f"on {host}")


def named(command: str) -> str:
    """What of it is shown. A shell has more to say about quotes than can be told here."""
    if not command.strip():
        raise ConfigError([Problem("it is empty", "command")])
    try:
        return _command.shown(shlex.split(command) or [SHELL])
    except ValueError:
        return SHELL


def _run(command: str, raw: bool) -> Executed:
    done = subprocess.run(
        [SHELL, "-c", command],
        cwd=os.path.expanduser("~"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if raw else subprocess.STDOUT,
        check=False,
    )
    written = done.stderr if raw else done.stdout
    return Executed(done.returncode, written.decode("utf-8", "replace"), done.stdout)


def _run_streamed(command: str, listener: Listener) -> Executed:
    """In a session of its own, so that all it started can be ended with it."""
    with subprocess.Popen(
        [SHELL, "-c", command],
        cwd=os.path.expanduser("~"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process, listener.ending(lambda: _end(process.pid)):
        output = process.stdout.fileno() if process.stdout else -1
        for piece in iter(lambda: os.read(output, PIECE), b""):
            listener(piece)
        return Executed(process.wait(), listener.end())


def _end(group: int) -> None:
    """Asked first, and then made to. OSError when nothing of it is left."""
    os.killpg(group, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline:
        time.sleep(POLL)
        os.killpg(group, 0)
    os.killpg(group, signal.SIGKILL)
