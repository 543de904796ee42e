# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The days after a deploy: commands in the app's containers and on its hosts, logs, stop and start, pruning."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import time

import pytest
from hosts import Host, ask, everywhere, load, lost
from project import Project

CONFIG = {
    "servers": {"workers": {"hosts": ["web2", "worker1"], "env": {"clear": {"INTERVAL": 1}}}},
    "env": {"clear": {"GREETING": "Good day"}, "secret": ["TOKEN"]},
    "boot": {"parallel_roles": True},
}
IMAGE = "registry:4443/stories/hello"
# Of a worker that is older than what is on record.
LABELS = "--label service=hello --label role=workers --label destination= --label caravan.version=v0"


@pytest.fixture(scope="module", autouse=True)
def _first(project: Project) -> None:
    project.secrets(REGISTRY_PASSWORD="$LAB_REGISTRY_PASSWORD", TOKEN="wee secret")
    assert project.deploy("v1").ok


# app.exec


def test_a_command_runs_for_every_role_of_every_host(project: Project, web1: Host, web2: Host) -> None:
    run = project.play(
        "app.exec",
        kamal_cmd="sh -c 'read first </proc/1/comm; echo $KAMAL_HOST has $GREETING, $TOKEN, $EXTRA in $first'",
        kamal_cmd_env={"EXTRA": "x"},
    )
    assert run.ok
    for place in ("web1 web", "web2 web", "web2 workers", "worker1 workers"):
        host, role = place.split()
        assert f"{place} (a container like hello-{role}, exit code 0):\n  {host} has Good day, " in run.output
    # As they came, and by place; the first process of a new container is the command.
    assert "wee secret" not in run.output and run.output.count("********, x in sh") == 2 * 4
    assert web2.running == ["hello-web-v1", "hello-workers-v1"] and len(web2.containers) == 2
    assert "[web] Executed cmd 'sh' on app version v1" in web1.audit()[-1]


def test_a_command_in_the_containers_that_run_sees_them(project: Project) -> None:
    """As Kamal's own test has it: the first process is that of the app."""
    run = project.play("app.exec", kamal_cmd="cat /proc/1/comm", kamal_reuse=True, kamal_roles="web")
    assert run.output.count("hello-web-v1, exit code 0):\n  hello\n") == 2
    assert "workers" not in run.output


def test_bytes_arrive_as_they_are(project: Project, web1: Host) -> None:
    run = project.play(
        "app.exec", kamal_cmd="cat /bin/busybox", kamal_primary=True, kamal_raw="busybox", kamal_reuse=True
    )
    assert run.ok
    known = web1.sh("docker exec hello-web-v1 md5sum /bin/busybox").split()[0]
    assert hashlib.md5((project.root / "busybox").read_bytes()).hexdigest() == known
    assert (project.root / "busybox").stat().st_mode & 0o777 == 0o600


def test_its_code_decides(project: Project) -> None:
    run = project.play("app.exec", kamal_cmd="sh -c 'echo oh; [ $KAMAL_HOST = web1 ]'", kamal_roles="web")
    assert run.code != 0
    assert "sh ended with code 1 in a container like hello-web.\n" in run.output
    assert "web1 web (a container like hello-web, exit code 0):\n  oh" in run.output
    assert "workers" not in run.output
    assert run.output.splitlines()[-1].startswith("failed: web2; changed: web1")


def test_what_nobody_waits_for_goes_on_and_its_logs_are_read(project: Project, web1: Host) -> None:
    run = project.play("app.exec", kamal_cmd="sh -c 'echo begun; sleep 60'", kamal_detach=True, kamal_primary=True)
    (name,) = [name for name in web1.containers if "-exec-v1-" in name]
    assert run.ok and f"({name}, started)" in run.output
    assert web1.containers[name] == "running"
    web1.sh(f"docker rm -f {name}")


def test_a_terminal_is_one_command_away(project: Project, web1: Host) -> None:
    run = project.play("app.exec", kamal_cmd="tty", kamal_interactive=True)
    assert run.ok
    (line,) = [line for line in run.output.splitlines() if line.startswith("ssh -t ")]
    opened = subprocess.run(
        ["script", "-qec", line, "/dev/null"],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "/dev/" in opened.stdout
    web1.wait_until("! docker ps -a --format '{{.Names}}' | grep -q exec")


# app.containers, app.images, app.version, app.logs


def test_what_there_is_is_listed_by_host(project: Project) -> None:
    run = project.play("app.containers", then=["app.images", "app.version"])
    assert run.ok
    listed = zip(("containers", "images", "version"), run.parts, strict=True)
    lines = {name: [line.split() for line in part.splitlines()] for name, part in listed}
    for place in ("web1 web", "web2 web", "web2 workers", "worker1 workers"):
        host, role = place.split()
        assert [host, role, "v1"] in lines["version"]
        (row,) = [line for line in lines["containers"] if line[:2] == [host, f"hello-{role}-v1"]]
        assert (row[2], row[-1]) == ("running", f"{IMAGE}:v1")
    for host in ("web1", "web2", "worker1"):
        made = [line for line in lines["images"] if line[:1] == [host]]
        assert [line[1] for line in made] == [f"{IMAGE}:latest", f"{IMAGE}:v1"]
    (on_web2,) = {" ".join(line[3:]) for line in lines["images"] if line[:1] == ["web2"]}
    assert sorted(on_web2.split(", ")) == ["hello-web-v1", "hello-workers-v1"]


def test_logs_are_chosen_by_role_time_pattern_and_container(project: Project, web1: Host, web2: Host) -> None:
    for host in (web1, web2):
        assert host.ask("/assets/release.txt").status == 200
    everywhere_there = project.play("app.logs", kamal_logs_since="1h", kamal_logs_grep="listens|WORKS")
    assert everywhere_there.ok
    assert everywhere_there.output.count("Z hello v1 listens on port 80\n") == 2
    assert "worker v1 works" not in everywhere_there.output
    chosen = {"kamal_roles": "workers", "kamal_logs_grep": "WORKS", "kamal_logs_grep_options": "-i -m 1"}
    of_workers = project.play("app.logs", **chosen, kamal_logs_timestamps=False)
    assert of_workers.ok and of_workers.output.count("  worker v1 works") == 2
    of_one = project.play("app.logs", "--limit", "web*", kamal_logs_container="hello-workers-v1", kamal_logs_lines=1)
    assert of_one.ok and of_one.output.count("worker v1 works") == 1


def test_the_logs_of_all_hosts_are_followed_while_one_is_lost_and_comes_back(project: Project, worker1: Host) -> None:
    following = project.start("app.logs", kamal_logs_follow=True, kamal_logs_lines=1, kamal_logs_timestamps=False)

    def wait_for(line: str, times: int = 1) -> None:
        deadline = time.monotonic() + 120
        while following.output.read_text().count(line) < times:
            assert time.monotonic() < deadline, following.output.read_text()
            time.sleep(0.05)

    works = "worker v1 works"
    try:
        for place, line in {"web1 web       ": "hello v1 listens on port 80", "worker1 workers": works}.items():
            wait_for(f"{place} | {line}")
        with lost("web2"):
            wait_for("web2 workers    | the connection was lost (")
            seen = following.output.read_text().count(f"worker1 workers | {works}")
            wait_for(f"worker1 workers | {works}", seen + 1)
        wait_for(f"web2 workers    | {works}", following.output.read_text().count(f"web2 workers    | {works}") + 1)
    finally:
        os.killpg(following.process.pid, signal.SIGINT)
        following.wait()
    worker1.wait_for_no_process("docker logs")


# server.exec, broadcast


def test_a_message_is_broadcast(project: Project, hosts: list[Host]) -> None:
    project.write_executable(".kamal/hooks/broadcast", '#!/bin/sh\necho "$KAMAL_HOSTS: $KAMAL_MESSAGE" > told\n')
    told = project.play("broadcast", kamal_broadcast="Backup is done")
    assert told.ok and "Run the hook broadcast" in told.output
    assert (project.root / "told").read_text() == "web1,web2,worker1: Backup is done\n"
    assert {host.audit()[-1].rpartition("] ")[2] for host in hosts} == {"Backup is done"}


def test_a_command_runs_on_hosts(project: Project, web1: Host) -> None:
    run = project.play("server.exec", kamal_cmd="hostname; exit $(hostname | grep -c worker)")
    assert run.code != 0
    assert "web1 shell (hostname;, exit code 0):\n  web1\n" in run.output
    assert "hostname; ended with code 1 on worker1.\n" in run.output
    assert "Executed cmd 'hostname;' on web1" in web1.audit()[-1]
    opened = project.play("server.exec", kamal_cmd="top", kamal_interactive=True, kamal_roles="workers")
    assert any(line.startswith("ssh -t ") and line.endswith(" web2 top") for line in opened.output.splitlines())


# app.stop, app.start, app.stale, app.boot


def test_the_app_stops_and_starts_in_its_own_containers(project: Project, hosts: list[Host]) -> None:
    before = everywhere(hosts, lambda host: host.sh("docker ps -q --no-trunc | sort"))
    dry = project.play("app.stop", "--check")
    stopped = project.play("app.stop")
    assert dry.ok and stopped.ok and dry.actions == stopped.actions
    assert ask().status == 404
    assert everywhere(hosts, lambda host: host.running) == [[], [], []]
    started = project.play("app.start")
    assert started.ok and started.actions["web2"] == [
        "start container hello-web-v1",
        "route hello-web to hello-web-v1",
        "start container hello-workers-v1",
    ]
    assert ask().version == "v1"
    assert everywhere(hosts, lambda host: host.sh("docker ps -q --no-trunc | sort")) == before


def test_a_role_alone_stops_while_the_other_serves(project: Project, web2: Host, worker1: Host) -> None:
    with load() as requests:
        assert project.play("app.stop", kamal_roles="workers").ok
        assert (web2.running, worker1.running) == (["hello-web-v1"], [])
        assert project.play("app.start", kamal_roles="workers").ok
    assert requests.result["failed"] == 0
    assert (web2.running, worker1.running) == (["hello-web-v1", "hello-workers-v1"], ["hello-workers-v1"])


def test_stale_containers_are_listed_and_stopped(project: Project, worker1: Host) -> None:
    worker1.sh(f"docker commit hello-workers-v1 old && docker run -d --name hello-workers-v0 {LABELS} old hello worker")
    listed = project.play("app.stale")
    assert listed.ok and worker1.running == ["hello-workers-v0", "hello-workers-v1"]
    assert "worker1:\n  stop container hello-workers-v0\n" in listed.output
    stopped = project.play("app.stale", kamal_stop=True)
    assert stopped.actions == {"worker1": ["stop container hello-workers-v0"]}
    assert worker1.running == ["hello-workers-v1"]


def test_what_is_live_is_booted_with_the_settings_of_today(project: Project, web1: Host, web2: Host) -> None:
    for hook in ("pre-app-boot", "post-app-boot"):
        project.write_executable(
            f".kamal/hooks/{hook}", f"#!/bin/sh\necho {hook}: $KAMAL_COMMAND $KAMAL_SUBCOMMAND $KAMAL_HOSTS\n"
        )
    project.configure({"env": {"clear": {"GREETING": "Good night"}}, "hooks_output": "verbose", "boot": {"limit": 1}})
    booted = project.play("app.boot", kamal_roles="web")
    assert booted.ok and "Booting version v1 with" in booted.output
    for hook in ("pre-app-boot", "post-app-boot"):
        assert f"{hook}: app boot web1\n" in booted.output and f"{hook}: app boot web2\n" in booted.output
    assert web1.environment("hello-web-v1")["GREETING"] == "Good night"
    assert web2.environment("hello-workers-v1")["GREETING"] == "Good day"
    assert "Only web takes part in this run; workers stays as it is." in " ".join(booted.output.split())
    again = project.play("app.boot", kamal_roles="web")
    assert again.ok and not any(again.changed.values())


# prune


def test_what_nobody_needs_is_pruned(project: Project, hosts: list[Host], web2: Host, worker1: Host) -> None:
    """Of two old workers on worker1 the newer one stays; web2 has an image that nothing was made from."""
    worker1.sh(f"docker create --name hello-workers-v00 {LABELS} old")
    web2.sh(f"docker commit hello-web-v1 {IMAGE}:v0")
    wanted = {"worker1": ["remove container hello-workers-v0"]}, {"web2": [f"remove image {IMAGE}:v0"]}
    foreseen = project.play("prune.all", "--check", kamal_prune_retain=1)
    assert foreseen.ok and foreseen.actions == {**wanted[0], **wanted[1]}
    pruned = project.play("prune.containers", then=["prune.images", "prune.all"], kamal_prune_retain=1)
    assert pruned.ok and pruned.actions == {**wanted[0], **wanted[1]}
    containers, images, rest = pruned.parts
    assert "This was removed:" in containers and "remove image" not in containers
    assert "\nworker1:\n  remove container hello-workers-v0\n" in containers
    assert f"remove image {IMAGE}:v0" in images and "remove container" not in images
    assert "remove container" not in rest and "remove image" not in rest
    assert not any(host.locked() for host in hosts)
