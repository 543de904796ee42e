# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What planning costs as the fleet grows."""

from __future__ import annotations

import time

from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import from_mapping
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.planner import plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.run import Run


def seconds(size: int) -> float:
    hosts = [f"host{number}" for number in range(size)]
    config = from_mapping({"service": "app", "image": "app", "servers": hosts, "proxy": {"host": "a.io"}}, None, "/")
    began = time.process_time()
    plan(config, Run(version="v1", hosts=hosts))
    return time.process_time() - began


def test_planning_grows_no_faster_than_the_fleet() -> None:
    """Four times the hosts take four times as long; sixteen times would say that each host looks at all of them."""
    few, many = (min(seconds(size) for _attempt in range(3)) for size in (300, 1200))
    assert many < 8 * few
