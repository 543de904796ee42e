# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Images taken to hosts without a registry: what travels and what is cut off; and registries that are gone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import docker
import pytest
import testinfra
from hosts import Host, ask, everywhere, lab, load
from project import REGISTRY_PASSWORD, Project, Run

CONFIG = {"registry": None, "image": None}
REGISTRY = {"registry": {"server": "registry:4443", "username": "caravan", "password": ["REGISTRY_PASSWORD"]}}
ELSEWHERE = "registry:4443/elsewhere/hello"
LAYERS = ".kamal/apps/hello/layers"
MEGABYTE = 10**6
PIECE = 8 * 2**20
# Cuts the connection while the third piece of a layer is on its way.
BREAKS_OFF = """\
#!/bin/sh
case "$*" in *seek=2) rm /usr/local/bin/dd; while pkill sshd; do sleep 0.05; done ;; esac
exec /usr/bin/dd "$@"
"""
PRUNES = "#!/bin/sh\nexec docker exec caravan-lab-web2 docker rmi localhost:5555/hello:v4\n"


def sent(run: Run) -> dict[str, int]:
    """How many bytes went to each host."""
    loaded = [line for line in run.results if line["module"] == "caravan.kamal.image_delivery"]
    return {line["host"]: line["result"]["sent"] for line in loaded if "sent" in line["result"]}


@pytest.fixture(scope="module", autouse=True)
def _first(project: Project) -> None:
    dockerfile = (project.root / "Dockerfile").read_text()
    project.write("Dockerfile", dockerfile.replace("ARG RELEASE", "COPY packages /packages\nARG RELEASE", 1))
    project.write(".dockerignore", "*\n!hello\n!www\n!packages\n")
    (project.root / "packages").write_bytes(os.urandom(4 * MEGABYTE))
    project.commit("with packages")
    first = project.deploy("v1")
    assert first.ok
    assert set(sent(first)) == {"web1", "web2", "worker1"} and min(sent(first).values()) > 4 * MEGABYTE


def test_a_broken_transfer_and_a_full_disk_leave_the_app_serving(
    project: Project, web1: Host, web2: Host, worker1: Host
) -> None:
    (project.root / "packages").write_bytes(os.urandom(20 * MEGABYTE))
    project.commit("other packages")
    web2.sh(f"cat > /usr/local/bin/dd <<'END'\n{BREAKS_OFF}END\nchmod +x /usr/local/bin/dd")
    worker1.sh(f"mkdir -p {worker1.home}/{LAYERS} && mount -t tmpfs -o size=1m tmpfs {worker1.home}/{LAYERS}")
    with load() as requests:
        broken = project.deploy("v2")
    assert worker1.sh(f"ls -A {worker1.home}/{LAYERS} && umount {worker1.home}/{LAYERS}") == ""
    assert requests.result["failed"] == 0 and set(requests.result["versions"]) == {"v1"}
    assert broken.code != 0 and "Traceback" not in broken.output
    assert broken.failures["web2"][0].startswith("The connection to web2 was lost")
    assert broken.failures["worker1"][0].startswith("The disk of this host is full: ")
    assert broken.output.count("is full") == 1
    assert "failed: web2, worker1; " in broken.output
    assert web1.running == web2.running == ["hello-web-v1"] and worker1.running == ["hello-workers-v1"]
    assert int(web2.sh(f"stat -c %s {web2.home}/{LAYERS}/*/* | sort -n | tail -n 1")) >= 2 * PIECE
    assert not any(host.locked() for host in (web1, web2, worker1))


def test_the_next_run_sends_the_rest(project: Project, web1: Host, web2: Host, worker1: Host) -> None:
    lab.restore("web2")
    with load() as requests:
        run = project.deploy("v2")
    assert run.ok and requests.result["failed"] == 0
    assert sent(run)["web1"] == 0 and sent(run)["worker1"] > 20 * MEGABYTE
    assert 0 < sent(run)["web2"] < 20 * MEGABYTE - 2 * PIECE + MEGABYTE
    assert web1.running == web2.running == ["hello-web-v2"] and worker1.running == ["hello-workers-v2"]
    assert not web2.file(LAYERS).exists and not worker1.file(LAYERS).exists


def test_a_small_change_sends_about_that(project: Project, hosts: list[Host]) -> None:
    """Less than a tenth of the image's bytes, measured and printed."""
    project.commit("a small change")
    with load() as requests:
        run = project.deploy("v3")
    assert run.ok and requests.result["failed"] == 0
    whole = int(hosts[0].sh("docker image inspect --format '{{.Size}}' hello:v3"))
    assert set(sent(run)) == {"web1", "web2", "worker1"}
    for host, count in sent(run).items():
        print(f"{host}: {count} bytes sent of an image of {whole}: {count / whole:.4%}")
        assert 0 < count < whole / 10
        assert any("load hello:v3: " in action and " of 5 layers, " in action for action in run.actions[host])
    again = project.deploy("v3")
    assert again.ok and not again.actions
    assert everywhere(hosts, lambda host: host.sh("pgrep -c '^dd$' || true")) == ["0", "0", "0"]


def test_a_rollback_needs_no_registry(project: Project, web1: Host) -> None:
    assert project.rollback().ok
    assert web1.running == ["hello-web-v2"]


def test_a_lock_is_renewed_while_layers_are_sent(project: Project, hosts: list[Host]) -> None:
    """`setup` has it by then. The time for it is over from the beginning here, so that each renewal sends one piece."""
    (project.root / "packages").write_bytes(os.urandom(20 * MEGABYTE))
    project.commit("more packages")
    with load() as requests:
        run = project.play("setup", kamal_version="v3b", _kamal_renewed_by=1)
    assert run.ok and requests.result["failed"] == 0
    renewed = [answer for answer in run.of("lock") if answer.get("msg") == "renewed"]
    pieces = 20 * MEGABYTE // PIECE
    assert len(renewed) >= pieces and "the deploy lock is renewed before the rest" in run.output
    assert everywhere(hosts, lambda host: host.running[0]) == ["hello-web-v3b", "hello-web-v3b", "hello-workers-v3b"]
    assert not any(host.locked() or host.file(LAYERS).exists for host in hosts)


def test_a_registry_on_this_machine_is_none_that_hosts_have_to_reach(project: Project, hosts: list[Host]) -> None:
    """Not even if it cannot be started. An image that is removed before it is used, as another run prunes it, comes
    once more."""
    project.configure({"registry": {"server": "localhost:5555"}})
    project.commit("with a registry here")
    project.write_executable(".kamal/hooks/pre-deploy", PRUNES)
    run = project.deploy("v4")
    (project.root / ".kamal/hooks/pre-deploy").unlink()
    assert run.ok and max(sent(run).values()) < MEGABYTE
    assert "The image is sent to the hosts over SSH, and not pulled from localhost:5555: " in run.output
    loads = {host: sum("load " in action for action in run.actions[host]) for host in ("web1", "web2", "worker1")}
    assert loads == {"web1": 1, "web2": 2, "worker1": 1}
    images = everywhere(hosts, lambda host: host.sh("docker ps --format '{{.Image}}' --filter label=service=hello"))
    assert images == ["localhost:5555/hello:v4"] * 3
    assert everywhere(hosts, lambda host: host.sh("ss -Hltn 'sport = :5555'")) == ["", "", ""]


def test_a_registry_that_is_stopped_midway_leaves_the_app_serving(project: Project, hosts: list[Host]) -> None:
    """Between the push and the pull."""
    project.configure({**REGISTRY, "image": "stories/delivery"})
    project.write_executable(".kamal/hooks/pre-deploy", "#!/bin/sh\nexec docker stop -t 0 caravan-lab-registry\n")
    project.commit("with a registry")
    with load() as requests:
        stopped = project.deploy("v5")
        (project.root / ".kamal/hooks/pre-deploy").unlink()
        lab.up(3)
        assert {ask().version for _number in range(4)} == {"v4"}
    assert requests.result["failed"] == 0 and set(requests.result["versions"]) == {"v4"}
    assert not stopped.ok
    assert "the registry does not answer this host: " in stopped.failures["web2"][0]
    assert "registry:4443/stories/delivery" in stopped.failures["web2"][0]
    assert stopped.output.count("waits for 9 s, since the registry does not answer") == 3
    assert "failed: web1, web2, worker1" in stopped.output
    assert [host.locked() for host in hosts] == [False, False, False]


def push(project: Project, tag: str, release: str) -> None:
    """An image without the label `service`, as somebody else builds it."""
    client = docker.from_env()
    client.images.build(path=str(project.root), tag=f"{ELSEWHERE}:{tag}", buildargs={"RELEASE": release}, rm=True)
    login = {"username": "caravan", "password": REGISTRY_PASSWORD.read_text()}
    assert "errorDetail" not in client.images.push(ELSEWHERE, tag=tag, auth_config=login)


def test_an_image_that_was_built_elsewhere_is_deployed_as_it_is(project: Project, hosts: list[Host]) -> None:
    push(project, "1.4", "first")
    first = project.play("deploy", kamal_image=f"{ELSEWHERE}:1.4")
    assert first.ok and not first.of("image_build")
    push(project, "1.4", "second")
    with load() as requests:
        anew = project.play("deploy", kamal_image=f"{ELSEWHERE}:1.4")
    assert anew.ok and requests.result["failed"] == 0
    pulled = {action for actions in anew.actions.values() for action in actions if action.startswith("pull ")}
    assert len(pulled) == 1 and pulled.pop().startswith(f"pull {ELSEWHERE}@sha256:")
    assert everywhere(hosts, lambda host: host.running[0]) == ["hello-web-1.4", "hello-web-1.4", "hello-workers-1.4"]
    assert ask("/assets/hello-second.css").status == 200


MIRROR = """\
version: 0.1
storage: {filesystem: {rootdirectory: /var/lib/registry}}
http: {addr: ":5001"}
"""
MIRRORED = "stories/mirrored"


@contextmanager
def mirror(hosts: list[Host]) -> Iterator[list[str]]:
    """What the lab's registry has, in front of Docker Hub, which nobody reaches here. The list gets who asked it."""
    registry, asked = testinfra.get_host("docker://caravan-lab-registry"), list[str]()
    begin = "docker-registry serve /tmp/mirror.yml >/tmp/mirror.log 2>&1 & echo $! >/tmp/mirror.pid"
    registry.check_output(f"cat >/tmp/mirror.yml <<'END'\n{MIRROR}END\n{begin}")
    reload = "mkdir -p /etc/docker && {} && kill -HUP $(cat /run/docker.pid)"
    setting = """echo '{"registry-mirrors": ["http://registry:5001"]}' >/etc/docker/daemon.json"""
    everywhere(hosts, lambda host: host.sh(reload.format(setting)))
    try:
        yield asked
    finally:
        everywhere(hosts, lambda host: host.sh(reload.format("echo '{}' >/etc/docker/daemon.json")))
        log = registry.check_output("kill $(cat /tmp/mirror.pid); cat /tmp/mirror.log")
        asked += [line.split()[0] for line in log.splitlines() if f"GET /v2/{MIRRORED}/" in line]


def test_one_host_pulls_through_a_mirror_and_then_the_others(project: Project, hosts: list[Host]) -> None:
    client = docker.from_env()
    tag = f"registry:4443/{MIRRORED}"
    client.images.build(path=str(project.root), tag=f"{tag}:v9", labels={"service": "hello"}, rm=True)
    login = {"username": "caravan", "password": REGISTRY_PASSWORD.read_text()}
    assert "errorDetail" not in client.images.push(tag, tag="v9", auth_config=login)
    project.configure({"registry": None})
    project.configure({"registry": {"username": "caravan", "password": ["REGISTRY_PASSWORD"]}, "image": MIRRORED})
    with mirror(hosts) as asked:
        run = project.play("build.pull", kamal_version="v9")
    project.configure({**REGISTRY, "image": "stories/delivery"})
    assert run.actions == {host.name: [f"pull {MIRRORED}:v9"] for host in hosts}
    waits = re.findall(r"(\w+) +waits for (\w+), which pulls the image through the mirror (\S+) first", run.output)
    assert waits and {mirror for _who, _first, mirror in waits} == {"http://registry:5001/"}
    assert len({first for _who, first, _mirror in waits}) == 1
    assert len(set(asked)) == 3
    of_the_first = asked.count(asked[0])
    assert set(asked[:of_the_first]) == {asked[0]}, "before it had all of the image no other asked"


def test_logins_that_others_left_on_hosts_go(project: Project, web2: Host) -> None:
    login = '{"auths": {"registry:4443": {"auth": "YTpi"}, "other.example.com": {"auth": "YTpi"}}}'
    taken = project.play("registry.login", then=["registry.setup"])
    assert taken.output.count("The registry takes the login from every host.") == 2
    for name in ("logout", "remove"):
        web2.sh(f"mkdir -p {web2.home}/.docker && echo '{login}' > {web2.home}/.docker/config.json")
        assert project.play(f"registry.{name}").actions == {"web2": ["log out of registry:4443"]}
        assert "registry:4443" not in web2.file(".docker/config.json").content_string
        assert "other.example.com" in web2.file(".docker/config.json").content_string
