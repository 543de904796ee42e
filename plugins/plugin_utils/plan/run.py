# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one run is asked to do, and what the commands have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

COMMANDS = (
    "deploy",
    "redeploy",
    "rollback",
    "setup",
    "remove",
    "proxy",
    "inspect",
    "build",
    "dev",
    "builder",
    "prune",
    "boot",
    "exec",
    "bootstrap",
    "broadcast",
    "accessory",
    "accessory_boot",
    "env_push",
    "env_delete",
)
BOOTING = ("deploy", "redeploy", "rollback", "setup", "boot")
# They act on single roles, where the operator names any, and on the first host alone, where that is asked for.
ON_ROLES = ("deploy", "redeploy", "rollback", "boot", "exec", "inspect")
# They boot accessories.
WITH_ACCESSORIES = ("setup", "accessory_boot")
# They are about accessories alone: those that the operator names.
ABOUT_ACCESSORIES = ("accessory", "accessory_boot")
BUILDING = ("deploy", "redeploy", "setup", "build", "dev", "builder")
# They are about the image alone.
ABOUT_IMAGES = ("build", "dev", "builder")
# They serve whatever version there is.
WITHOUT_VERSION = (
    "builder",
    "remove",
    "proxy",
    "inspect",
    "prune",
    "exec",
    "bootstrap",
    "broadcast",
    "accessory",
    "accessory_boot",
    "env_push",
    "env_delete",
)
WITHOUT_SECRETS = (
    "builder",
    "remove",
    "proxy",
    "inspect",
    "prune",
    "bootstrap",
    "broadcast",
    "accessory",
    "env_delete",
)

# Where containers get their secrets from: the controller has them, they lie on the hosts in the env files of today, or
# there in those of the release.
CONTROLLER, HOSTS, RELEASE = "controller", "hosts", "release"


@dataclass(frozen=True)
class Run:
    """The version of a run, the hosts that take part, and what the operator asked for.

    `roles` are the only ones that take part, where any are named; with `primary` only the first of the hosts does.
    `inventory` are all hosts that there are, `local_hosts` those of them that are this machine; `lock_host` is to keep
    the lock instead of the first of the plan; `forks` is how many hosts Ansible works on at a time; `accessory` is the
    one that a command is about, or `all`; `hooks` is the variable kamal_hooks; `image` was built elsewhere; `addresses`
    are those that Ansible reaches hosts at.
    """

    version: str
    hosts: Sequence[str]
    local_hosts: Sequence[str] = ()
    inventory: Sequence[str] = ()
    command: str = "deploy"
    performer: str = ""
    build: bool = True
    image: Optional[str] = None
    skip_hooks: bool = False
    secrets_from: str = CONTROLLER
    lock_host: Optional[str] = None
    forks: int = 5
    roles: Sequence[str] = ()
    primary: bool = False
    accessory: Optional[str] = None
    hooks: Mapping[str, Any] = field(default_factory=dict)
    hooks_timeout: int = 600
    addresses: Mapping[str, str] = field(default_factory=dict)
