# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A registry on the machine that deploys, which hosts pull from through SSH, and hosts that cannot."""

from __future__ import annotations

import io
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
import pytest
from hosts import Host, everywhere, lab, load
from project import Project, Run, Started

IMAGE, CONTAINER = "caravan-lab-registry:5000", "kamal-docker-registry"
PORT = 5555
CONFIG = {"registry": {"server": f"localhost:{PORT}", "username": None, "password": None}, "image": None}
# Docker Hub's image of a registry cannot be had everywhere; this one is of the lab's machines, which have the program.
DOCKERFILE = """\
FROM {machine}
RUN echo '{{"version": "0.1", "storage": {{"filesystem": {{}}}}, "http": {{"addr": ":5000"}}}}' > /registry.yml
ENTRYPOINT ["docker-registry", "serve", "/registry.yml"]
"""
MEGABYTE = 10**6
LISTENING = f"ss -Hltn 'sport = :{PORT}'"
SSHD = "/etc/ssh/sshd_config.d/story.conf"
NOT_PULLED = f"The image is sent to {{}} over SSH, and not pulled from localhost:{PORT}: "


def deploy(project: Project, version: str, **variables: Any) -> Run:
    return project.deploy(version, kamal_registry_image=IMAGE, **variables)


def brought(run: Run) -> dict[str, list[str]]:
    """How each host got the image: by the first words of what was done for that."""
    words = {host: [action.split()[0] for action in actions] for host, actions in run.actions.items()}
    return {host: [word for word in each if word in ("pull", "load")] for host, each in words.items()}


def listening(hosts: list[Host]) -> list[str]:
    return everywhere(hosts, lambda host: host.sh(LISTENING))


def given() -> int:
    """How many bytes of layers and configurations the registry has given out."""
    log = docker.from_env().containers.get(CONTAINER).logs().decode()
    return sum(int(size) for size in re.findall(r'"GET /v2/hello/blobs/\S+ HTTP/1.1" 200 (\d+)', log))


@contextmanager
def refusing(host: Host) -> Iterator[None]:
    """The host's SSH server forwards no ports while the with block lasts."""
    host.sh(f"echo 'AllowTcpForwarding no' > {SSHD}")
    restart_ssh(host)
    try:
        yield
    finally:
        host.sh(f"rm {SSHD}")
        restart_ssh(host)


def restart_ssh(host: Host) -> None:
    """Connections that earlier runs have left there end too."""
    lab.lose(host.name)
    lab.restore(host.name)


@pytest.fixture(scope="module", autouse=True)
def _registry_image(project: Project) -> Iterator[None]:
    client = docker.from_env()
    machine = client.containers.get("caravan-lab-registry").image.tags[0]
    text = DOCKERFILE.format(machine=machine).encode()
    client.images.build(fileobj=io.BytesIO(text), tag=IMAGE, rm=True)
    dockerfile = (project.root / "Dockerfile").read_text()
    project.write("Dockerfile", dockerfile.replace("ARG RELEASE", "COPY packages /packages\nARG RELEASE", 1))
    project.write(".dockerignore", "*\n!hello\n!www\n!packages\n")
    (project.root / "packages").write_bytes(os.urandom(4 * MEGABYTE))
    project.commit("with packages")
    yield
    for container in client.containers.list(all=True, filters={"name": f"^{CONTAINER}$"}):
        container.remove(force=True, v=True)
    client.images.remove(IMAGE)
    lab.reset()


def test_hosts_pull_from_a_registry_that_the_deploy_starts_here(project: Project, hosts: list[Host]) -> None:
    foretold = project.check("v1", kamal_registry_image=IMAGE)
    assert foretold.ok and brought(foretold) == {host.name: ["pull"] for host in hosts}
    assert f"the controller  push localhost:{PORT}/hello:v1" in foretold.output
    run = deploy(project, "v1")
    assert run.ok and brought(run) == {host.name: ["pull"] for host in hosts}
    container = docker.from_env().containers.get(CONTAINER)
    assert container.attrs["HostConfig"]["PortBindings"]["5000/tcp"][0]["HostIp"] == "127.0.0.1"
    images = everywhere(hosts, lambda host: host.sh("docker ps --format '{{.Image}}' --filter label=service=hello"))
    assert images == ["localhost:5555/hello:v1"] * 3
    assert listening(hosts) == ["", "", ""]
    again = deploy(project, "v1")
    assert again.ok and not again.actions


@contextmanager
def port_taken(host: Host) -> Iterator[None]:
    """Something else listens there while the with block lasts, and still does when it ends."""
    host.sh(f"cd /usr/share && nohup python3 -m http.server -b 127.0.0.1 {PORT} >/dev/null 2>&1 & echo $! >/run/taken")
    host.wait_until(f"{LISTENING} | grep -q .")
    try:
        yield
        assert host.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:5555/") == "200"
    finally:
        host.sh("kill $(cat /run/taken)")


def test_hosts_that_refuse_or_whose_port_is_taken_are_sent_the_layers_and_others_pull_only_what_is_new(
    project: Project, hosts: list[Host]
) -> None:
    project.commit("a small change")
    before = given()
    assert before > 3 * 4 * MEGABYTE
    with refusing(hosts[1]), port_taken(hosts[2]), load() as requests:
        run = deploy(project, "v2")
    assert run.ok and requests.result["failed"] == 0
    assert brought(run) == {"web1": ["pull"], "web2": ["load"], "worker1": ["load"]}
    told = " ".join(run.output.split())
    assert f"{NOT_PULLED.format('web2')}its SSH server refuses to forward ports (AllowTcpForwarding" in told
    assert f"{NOT_PULLED.format('worker1')}something else listens on its port {PORT}" in told
    assert run.output.count("and not pulled from") == 2
    assert 0 < given() - before < MEGABYTE
    assert everywhere(hosts, lambda host: host.running[0]) == ["hello-web-v2", "hello-web-v2", "hello-workers-v2"]
    assert listening(hosts) == ["", "", ""]


def test_two_runs_at_a_time_do_not_close_each_others_way(project: Project, hosts: list[Host]) -> None:
    (project.root / "packages").write_bytes(os.urandom(10 * MEGABYTE))
    project.commit("larger")
    runs = [project.start("build.deliver", kamal_version=f"w{n}", kamal_registry_image=IMAGE) for n in (1, 2)]
    done = [run.wait() for run in runs]
    assert [run.ok for run in done] == [True, True]
    assert not any("not pulled from" in run.output for run in done)
    assert listening(hosts) == ["", "", ""]


@contextmanager
def pulling(project: Project, host: Host, version: str) -> Iterator[Started]:
    """A deploy whose host is in the middle of a pull, of which nothing arrives; it goes on after the with block."""
    (project.root / "packages").write_bytes(os.urandom(20 * MEGABYTE))
    project.commit(f"other packages for {version}")
    pulls = f"ss -Htn state established 'dport = :{PORT}' | grep -q ."
    host.wait_until(f"! {pulls}")
    nothing_arrives = f"OUTPUT -o lo -p tcp --sport {PORT} -m length --length 200: -j DROP"
    host.sh(f"iptables -I {nothing_arrives}")
    try:
        run = project.start("deploy", kamal_version=version, kamal_registry_image=IMAGE)
        host.wait_until(pulls)
        yield run
    finally:
        host.sh(f"iptables -D {nothing_arrives}")


def test_a_run_that_is_interrupted_closes_the_way(project: Project, hosts: list[Host]) -> None:
    with pulling(project, hosts[1], "v3a") as run:
        os.killpg(run.process.pid, signal.SIGINT)
        assert not run.wait().ok
        for host in hosts:
            host.wait_until(f"! {LISTENING} | grep -q .")


def test_a_run_that_is_killed_while_a_host_pulls_is_finished_by_the_next(project: Project, hosts: list[Host]) -> None:
    with load() as requests:
        with pulling(project, hosts[1], "v4") as run:
            os.killpg(run.process.pid, signal.SIGKILL)
            run.wait()
            assert hosts[1].sh(LISTENING).startswith("LISTEN")
        second = deploy(project, "v4")
    assert second.ok and requests.result["failed"] == 0
    assert "not pulled from" not in second.output
    assert everywhere(hosts, lambda host: host.running[0]) == ["hello-web-v4", "hello-web-v4", "hello-workers-v4"]
    assert listening(hosts) == ["", "", ""]


def test_another_host_that_builds_pushes_to_the_registry_here(project: Project, hosts: list[Host]) -> None:
    project.commit("built elsewhere")
    run = deploy(project, "v5", kamal_build_host="worker1")
    assert run.ok and "not pulled from" not in run.output
    assert brought(run) == {"web1": ["pull"], "web2": ["pull"], "worker1": []}
    assert f"worker1       push localhost:{PORT}/hello:v5" in run.output
    assert listening(hosts) == ["", "", ""]


def test_the_registry_is_made_filled_and_removed_by_itself(project: Project) -> None:
    client = docker.from_env()
    assert project.play("registry.remove").ok
    with pytest.raises(docker.errors.NotFound):
        client.containers.get(CONTAINER)
    project.commit("pushed")
    missing = project.play("build.push", kamal_version="v6", kamal_registry_image="localhost:1/none")
    assert not missing.ok and "localhost:1/none" in missing.output
    run = project.play("registry.setup", then=["build.push"], kamal_version="v6", kamal_registry_image=IMAGE)
    setup, push = run.parts
    assert run.ok and f"boot container {CONTAINER}" in setup and f"push localhost:{PORT}/hello:v6" in push
    again = project.play("build.push", kamal_version="v6", kamal_registry_image=IMAGE)
    assert again.ok and not again.actions


def test_what_only_the_registry_has_is_deployed(project: Project, hosts: list[Host]) -> None:
    """As after a prune on this machine."""
    docker.from_env().images.remove(f"localhost:{PORT}/hello:v6", force=True)
    run = deploy(project, "v6", kamal_build=False)
    assert run.ok and f"the controller  pull localhost:{PORT}/hello:v6" in run.output
    assert brought(run) == {"web1": ["pull", "pull"], "web2": ["pull"], "worker1": ["pull"]}
    assert hosts[1].running == ["hello-web-v6"]


def test_a_deploy_needs_no_registry_here(project: Project, hosts: list[Host]) -> None:
    docker.from_env().containers.get(CONTAINER).remove(force=True, v=True)
    project.commit("without a registry")
    with load() as requests:
        run = project.deploy("v7", kamal_registry_image="localhost:1/none")
    assert run.ok and requests.result["failed"] == 0
    assert brought(run) == {host.name: ["load"] for host in hosts}
    assert run.output.count(f"The image is sent to the hosts over SSH, and not pulled from localhost:{PORT}: ") == 1
