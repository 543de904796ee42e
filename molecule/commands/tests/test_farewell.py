# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The last day of an app: kamal-proxy goes by force, the app goes, and then what is left of kamal-proxy."""

from __future__ import annotations

import pytest
from hosts import Host
from project import Project

CONFIG = {"servers": {"workers": {"hosts": ["web2", "worker1"]}}}
pytestmark = pytest.mark.usefixtures("live")


def test_kamal_proxy_goes_by_force_although_it_routes_the_app(project: Project, web1: Host, web2: Host) -> None:
    run = project.play("proxy.remove", "--limit", "web2", kamal_confirm=True, kamal_proxy_force=True)
    assert run.ok and "remove kamal-proxy" in run.actions["web2"]
    assert "kamal-proxy" not in web2.sh("docker ps -a") and web2.running == ["hello-web-v1", "hello-workers-v1"]
    assert web1.ask().version == "v1"


def test_the_app_is_removed_and_kamal_proxy_stays(project: Project, web1: Host) -> None:
    asked = project.play("app.remove")
    assert asked.code != 0 and "run this again with -e kamal_confirm=true" in " ".join(asked.output.split())
    assert web1.ask().version == "v1"
    assert project.play("app.remove", kamal_confirm=True).ok
    assert web1.ask().status == 404
    assert web1.containers == {} and "kamal-proxy" in web1.sh("docker ps")
    assert not web1.file(".kamal/apps/hello").exists
    again = project.play("app.remove", kamal_confirm=True)
    assert again.ok and again.actions == {}


def test_kamal_proxy_is_removed_once_it_routes_nothing(project: Project, web1: Host) -> None:
    assert "run this again with -e kamal_confirm=true" in " ".join(project.play("proxy.remove").output.split())
    assert "kamal-proxy" in web1.sh("docker ps")
    removed = project.play("proxy.remove", kamal_confirm=True)
    assert removed.ok and removed.actions["web1"][-1] == "remove kamal-proxy"
    assert web1.sh("docker ps -aq") == ""
