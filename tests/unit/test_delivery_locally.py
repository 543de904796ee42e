# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""In which order the tasks come that take layers to hosts, where a lock has to be renewed meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

# In the places of the actions: each writes down what it was asked. h1 needs three visits that have a limit, h2 two.
ACTION = """\
import os, time
from ansible.plugins.action import ActionBase

LOG = os.environ["DELIVERY_LOG"]

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        host, asked = task_vars["inventory_hostname"], self._task.args
        limit = "limited" if asked.get("send_until") else "all"
        said = "renew" if asked.get("renew") else asked["state"] + (f" {{limit}}" if asked["state"] == "loaded" else "")
        with open(LOG, "a+") as log:
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


def order(collections: Path, command: str, tasks: str) -> list[str]:
    """What the hosts were asked, as far as it happens on one after the other."""
    (collections / "play.yml").write_text(PLAY.replace("COMMAND", command).replace("TASKS", tasks))
    environment = {"ANSIBLE_COLLECTIONS_PATH": str(collections), "DELIVERY_LOG": str(collections / "log")}
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            "-i",
            "h1,h2,",
            "-c",
            "local",
            "--forks",
            "1",
            "play.yml",
        ],
        cwd=collections,
        env={**os.environ, "ANSIBLE_PYTHON_INTERPRETER": sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return (collections / "log").read_text().splitlines()


def test_without_a_lock_all_of_it_is_sent_at_once(collections: Path) -> None:
    assert order(collections, "deploy", "deliver") == ["h1 held", *ALONE, "h1 loaded all", "h2 loaded all"]


@pytest.mark.parametrize(
    ("command", "tasks", "looked"),
    [("setup", "deliver", []), ("deploy", "deliver_again", ["h1 lacking", "h2 lacking"])],
)
def test_a_lock_is_renewed_until_every_host_has_it(
    collections: Path, command: str, tasks: str, looked: list[str]
) -> None:
    a_round = [*ALONE, "h1 loaded limited", "h2 loaded limited"]
    assert order(collections, command, tasks) == [
        "h1 held",
        *looked,
        *a_round,
        "h1 renew",
        *a_round,
        "h1 renew",
        *a_round,
    ]
