# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command of the shell on a host, in the home of the user who is connected."""

from __future__ import annotations

import os
import shlex
import subprocess
from typing import Any, Dict

from .._errors import ConfigError, Problem
from .._host.changes import Changes
from .._host.engine import Executed
from . import command as _command

PLACE, SHELL = "shell", "/bin/sh"


def run(changes: Changes, command: str, host: str, raw: bool) -> Dict[str, Any]:
    """What it wrote, with `raw` also the bytes of its standard output. CommandError where its code is not 0."""
    name = named(command)
    return _command.answer(name, name, changes.do(f"run {name}", lambda: _run(command, raw)), raw, f"on {host}")


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
