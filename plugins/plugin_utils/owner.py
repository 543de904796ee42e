# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds a lease: one ansible-playbook process, in a word that no other process ever has.

MACHINE:PROCESS:START:PLACE, where PLACE is the running kernel, the namespace that counts the processes, and the user.
Only from the same place is it certain that a process which is not to be seen has ended.
"""

from __future__ import annotations

import os
import re
import socket

UNKNOWN = "0"


def this_run() -> str:
    """The same in every task of one run: tasks are children of the ansible-playbook process."""
    process = os.getppid()
    return f"{_plain(socket.gethostname())}:{process}:{_start(process)}:{_place()}"


def has_ended(owner: str) -> bool:
    """Whether an owner is a process of this very place that is no more."""
    parts = owner.split(":")
    if len(parts) != 4 or not parts[1].isdecimal():
        return False
    machine, process, start, place = parts
    if machine != _plain(socket.gethostname()) or place != _place() or UNKNOWN in (start, place):
        return False
    return _start(int(process)) != start


def _start(process: int) -> str:
    """When a process started, in ticks since the machine did; "0" if there is none or nothing tells."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return UNKNOWN


def _place() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as boot:
            kernel = boot.read().strip()
        namespace = re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
    except OSError:
        return UNKNOWN
    return f"{kernel}.{namespace}.{os.getuid()}"


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)
