# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Back to the previous version, to a named one, and what happens when that is impossible."""

from __future__ import annotations

import re

import pytest
from hosts import Host, ask, kept_processes_killed, load
from project import Project


@pytest.fixture(scope="module", autouse=True)
def _two_versions(project: Project) -> None:
    """v1 and v2 were live in turn."""
    for version in ("v1", "v2"):
        project.commit(version)
        assert project.deploy(version).ok


# It is the plan that refuses, on the controller, once all hosts have told what they have.
REFUSED = "failed: the controller; unchanged: web1, web2, worker1 ("


def assert_runs(version: str, web1: Host, web2: Host, worker1: Host) -> None:
    assert web1.running == web2.running == [f"hello-web-{version}"]
    assert worker1.running == [f"hello-workers-{version}"]
    assert {ask().version for _number in range(4)} == {version}
    assert not any(host.locked() for host in (web1, web2, worker1))


def test_without_a_version_it_goes_to_the_previous_one(project: Project, web1: Host, web2: Host, worker1: Host) -> None:
    with load() as requests:
        run = project.rollback()
    assert run.ok
    assert requests.result["failed"] == 0, requests.result
    assert_runs("v1", web1, web2, worker1)


def test_it_builds_and_pulls_nothing(project: Project) -> None:
    foreseen = project.rollback("v2", "--check", "--diff")
    assert foreseen.ok
    actions = [action for done in foreseen.actions.values() for action in done]
    assert "start container hello-web-v2" in actions
    assert [action for action in actions if action.startswith(("build", "push", "pull"))] == []


def test_it_goes_to_a_named_version(project: Project, web1: Host, web2: Host, worker1: Host) -> None:
    with load() as requests:
        run = project.rollback("v2")
    assert run.ok
    assert requests.result["failed"] == 0, requests.result
    assert_runs("v2", web1, web2, worker1)


def test_it_is_on_record(project: Project, hosts: list[Host]) -> None:
    audit = project.play("audit").output
    for host in hosts:
        told = re.split(r"^\w+:$", audit.partition(f"\n{host.name}:\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
        assert re.findall(r"Booted app version (\w+)", told) == ["v1", "v2", "v1", "v2"]
        records = [(entry["command"], entry["version"]) for entry in host.history()]
        assert records == [
            ("deploy", "v1"),
            ("deploy", "v2"),
            ("rollback", "v1"),
            ("rollback", "v2"),
        ]


def test_it_comes_to_its_end_though_the_kept_process_is_killed_at_every_step(
    project: Project, hosts: list[Host], web1: Host, web2: Host, worker1: Host
) -> None:
    for version in ("v1", "v2"):
        with load() as requests, kept_processes_killed(hosts) as killed:
            run = project.play("rollback", kamal_version=version, kamal_kept_process=True)
        assert run.ok
        assert requests.result["failed"] == 0, requests.result
        assert killed
        assert_runs(version, web1, web2, worker1)
    assert project.rollback("v2").actions == {}


def test_a_role_alone_goes_back_and_the_other_serves_on(
    project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    """The first time it waits for a lock that was taken by hand and ends by itself."""
    before = web1.started("hello-web-v2"), web2.started("hello-web-v2")
    assert project.play("lock.acquire", kamal_lock_message="for a moment", kamal_lock_ttl=3).ok
    with load() as requests:
        back = project.play("rollback", kamal_version="v1", kamal_roles="workers", kamal_lock_wait=120)
        assert (web1.running, worker1.running) == (["hello-web-v2"], ["hello-workers-v1"])
        previous = project.play("rollback", kamal_roles="work*")
    assert back.ok and previous.ok
    assert "Took over the deploy lock" in back.output
    assert "Only workers takes part in this run; web stays as it is." in " ".join(back.output.split())
    assert "Going back to version v2" in previous.output
    assert requests.result["failed"] == 0, requests.result
    assert (web1.started("hello-web-v2"), web2.started("hello-web-v2")) == before
    assert_runs("v2", web1, web2, worker1)


def test_a_version_that_never_was_touches_nothing(project: Project, hosts: list[Host]) -> None:
    before = [host.traces for host in hosts]
    run = project.rollback("nowhere")
    assert run.code != 0
    assert "nowhere" in run.output
    assert REFUSED in run.output
    assert "Traceback" not in run.output
    assert [host.traces for host in hosts] == before
    assert not any(host.locked() for host in hosts)


def test_every_host_is_checked_before_any_is_touched(project: Project, hosts: list[Host], worker1: Host) -> None:
    """The version is gone from the last host only."""
    worker1.sh("docker ps -aq --filter label=caravan.version=v1 | xargs docker rm")
    before = [host.traces for host in hosts]
    run = project.rollback("v1")
    assert run.code != 0
    assert "worker1" in run.output
    assert "v1" in run.output
    assert REFUSED in run.output
    assert [host.traces for host in hosts] == before
    assert not any(host.locked() for host in hosts)


def test_hosts_that_disagree_on_the_previous_version_are_named(project: Project, hosts: list[Host], web1: Host) -> None:
    assert project.rollback("v1", "--limit", "web1").ok
    before = [host.traces for host in hosts]
    run = project.rollback()
    assert run.code != 0
    table = [line.split() for line in run.output.splitlines()]
    assert ["web1", "web", "v1", "v2"] in table
    assert ["web2", "web", "v2", "v1"] in table
    assert ["worker1", "workers", "v2", "v1"] in table
    assert "kamal_version" in run.output
    assert REFUSED in run.output
    assert [host.traces for host in hosts] == before
