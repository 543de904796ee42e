# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases, rollbacks and kills in a random order under constant load: nothing may fail, and nothing may be left over.

The order comes from SEED (printed; give it to repeat a soak), the number of releases from RELEASES (100).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from datetime import date

import beside
import lab
import schedule
import sight
import table
from fleet import CONFIG, RETAIN, ROLES, Fleet
from hosts import HOST_NAME, LOAD_BALANCER, Host
from leftovers import Snapshot, left_over
from load import Load
from project import Project
from tally import Tally, failed_requests

ROOT = beside.ROOT
PAGE = ROOT / "docs" / "guarantees.md"
LOGS = ROOT / ".cache" / "stories" / "soak.log"
FULL = 100
RATE = 150
REQUESTS_PER_RELEASE = 2000
SECONDS_PER_RELEASE = 60
KEPT_ERRORS = 10_000


def main() -> int:
    seed = int(os.environ.get("SEED") or random.randrange(10**6))
    releases = int(os.environ.get("RELEASES") or FULL)
    print(f"Soak: SEED={seed} RELEASES={releases}; what every run printed is in {LOGS.relative_to(ROOT)}.", flush=True)
    subprocess.run([ROOT / "tools" / "engine.sh"], check=True)
    lab.up(len(ROLES))
    lab.reset()
    summary = soak(seed, releases)
    lab.reset()
    text = table.render(summary)
    print("\n" + text)
    if releases >= FULL:
        PAGE.write_text(table.replaced(PAGE.read_text(), text))
        print(f"Written to {PAGE.relative_to(ROOT)}.")
    return 0 if summary.passed else 1


def soak(seed: int, releases: int) -> table.Summary:
    hosts = [Host(name) for name in ROLES]
    tally = Tally()
    load = Load(
        LOAD_BALANCER,
        host=HOST_NAME,
        rate=RATE,
        concurrency=30,
        seconds=min(7200, 600 + releases * SECONDS_PER_RELEASE),
        kept_errors=KEPT_ERRORS,
    )
    LOGS.parent.mkdir(parents=True, exist_ok=True)
    with LOGS.open("w") as log:
        fleet = Fleet(Project("soak", CONFIG), hosts, load.elapsed, tally, log)
        fleet.first()
        before, engine = looks(hosts), sight.engine_memory()
        with load:
            endure(fleet, load, seed, releases)
            fleet.last()
        after = looks(hosts)
    killed = tally.interrupted[schedule.MODULE]
    left = {name: left_over(before[name], after[name], fleet.live, RETAIN, killed) for name in ROLES}
    return table.Summary(
        seed=seed,
        date=date.today().isoformat(),
        tally=tally,
        load=load.result,
        failed=failed_requests(load.failures, tally.events),
        left_over=left,
        before=before,
        after=after,
        engine=(engine, sight.engine_memory()),
    )


def endure(fleet: Fleet, load: Load, seed: int, releases: int) -> None:
    """Steps until there were enough of them and enough requests, or the load's time is over."""
    for step in schedule.steps(seed, list(ROLES)):
        enough = step.number > releases and load.result["requests"] >= releases * REQUESTS_PER_RELEASE
        if enough or load.over:
            return
        problems, began = len(fleet.tally.problems), load.elapsed()
        fleet.perform(step)
        found = fleet.tally.problems[problems:]
        counts = load.result
        print(
            f"{step.number:4} {'PROBLEM' if found else 'ok':8}{load.elapsed() - began:6.1f} s"
            f" {counts['requests']:8,} requests, {counts['failed']} failed  {step}",
            flush=True,
        )
        for problem in found:
            print(problem, flush=True)


def looks(hosts: list[Host]) -> dict[str, Snapshot]:
    return {host.name: sight.snapshot(host) for host in hosts}


if __name__ == "__main__":
    sys.exit(main())
