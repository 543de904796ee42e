# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command of the shell on a host, in the home of the user who is connected."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
from typing import Any, Dict

from .._errors import CommandError, ConfigError, Problem
from .._host.changes import Changes
from . import command as _command

PLACE, SHELL = "shell", "/bin/sh"


def run(changes: Changes, command: str, host: str, raw: bool) -> Dict[str, Any]:
    """What it wrote, with `raw` also the bytes of its standard output. CommandError where its code is not 0."""
    name = named(command)
    done = changes.do(f"run {name}", lambda: _run(command, raw))
    if done is None:
        return {"container": name, "state": "not run", "lines": []}
    written = (b"" if raw else done.stdout) + (done.stderr or b"")
    text = written.decode("utf-8", "replace")
    if done.returncode:
        told = text.strip() or "It wrote nothing."
        raise CommandError(f"{name} ended with code {done.returncode} on {host}.\n{told}")
    answer = {"container": name, "state": "exit code 0", "lines": text.splitlines()}
    return {**answer, "stdout": base64.b64encode(done.stdout).decode()} if raw else answer


def named(command: str) -> str:
    """What of it is shown. A shell has more to say about quotes than can be told here."""
    if not command.strip():
        raise ConfigError([Problem("it is empty", "command")])
    try:
        return _command.shown(shlex.split(command) or [SHELL])
    except ValueError:
        return SHELL


def _run(command: str, raw: bool) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [SHELL, "-c", command],
        cwd=os.path.expanduser("~"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if raw else subprocess.STDOUT,
        check=False,
    )
