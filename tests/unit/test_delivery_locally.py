# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which order the tasks come that take layers to hosts, where a lock has to be renewed meanwhile."""

from __future__ import annotations

import sys
from pathlib import Path

import ansible_here
import pytest
from conftest import ROOT

# In the places of the actions: each writes down what it was asked. h1 needs three visits that have a limit, h2 two.
ACTION = """\
import time
from ansible.plugins.action import ActionBase

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        host, asked = task_vars["inventory_hostname"], self._task.args
        limit = "limited" if asked.get("send_until") else "all"
        said = "renew" if asked.get("renew") else asked["state"] + (f" {{limit}}" if asked["state"] == "loaded" else "")
        with open(task_vars["log"], "a+") as log:
            log.write(f"{{host}} {{said}}\\n")
            log.seek(0)
            visits = log.read().splitlines().count(f"{{host}} loaded limited")
        return {answer}
"""
DELIVERY = """\
{"changed": False, "unfinished": True} if said == "loaded limited" and visits < {"h1": 3, "h2": 2}[host] else \\
            {"changed": False, "here": False, "layers": []}
"""
LOCK = """{"changed": False, "renew_by": time.time()}"""
PLAY = """\
- hosts: h1,h2
  gather_facts: false
  any_errors_fatal: true
  vars: {log: "LOG"}
  tasks:
    - ansible.builtin.set_fact:
        kamal_plan: {command: COMMAND, lock: {host: h1}, build: null, registry_here: null}
      delegate_to: localhost
      delegate_facts: true
      run_once: true
    - caravan.kamal.lock: {state: held}
      run_once: true
      register: _kamal_lock
    - ansible.builtin.include_role:
        name: caravan.kamal.image
        tasks_from: TASKS
        rolespec_validate: false
"""
ALONE = ["h1 listed", "h1 lacking", "h2 lacking", "h1 saved"]


@pytest.fixture
def collections(tmp_path: Path) -> Path:
    """The collection with two actions that are others."""
    actions = tmp_path / "ansible_collections/caravan/kamal/plugins/action"
    actions.mkdir(parents=True)
    for here, there in (
        (ROOT, actions.parents[1]),
        (ROOT / "plugins", actions.parent),
        (ROOT / "plugins/action", actions),
    ):
        for entry in here.iterdir():
            if not entry.name.startswith(".") and not (there / entry.name).exists():
                (there / entry.name).symlink_to(entry)
    for name, answer in (("image_delivery", DELIVERY), ("lock", LOCK)):
        (actions / f"{name}.py").unlink()
        (actions / f"{name}.py").write_text(ACTION.format(answer=answer.strip()))
    return tmp_path


A_ROUND = [*ALONE, "h1 loaded limited", "h2 loaded limited"]
RENEWED = [*A_ROUND, "h1 renew", *A_ROUND, "h1 renew", *A_ROUND]


def test_a_lock_is_renewed_until_every_host_has_it_and_without_one_all_is_sent_at_once(
    collections: Path,
) -> None:
    scenes = {
        ("deploy", "deliver"): ["h1 held", *ALONE, "h1 loaded all", "h2 loaded all"],
        ("setup", "deliver"): ["h1 held", *RENEWED],
        ("deploy", "deliver_again"): ["h1 held", "h1 lacking", "h2 lacking", *RENEWED],
    }
    assert dict(zip(scenes, orders(collections, list(scenes)), strict=True)) == scenes


def orders(collections: Path, scenes: list[tuple[str, str]]) -> list[list[str]]:
    """What the hosts were asked in each play, as far as it happens on one after the other."""
    logs = [collections / f"log-{command}-{tasks}" for command, tasks in scenes]
    plays = [
        PLAY.replace("COMMAND", command).replace("TASKS", tasks).replace("LOG", str(log))
        for (command, tasks), log in zip(scenes, logs, strict=True)
    ]
    (collections / "play.yml").write_text("".join(plays))
    asked = ("-i", "h1,h2,", "-c", "local", "--forks", "1", "play.yml")
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_PYTHON_INTERPRETER": sys.executable}
    code, output = ansible_here.play(collections, *asked, **environment)
    assert code == 0, output
    return [log.read_text().splitlines() for log in logs]
