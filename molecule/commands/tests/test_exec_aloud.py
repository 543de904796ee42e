# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands that take long: their lines come while they run, and none of them stays behind."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import time

import pytest
from hosts import Host, everywhere, lost
from project import Project, Started

CONFIG = {"servers": {"workers": {"hosts": ["web2", "worker1"]}}, "env": {"secret": ["TOKEN"]}}
WAITS = "sh -c 'echo begun with $TOKEN; until [ -e /tmp/seen ]; do sleep 0.1; done; printf over'"
EXEC = "docker ps --quiet --filter label=caravan.exec"


@pytest.fixture(scope="module", autouse=True)
def _secret(project: Project) -> None:
    project.secrets(REGISTRY_PASSWORD="$LAB_REGISTRY_PASSWORD", TOKEN="wee secret")


@pytest.fixture(scope="module", autouse=True)
def _live(_secret: None, live: str) -> None:
    """There are containers for commands."""


def wait_for(running: Started, *texts: str) -> None:
    deadline = time.monotonic() + 180
    while not all(text in running.output.read_text() for text in texts):
        assert running.process.poll() is None and time.monotonic() < deadline, running.output.read_text()
        time.sleep(0.05)


def show(host: Host) -> None:
    """What the command waits for, in each container of it."""
    host.sh(f"for each in hello-web-v1 $({EXEC}); do docker exec $each touch /tmp/seen; done")


def no_command_is_left(host: Host) -> None:
    host.wait_until(f'[ -z "$({EXEC})" ]')


@pytest.mark.parametrize("kept", [True, False])
def test_lines_of_hosts_come_while_the_command_runs(project: Project, web1: Host, web2: Host, kept: bool) -> None:
    running = project.start("app.exec", kamal_cmd=WAITS, kamal_roles="web", kamal_kept_process=kept)
    wait_for(running, "\nweb1 web | begun with ********\n", "\nweb2 web | begun with ********\n")
    everywhere([web1, web2], show)
    run = running.wait()
    assert run.ok and "wee secret" not in run.output
    for host in ("web1", "web2"):
        assert f"\n{host} web | over\n" in run.output
        assert f"{host} web (a container like hello-web, exit code 0):\n  begun with ********\n  over" in run.output
    everywhere([web1, web2], no_command_is_left)


def test_lines_of_one_place_come_as_they_are_and_once(project: Project, web1: Host) -> None:
    web1.sh("docker exec hello-web-v1 rm -f /tmp/seen")
    running = project.start("app.exec", kamal_cmd=WAITS, kamal_primary=True, kamal_reuse=True)
    wait_for(running, "\nbegun with ")
    show(web1)
    run = running.wait()
    assert run.ok and run.output.count("begun with ") == 1
    assert run.output.index("\nover\n") < run.output.index("\nweb1 web (hello-web-v1, exit code 0)\n")


def test_a_program_reads_one_document(project: Project) -> None:
    run = project.play("app.exec", kamal_cmd="sh -c 'echo a; echo b'", kamal_primary=True, kamal_format="json")
    document = json.loads(run.output[run.output.index("\n{\n") : run.output.rindex("\n}\n") + 3])
    assert document["web1"]["logs"]["web"]["lines"] == ["a", "b"]
    assert "\na\n" not in run.output


def test_what_is_no_text_and_has_no_end_arrives(project: Project) -> None:
    run = project.play("app.exec", kamal_cmd=r"printf 'one\r\n\377\n\nno end'", kamal_primary=True)
    assert run.ok and "\none\n\ufffd\n\nno end\n" in run.output


@pytest.mark.parametrize("reuse", [True, False])
def test_a_command_that_never_ends_is_gone_when_it_is_interrupted(
    project: Project, web1: Host, web2: Host, reuse: bool
) -> None:
    command = "sh -c 'echo begun; sleep 31536000'"
    running = project.start("app.exec", kamal_cmd=command, kamal_roles="web", kamal_reuse=reuse)
    wait_for(running, "\nweb1 web | begun\n", "\nweb2 web | begun\n")
    os.killpg(running.process.pid, signal.SIGINT)
    assert running.wait().code != 0
    for host in (web1, web2):
        host.wait_for_no_process("sleep 31536000")
        no_command_is_left(host)


def test_the_next_command_runs(project: Project) -> None:
    assert project.play("app.exec", kamal_cmd="true", kamal_roles="web").actions["web1"] == [
        "run true in a container like hello-web"
    ]


def test_a_command_on_a_host_that_is_lost_runs_to_its_end(project: Project, web1: Host, web2: Host) -> None:
    running = project.start("app.exec", kamal_cmd=WAITS, kamal_roles="web")
    wait_for(running, "\nweb1 web | begun ", "\nweb2 web | begun ")
    with lost("web2"):
        everywhere([web1, web2], show)
        no_command_is_left(web2)
        run = running.wait()
    assert run.code != 0
    assert "The connection to web2 was lost: " in " ".join(run.output.split())
    assert "web1 web (a container like hello-web, exit code 0)" in run.output
    assert run.output.splitlines()[-1].startswith("failed: web2; changed: web1")


def test_a_hundred_megabytes_pass_by_and_are_held_by_nobody(project: Project) -> None:
    lines, line = 1_000_000, "x" * 99
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    run = project.play("app.exec", kamal_cmd=f"sh -c 'yes {line} | head -n {lines}'", kamal_primary=True)
    assert run.ok and run.output.count(f"\n{line}") == lines
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < max(before, 250_000)


@pytest.mark.parametrize("reuse", [True, False])
def test_a_person_at_a_terminal_gets_it(project: Project, web1: Host, reuse: bool) -> None:
    project.withheld = ("CI", "GITHUB_ACTIONS", "GITLAB_CI")
    variables = {"kamal_cmd": "sh -c 'tty && exit 3'", "kamal_interactive": True, "kamal_reuse": reuse}
    asked = ("ansible-playbook", "-i", "config/deploy.yml", "caravan.kamal.app.exec", "-e", json.dumps(variables))
    run = project.run("env", "TERM=xterm", "script", "-qec", shlex.join(asked), "/dev/null")
    assert "ssh -t " in run.output and "/dev/pts/" in run.output
    assert run.code == 3
    no_command_is_left(web1)
    web1.wait_until("! docker ps -a --format '{{.Names}}' | grep -q exec")
