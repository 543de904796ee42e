# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts that are lost: before a deploy, in the middle of one, and the lock's host while the others are deployed to."""

from __future__ import annotations

import pytest
from hosts import Host, ask, load, lost
from project import Project

CONFIG = {"boot": {"limit": 2}}


@pytest.fixture(scope="module", autouse=True)
def _first(project: Project) -> None:
    assert project.deploy("v1").ok


@pytest.mark.parametrize("name", ["web1", "web2"], ids=["the lock's host", "another"])
def test_a_host_lost_before_a_deploy_stops_it_before_anything_changes(
    project: Project, hosts: list[Host], name: str
) -> None:
    before = [host.running for host in hosts]
    with lost(name):
        run = project.deploy("v2")
    assert run.code != 0
    assert list(run.failures) == [name]
    assert run.output.count(f"{name} cannot be reached") == 1
    # The first time there is an image to build, and nothing else changes.
    built = "changed: the controller; " if "build registry" in run.output else ""
    assert f"failed: {name}; {built}unchanged: " in run.output
    assert [host.running for host in hosts] == before
    assert not any(host.locked() for host in hosts)


def test_a_host_lost_in_the_first_batch_stops_the_second(
    project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    # Slow requests keep the old containers draining, so that there is a middle in which to lose a host.
    with load(path="/cgi-bin/slow?seconds=3", rate=4) as requests:
        deploy = project.start("deploy", kamal_version="v2")
        web2.wait_for("hello-web-v2")
        with lost("web2"):
            run = deploy.wait()
    assert run.code != 0
    assert "web2" in " ".join(run.failures["web2"])
    assert worker1.running == ["hello-workers-v1"]
    assert [name for name, state in worker1.containers.items() if "v2" in name and state != "created"] == []
    assert not web1.locked()
    assert "failed: web2; changed: web1, worker1 (" in run.output
    assert "Traceback" not in run.output
    assert requests.result["failed"] == 0, requests.result


def test_the_next_deploy_does_what_is_left(project: Project, web1: Host, web2: Host, worker1: Host) -> None:
    assert project.deploy("v2").ok
    assert web1.running == web2.running == ["hello-web-v2"]
    assert worker1.running == ["hello-workers-v2"]
    assert {ask().version for _number in range(4)} == {"v2"}


def test_while_the_locks_host_is_lost_another_one_can_keep_the_lock(
    project: Project, hosts: list[Host], web1: Host, web2: Host, worker1: Host
) -> None:
    """Not by itself: the run without it is refused, and says how another host is named."""
    project.commit("third")
    without = ("--limit", "!web1")
    with lost("web1"):
        refused = project.deploy("v3", *without)
        assert refused.code != 0
        assert "web1, which keeps the deploy lock of hello, cannot be reached" in refused.output
        assert "-e kamal_lock_host=HOST, one of web2, worker1." in refused.output
        assert "failed: web1; changed: the controller; unchanged: web2, worker1 (" in refused.output
        assert (web2.running, worker1.running) == (["hello-web-v2"], ["hello-workers-v2"])
        deployed = project.deploy("v3", *without, kamal_lock_host="web2")
    assert deployed.ok
    assert "changed: web2, worker1 (" in deployed.output
    assert (web1.running, web2.running) == (["hello-web-v2"], ["hello-web-v3"])
    assert worker1.running == ["hello-workers-v3"]
    assert not any(host.locked() for host in hosts)
