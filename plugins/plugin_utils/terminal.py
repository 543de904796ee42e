# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a person, or a process of one's own, runs a command on a host as Ansible would: the words of ssh."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Mapping, Sequence, TextIO

from ansible.plugins.action import ActionBase

from . import agent
from .display import ci

SSH = ("ssh", "ansible.builtin.ssh")
# Options of the connection, and the words of ssh that say the same.
FLAGS = (("port", "-p"), ("remote_user", "-l"), ("private_key_file", "-i"))
MORE = ("ssh_args", "ssh_common_args", "ssh_extra_args")
# Ansible shares connections by sockets of its own.
SHARING = "Control"
# The option that names an agent, which may be the one with the keys of `ssh/key_data`.
AGENT = "IdentityAgent"
# What runs playbooks in a terminal that nobody sits at.
NOBODY_THERE = ("AWX_ISOLATED_DATA_DIR", "RUNNER_OMIT_EVENTS", "CI", "JENKINS_URL", "TF_BUILD")
# By line, the exit codes of what was opened: Ansible may ask for the hosts of a play twice.
OPENED: Dict[str, int] = {}


@dataclass(frozen=True)
class Way:
    """The words that lead to a host, none where it is this machine, and whether one is another user there."""

    program: List[str]
    words: List[str]
    sudo: bool

    def argv(self, script: str, *flags: str) -> List[str]:
        """The words that run a script of the shell there; `flags` are for ssh."""
        shell = [*(["sudo"] if self.sudo else []), "sh", "-c", script]
        return [*self.program, *flags, *self.words, shlex.join(shell)] if self.program else shell

    def line(self, command: str) -> str:
        """The one line for a shell that runs a command there with a terminal. An agent of the run is gone by then."""
        whole = f"sudo {command}" if self.sudo else command
        words = _without(AGENT, self.words) if self.has_key_of_run else self.words
        return shlex.join([*self.program, "-t", *words, whole] if self.program else ["sh", "-c", whole])

    @property
    def has_key_of_run(self) -> bool:
        """Whether the run reaches the host with a key that nobody has after it."""
        return any(AGENT in word and word.endswith(f"/{agent.SOCKET}") for word in self.words)


def way(action: ActionBase) -> Way:
    """To the host of a task; without SSH that host is this machine."""
    connection = action._connection
    if connection.transport not in SSH:
        return Way([], [], bool(connection.become))
    given = [word for name, flag in FLAGS for word in _flag(connection, name, flag)]
    more = [word for name in MORE for word in _without(SHARING, shlex.split(connection.get_option(name) or ""))]
    if connection.get_option("host_key_checking") is False:
        more += ["-o", "StrictHostKeyChecking=no"]
    program = str(connection.get_option("ssh_executable") or "ssh")
    return Way([program], [*given, *more, str(connection.get_option("host"))], bool(connection.become))


def is_kept_open(connection: Any) -> bool:
    """Whether a connection is still there for what is asked next, so that it costs no new one."""
    if connection.transport not in SSH:
        return True
    words = [word for name in MORE for word in shlex.split(connection.get_option(name) or "")]
    return any("ControlPersist" in word and not word.endswith("=no") for word in words)


def _without(name: str, words: Sequence[str]) -> Iterator[str]:
    """Without the options that begin like this, which may be a word of their own."""
    left = iter(words)
    for word in left:
        option = next(left, "") if word == "-o" else ""
        if not (option or word[2:]).startswith(name):
            yield from ([word, option] if option else [word])


def _flag(connection: Any, name: str, flag: str) -> List[str]:
    value = connection.get_option(name)
    return [flag, str(value)] if value else []


def made_ready(task_vars: Mapping[str, Any], name: str) -> str:
    """The line that opens a terminal, as a host registered it under this name; empty where none has."""
    hostvars = task_vars.get("hostvars") or {}
    raw = getattr(hostvars, "raw_get", hostvars.get)
    answers = [dict(raw(host) or {}).get(name) or {} for host in hostvars]
    results = [result for answer in answers for result in answer.get("results", [answer])]
    return next((str(result["terminal"]) for result in results if result.get("terminal")), "")


def is_there(environ: Mapping[str, str], stdin: TextIO, stdout: TextIO) -> bool:
    """Whether a person sits at a terminal that a process can be given."""
    is_manned = not ci.of(environ).is_ci and not any(environ.get(name) for name in NOBODY_THERE)
    return is_manned and stdin.isatty() and stdout.isatty() and environ.get("TERM") not in (None, "dumb")


def opened(line: str, folder: str) -> int:
    """The exit code of what runs in the terminal, until its end. It is not opened twice.

    An agent in this folder, that of the run, has its keys for as long.
    """
    socket = os.path.join(folder, agent.SOCKET)
    environ = {**os.environ, **({"SSH_AUTH_SOCK": socket} if os.path.exists(socket) else {})}
    if line not in OPENED:
        # Ansible keeps these from whatever it starts.
        done = subprocess.run(shlex.split(line), env=environ, stdin=0, stdout=1, stderr=2, check=False)
        OPENED[line] = done.returncode
    return OPENED[line]
