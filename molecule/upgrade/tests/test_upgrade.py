# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From Kamal 1 to Kamal 2: the configuration, then the hosts, one of which breaks twice, with requests all the while.

There is no image of Traefik here. Under its name another proxy has its port and sends what comes to the app's
container, in the network that Kamal 1 has; it is started with Traefik's own argument, by which it is known.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import lab_settings
import pytest
from hosts import Host, ask, everywhere, load
from project import Project, Run

IMAGE = "registry:4443/stories/hello:v1"
STORE = {
    "image": "busybox:1.36",
    "host": "worker1",
    "cmd": "sh -c 'trap exit TERM; while true; do sleep 0.1; done'",
    "volumes": ["store-data:/data"],
}
SICK = {"env": {"tags": {"sick": {"UNHEALTHY": "1"}}}}
CONFIG = {"servers": {"web": ["web1", {"web2": "sick"}]}, **SICK, "deploy_timeout": 5, "accessories": {"store": STORE}}
# What of it Kamal 1 says otherwise.
PROXY = """\
proxy:
  host: hello.example.com
  app_port: 80
"""
TRAEFIK = """\
# Who is asked, and for what.
healthcheck:
  port: 80
labels:
  traefik.http.routers.hello.rule: Host(`hello.example.com`)
traefik:
  args:
    accesslog: true
"""
ADDRESSES = {machine.name: machine.ip for machine in lab_settings.test_hosts(3)}
# As Kamal 1 runs them: in Docker's own network, with labels for Traefik.
RUN = "docker run --detach --restart unless-stopped --log-opt max-size=10m"
APP = f"""
{RUN} --name hello-ROLE-v1 -e KAMAL_CONTAINER_NAME=hello-ROLE-v1 -e KAMAL_VERSION=v1 -e KAMAL_HOST=HOST \
    --label service=hello --label role=ROLE --label destination= \
    --label 'traefik.http.routers.hello-ROLE.rule=PathPrefix(`/`)' {IMAGE} hello KIND
"""
# Whatever comes, with the busybox of Docker Hub or that of Debian.
FORWARD = """
trap "exit 0" TERM
nc -h 2>&1 | grep -q -e -lk && server=-lk || server=-ll
nc $server -p 80 -e nc $ADDRESS 80 & wait
"""
IN_FRONT = f"""
docker tag {IMAGE} registry:4443/stories/hello:latest
address=$(docker inspect --format '{{{{.NetworkSettings.Networks.bridge.IPAddress}}}}' hello-web-v1)
{RUN} --name traefik --publish PORT:80 --user root -e ADDRESS=$address --entrypoint sh busybox:1.36 -c '{FORWARD}' \
    --providers.docker
"""
BESIDE = f"""
{RUN} --name hello-store --label service=hello-store --volume store-data:/data busybox:1.36 {STORE["cmd"]}
docker exec hello-store sh -c 'echo kept >/data/it'
"""


def flat(text: str) -> str:
    return " ".join(text.split())


def old_web(host: Host) -> str:
    """The state of the container that Traefik sends requests to."""
    return host.sh("docker ps -a --filter label=traefik.http.routers.hello-web.rule --format '{{.State}}'")


@pytest.fixture(scope="module", autouse=True)
def _by_kamal_1(project: Project, hosts: list[Host]) -> None:
    assert project.play("build.deliver", kamal_version="v1").ok
    for host in hosts[:2]:
        # On one of them Traefik has the port on one address only, as Kamal 1 lets it.
        port = "80" if host.name == "web1" else f"{ADDRESSES[host.name]}:80"
        host.sh(APP.replace("ROLE", "web").replace("HOST", host.name).replace("KIND", "web"))
        host.sh(IN_FRONT.replace("PORT", port))
    hosts[2].sh(APP.replace("ROLE", "workers").replace("HOST", "worker1").replace("KIND", "worker") + BESIDE)
    assert {host.ask().version for host in hosts[:2]} == {"v1"}
    text = (project.root / "config/deploy.yml").read_text()
    assert PROXY in text
    project.write("config/deploy.yml", text.replace(PROXY, TRAEFIK).replace("drain_timeout", "stop_wait_time"))


def test_a_configuration_for_kamal_1_is_explained_and_then_written(project: Project, hosts: list[Host]) -> None:
    before = everywhere(hosts, lambda host: host.traces)
    run = project.play("upgrade")
    assert run.code == 2
    assert "labels/traefik.http.routers.hello.rule -> proxy/host" in run.output
    assert "+drain_timeout: 20" in run.output
    run = project.play("upgrade", kamal_upgrade_write=True)
    assert run.ok
    assert "Wrote config/deploy.yml." in run.output
    assert "# Who is asked, and for what." in (project.root / "config/deploy.yml").read_text()
    assert project.play("config").ok
    assert everywhere(hosts, lambda host: host.traces) == before


def test_without_a_confirmation_it_says_what_it_would_do(project: Project, hosts: list[Host]) -> None:
    before = everywhere(hosts, lambda host: host.traces)
    run = project.play("upgrade")
    assert run.code == 2
    assert "put kamal-proxy in the place of traefik" in run.output
    assert "boot container hello-store" in run.output
    assert "run this again with -e kamal_confirm=true" in flat(run.output)
    run = project.play("upgrade", "--check")
    assert run.ok
    for host in ("web1", "web2"):
        assert {"create network kamal", "boot kamal-proxy", "start container hello-web-v1"} <= set(run.actions[host])
    assert everywhere(hosts, lambda host: host.traces) == before


def test_a_host_whose_new_container_does_not_come_up_keeps_its_traefik(
    project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    worker = worker1.started("hello-workers-v1")
    with load(url=web1.url) as first, load(url=web2.url) as second:
        run = project.play("upgrade", kamal_confirm=True)
    print("the gap of web1:", first.result)
    assert run.code == 2
    assert "did not go live on web2" in flat(" ".join(run.failures["web2"]))
    assert run.output.rstrip().splitlines()[-1].startswith("failed: web2; changed: web1, worker1")
    assert second.result["failed"] == 0
    assert set(first.result["versions"]) == set(second.result["versions"]) == {"v1"}
    assert (web1.containers.get("traefik"), web1.ask().version, old_web(web1)) == (None, "v1", "exited")
    assert (web2.containers["traefik"], web2.ask().version, old_web(web2)) == ("running", "v1", "running")
    assert worker1.started("hello-workers-v1") == worker
    assert worker1.sh("docker exec hello-store cat /data/it") == "kept"
    assert list(worker1.inspect("hello-store")["NetworkSettings"]["Networks"]) == ["kamal"]
    assert not web1.locked()


def test_until_then_a_deploy_is_refused(project: Project, hosts: list[Host]) -> None:
    before = everywhere(hosts, lambda host: host.serving)
    run = project.deploy("v1", kamal_build=False)
    assert "Run caravan.kamal.upgrade again" in flat(" ".join(run.failures["web2"]))
    assert everywhere(hosts, lambda host: host.serving) == before


@contextmanager
def foreign(host: Host) -> Iterator[None]:
    """Another process has the port on another address, which nobody notices before kamal-proxy wants all of them."""
    host.sh("nohup python3 -m http.server 80 --bind 127.0.0.1 >/dev/null 2>&1 & echo $! >/run/foreign")
    host.sh("until ss -ltn | grep -q 127.0.0.1:80; do sleep 0.05; done")
    try:
        yield
    finally:
        host.sh("kill $(cat /run/foreign)")


def test_where_kamal_proxy_cannot_have_the_port_traefik_serves_again(
    project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    text = (project.root / "config/deploy.yml").read_text()
    project.write("config/deploy.yml", text.replace("- web2: sick", "- web2"))
    before = everywhere([web1, worker1], lambda host: host.serving)
    with foreign(web2), load(url=web1.url) as first, load(url=web2.url) as second:
        run = project.play("upgrade", kamal_confirm=True)
    print("the gap of web2, there and back:", second.result)
    assert run.code == 2
    assert "could not take the place of traefik on this host, so traefik serves as before" in flat(
        " ".join(run.failures["web2"])
    )
    assert run.output.rstrip().splitlines()[-1].startswith("failed: web2; changed: worker1; unchanged: web1 (")
    assert first.result["failed"] == 0
    assert (web2.containers["traefik"], web2.ask().version, old_web(web2)) == ("running", "v1", "running")
    assert everywhere([web1, worker1], lambda host: host.serving) == before
    assert not web1.locked()


def test_the_next_run_ends_it(project: Project, hosts: list[Host], web1: Host, web2: Host, worker1: Host) -> None:
    with load(url=web1.url) as first, load(url=web2.url) as second:
        run = project.play("upgrade", kamal_confirm=True)
    print("the gap of web2:", second.result)
    assert run.ok
    assert run.output.rstrip().splitlines()[-1].startswith("changed: web2, worker1; unchanged: web1 (")
    assert first.result["failed"] == 0
    assert set(second.result["versions"]) == {"v1"}
    assert ask().version == "v1"
    assert worker1.running == ["hello-store", "hello-workers-v1"]
    for host in (web1, web2):
        assert host.running == ["hello-web-v1"]
        assert "traefik" not in host.containers
        assert list(host.inspect("hello-web-v1")["NetworkSettings"]["Networks"]) == ["kamal"]
    assert not any(host.locked() for host in hosts)


def test_a_second_run_changes_nothing(project: Project, hosts: list[Host]) -> None:
    before = everywhere(hosts, lambda host: host.traces)
    run = project.play("upgrade")
    assert run.ok
    assert run.actions == {} and set(run.changed.values()) == {0}
    assert everywhere(hosts, lambda host: host.traces) == before


def test_a_deploy_goes_on_from_there(project: Project, web1: Host, web2: Host) -> None:
    project.commit("second")
    with load(url=web1.url) as first, load(url=web2.url) as second:
        run: Run = project.deploy("v2")
    assert run.ok
    assert first.result["failed"] == second.result["failed"] == 0
    assert {host.ask().version for host in (web1, web2)} == {"v2"}
