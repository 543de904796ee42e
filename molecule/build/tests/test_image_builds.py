# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How images are built: with secrets that nobody sees, from a base image behind a login, on another host, in vain."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

import docker
import pytest
from hosts import Host, everywhere
from processes import watched
from project import LAB, REGISTRY_PASSWORD, ROOT, Project, Run, Started

sys.path.insert(0, str(ROOT / ".cache" / "collections"))
from ansible_collections.caravan.kamal.plugins.module_utils._build import builders
from ansible_collections.caravan.kamal.plugins.module_utils._build.buildx import FLAGS, SWITCHES, argv

TOKEN = f"S3ntinel-{token_hex(8)}"
BASE, IMAGE = "registry:4443/stories/base", "registry:4443/stories/hello"
CONFIG = {"builder": {"secrets": ["GEM_TOKEN"], "target": "app", "args": {"RELEASE": 7}}}
DOCKERFILE = """\
ARG BASE=busybox:1.36
FROM ${BASE} AS app
COPY . /src
RUN --mount=type=secret,id=GEM_TOKEN sha256sum /run/secrets/GEM_TOKEN | cut -c 1-64 > /token && sleep 2
ARG RELEASE
RUN echo "$RELEASE" > /release; head -c 8 /dev/urandom | sha256sum > /built
CMD ["sh", "-c", "ls -A /src /src/www; cat /token /release"]

FROM app AS never
RUN false
"""
WITHOUT_SECRETS = DOCKERFILE.replace(
    "RUN --mount=type=secret,id=GEM_TOKEN sha256sum /run/secrets/GEM_TOKEN", "RUN echo -"
)


@pytest.fixture(scope="module", autouse=True)
def _base(project: Project) -> None:
    """A private base image, a Dockerfile that may begin with it, and secrets that the environment does not hold."""
    engine = docker.from_env()
    login = {"username": "caravan", "password": REGISTRY_PASSWORD.read_text().strip()}
    engine.images.get("busybox:1.36").tag(BASE, "1")
    engine.images.push(BASE, "1", auth_config=login)
    engine.images.remove(f"{BASE}:1")
    project.withheld = ("LAB_REGISTRY_PASSWORD",)
    project.secrets(REGISTRY_PASSWORD=f"$(cat {REGISTRY_PASSWORD})", GEM_TOKEN=TOKEN)
    project.write("Dockerfile", DOCKERFILE)
    project.write(".dockerignore", "www/left-out\n.git\n")
    project.write("www/left-out", "x")
    project.write("www/never-cached", token_hex(8))
    project.commit("build")


def what_it_holds(reference: str, host: Host | None = None, file: str = "") -> list[str]:
    """What a container of the image says, on the controller or on a host, or what is in a file there."""
    command = f"docker run --rm {reference} {f'cat {file}' if file else ''}"
    said = (
        host.sh(command) if host else subprocess.run(command.split(), check=True, capture_output=True, text=True).stdout
    )
    return str(said).split()


def done(run: Run) -> list[str]:
    """What was done, wherever."""
    return [action for actions in run.actions.values() for action in actions]


def digest(token: str) -> str:
    return subprocess.run(["sha256sum"], input=token.encode(), check=True, capture_output=True).stdout.decode()[:64]


@pytest.fixture(scope="module")
def pushed(project: Project) -> Run:
    login = b64encode(f"caravan:{REGISTRY_PASSWORD.read_text().strip()}".encode()).decode()
    with watched([TOKEN, login]) as sight:
        run = project.play("build.push", "-vvvv", "--diff", kamal_version="v1")
    assert run.ok and {"docker", "docker-buildx"} <= sight.programs
    assert sight.found == set()
    return run


def test_a_secret_reaches_the_build_and_is_seen_nowhere(pushed: Run, project: Project) -> None:
    held = what_it_holds(f"{IMAGE}:v1")
    assert held[-2:] == [digest(TOKEN), "7"]
    assert "Dockerfile" in held and "left-out" not in held and ".git" not in held
    api = docker.from_env().api
    recorded = json.dumps([api.history(f"{IMAGE}:v1"), api.inspect_image(f"{IMAGE}:v1"), pushed.results])
    assert TOKEN not in recorded + pushed.output
    assert "sha256sum /run/secrets/GEM_TOKEN" in recorded
    assert not (LAB / "docker" / "config.json").exists()


PULL = f"pull {IMAGE}:v1"


def test_a_pull_has_it_on_every_host(pushed: Run, project: Project, hosts: list[Host]) -> None:
    assert project.play("build.pull", kamal_version="v1").actions == {host.name: [PULL] for host in hosts}
    assert project.play("build.pull", kamal_version="v1").actions == {}
    assert [host.containers for host in hosts] == [{}, {}, {}]


def test_a_build_without_the_cache_builds_every_step_anew(pushed: Run, project: Project) -> None:
    """Under the same name, so it is pushed again too."""

    def built(**how: bool) -> list[str]:
        run = project.play("build.push", kamal_version="v1", **how)
        assert run.ok and done(run) == [f"build {IMAGE}:v1", f"push {IMAGE}:v1 and :latest"]
        return what_it_holds(f"{IMAGE}:v1", file="/built")

    first = what_it_holds(f"{IMAGE}:v1", file="/built")
    assert built(kamal_build_force=True, kamal_build_cache=True) == first
    assert built(kamal_build_cache=False) != first


def test_a_pull_notices_a_tag_that_was_pushed_again(project: Project, hosts: list[Host]) -> None:
    """By the test before."""
    assert project.play("build.pull", kamal_version="v1").actions == {host.name: [PULL] for host in hosts}
    built = what_it_holds(f"{IMAGE}:v1", file="/built")
    assert everywhere(hosts, lambda host: what_it_holds(f"{IMAGE}:v1", host, "/built")) == [built] * 3
    assert [host.containers for host in hosts] == [{}, {}, {}]


BUILDER = "kamal-local-docker-container"


def test_the_builder_is_made_shown_and_removed(project: Project) -> None:
    """Once each, however often that is asked for."""
    project.configure({"builder": {"driver": "docker-container"}})
    made = project.play("build.details", then=["build.create", "build.create", "build.details"])
    assert f"{BUILDER}  docker-container  not there" in made.parts[0]
    assert done(made) == [f"create the builder {BUILDER}"]
    assert f"{BUILDER}  docker-container  there" in made.parts[-1]
    assert BUILDER in buildx("ls").stdout
    removed = project.play("build.remove", then=["build.remove"])
    assert removed.ok and done(removed) == [f"remove the builder {BUILDER}"]
    assert BUILDER not in buildx("ls").stdout
    project.configure({"builder": {"driver": None}})


def test_how_far_it_is_is_told(project: Project, worker1: Host) -> None:
    """On another host, which gets the commit and nothing but the commit: builder/remote names it."""
    project.configure({"builder": {"remote": "worker1", "args": {"BASE": f"{BASE}:1"}}})
    project.write("www/uncommitted", "x")
    run = project.play("build.deliver", kamal_version=project.head)
    assert run.ok
    assert "    worker1       [app 3/4] RUN sha256sum /run/secrets/GEM_TOKEN" in run.output
    assert "Changes without a commit are left out of the image" in run.output
    held = what_it_holds(f"{IMAGE}:{project.head}", worker1)
    assert held[-2:] == [digest(TOKEN), "7"]
    assert "left-out" not in held and "uncommitted" not in held
    assert worker1.sh(f"ls -d {project.root} 2>/dev/null || true") == ""
    assert worker1.sh("ls -A /root/.ansible/tmp 2>/dev/null || true") == ""


def test_every_host_pulled_what_the_other_one_built(project: Project, hosts: list[Host]) -> None:
    of = f"docker inspect --format '{{{{.Id}}}}' {IMAGE}:{project.head}"
    assert len({host.sh(of) for host in hosts}) == 1
    assert [host.containers for host in hosts] == [{}, {}, {}]


def test_a_clone_that_broke_there_is_sent_anew(project: Project, worker1: Host) -> None:
    worker1.sh("rm -r /root/.cache/caravan/received/*/checkout/.git/objects/pack")
    run = project.play("build.push", kamal_version=project.commit("after it broke"))
    assert run.ok and what_it_holds(f"{IMAGE}:{project.head}", worker1)[-1] == "7"


def test_a_build_that_fails_ends_with_its_last_lines(project: Project) -> None:
    project.configure({"builder": {"target": "never", "remote": None, "args": {"BASE": None}}})
    run = project.play("build.push", kamal_version="v2")
    assert run.code != 0
    assert "The step that failed: RUN false. The end of the output:" in run.output
    assert "exit code: 1" in run.output
    assert run.output.splitlines()[-1].startswith("failed: the controller")


def test_the_working_tree_stays_here(project: Project) -> None:
    project.configure({"builder": {"target": "app"}})
    run = project.play("build.dev", then=["build.details"], kamal_version="v3")
    assert run.ok
    assert f"docker run --rm {IMAGE}:v3-dirty" in run.output
    assert "Changes without a commit go into the image" in run.output
    assert "uncommitted" in what_it_holds(f"{IMAGE}:latest-dirty")
    (answer,) = run.of("image_build")
    assert "the engine's own  docker  there  here\n\nThe docker command has: buildx" in run.parts[1]
    assert (answer["pushed"], answer["digest"]) == (False, None)


def test_without_buildx_the_engine_builds_what_it_can(project: Project) -> None:
    """With a login for the base image, and without what is to be left out."""
    project.withheld = (*project.withheld, "DOCKER_CONFIG")
    refused = project.play("build.push", kamal_version="v4")
    assert refused.code != 0 and "builder/secrets cannot be had without buildx" in refused.output
    project.configure({"builder": {"secrets": None, "args": {"BASE": f"{BASE}:1"}}})
    project.write("Dockerfile", WITHOUT_SECRETS)
    head = project.commit("without secrets")
    run = project.play("build.push", kamal_version=head)
    assert run.ok
    held = what_it_holds(f"{IMAGE}:{head}")
    assert "Dockerfile" in held and "left-out" not in held and held[-1] == "7"


def old_docker_command() -> str:
    """One from before 23.0, which has BuildKit without buildx."""
    for command in filter(os.path.exists, (f"{folder}/docker" for folder in os.environ["PATH"].split(":"))):
        said = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
        version = re.match(r"Docker version (\d+)", said)
        if version and int(version[1]) < 23:
            return command
    pytest.skip("there is no docker command from before 23.0 on this machine")


def test_an_old_docker_command_builds_with_its_own_buildkit(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.withheld = ("LAB_REGISTRY_PASSWORD", "DOCKER_CONFIG")
    (tmp_path / "docker").symlink_to(old_docker_command())
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    project.configure({"builder": {"secrets": ["GEM_TOKEN"], "args": {"BASE": f"{BASE}:1"}}})
    project.write("Dockerfile", DOCKERFILE)
    head = project.commit("with an old docker command")
    run = project.play("build.details", then=["build.push"], kamal_version=head)
    assert run.ok and "The docker command has: buildkit" in run.parts[0]
    held = what_it_holds(f"{IMAGE}:{head}")
    assert held[-2:] == [digest(TOKEN), "7"]
    assert "Dockerfile" in held and "left-out" not in held


def left_behind(started: Started) -> list[str]:
    """The processes of this machine that a run has started, but for connections that are kept for the next one."""
    mark, found = f"STORY_RECORD={started.record}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if "[mux]" not in line]


@pytest.mark.parametrize(
    ("playbook", "end"),
    [
        ("deploy", lambda process: os.killpg(process, signal.SIGINT)),
        ("build.push", lambda process: os.kill(process, signal.SIGTERM)),
        ("build.push", lambda process: os.kill(process, signal.SIGKILL)),
    ],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL"],
)
def test_a_build_on_another_host_ends_with_its_run(
    project: Project, web2: Host, playbook: str, end: Callable[[int], None]
) -> None:
    project.withheld = ("LAB_REGISTRY_PASSWORD",)
    project.configure({"builder": {"remote": "web2", "secrets": None, "target": None, "args": None}})
    project.write("Dockerfile", f"FROM busybox:1.36\nRUN echo {playbook}; sleep 7654\n")
    started = project.start(playbook, kamal_version=project.commit("that takes long"))
    web2.wait_for_process("sleep 7654")
    end(started.process.pid)
    assert not started.wait().ok
    web2.wait_for_no_process("sleep 7654", "docker.buildx", "modules.image_build")
    until = time.monotonic() + 60
    while left_behind(started) and time.monotonic() < until:
        time.sleep(0.1)
    assert left_behind(started) == []
    web2.sh("for lock in /root/.cache/caravan/received/*/.lock; do flock -n $lock true || exit; done")


# The real buildx


def buildx(*words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DOCKER_CONFIG": str(LAB / "docker")}
    return subprocess.run(["docker", "buildx", *words], env=environment, capture_output=True, text=True, check=False)


def test_the_real_buildx_knows_every_argument() -> None:
    known = buildx("build", "--help").stdout.split()
    assert {flag.flag for flag in FLAGS} | {flag for _key, flag in SWITCHES} <= set(known)
    everything = {
        "output": "type=registry",
        "platforms": ["linux/amd64", "linux/arm64"],
        "builder": "nowhere",
        "tags": ["a:1", "a:latest"],
        "cache_to": ["type=registry,ref=a-build-cache,mode=max"],
        "cache_from": ["type=registry,ref=a-build-cache"],
        "labels": {"service": "a"},
        "args": {"A": None},
        "secrets": {"A": "/dev/null"},
        "dockerfile": "Dockerfile",
        "target": "app",
        "ssh": "default",
        "provenance": "mode=max",
        "sbom": "true",
        "metadata_file": "/dev/null",
        "progress": "plain",
        "no_cache": True,
        "context": ".",
    }
    assert 'no builder "nowhere" found' in buildx(*argv(everything)[2:]).stderr
    node = builders.Node("ssh://b", ("linux/amd64",))
    _context, created = builders.creating(builders.Builder("x", "docker-container", (node,)))
    assert {word.partition("=")[0] for word in created[2:-1] if word != "x"} <= set(
        buildx("create", "--help").stdout.split()
    )
