# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Versions that do not come up: the batch where they fail ends the rollout, and what served before still serves."""

from __future__ import annotations

import pytest
from hosts import Host, ask, load
from project import Project, Run

CONFIG = {"boot": {"limit": 1}, "deploy_timeout": 300}


@pytest.fixture(scope="module", autouse=True)
def _first(project: Project) -> None:
    assert project.deploy("v1").ok


def assert_only_the_first_host_tried(run: Run, version: str, web1: Host, web2: Host, worker1: Host) -> None:
    """Nothing of this version runs, and only web1 ever started it."""
    assert run.code != 0
    assert web1.running == web2.running == ["hello-web-v1"]
    assert worker1.running == ["hello-workers-v1"]
    assert web1.containers[f"hello-web-{version}"] == "exited"
    for host, role in ((web2, "web"), (worker1, "workers")):
        started = [name for name, state in host.containers.items() if version in name and state != "created"]
        assert started == [], f"{role} of {version} was started on {host.name}"
    assert not any(host.locked() for host in (web1, web2, worker1))


def reasons(run: Run) -> list[str]:
    """The parts of the output that tell why a container did not go live."""
    return [message for messages in run.failures.values() for message in messages if "did not go live" in message]


def test_a_version_that_exits_stops_the_rollout(project: Project, web1: Host, web2: Host, worker1: Host) -> None:
    project.configure({"builder": {"args": {"BROKEN": "1"}}})
    project.commit("broken")
    with load() as requests:
        run = project.deploy("bad")
    assert requests.result["failed"] == 0, requests.result
    assert set(requests.result["versions"]) == {"v1"}
    assert_only_the_first_host_tried(run, "bad", web1, web2, worker1)
    assert list(run.failures)[0] == "web1"
    (reason,) = reasons(run)
    # kamal-proxy, had it waited out deploy_timeout, would tell that the target did not become healthy.
    for told in ("hello-web-bad", "web1", "it exited with code 1", "State: ", "cannot start, this version is broken"):
        assert told in reason
    assert run.output.count("hello-web-bad did not go live on web1") == 1
    assert "failed: web1; changed: web2, worker1 (" in run.output
    assert "Traceback" not in run.output


def test_a_version_that_never_gets_healthy_stops_the_rollout(
    project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    project.configure({"builder": None, "deploy_timeout": 3, "env": {"clear": {"UNHEALTHY": "1"}}})
    project.commit("unhealthy")
    with load() as requests:
        run = project.deploy("sick")
    assert requests.result["failed"] == 0, requests.result
    assert set(requests.result["versions"]) == {"v1"}
    assert_only_the_first_host_tried(run, "sick", web1, web2, worker1)
    (reason,) = reasons(run)
    for told in ("hello-web-sick", "web1", "State: running", "listens on port 80"):
        assert told in reason
    assert "failed: web1; changed: web2, worker1 (" in run.output


def test_the_failure_is_not_on_record_as_a_release(web1: Host) -> None:
    assert [entry["version"] for entry in web1.history()] == ["v1"]


def test_the_same_version_broken_gives_the_old_container_its_name_back(project: Project, web1: Host) -> None:
    kept = web1.inspect("hello-web-v1")["Id"]
    run = project.deploy("v1")
    assert run.code != 0
    assert "failed: web1; changed: web2, worker1 (" in run.output
    assert web1.inspect("hello-web-v1")["Id"] == kept
    assert web1.running == ["hello-web-v1"]
    assert ask().version == "v1"


def test_a_version_that_exits_on_the_second_host_stops_there(
    project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    """web1 keeps what went live there, and nothing is started on worker1, which comes later."""
    project.configure({"env": {"clear": None, "tags": {"broken": {"BROKEN": "1"}}}, **CONFIG})
    project.configure({"servers": {"web": ["web1", {"web2": "broken"}]}})
    project.commit("half broken")
    with load() as requests:
        run = project.deploy("half")
    assert run.code != 0
    assert requests.result["failed"] == 0, requests.result
    assert set(requests.result["versions"]) == {"v1", "half"}
    assert (web1.running, web2.running) == (["hello-web-half"], ["hello-web-v1"])
    assert web2.containers["hello-web-half"] == "exited"
    assert worker1.running == ["hello-workers-v1"]
    assert [name for name, state in worker1.containers.items() if "half" in name and state != "created"] == []
    assert list(run.failures) == ["web2"]
    (reason,) = reasons(run)
    for told in ("hello-web-half did not go live on web2", "exit code 1", "cannot start, this version is broken"):
        assert told in reason
    assert "failed: web2; changed: web1, worker1 (" in run.output
    assert not any(host.locked() for host in (web1, web2, worker1))


def test_a_mended_version_goes_live_everywhere(project: Project, web1: Host, web2: Host, worker1: Host) -> None:
    project.configure({"env": None, "servers": {"web": ["web1", "web2"]}, **CONFIG})
    project.commit("mended")
    assert project.deploy("v2").ok
    assert web1.running == web2.running == ["hello-web-v2"]
    assert worker1.running == ["hello-workers-v2"]
    assert {ask().version for _number in range(4)} == {"v2"}
