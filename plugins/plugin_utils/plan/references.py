# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What variables of a run name, hosts, roles and a command: it is there, or the error says what there is."""

from __future__ import annotations

import fnmatch
from typing import Any, List, Sequence

from ...module_utils._errors import ConfigError, Problem
from ..config.findings import listed, near_miss


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


def require_command(command: Any) -> None:
    """There is one to run."""
    if not str(command or "").strip():
        message = "say what to run, as in -e kamal_cmd='psql -c \"select 1\"'"
        raise ConfigError([Problem(message, where="kamal_cmd")])


def require_proxies(present: Sequence[str], proxied: Sequence[str]) -> None:
    """Some of the hosts that --limit leaves have a kamal-proxy; a run without any would call that a success."""
    if proxied and not set(present).intersection(proxied):
        message = f"kamal-proxy is on {', '.join(proxied)}, none of which is among the hosts of this run"
        raise ConfigError([Problem(message, where="--limit")])
