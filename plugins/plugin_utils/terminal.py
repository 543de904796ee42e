# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a person, or a process of one's own, runs a command on a host as Ansible would: the words of ssh."""

from __future__ import annotations

import shlex
from typing import Any, List

from ansible.plugins.action import ActionBase

SSH = ("ssh", "ansible.builtin.ssh")
# Options of the connection, and the words of ssh that say the same.
FLAGS = (("port", "-p"), ("remote_user", "-l"), ("private_key_file", "-i"))
MORE = ("ssh_common_args", "ssh_extra_args")


def way_in(action: ActionBase, command: str) -> str:
    """The one line for a shell that runs a command with a terminal on the host of a task."""
    return shlex.join(argv(action, command, "-t"))


def argv(action: ActionBase, command: str, *flags: str) -> List[str]:
    """The words that run a command of the shell on the host of a task; without SSH that host is this machine."""
    connection = action._connection
    whole = f"sudo {command}" if connection.become else command
    if connection.transport not in SSH:
        return ["sh", "-c", whole]
    given = [word for name, flag in FLAGS for word in _flag(connection, name, flag)]
    more = [word for name in MORE for word in shlex.split(connection.get_option(name) or "")]
    return [
        str(connection.get_option("ssh_executable") or "ssh"),
        *flags,
        *given,
        *more,
        connection.get_option("host"),
        whole,
    ]


def _flag(connection: Any, name: str, flag: str) -> List[str]:
    value = connection.get_option(name)
    return [flag, str(value)] if value else []
