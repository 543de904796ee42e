# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Workers wait for the first healthy web containers of their version, unless no web host takes part."""

from __future__ import annotations

import pytest
from hosts import Host, ask
from project import Project

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


def test_a_worker_that_exits_fails_at_once(project: Project, web1: Host, worker1: Host) -> None:
    project.configure({"readiness_delay": 300, "servers": {"workers": {"cmd": "hello nonsense"}}})
    run = project.deploy("v2", "--limit", "worker1")
    assert run.code != 0
    assert run.seconds < 300
    assert "it exited with code 64" in run.output
    assert "usage: hello" in run.output
    assert worker1.running == ["hello-workers-v2"]
    assert worker1.inspect("hello-workers-v2")["Config"]["Cmd"] == ["hello", "worker"]
    assert not web1.locked()


def test_a_broken_web_keeps_every_new_worker_from_starting(
    project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    project.configure({"readiness_delay": 0, "servers": {"workers": {"cmd": "hello worker"}}, "deploy_timeout": 3})
    project.configure({"env": {"clear": {"UNHEALTHY": "1"}}})
    project.commit("third")
    assert project.deploy("v3").code != 0
    assert web2.running == ["hello-web-v1", "hello-workers-v1"]
    assert worker1.running == ["hello-workers-v2"]
    for host in (web2, worker1):
        workers = [name for name, state in host.containers.items() if "workers-v3" in name and state != "created"]
        assert workers == []
