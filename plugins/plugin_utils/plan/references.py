# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What variables of a run name, such as hosts and roles: it is there, or the error says what there is."""

from __future__ import annotations

import fnmatch
from typing import Any, List, Sequence

from ...module_utils._errors import ConfigError, Problem
from ..config.findings import listed, near_miss

# What a playbook may need: what has to be said, and how that looks.
NEEDED = {
    "kamal_cmd": ("what to run", "bin/rails db:version"),
    "kamal_broadcast": ("what is to be told", "Backup is done"),
    "kamal_lock_message": ("why the lock is taken", "The database is moving"),
}


def require_build_host(name: Any, hosts: Sequence[str]) -> None:
    """The host that builds is one of these: Ansible would try to reach anything else by that name."""
    if name and name not in hosts:
        near = near_miss(str(name), hosts) or "."
        message = f"{name} is no host of the inventory{near} Add it there, or correct its name."
        raise ConfigError([Problem(message, where="kamal_build_host")])


def chosen_roles(asked: Any, roles: Sequence[str]) -> List[str]:
    """The roles of the configuration that were asked for: names or patterns, in a list or with commas between."""
    patterns = [str(name).strip() for name in (asked.split(",") if isinstance(asked, str) else asked or ())]
    unknown = [each for each in patterns if each and not fnmatch.filter(roles, each)]
    if unknown:
        raise ConfigError(
            [
                Problem(
                    f"there is no role `{name}`{near_miss(name, roles)} (roles: {listed(roles)})", "", "kamal_roles"
                )
                for name in unknown
            ]
        )
    return [role for role in roles if any(fnmatch.fnmatchcase(role, each) for each in patterns)]


def require(name: str, value: Any) -> None:
    """The variable that a playbook cannot do without is given."""
    if not str(value or "").strip():
        asked, example = NEEDED[name]
        raise ConfigError([Problem(f"say {asked}, as in -e \"{name}='{example}'\"", where=name)])


def require_proxies(present: Sequence[str], proxied: Sequence[str]) -> None:
    """Some of the hosts that --limit leaves have a kamal-proxy; a run without any would call that a success."""
    if proxied and not set(present).intersection(proxied):
        message = f"kamal-proxy is on {', '.join(proxied)}, none of which is among the hosts of this run"
        raise ConfigError([Problem(message, where="--limit")])
