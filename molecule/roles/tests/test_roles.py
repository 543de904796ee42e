# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Workers wait for the first healthy web containers of their version, unless no web host takes part."""

from __future__ import annotations

import pytest
from hosts import Host, ask
from project import Project

# Unlike the playbook deploy, nothing here stops all hosts when one fails, and two go live at a time.
OWN_PLAYBOOK = """\
- name: Plan and build
  hosts: app
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: caravan.kamal.plan}
    - ansible.builtin.import_role: {name: caravan.kamal.image, tasks_from: build}

- name: Prepare
  hosts: "{{ hostvars['localhost'].kamal_plan.order }}"
  gather_facts: false
  tasks:
    - ansible.builtin.import_role: {name: caravan.kamal.app, tasks_from: lock}
    - ansible.builtin.import_role: {name: caravan.kamal.app, tasks_from: stage}

- name: Go live
  hosts: "{{ hostvars['localhost'].kamal_plan.order }}"
  gather_facts: false
  serial: 2
  tasks:
    - ansible.builtin.import_role: {name: caravan.kamal.app, tasks_from: live}
"""

CONFIG = {
    "servers": {
        "workers": {"hosts": ["web2", "worker1"], "options": {"memory": "64m"}, "env": {"clear": {"INTERVAL": 1}}}
    },
    "readiness_delay": 3,
}


@pytest.fixture(scope="module", autouse=True)
def _first(project: Project) -> None:
    assert project.deploy("v1").ok


def test_workers_start_after_the_web_is_healthy(web1: Host, web2: Host, worker1: Host) -> None:
    web = max(web1.started("hello-web-v1"), web2.started("hello-web-v1"))
    assert web < web2.started("hello-workers-v1")
    assert web < worker1.started("hello-workers-v1")


def test_a_host_has_all_of_its_roles(web2: Host) -> None:
    assert web2.running == ["hello-web-v1", "hello-workers-v1"]
    assert web2.inspect("hello-workers-v1")["HostConfig"]["Memory"] == 64 * 1024 * 1024
    assert "INTERVAL" not in web2.environment("hello-web-v1")
    assert web2.environment("hello-workers-v1")["INTERVAL"] == "1"


def test_a_worker_is_behind_no_proxy(worker1: Host) -> None:
    assert worker1.running == ["hello-workers-v1"]
    assert "kamal-proxy" not in worker1.sh("docker ps -a")


def test_a_limit_to_workers_works_and_says_that_nobody_waited(project: Project, web1: Host, worker1: Host) -> None:
    project.commit("second")
    run = project.deploy("v2", "--limit", "worker1")
    assert run.ok
    assert "primary role web" in " ".join(run.output.split())
    assert worker1.running == ["hello-workers-v2"]
    assert web1.running == ["hello-web-v1"]
    assert ask().version == "v1"


def test_the_readiness_delay_is_waited_for(project: Project, worker1: Host) -> None:
    """The old worker goes on until the new one has outlasted the delay."""
    waited = worker1.stopped("hello-workers-v1") - worker1.started("hello-workers-v2")
    assert waited >= CONFIG["readiness_delay"] * 10**9


def test_a_worker_that_exits_fails_and_tells_what_it_said(project: Project, web1: Host, worker1: Host) -> None:
    project.configure({"readiness_delay": 300, "servers": {"workers": {"cmd": "hello nonsense"}}})
    run = project.deploy("v2", "--limit", "worker1")
    assert run.code != 0
    assert "it exited with code 64" in run.output
    assert "usage: hello" in run.output
    assert "failed: worker1 (" in run.output
    assert worker1.running == ["hello-workers-v2"]
    assert worker1.inspect("hello-workers-v2")["Config"]["Cmd"] == ["hello", "worker"]
    assert not web1.locked()


def test_a_broken_web_keeps_every_new_worker_from_starting(
    project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    project.configure({"readiness_delay": 0, "servers": {"workers": {"cmd": "hello worker"}}, "deploy_timeout": 3})
    project.configure({"env": {"clear": {"UNHEALTHY": "1"}}})
    project.commit("third")
    run = project.deploy("v3")
    assert run.code != 0
    assert "failed: web1, web2; changed: worker1 (" in run.output
    assert web2.running == ["hello-web-v1", "hello-workers-v1"]
    assert worker1.running == ["hello-workers-v2"]
    for host in (web2, worker1):
        workers = [name for name, state in host.containers.items() if "workers-v3" in name and state != "created"]
        assert workers == []


def started_workers(version: str, *hosts: Host) -> list[str]:
    return [
        name
        for host in hosts
        for name, state in host.containers.items()
        if f"workers-{version}" in name and state != "created"
    ]


def test_the_second_web_host_keeps_them_too_in_a_playbook_of_ones_own(
    project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    """web2 leaves the play and the others go on: only the barrier keeps the workers of the next batch from starting."""
    project.configure({"env": {"clear": {"UNHEALTHY": None}, "tags": {"sick": {"UNHEALTHY": "1"}}}})
    project.configure({"servers": {"web": ["web1", {"web2": "sick"}]}})
    project.write("own.yml", OWN_PLAYBOOK)
    project.commit("fourth")
    run = project.run("ansible-playbook", "-i", "config/deploy.yml", "own.yml", "-e", "kamal_version=v4")
    assert run.code != 0
    assert web1.running == ["hello-web-v4"]
    assert web2.running == ["hello-web-v1", "hello-workers-v1"]
    assert worker1.running == ["hello-workers-v2"]
    assert started_workers("v4", web2, worker1) == []
    assert "is not live on web2" in run.output
    assert "failed: web2; changed: web1, worker1 (" in run.output


def test_the_lock_that_a_run_left_behind_is_no_obstacle(
    project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    """That playbook has no rescue to release the lock; its process has ended, so the next run takes over."""
    assert web1.locked()
    project.configure({"servers": {"web": ["web1", "web2"]}})
    project.commit("fifth")
    run = project.play("redeploy", kamal_version="v5")
    assert run.ok
    assert "has ended without releasing it" in " ".join(run.output.split())
    assert web2.running == ["hello-web-v5", "hello-workers-v5"]
    assert worker1.running == ["hello-workers-v5"]
    assert not web1.locked()
