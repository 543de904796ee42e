# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Measures what each host costs the controller, with more hosts than this machine could hold; the end of the report."""

from __future__ import annotations

import sys
from typing import Dict, List, Optional

import bench
import light_fleet

SIZES = (20, 50, 100)
NAMES = bench.IN_FLEETS


class LightFleet(bench.Fleet):
    """Ansible has a process for each host: what it does for hosts that wait for one would be measured too."""

    def make_ready(self, round_trip: int) -> None:
        self.settings = {"ANSIBLE_FORKS": str(len(self.hosts))}
        proxy, *_others = bench.lab.inventory()["kept_images"]
        light_fleet.start(len(self.hosts), [proxy, *self.images])
        self.ssh_config.write_text(light_fleet.ssh_config(self.hosts))


def main() -> int:
    fleets: bench.Fleets = {}
    try:
        for size in SIZES:
            costs = LightFleet(bench.fleet(size)).measure(bench.FLEET_RUNS, NAMES)
            fleets[size] = bench.told(f"{size} processes", costs)
            write(report(fleets))
    finally:
        light_fleet.stop()
    return 0


def write(section: str) -> None:
    text, _heading, _before = bench.REPORT.read_text().partition(bench.MANY_HOSTS)
    bench.REPORT.write_text(text + bench.MANY_HOSTS + section)


def report(fleets: bench.Fleets) -> str:
    rows: Dict[str, List[str]] = {}
    before: Optional[int] = None
    for size, costs in sorted(fleets.items()):
        rows[str(size)] = [
            _cell(costs[name], fleets[before][name] if before else None, size - (before or 0)) for name in NAMES
        ]
        before = size
    return HEAD.format(runs=bench.FLEET_RUNS) + bench.table("hosts", list(NAMES), rows) + "\n"


def _cell(cost: bench.Cost, before: Optional[bench.Cost], added: int) -> str:
    """What it needs, and what it needs more than the row above for each host that is added."""
    if not before:
        return f"{cost.processor:.1f}"
    return f"{cost.processor:.1f}, {(cost.processor - before.processor) / added:.2f}"


HEAD = """
Seconds of the controller's processor (medians of {runs}), and after the comma how many of them each host needs that is
added to the row above. More hosts than a machine can hold with an engine in each are processes here: one machine of the
test hosts has an address, a home and a socket for each of them, sshd and the modules run there as on a host, and what
answers as their engines and as kamal-proxy keeps what it is told and runs nothing. The controller cannot tell. Hosts
share the machine with it and have to wait for each other, so seconds that pass would say nothing. `forks` is the number
of hosts: while a host waits for a process to be free, Ansible looks for one thousands of times a second.

"""


if __name__ == "__main__":
    sys.exit(main())
