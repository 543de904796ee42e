# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A certificate of one's own and its renewal, error pages, and maintenance, as a user who is not root."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hosts import Host
from project import Project
from tls import SSL, certify, over_tls

BACKEND = {"options": {"network": "backend"}}
CONFIG = {
    "ssh": {"user": "deploy"},
    "servers": {"web": {"hosts": ["web1", "web2"], **BACKEND}, "workers": None},
    "error_pages_path": "public",
    "volumes": [{"local": "inbox", "remote": "/inbox", "mode": "0770", "options": "ro"}],
    "proxy": {"ssl": SSL, "run": BACKEND},
}
HOME = "/home/deploy"


@pytest.fixture(scope="module")
def web1() -> Host:
    return Host("web1", HOME)


@pytest.fixture(scope="module")
def web2() -> Host:
    return Host("web2", HOME)


@pytest.fixture(scope="module", autouse=True)
def _first(project: Project, web1: Host, web2: Host) -> None:
    for host in (web1, web2):
        host.sh("docker network create backend")
    project.write("public/503.html", "<h1>We are back soon</h1> {{ .Message }}\n")
    project.write("public/index.html", "no error page\n")
    certify(project, "first")
    assert project.deploy("v1").ok


def test_a_request_is_served_under_the_certificate(project: Project, web1: Host, web2: Host) -> None:
    for host in (web1, web2):
        answer = over_tls(host, project.root / ".pem/first.pem")
        assert answer.returncode == 0, answer.stderr
        assert f"Hello from version v1 on {host.name}" in answer.stdout


def test_the_app_and_kamal_proxy_are_on_a_second_network(web1: Host) -> None:
    for container in ("hello-web-v1", "kamal-proxy"):
        assert set(web1.inspect(container)["NetworkSettings"]["Networks"]) == {"kamal", "backend"}


def test_the_folder_of_a_volume_is_made_with_its_mode(web1: Host) -> None:
    folder = web1.file("inbox")
    assert (folder.mode, folder.user) == (0o770, "deploy")
    assert f"{HOME}/inbox:/inbox:ro" in web1.inspect("hello-web-v1")["HostConfig"]["Binds"]


def test_the_key_is_for_kamal_proxy_only(web1: Host) -> None:
    folder = f"{HOME}/.kamal/proxy/apps-config/hello/tls/web"
    (key,) = web1.sh(f"find {folder} -name key.pem").split()
    file = web1.file(key)
    assert (file.mode, file.uid) == (0o600, int(web1.sh("ps -o uid= -C kamal-proxy").split()[0]))
    assert web1.file(f"{HOME}/.kamal").mode == 0o700


def test_a_second_run_changes_nothing(project: Project, web1: Host) -> None:
    before = web1.traces
    again = project.deploy("v1")
    assert again.ok and again.actions == {}
    assert web1.traces == before


def test_a_renewed_certificate_needs_no_new_container(project: Project, web1: Host, web2: Host) -> None:
    started = web1.started("hello-web-v1")
    renewed = certify(project, "second")
    foreseen = project.check("v1")
    deployed = project.deploy("v1")
    assert deployed.ok
    assert deployed.actions == foreseen.actions
    assert "PRIVATE KEY" not in deployed.output + str(deployed.results)
    assert web1.started("hello-web-v1") == started
    for host in (web1, web2):
        assert over_tls(host, renewed).returncode == 0
        assert over_tls(host, project.root / ".pem/first.pem").returncode != 0
        assert len(host.sh(f"find {HOME}/.kamal -name key.pem").split()) == 1


def test_a_key_that_does_not_belong_to_it_stops_the_deploy(project: Project, web1: Host, web2: Host) -> None:
    secrets = (project.root / ".kamal/secrets").read_text()
    certify(project, "third")
    key = (project.root / ".kamal/secrets").read_text().partition("PRIVATE_KEY_PEM=")[2]
    project.write(".kamal/secrets", secrets.partition("PRIVATE_KEY_PEM=")[0] + f"PRIVATE_KEY_PEM={key}")
    wrong = project.deploy("v1")
    project.write(".kamal/secrets", secrets)
    assert not wrong.ok
    for host in ("web1", "web2"):
        assert "CERTIFICATE_PEM and PRIVATE_KEY_PEM are not a certificate" in wrong.failures[host][0]
    assert "failed: web1, web2 (" in wrong.output
    for host in (web1, web2):
        assert over_tls(host, project.root / ".pem/second.pem").returncode == 0


def test_the_page_is_shown_during_maintenance_and_a_deploy_does_not_end_it(
    project: Project, web1: Host, web2: Host
) -> None:
    certificate = project.root / ".pem/second.pem"
    assert project.play(
        "app.maintenance", kamal_maintenance_message="Back at noon", kamal_maintenance_drain_timeout=5
    ).ok
    project.commit("second")
    deployed = project.deploy("v2")
    assert deployed.ok
    assert "caravan.kamal.app.live" in deployed.output
    for host in (web1, web2):
        answer = over_tls(host, certificate)
        assert answer.stdout == "<h1>We are back soon</h1> Back at noon\n\n503"
        assert over_tls(host, certificate, "/up").stdout.endswith("200"), "a load balancer keeps the host"
    assert "stopped" in project.play("details").output


def test_the_app_is_back_afterwards(project: Project, web1: Host, web2: Host) -> None:
    assert project.play("app.live").ok
    for host in (web1, web2):
        assert "Hello from version v2" in over_tls(host, project.root / ".pem/second.pem").stdout
        assert "Set app live" in host.audit()[-1]
    again = project.play("app.live")
    assert again.ok and again.actions == {}


def test_a_request_waits_while_the_app_is_paused(project: Project, web1: Host, web2: Host) -> None:
    certificate = project.root / ".pem/second.pem"
    assert project.play("app.pause", kamal_pause_max=300).actions["web2"] == ["pause route hello-web"]
    assert project.play("details").output.count("(paused)") == 2
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(over_tls, host, certificate, "/", 300) for host in (web1, web2)]
        assert project.play("app.live").actions["web2"] == ["resume route hello-web"]
    assert ["Hello from version v2" in each.result().stdout for each in waiting] == [True, True]


def test_a_restarted_kamal_proxy_finds_all_of_it(project: Project, web2: Host) -> None:
    web2.sh("docker restart kamal-proxy")
    web2.wait_until("docker exec kamal-proxy kamal-proxy list >/dev/null 2>&1")
    assert over_tls(web2, project.root / ".pem/second.pem").returncode == 0


def test_remove_leaves_nothing_of_it(project: Project, web1: Host, web2: Host) -> None:
    assert project.play("remove", kamal_confirm=True).ok
    for host in (web1, web2):
        assert not host.file(".kamal/proxy").exists
        host.sh("docker network rm backend")
