# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one run is asked to do, and what the commands have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Optional, Sequence, Tuple


@dataclass(frozen=True)
class Command:
    """What a run of one kind does. `on_roles`: on single roles, where the operator names any, and on the first host
    alone, where that is asked for; `about` is `accessories` or `image` where it is about those alone. It changes hosts
    `beside`: those of accessories too. Without a `version` of its own it serves whatever there is; it `reboots` where
    that is the version that is live."""

    boots: bool = False
    boots_accessories: bool = False
    builds: bool = False
    reboots: bool = False
    on_roles: bool = False
    about: str = ""
    beside: bool = False
    version: bool = True
    secrets: bool = True


_NEEDS_NOTHING = Command(version=False, secrets=False)
_COMMANDS = {
    "deploy": Command(boots=True, builds=True, on_roles=True),
    "redeploy": Command(boots=True, builds=True, on_roles=True),
    "rollback": Command(boots=True, on_roles=True),
    "setup": Command(boots=True, boots_accessories=True, builds=True),
    "remove": _NEEDS_NOTHING,
    "proxy": _NEEDS_NOTHING,
    "inspect": Command(on_roles=True, version=False, secrets=False),
    "build": Command(builds=True, about="image"),
    "dev": Command(builds=True, about="image"),
    "builder": Command(builds=True, about="image", version=False, secrets=False),
    "prune": _NEEDS_NOTHING,
    "boot": Command(boots=True, reboots=True, on_roles=True),
    "upgrade": Command(boots=True, boots_accessories=True, reboots=True),
    "exec": Command(on_roles=True, version=False),
    "bootstrap": Command(beside=True, version=False, secrets=False),
    "broadcast": _NEEDS_NOTHING,
    "accessory": Command(about="accessories", version=False, secrets=False),
    "accessory_boot": Command(boots_accessories=True, about="accessories", version=False),
    "env_push": Command(beside=True, version=False),
    "env_delete": Command(beside=True, version=False, secrets=False),
}


def _those(which: Callable[[Command], bool]) -> Tuple[str, ...]:
    return tuple(name for name, command in _COMMANDS.items() if which(command))


COMMANDS = tuple(_COMMANDS)
BOOTING = _those(lambda command: command.boots)
REBOOTING = _those(lambda command: command.reboots)
ON_ROLES = _those(lambda command: command.on_roles)
WITH_ACCESSORIES = _those(lambda command: command.boots_accessories)
ABOUT_ACCESSORIES = _those(lambda command: command.about == "accessories")
ON_ACCESSORIES = _those(lambda command: command.boots_accessories or command.about == "accessories" or command.beside)
BUILDING = _those(lambda command: command.builds)
ABOUT_IMAGES = _those(lambda command: command.about == "image")
WITHOUT_VERSION = _those(lambda command: not command.version)
WITHOUT_SECRETS = _those(lambda command: not command.secrets)

# Where containers get their secrets from: the controller has them, they lie on the hosts in the env files of today, or
# there in those of the release.
CONTROLLER, HOSTS, RELEASE = "controller", "hosts", "release"

# In the place of a version that is found in the histories of hosts: the good one before that which runs, what is live.
PREVIOUS, LIVE = "previous", "live"
TO_BE_FOUND = (PREVIOUS, LIVE)


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
