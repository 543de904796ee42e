# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which places of all hosts of a play a command runs, by the names that its lines are shown behind."""

from __future__ import annotations

from typing import Any, List, Mapping, Optional, Sequence

from . import handover


def of_roles(task_vars: Mapping[str, Any], wanted: Optional[Sequence[str]]) -> List[str]:
    """`wanted` are the names of roles, None means all."""
    hosts = (handover.data_of(task_vars) or {}).get("hosts") or {}
    return [
        f"{host} {role['name']}"
        for host in of_hosts(task_vars)
        for role in (hosts.get(host) or {}).get("roles") or ()
        if wanted is None or role["name"] in wanted
    ]


def of_accessories(task_vars: Mapping[str, Any]) -> List[str]:
    accessories = (handover.data_of(task_vars) or {}).get("accessories") or {}
    return [
        f"{host} {name}"
        for host in of_hosts(task_vars)
        for name, accessory in accessories.items()
        if host in accessory["hosts"]
    ]


def of_hosts(task_vars: Mapping[str, Any]) -> List[str]:
    return list(task_vars.get("ansible_play_hosts_all") or ())
