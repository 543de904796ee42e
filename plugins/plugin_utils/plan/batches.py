# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many hosts go live at a time, and how long the slowest batch of them can take."""

from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional, Union

from .containers import Times

LEASE_MARGIN = 300
# What Docker gives a container to stop where nobody says otherwise.
DOCKER_STOP_TIMEOUT = 10


def serial(limit: Optional[Union[str, int]], hosts: int) -> int:
    """Hosts per batch. `limit` is a number of hosts or a percentage of those that are booted in this run."""
    everything = max(1, hosts)
    if limit is None:
        return everything
    if str(limit).endswith("%"):
        return max(1, everything * int(str(limit).partition(".")[0].rstrip("%")) // 100)
    return int(limit)


def lease_seconds(boot: Mapping[str, Any], roles: Iterable[Times]) -> int:
    """How long a lease of the lock lasts: longer than a batch in which every role of a host boots, drains and stops,
    one after another, at its slowest."""
    slowest = sum(times.deploy + times.drain + times.readiness + (times.stop or DOCKER_STOP_TIMEOUT) for times in roles)
    return LEASE_MARGIN + slowest + int(boot["wait"])
