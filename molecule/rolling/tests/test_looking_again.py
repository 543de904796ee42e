# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What changes behind the back of a run: its lock goes to another one, a version dies after it was proven, or
kamal-proxy is restarted after it has switched."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hosts import LIMIT, Host, ask, everywhere, load
from project import Project, Run

# The wait is there for a container to die in; no test measures it.
CONFIG = {"boot": {"limit": 1, "wait": 5}}
WAIT = "Wait before the next batch"
pytestmark = pytest.mark.usefixtures("live")


def assert_runs(version: str, web1: Host, web2: Host, worker1: Host) -> None:
    assert web1.running == web2.running == [f"hello-web-{version}"]
    assert worker1.running == [f"hello-workers-{version}"]
    assert {ask().version for _number in range(4)} == {version}
    assert not any(host.locked() for host in (web1, web2, worker1))


def assert_changes_nothing(run: Run) -> None:
    assert run.ok
    assert set(run.changed.values()) == {0}
    assert run.actions == {}


# Overtaken


def test_a_run_that_slept_until_it_was_overtaken_changes_nothing_more(
    project: Project, hosts: list[Host], web1: Host, web2: Host, worker1: Host
) -> None:
    project.commit("a2")
    sleeper = project.start("deploy", kamal_version="a2")
    everywhere(hosts, lambda host: host.wait_for_name("-a2_staged"))
    with sleeper.suspended():
        web1.end_lease()
        project.commit("a3")
        with load() as requests:
            overtaker = project.deploy("a3")
        assert overtaker.ok
        assert "Took over the deploy lock" in overtaker.output
        assert WAIT in overtaker.output
        before = [host.traces for host in hosts]
    slept = sleeper.wait()
    assert slept.code != 0
    assert "no longer holds the deploy lock" in slept.output or "was overtaken" in slept.output
    assert "failed: web1; changed: web2, worker1 (" in slept.output
    assert "Traceback" not in slept.output
    assert [host.traces for host in hosts] == before
    assert requests.result["failed"] == 0, requests.result
    assert_runs("a3", web1, web2, worker1)


def test_the_run_after_it_has_nothing_to_do(project: Project, hosts: list[Host]) -> None:
    before = [host.traces for host in hosts]
    again = project.deploy("a3")
    assert_changes_nothing(again)
    assert WAIT not in again.output
    assert [host.traces for host in hosts] == before


def test_a_host_refuses_a_run_that_a_later_one_came_before(
    project: Project, hosts: list[Host], web2: Host, worker1: Host
) -> None:
    """Here the later one is made up; the lock's own host does not know of it."""
    project.commit("a4")
    web2.sh("""sed -i 's/"number": [0-9]*/"number": 99999999999/' /root/.kamal/turn-hello""")
    before = [host.serving for host in hosts]
    late = project.deploy("a4")
    assert late.code != 0
    assert list(late.failures) == ["web2"]
    assert "This run was overtaken: Ada with version a3 since" in late.output
    assert "failed: web2; " in late.output
    assert [host.serving for host in hosts] == before
    assert "hello-workers-a4" not in worker1.running
    web2.sh("rm /root/.kamal/turn-hello")


# Died since


@pytest.fixture(scope="module")
def died(project: Project, web1: Host) -> Run:
    """A deploy of a4, whose web container on web1 crashes after it went live there, before the second batch."""
    project.commit("a4")
    deploy = project.start("deploy", kamal_version="a4")
    web1.wait_for_text(".kamal/apps/hello/history.jsonl", '"version": "a4"')
    web1.wait_for_turn()
    with deploy.suspended():
        web1.crash("hello-web-a4")
    return deploy.wait()


def test_a_version_that_dies_after_it_went_live_stops_before_the_second_batch(
    died: Run, web1: Host, web2: Host, worker1: Host
) -> None:
    assert died.code != 0
    for host in (web2, worker1):
        assert [name for name, state in host.containers.items() if "a4" in name and state != "created"] == []
    assert web2.running == ["hello-web-a3"]
    assert worker1.running == ["hello-workers-a3"]
    assert not any(host.locked() for host in (web1, web2, worker1))


def test_the_reason_is_told_once_with_the_host(died: Run) -> None:
    reason = "web1          FAILED: hello-web-a4 went live on web1 and did not stay so: it exited with code 137"
    assert died.output.count(reason) == died.output.count("did not stay so") == 1
    assert "failed: web1; changed: web2, worker1 (" in died.output
    assert "listens on port 80" in died.output
    assert "Traceback" not in died.output


def test_it_is_marked_as_bad_where_it_died(died: Run, web1: Host, web2: Host, worker1: Host) -> None:
    last = web1.history()[-1]
    assert last["version"] == "a4"
    assert "exited with code 137" in last["bad"]
    for host in (web2, worker1):
        assert "a4" not in [record["version"] for record in host.history()]


def test_a_rollback_goes_to_the_version_before_it_and_other_hosts_serve_on(
    died: Run, project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    """There it only clears away what waited and never ran."""
    before = web2.started("hello-web-a3"), worker1.started("hello-workers-a3")
    with load() as requests:
        back = project.rollback()
    assert back.ok
    assert "Going back to version a3" in back.output
    assert back.actions["web2"] == ["remove container hello-web-a4_staged"]
    assert back.actions["worker1"] == ["remove container hello-workers-a4_staged"]
    assert (web2.started("hello-web-a3"), worker1.started("hello-workers-a3")) == before
    assert requests.result["failed"] == 0, requests.result
    assert_runs("a3", web1, web2, worker1)


# Restarted while it drains


@pytest.fixture(scope="module")
def restarted(died: Run, project: Project, web1: Host, web2: Host) -> Run:
    """A deploy of a5. On web2 kamal-proxy has switched to it and waits for a request that a3 answers, when it is
    killed and comes back."""
    project.commit("a5")
    deploy = project.start("deploy", kamal_version="a5")
    web1.wait_for_text(".kamal/apps/hello/history.jsonl", '"version": "a5"')
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(web2.ask, "/cgi-bin/slow?seconds=60")
        web2.wait_for_process("sleep 60")
        deadline = time.monotonic() + LIMIT
        while web2.ask().version != "a5":
            assert deploy.process.poll() is None and time.monotonic() < deadline, deploy.output.read_text()
        web2.sh("docker restart --time 0 kamal-proxy")
        assert slow.exception() is not None or slow.result().status == 502
    return deploy.wait()


def test_a_kamal_proxy_that_was_restarted_after_its_switch_is_led_back(restarted: Run, web1: Host, web2: Host) -> None:
    """Or nobody would be served: the container that it has switched to is stopped."""
    assert list(restarted.failures) == ["web2"]
    assert "hello-web-a5 did not go live on web2" in restarted.output
    assert "It was stopped; what served before still serves." in restarted.output
    assert "failed: web2; changed: web1, worker1 (" in restarted.output
    assert (web1.running, web2.running) == (["hello-web-a5"], ["hello-web-a3"])
    assert web2.ask().version == "a3"


def test_the_run_after_it_waits_before_it_replaces_the_next_containers(
    restarted: Run, project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    """What is live on web1 may be so since a moment ago."""
    with load() as requests:
        again = project.deploy("a5")
    assert again.ok and WAIT in again.output
    assert requests.result["failed"] == 0, requests.result
    assert_runs("a5", web1, web2, worker1)
