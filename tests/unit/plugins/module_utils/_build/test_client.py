# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the docker command is asked for a build, and what it is given without its being seen."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import client, handed
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError
from builds import Api, run, wanted
from conftest import TREE
from docker_command import DockerCommand

SECRETS = {"GEM_TOKEN": "hunter2", "DOCKER_HOST": "of no engine\nbut a secret"}
CREDENTIALS = {"username": "ada", "password": "hunter2", "serveraddress": "registry.example.com"}
AUTH = base64.b64encode(b"ada:hunter2").decode()


@pytest.fixture
def buildx(api: Api, docker_command: DockerCommand, monkeypatch: pytest.MonkeyPatch) -> DockerCommand:
    """A host with buildx, on which every build fails."""
    monkeypatch.setattr(client, "means", lambda: client.BUILDX)
    docker_command.answer("buildx build", 1, "it failed")
    return docker_command


def asked(api: Api, docker: DockerCommand, project: Path, **changes: Any) -> dict[str, Any]:
    with pytest.raises(BuildError, match="it failed"):
        run(api, wanted(project, context=".", **changes))
    return docker.build


def test_arguments_go_by_the_environment(project: Path, api: Api, buildx: DockerCommand) -> None:
    build = asked(api, buildx, project)
    assert build["environment"]["A"] == "b"
    assert build["environment"]["DOCKER_HOST"] == "unix:///var/run/docker.sock"
    assert "--build-arg=A" in build["words"]
    assert {"--label=service=app", "--label=caravan.version=v1"} < set(build["words"])
    assert build["words"][-2:] == ["--load", str(project)]


@pytest.mark.parametrize("memory", [True, False])
def test_secrets_can_be_read_and_not_seen(
    project: Path, api: Api, buildx: DockerCommand, memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not memory:
        monkeypatch.delattr(handed.os, "memfd_create")
    build = asked(api, buildx, project, secrets=SECRETS)
    assert build["secrets"] == SECRETS
    seen = json.dumps([build["words"], build["environment"]])
    assert not any(word in seen for word in ("hunter2", "but a secret", AUTH))
    sources = [word.partition(",src=")[2] for word in build["words"] if word.startswith("--secret=")]
    assert len(sources) == len(SECRETS)
    assert not any(Path(source).exists() for source in sources)


@pytest.mark.parametrize("memory", [True, False])
def test_the_login_is_beside_the_users_own_settings(
    project: Path, api: Api, buildx: DockerCommand, tmp_path: Path, memory: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not memory:
        monkeypatch.delattr(handed.os, "memfd_create")
    own = tmp_path / "own"
    (own / "contexts").mkdir(parents=True)
    settings = {"credsStore": "desktop", "auths": {"other": {"auth": "b3RoZXI="}}, "currentContext": "here"}
    (own / "config.json").write_text(json.dumps(settings))
    monkeypatch.setenv("DOCKER_CONFIG", str(own))
    build = asked(api, buildx, project)
    assert build["config"] == {
        **settings,
        "auths": {"other": {"auth": "b3RoZXI="}, "registry.example.com": {"auth": AUTH}},
        "credHelpers": {"registry.example.com": ""},
    }
    assert build["files"] == ["config.json", "contexts"]
    assert build["environment"]["BUILDX_CONFIG"] == str(own / "buildx")
    assert json.loads((own / "config.json").read_text()) == settings
    assert not Path(build["environment"]["DOCKER_CONFIG"]).exists()


def test_without_a_login_the_users_own_settings_count(project: Path, api: Api, buildx: DockerCommand) -> None:
    build = asked(api, buildx, project, registry={"server": "registry.example.com"})
    assert "DOCKER_CONFIG" not in build["environment"]


def test_the_docker_command_keeps_the_clone_to_itself(project: Path, api: Api, buildx: DockerCommand) -> None:
    """It may go on after this process was killed."""
    with pytest.raises(BuildError):
        run(api, wanted(project))
    assert str(project.parent / "clones" / ".lock") in buildx.build["held"]


def test_ssh_has_the_variables_of_the_environment(
    project: Path, api: Api, buildx: DockerCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    assert "--ssh=default=/run/agent" in asked(api, buildx, project, ssh="default=$SSH_AUTH_SOCK")["words"]
    monkeypatch.delenv("SSH_AUTH_SOCK")
    with pytest.raises(BuildError, match=r"\$SSH_AUTH_SOCK is not set where the image is built. Start an SSH agent"):
        run(api, wanted(project, context=".", ssh="default=$SSH_AUTH_SOCK"))


@pytest.mark.parametrize(
    ("version", "buildx", "means"),
    [
        ("Docker version 28.2.2, build e6534b4", 0, client.BUILDX),
        ("Docker version 28.2.2, build e6534b4", 1, client.ENGINE),
        ("Docker version 23.0.0, build e92dd87", 1, client.ENGINE),
        ("Docker version 20.10.24+dfsg1, build 297e128", 1, client.BUILDKIT),
        ("Docker version 18.06.1-ce, build e68fc7a", 1, client.ENGINE),
        ("podman version 4.3.1", 1, client.ENGINE),
    ],
)
def test_what_a_docker_command_can(docker_command: DockerCommand, version: str, buildx: int, means: int) -> None:
    docker_command.answer("buildx version", buildx)
    docker_command.answer("--version", 0, version)
    assert client.means() == means


@pytest.mark.parametrize("program", ["\x7fELF", None])
def test_a_docker_command_that_does_not_run(
    docker_command: DockerCommand, program: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(docker_command.folder))
    docker_command.program.unlink()
    if program:
        docker_command.program.write_text(program)
        docker_command.program.chmod(0o755)
    assert client.means() == client.ENGINE


def test_one_that_stops_to_run_meanwhile(docker_command: DockerCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(docker_command.folder))
    docker_command.program.write_text("\x7fELF")
    fails = pytest.raises(BuildError, match="docker cannot be started to build")
    with fails, client.opened("unix:///var/run/docker.sock", CREDENTIALS) as docker:
        docker.ask("version")


def test_an_old_docker_command_builds_with_its_own_buildkit(
    project: Path, api: Api, docker_command: DockerCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "means", lambda: client.BUILDKIT)
    docker_command.answer("build", 1, "it failed")
    build = asked(api, docker_command, project, secrets=SECRETS, ssh="default", provenance="false", sbom="false")
    assert build["words"][0] == "build"
    assert build["environment"]["DOCKER_BUILDKIT"] == "1"
    assert build["secrets"] == SECRETS
    new = ("--load", "--provenance", "--sbom", "--builder", "--output", "--metadata-file")
    assert not [word for word in build["words"] if word.startswith(new)]


@pytest.mark.parametrize(("means", "command"), [(client.BUILDX, "buildx build"), (client.BUILDKIT, "build")])
def test_without_the_cache_every_step_is_built_anew(
    project: Path, api: Api, docker_command: DockerCommand, means: int, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "means", lambda: means)
    docker_command.answer(command, 1, "it failed")
    for no_cache in (True, False):
        assert ("--no-cache" in asked(api, docker_command, project, no_cache=no_cache)["words"]) is no_cache


BUILDER = """\
import os, sys
sys.path.insert(0, {tree!r})
del os.memfd_create
from ansible_collections.caravan.kamal.plugins.module_utils._build import client
login = {{"username": "ada", "password": "hunter2", "serveraddress": "r"}}
with client.opened("unix:///nowhere", login) as docker:
    print(docker.hand.folder, flush=True)
    docker.run(["sh", "-c", "echo $$; exec sleep 600"], {{}}, lambda line: print(line, flush=True))
"""


def test_a_build_that_is_ended_leaves_no_file_and_no_process() -> None:
    """As one beside a run that is cut off, on a system that has no memory to hand over."""
    build = subprocess.Popen(
        ["env", "--default-signal=TERM", sys.executable, "-c", BUILDER.format(tree=str(TREE))],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert build.stdout
    folder = Path(build.stdout.readline().strip())
    process = Path("/proc") / build.stdout.readline().strip()
    assert (folder / "config.json").exists() and process.exists()
    build.send_signal(signal.SIGTERM)
    assert build.wait(60) == 128 + signal.SIGTERM
    assert not folder.exists() and not process.exists()
    build.stdout.close()
