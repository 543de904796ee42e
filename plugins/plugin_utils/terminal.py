# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a person, or a process of one's own, runs a command on a host as Ansible would: the words of ssh."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any, Iterator, List, Sequence

from ansible.plugins.action import ActionBase

SSH = ("ssh", "ansible.builtin.ssh")
# Options of the connection, and the words of ssh that say the same.
FLAGS = (("port", "-p"), ("remote_user", "-l"), ("private_key_file", "-i"))
MORE = ("ssh_args", "ssh_common_args", "ssh_extra_args")
# Ansible shares connections by sockets of its own.
SHARING = "Control"


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
        """The one line for a shell that runs a command there with a terminal."""
        whole = f"sudo {command}" if self.sudo else command
        return shlex.join([*self.program, "-t", *self.words, whole] if self.program else ["sh", "-c", whole])


def way(action: ActionBase) -> Way:
    """To the host of a task; without SSH that host is this machine."""
    connection = action._connection
    if connection.transport not in SSH:
        return Way([], [], bool(connection.become))
    given = [word for name, flag in FLAGS for word in _flag(connection, name, flag)]
    more = [word for name in MORE for word in _unshared(shlex.split(connection.get_option(name) or ""))]
    if connection.get_option("host_key_checking") is False:
        more += ["-o", "StrictHostKeyChecking=no"]
    program = str(connection.get_option("ssh_executable") or "ssh")
    return Way([program], [*given, *more, str(connection.get_option("host"))], bool(connection.become))


def _unshared(words: Sequence[str]) -> Iterator[str]:
    """Without the options of sharing, which may be a word of their own."""
    left = iter(words)
    for word in left:
        option = next(left, "") if word == "-o" else ""
        if not (option or word[2:]).startswith(SHARING):
            yield from ([word, option] if option else [word])


def _flag(connection: Any, name: str, flag: str) -> List[str]:
    value = connection.get_option(name)
    return [flag, str(value)] if value else []
