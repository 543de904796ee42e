# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases while requests come in: batch by batch, the same version with changes, and two apps behind one proxy."""

from __future__ import annotations

import pytest
from hosts import Host, ask, load
from project import Project

CONFIG = {"servers": {"workers": None}, "boot": {"limit": 1}}
OTHER = {**CONFIG, "service": "other", "image": "stories/other", "proxy": {"host": "other.example.com"}}


@pytest.fixture(scope="module")
def other() -> Project:
    """A second app on the same hosts."""
    return Project("other", OTHER)


def test_no_request_fails_while_a_release_replaces_another(project: Project, live: str) -> None:
    """Not even a slow one, which is answered by the version that took it."""
    project.commit("second")
    with load() as requests, load(path="/cgi-bin/slow?seconds=2", rate=5) as slow_requests:
        deployed = project.deploy("v2")
    assert deployed.ok
    for result in (requests.result, slow_requests.result):
        assert result["failed"] == 0, result
        assert set(result["versions"]) == {live, "v2"}
    assert {ask().version for _number in range(4)} == {"v2"}


def test_hosts_go_live_one_after_the_other(web1: Host, web2: Host, live: str) -> None:
    assert web1.started("hello-web-v2") < web2.started("hello-web-v2")
    assert web1.stopped(f"hello-web-{live}") < web2.started("hello-web-v2")


def test_the_same_version_with_changes_renames_the_old_container(project: Project, web1: Host) -> None:
    project.configure({"env": {"clear": {"GREETING": "Good night"}}})
    with load() as requests:
        deployed = project.deploy("v2")
    assert deployed.ok
    assert requests.result["failed"] == 0, requests.result
    assert web1.running == ["hello-web-v2"]
    replaced = [name for name in web1.containers if name.startswith("hello-web-v2_replaced_")]
    assert len(replaced) == 1
    assert ask("/cgi-bin/env?name=GREETING").body.strip() == "Good night"
    assert any("Renaming container hello-web-v2 to" in line for line in web1.audit())


def test_force_replaces_what_does_not_differ(project: Project, web1: Host) -> None:
    before = web1.started("hello-web-v2")
    with load() as requests:
        assert project.deploy("v2", "--limit", "web1", kamal_force=True, kamal_build=False).ok
    assert requests.result["failed"] == 0, requests.result
    assert web1.started("hello-web-v2") > before


def test_redeploy_does_not_touch_the_proxy(project: Project, web1: Host) -> None:
    proxy = web1.started("kamal-proxy")
    project.commit("third")
    with load() as requests:
        again = project.play("redeploy", kamal_version="v3", kamal_build_cache=False)
    assert again.ok and "start container hello-web-v3" in again.actions["web1"]
    assert requests.result["failed"] == 0, requests.result
    assert web1.started("kamal-proxy") == proxy
    assert ask().version == "v3"


def test_two_apps_share_one_proxy(other: Project, web1: Host) -> None:
    proxy = web1.inspect("kamal-proxy")["Id"]
    with load() as requests:
        assert other.deploy("o1").ok
    assert requests.result["failed"] == 0, requests.result
    assert web1.inspect("kamal-proxy")["Id"] == proxy
    assert ask(host="other.example.com").version == "o1"
    assert ask().version == "v3"


def test_removing_one_app_keeps_the_other(other: Project, web1: Host) -> None:
    with load() as requests:
        assert other.play("remove", kamal_confirm=True).ok
    assert requests.result["failed"] == 0, requests.result
    assert ask(host="other.example.com").status == 404
    assert web1.running == ["hello-web-v3"]
    assert not [name for name in web1.containers if name.startswith("other")]
    assert not web1.file(".kamal/apps/other").exists


def test_a_deploy_mends_a_broken_state_of_kamal_proxy_and_a_network_that_is_gone(
    project: Project, web1: Host, web2: Host
) -> None:
    web1.sh("printf '[{' > /var/lib/docker/volumes/kamal-proxy-config/_data/kamal-proxy.state")
    for container in ("kamal-proxy", "hello-web-v3"):
        web2.sh(f"docker network disconnect -f kamal {container}")
    web2.sh("docker network rm kamal")
    deployed = project.deploy("v3")
    assert deployed.ok
    assert "The state file of kamal-proxy was broken; it has written it anew" in " ".join(deployed.output.split())
    assert "create network kamal" in deployed.actions["web2"]
    assert {host.ask().version for host in (web1, web2)} == {"v3"}
    assert project.deploy("v3", kamal_build=False).actions == {}


def test_removing_the_last_app_removes_the_proxy(project: Project, web1: Host, web2: Host) -> None:
    assert project.play("remove", kamal_confirm=True).ok
    assert [host.sh("docker ps -aq") for host in (web1, web2)] == ["", ""]
    assert not web1.file(".kamal/apps/hello").exists and not web1.file(".kamal/proxy").exists
    assert ask().status == 502
