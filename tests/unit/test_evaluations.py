# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the tasks that run for every host of a rollout have evaluated: Ansible compiles each template anew each time.

One that asks for the plan also puts together all variables of localhost. So actions take what they need from the plan.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOR_EVERY_HOST = ("reach", "info", "stage", "live", "look_again")
# Its play has no hosts where there is one batch.
PLAYS_WITH_BATCHES = {"Look again at what went live in earlier batches": {"when"}}
VARIABLES = {
    **yaml.safe_load((ROOT / "roles" / "common" / "vars" / "main.yml").read_text()),
    **yaml.safe_load((ROOT / "roles" / "app" / "vars" / "main.yml").read_text()),
}


def evaluated(value: Any) -> Iterator[str]:
    """The names in templates and conditions, and those in the variables that these are."""
    for name in re.findall(r"\b_?kamal_\w+", str(value)):
        yield name
        yield from evaluated(VARIABLES.get(name, ""))


def of_every_host(tasks: str) -> list[dict[str, Any]]:
    file = ROOT / "roles" / "app" / "tasks" / f"{tasks}.yml"
    return [task for task in yaml.safe_load(file.read_text()) if "run_once" not in task]


@pytest.mark.parametrize(("tasks", "number"), [("reach", 0), ("info", 0), ("stage", 0), ("live", 1)])
def test_what_runs_for_every_host_evaluates_next_to_nothing(tasks: str, number: int) -> None:
    """In a process that is forked for it 2.5 ms each, where all of what stages a host takes 20."""
    assert sum(str(task).count("{{") + ("when" in task) for task in of_every_host(tasks)) == number


@pytest.mark.parametrize("tasks", FOR_EVERY_HOST)
def test_what_runs_for_every_host_evaluates_no_plan(tasks: str) -> None:
    found = {
        task["name"]: {key for key in task if "_kamal_plan" in evaluated(task[key])} for task in of_every_host(tasks)
    }
    assert found and not [name for name, keys in found.items() if keys - PLAYS_WITH_BATCHES.get(name, set())]
