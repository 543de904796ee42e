# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many hosts go live at a time, and how long the slowest batch of them can take."""

from __future__ import annotations

from typing import Iterable, Mapping, Optional, Union

from .containers import Times

# Seconds. A slower pull does no harm: a run that was overtaken meanwhile is refused by each host.
LEASE_MARGIN = 120
PULL = 300
PRUNE = 60
# What Docker gives a container to stop where nobody says otherwise.
DOCKER_STOP_TIMEOUT = 10
# Hooks that run while the lock is held: before staging, around each batch, around a reboot of kamal-proxy.
BEFORE_STAGING = ("pre-deploy",)
AROUND_A_BATCH = ("pre-app-boot", "post-app-boot")
AROUND_A_REBOOT = ("pre-proxy-reboot", "post-proxy-reboot")


def serial(limit: Optional[Union[str, int]], hosts: int) -> int:
    """Hosts per batch. `limit` is a number of hosts or a percentage of those that are booted in this run."""
    everything = max(1, hosts)
    if limit is None:
        return everything
    if str(limit).endswith("%"):
        return max(1, everything * int(str(limit).partition(".")[0].rstrip("%")) // 100)
    return int(limit)


def lease_seconds(
    wait: int,
    roles: Iterable[Times],
    hosts: int,
    batch: int,
    forks: int,
    hooks: Mapping[str, int],
    accessories: Iterable[int] = (),
    balancers: Iterable[int] = (),
) -> int:
    """How long a lease of the lock lasts, which is renewed before each batch: a margin and the longer of

    staging (all `hosts`, each of which may have to pull) and a batch (its hosts, on each of which every role boots,
    drains and stops at its slowest, one after another, and old containers and images are removed; then the `wait`).
    Ansible works on `forks` hosts at a time, so that more of them come in waves, one after another. `accessories` are
    the seconds that each has to become ready, where they are booted, one after another; `balancers` those that each
    host of the load balancer has to drain and to put back a batch; `hooks` those that each may take.
    """
    slowest = sum(times.deploy + times.drain + times.readiness + (times.stop or DOCKER_STOP_TIMEOUT) for times in roles)
    staging = _waves(hosts, forks) * PULL + _together(hooks, BEFORE_STAGING)
    beside = sum(PULL + ready + DOCKER_STOP_TIMEOUT for ready in accessories) + _together(
        hooks, BEFORE_STAGING + AROUND_A_REBOOT
    )
    going_live = _waves(min(batch, hosts), forks) * (slowest + PRUNE) + _together(hooks, AROUND_A_BATCH) + wait
    going_live += sum(balancers)
    return LEASE_MARGIN + max(staging, beside, going_live)


def _together(hooks: Mapping[str, int], names: Iterable[str]) -> int:
    return sum(hooks.get(name, 0) for name in names)


def _waves(hosts: int, forks: int) -> int:
    return max(1, -(-hosts // max(1, forks)))
