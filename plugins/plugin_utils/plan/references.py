# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts and roles that variables of a run name: they are there, or the error says which ones are."""

from __future__ import annotations

from typing import Any, Sequence

from ...module_utils._errors import ConfigError, Problem
from ..config.findings import listed, near_miss


def require_build_host(name: Any, hosts: Sequence[str]) -> None:
    """The host that builds is one of these: Ansible would try to reach anything else by that name."""
    if name and name not in hosts:
        near = near_miss(str(name), hosts) or "."
        message = f"{name} is no host of the inventory{near} Add it there, or correct its name."
        raise ConfigError([Problem(message, where="kamal_build_host")])


def require_roles(asked: Any, roles: Sequence[str]) -> None:
    """The roles whose logs were asked for, a list or names with commas between, are in the configuration."""
    names = asked.split(",") if isinstance(asked, str) else asked or ()
    unknown = [name for name in (str(name).strip() for name in names) if name and name not in roles]
    if unknown:
        raise ConfigError(
            [
                Problem(
                    f"there is no role `{name}`{near_miss(name, roles)} (roles: {listed(roles)})", "", "kamal_logs_role"
                )
                for name in unknown
            ]
        )
