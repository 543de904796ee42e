# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one run is asked to do, and what the commands have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Sequence

COMMANDS = ("deploy", "redeploy", "rollback", "setup", "remove", "inspect")
BOOTING = ("deploy", "redeploy", "rollback", "setup")
BUILDING = ("deploy", "redeploy", "setup")
# They serve whatever version there is.
WITHOUT_VERSION = ("remove", "inspect")
WITHOUT_SECRETS = ("remove", "inspect")


@dataclass(frozen=True)
class Run:
    """The version of a run, the hosts that take part, and what the operator asked for.

    `local_hosts` are those of the inventory that are this machine; `lock_host` is to keep the lock instead of the first
    of the plan; `forks` is how many hosts Ansible works on at a time.
    """

    version: str
    hosts: Sequence[str]
    local_hosts: Sequence[str] = ()
    command: str = "deploy"
    performer: str = ""
    build: bool = True
    skip_hooks: bool = False
    lock_host: Optional[str] = None
    forks: int = 5
