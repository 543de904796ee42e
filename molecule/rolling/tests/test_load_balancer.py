# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A load balancer of one's own on worker1, before web1 and web2: all requests here come through it."""

from __future__ import annotations

import time

import lab_settings
import pytest
from hosts import Host, ask, load
from load import Load
from project import Project
from tls import SSL, certify, over_tls

ADDRESSES = {machine.name: machine.ip for machine in lab_settings.test_hosts(3)}
CONFIG = {
    "servers": {"workers": None},
    "boot": {"limit": 1},
    "loadbalancer": {"host": "worker1", "targets": {name: ADDRESSES[name] for name in ("web1", "web2")}},
}
BOTH, FIRST, SECOND = "route hello-web to web1, web2", "route hello-web to web1", "route hello-web to web2"


@pytest.fixture(scope="module", autouse=True)
def _first(project: Project, worker1: Host) -> None:
    """From nothing: the load balancer has each host as soon as it serves."""
    foretold = project.check("b1")
    assert worker1.containers == {}
    deployed = project.deploy("b1")
    assert deployed.ok
    for host in ("web1", "web2"):
        told, done = (
            [each for each in run.actions[host] if not each.startswith("pull")] for run in (foretold, deployed)
        )
        assert told == done
    assert [each for each in deployed.actions["web1"] if each in (BOTH, FIRST)] == [FIRST]
    assert deployed.actions["web2"][-1] == BOTH


def requests_to(host: Host, path: str = "/", rate: float = 100) -> Load:
    return load(path, rate=rate, url=host.url)


def wait_until_it_has_noticed(balancer: Host) -> None:
    """It asks each host every second, and sends nothing more to one that does not answer."""
    deadline = time.monotonic() + 60
    while {ask(url=balancer.url).status for _number in range(8)} != {200}:
        assert time.monotonic() < deadline


def flat(text: str) -> str:
    return " ".join(text.split())


def test_each_host_is_out_while_it_is_deployed_and_no_request_fails(project: Project, worker1: Host) -> None:
    project.commit("second")
    with requests_to(worker1) as requests, requests_to(worker1, "/cgi-bin/slow?seconds=2", rate=5) as slow_requests:
        deployed = project.deploy("b2")
    assert deployed.ok
    for result in (requests.result, slow_requests.result):
        assert result["failed"] == 0, result
        assert set(result["versions"]) == {"b1", "b2"}
    for host, alone in (("web1", SECOND), ("web2", FIRST)):
        actions = deployed.actions[host]
        live = actions.index("start container hello-web-b2")
        assert actions.index(alone) < live < actions.index(BOTH)
    assert "changed: web1, web2, worker1 (" in deployed.output
    assert any("Took web2 out of the load balancer" in line for line in worker1.audit())


def test_what_is_live_already_changes_nothing(project: Project, hosts: list[Host]) -> None:
    before = [host.traces for host in hosts]
    assert project.deploy("b2", kamal_build=False).actions == {}
    assert [host.traces for host in hosts] == before


def test_details_show_who_gets_requests(project: Project) -> None:
    assert "worker1 hello-web hello.example.com running web1, web2 -" in flat(project.play("details").output)


def test_a_version_that_fails_on_the_second_host_leaves_that_in_with_the_old_one(
    project: Project, worker1: Host, web2: Host
) -> None:
    sick = {"servers": {"web": ["web1", {"web2": "sick"}]}, "env": {"tags": {"sick": {"UNHEALTHY": "1"}}}}
    project.configure({**sick, "deploy_timeout": 3})
    with requests_to(worker1) as requests:
        run = project.deploy("b3")
    assert run.code != 0
    assert requests.result["failed"] == 0, requests.result
    assert web2.running == ["hello-web-b2"]
    assert "failed: web2; changed: web1, worker1 (" in run.output
    assert {ask(url=worker1.url).version for _number in range(4)} == {"b2", "b3"}
    assert not any("lock" in line for line in web2.serving.splitlines())
    project.configure({"servers": {"web": ["web1", "web2"]}, "env": None, "deploy_timeout": 60})


def test_a_host_that_does_not_answer_stops_no_other(project: Project, worker1: Host, web2: Host) -> None:
    web2.sh("docker stop kamal-proxy")
    wait_until_it_has_noticed(worker1)
    with requests_to(worker1) as requests:
        run = project.deploy("b3", "--limit", "web1", kamal_force=True, kamal_build=False)
    assert run.ok
    assert requests.result["failed"] == 0, requests.result
    assert "web2 gets no requests for hello-web from the load balancer" in flat(run.output)
    assert "web1: kept in the load balancer, as no other host answers it" in flat(run.output)
    assert project.deploy("b3", kamal_build=False).actions["web2"][0] == "start kamal-proxy"
    assert {ask(url=worker1.url).version for _number in range(4)} == {"b3"}


def test_kamal_proxy_is_upgraded_host_by_host_without_a_hook(project: Project, hosts: list[Host]) -> None:
    """To another image under another version."""
    *behind, worker1 = hosts
    dockerfile = r"FROM basecamp/kamal-proxy:v0.9.2\nLABEL another=one\n"
    for host in behind:
        host.sh(f"printf '{dockerfile}' | docker build -q -t basecamp/kamal-proxy:v0.9.9 -")
    project.configure({"proxy": {"run": {"version": "v0.9.9"}}})
    part = ("--limit", "web1,web2")
    assert "run this again with -e kamal_confirm=true" in flat(project.play("proxy.upgrade", *part).output)
    with requests_to(worker1) as requests:
        run = project.play("proxy.upgrade", *part, kamal_confirm=True)
    assert run.ok
    assert requests.result["failed"] == 0, requests.result
    assert [each for each in run.actions["web2"] if each.startswith("route")] == [FIRST, BOTH]
    assert {host.inspect("kamal-proxy")["Config"]["Image"] for host in behind} == {"basecamp/kamal-proxy:v0.9.9"}
    again = project.play("proxy.upgrade", *part)
    assert again.ok and again.actions == {}


def test_it_is_removed_with_the_service(project: Project, worker1: Host) -> None:
    foretold = project.play("remove", "--check").actions["worker1"]
    removed = project.play("remove", kamal_confirm=True)
    assert removed.ok
    assert (foretold[0], foretold[-1]) == ("remove route hello-web", "remove kamal-proxy")
    assert removed.actions["worker1"][-len(foretold) :] == foretold
    assert worker1.sh("docker ps -aq") == ""
    assert not worker1.file(".kamal/proxy").exists


def test_setup_makes_one_where_tls_ends(project: Project, worker1: Host) -> None:
    certificate = certify(project, "front")
    project.configure({"loadbalancer": {"proxy": {"ssl": SSL}}, "proxy": {"run": None}})
    made = project.play("setup", kamal_version="b3", kamal_build=False)
    assert made.ok and BOTH in made.actions["web2"]
    answers = {over_tls(worker1, certificate).stdout for _number in range(8)}
    assert answers == {f"Hello from version b3 on {host}\n\n200" for host in ("web1", "web2")}
