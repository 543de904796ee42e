# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Batches, and how long the lock is kept for the slowest of them."""

from __future__ import annotations

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.batches import lease_seconds, serial
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.containers import Times

WEB = Times(stop=None, deploy=30, drain=30, readiness=7)
SLOW = Times(stop=20, deploy=600, drain=60, readiness=20)


@pytest.mark.parametrize(
    ("limit", "hosts", "batch"),
    [(None, 3, 3), (None, 0, 1), (1, 3, 1), ("2", 3, 2), ("50%", 5, 2), ("10%", 5, 1), ("100%", 4, 4)],
)
def test_hosts_per_batch(limit: str | int | None, hosts: int, batch: int) -> None:
    assert serial(limit, hosts) == batch


@pytest.mark.parametrize(
    ("roles", "wait", "hosts", "batch", "forks", "seconds"),
    [
        ([WEB], 0, 1, 1, 5, 120 + 300),
        ([WEB], 0, 5, 5, 5, 120 + 300),
        ([WEB], 0, 6, 6, 5, 120 + 2 * 300),
        ([WEB], 0, 20, 20, 5, 120 + 4 * 300),
        ([SLOW], 0, 1, 1, 5, 120 + 700 + 60),
        ([SLOW, WEB], 10, 1, 1, 5, 120 + 700 + 77 + 60 + 10),
        ([SLOW], 0, 20, 20, 5, 120 + 4 * (700 + 60)),
        ([SLOW], 30, 20, 5, 5, 120 + 4 * 300),
        ([SLOW], 30, 10, 5, 5, 120 + (700 + 60) + 30),
        ([SLOW], 0, 3, 10, 1, 120 + 3 * (700 + 60)),
        ([], 0, 0, 1, 5, 120 + 300),
    ],
    ids=[
        "pulls",
        "as many hosts as forks",
        "one more is a second wave",
        "four waves of pulls",
        "a slow role",
        "roles one after another and a wait",
        "four waves of a batch",
        "small batches, many pulls",
        "a batch and the wait",
        "no more than there are",
        "no host",
    ],
)
def test_a_lease_covers_pulls_and_the_slowest_batch(
    roles: list[Times], wait: int, hosts: int, batch: int, forks: int, seconds: int
) -> None:
    assert lease_seconds(wait=wait, roles=roles, hosts=hosts, batch=batch, forks=forks, hooks={}) == seconds


@pytest.mark.parametrize(
    ("hooks", "seconds"),
    [
        ({"pre-connect": 900, "pre-build": 900, "post-deploy": 900, "on-failure": 900}, 120 + 300),
        ({"pre-deploy": 600}, 120 + 300 + 600),
        ({"pre-app-boot": 600, "post-app-boot": 700, "pre-deploy": 60}, 120 + 77 + 60 + 600 + 700),
        ({"pre-proxy-reboot": 600, "post-proxy-reboot": 600}, 120 + 600 + 600),
    ],
    ids=["outside of the lock", "before staging", "around a batch", "around a reboot of the proxy"],
)
def test_a_lease_covers_the_hooks_that_run_while_the_lock_is_held(hooks: dict[str, int], seconds: int) -> None:
    assert lease_seconds(wait=0, roles=[WEB], hosts=1, batch=1, forks=5, hooks=hooks) == seconds
