# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which builder of buildx an image gets, under Kamal's name, how that is made, and what it brings to the registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import builders, client
from ansible_collections.caravan.kamal.plugins.module_utils._build.wanted import choice
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError
from builds import REFERENCE, REPOSITORY, Api, git, run, wanted
from docker_command import DockerCommand

LOCAL = "kamal-local-docker-container"
REMOTE = "kamal-remote-ssh---builder-example-com"
HYBRID = "kamal-hybrid-docker-container-ssh---builder-example-com"
ADDRESS = "ssh://builder.example.com"
BOTH = ["amd64", "arm64"]
CACHE = {"cache_from": "type=gha", "cache_to": "type=gha,mode=max"}
DIGEST = "sha256:" + "1" * 64
BUILD = f"build {REFERENCE} and push it and :latest"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({}, None),
        ({"arch": []}, None),
        ({"arch": ["arm64"]}, None),
        ({"driver": "docker"}, None),
        ({"provenance": "false", "sbom": "false"}, None),
        ({"driver": "docker-container"}, LOCAL),
        ({"arch": BOTH}, LOCAL),
        (CACHE, LOCAL),
        ({"sbom": "true"}, LOCAL),
        ({"provenance": "mode=max"}, LOCAL),
        ({"driver": "cloud acme/fast"}, "cloud-acme-fast"),
        ({"driver": "cloud acme/fast", "remote": ADDRESS}, "cloud-acme-fast"),
        ({"remote": ADDRESS, "arch": ["amd64"]}, None),
        ({"remote": ADDRESS, "arch": ["arm64"]}, REMOTE),
        ({"remote": ADDRESS, "arch": BOTH}, HYBRID),
        ({"remote": ADDRESS, "arch": BOTH, "local": False}, REMOTE),
        ({"remote": ADDRESS, "arch": ["amd64"], "local": False}, REMOTE),
        ({"remote": ADDRESS, "arch": [], "local": False}, REMOTE),
        ({"remote": "ssh://Ada@host:22", "arch": [], "local": False}, "kamal-remote-ssh----da-host-22"),
    ],
)
def test_which_builder(project: Path, settings: dict[str, Any], name: str | None) -> None:
    found = builders.find(choice(wanted(project, **settings)), "amd64")
    assert (found.name if found else None) == name


CONTEXT = f"--description {REMOTE} host --docker host={ADDRESS}"


@pytest.mark.parametrize(
    ("settings", "commands"),
    [
        ({"arch": BOTH}, [f"buildx create --name {LOCAL} --driver=docker-container"]),
        (
            {"arch": ["arm64"], "remote": ADDRESS},
            [
                f"context create {REMOTE}-context {CONTEXT}",
                f"buildx create --name {REMOTE} --driver=docker-container {REMOTE}-context",
            ],
        ),
        (
            {"arch": BOTH, "remote": ADDRESS},
            [
                f"buildx create --name {HYBRID} --driver=docker-container --platform=linux/amd64",
                f"context create {HYBRID}-context --description {HYBRID} host --docker host={ADDRESS}",
                f"buildx create --name {HYBRID} --driver=docker-container --append --platform=linux/arm64 "
                f"{HYBRID}-context",
            ],
        ),
        ({"driver": "cloud acme/fast"}, ["buildx create --driver cloud acme/fast"]),
    ],
)
def test_how_it_is_made(project: Path, settings: dict[str, Any], commands: list[str]) -> None:
    builder = builders.find(choice(wanted(project, **settings)), "amd64")
    assert builder
    assert [" ".join(command) for command in builders.creating(builder)] == commands


@pytest.fixture
def buildx(api: Api, docker_command: DockerCommand, monkeypatch: pytest.MonkeyPatch) -> DockerCommand:
    """A host with buildx and nothing in its registry."""
    monkeypatch.setattr(client, "means", lambda: client.BUILDX)
    docker_command.answer("buildx build", 0, "", {"containerimage.digest": DIGEST})
    docker_command.answer("buildx imagetools inspect", 1, "not found")
    return docker_command


def short(buildx: DockerCommand) -> list[str]:
    """The commands without their options, each once."""
    commands = (" ".join(word for word in each["words"][:3] if not word.startswith("--")) for each in buildx.asked)
    return list(dict.fromkeys(commands))


def test_an_image_for_several_architectures_goes_to_the_registry(
    project: Path, api: Api, buildx: DockerCommand
) -> None:
    result = run(api, wanted(project, arch=BOTH))
    assert (result["actions"], result["image_id"], result["digest"]) == ([BUILD], None, DIGEST)
    assert (api.pushes, api.images) == ([], {})
    words = buildx.build["words"]
    assert {"--output=type=registry", "--platform=linux/amd64,linux/arm64", f"--builder={LOCAL}"} < set(words)
    assert [word for word in words if word.startswith("--tag=")] == [f"--tag={REFERENCE}", f"--tag={REPOSITORY}:latest"]
    assert "--load" not in words


def test_a_builder_that_is_missing_is_made_once(project: Path, api: Api, buildx: DockerCommand) -> None:
    buildx.answer("buildx inspect", 1, "no builder found")
    run(api, wanted(project, arch=BOTH, force=True))
    assert short(buildx) == [f"buildx inspect {LOCAL}", f"buildx rm {LOCAL}", "buildx create", "buildx build"]
    (buildx.folder / "asked").unlink()
    buildx.answer("buildx inspect", 0, "Name: x")
    run(api, wanted(project, arch=BOTH, force=True))
    assert short(buildx) == [f"buildx inspect {LOCAL}", "buildx build"]


@pytest.mark.parametrize(
    ("endpoint", "address", "is_there"),
    [
        (f"{REMOTE}-context", ADDRESS, True),
        (f"{REMOTE}-context", "ssh://former.example.com", False),
        ("default", ADDRESS, False),
    ],
)
def test_a_remote_builder_that_leads_elsewhere_is_made_anew(
    project: Path, api: Api, buildx: DockerCommand, endpoint: str, address: str, is_there: bool
) -> None:
    buildx.answer("buildx inspect", 0, f"Endpoint: {endpoint}")
    buildx.answer("context inspect", 0, address)
    run(api, wanted(project, arch=["arm64"], remote=ADDRESS))
    assert ("buildx create" in short(buildx)) is not is_there
    assert buildx.build["environment"]["BUILDKIT_NO_CLIENT_TOKEN"] == "1"


def test_a_builder_that_cannot_be_made(project: Path, api: Api, buildx: DockerCommand) -> None:
    buildx.answer("buildx inspect", 1, "no builder found")
    buildx.answer("buildx create", 1, "ERROR: cannot connect")
    with pytest.raises(
        BuildError, match=f"{REMOTE}.* could not be created: ERROR: cannot connect. See whether .*-H ssh"
    ):
        run(api, wanted(project, arch=["arm64"], remote=ADDRESS))


def test_check_mode_makes_no_builder(project: Path, api: Api, buildx: DockerCommand) -> None:
    result = run(api, wanted(project, arch=BOTH), check_mode=True)
    assert (result["actions"], result["image_id"], result["digest"]) == ([BUILD], None, None)
    assert set(short(buildx)) == {"buildx imagetools inspect"}


def test_without_a_registry_a_builder_gives_the_image_to_the_engine(
    project: Path, api: Api, buildx: DockerCommand
) -> None:
    with pytest.raises(BuildError, match="is not the image that was just built"):
        run(api, wanted(project, driver="docker-container", push=False))
    assert {"--load", f"--builder={LOCAL}"} < set(buildx.build["words"])


def test_several_architectures_need_a_registry(project: Path, api: Api, buildx: DockerCommand) -> None:
    with pytest.raises(BuildError, match="amd64, arm64.* can only be in a registry"):
        run(api, wanted(project, arch=BOTH, push=False))


# What the registry has


def described(project: Path, labels: dict[str, str] | None = None, digest: str = DIGEST) -> str:
    ours = wanted(project, arch=BOTH).labels(git(project, "rev-parse", "HEAD"))
    image = {"config": {"Labels": {**ours, **(labels or {})}}}
    return json.dumps({"manifest": {"digest": digest}, "image": {"linux/amd64": image, "linux/arm64": image}})


def test_what_the_registry_has_is_not_built_again(project: Path, api: Api, buildx: DockerCommand) -> None:
    buildx.answer("buildx imagetools inspect", 0, described(project))
    result = run(api, wanted(project, arch=BOTH))
    assert (result["actions"], result["digest"]) == ([], DIGEST)


@pytest.mark.parametrize(
    "labels", [{"caravan.source": "another"}, {"caravan.version": "v0"}, {"service": "other"}], ids=str
)
def test_what_was_made_from_something_else_is_built(
    project: Path, api: Api, buildx: DockerCommand, labels: dict[str, str]
) -> None:
    buildx.answer("buildx imagetools inspect", 0, described(project, labels))
    assert run(api, wanted(project, arch=BOTH))["actions"] == [BUILD]


@pytest.mark.parametrize("said", ["", "no json", "{}", '{"manifest": {}, "image": {}}', "[]", '{"image": null}'])
def test_a_registry_that_says_something_else_is_built_for(
    project: Path, api: Api, buildx: DockerCommand, said: str
) -> None:
    buildx.answer("buildx imagetools inspect", 0, said)
    assert run(api, wanted(project, arch=BOTH))["actions"] == [BUILD]


def test_a_latest_that_is_another_one_is_built_for(project: Path, api: Api, buildx: DockerCommand) -> None:
    buildx.answer(f"buildx imagetools inspect {REPOSITORY}:latest", 0, described(project, digest="sha256:other"))
    buildx.answer("buildx imagetools inspect", 0, described(project))
    assert run(api, wanted(project, arch=BOTH))["actions"] == [BUILD]


def test_a_checkout_that_changes_meanwhile_is_told(project: Path, api: Api, buildx: DockerCommand) -> None:
    buildx.program.write_text(buildx.program.read_text() + f"open({str(project / 'new')!r}, 'w').close()\n")
    with pytest.raises(
        BuildError, match="changed while.*in the registry: build it again with -e kamal_build_force=true"
    ):
        run(api, wanted(project, arch=BOTH, context="."))


# What needs buildx


@pytest.mark.parametrize(
    ("settings", "means", "keys"),
    [
        ({}, client.ENGINE, ""),
        ({"driver": "docker", "provenance": "false"}, client.ENGINE, ""),
        ({"remote": ADDRESS, "arch": ["amd64"]}, client.ENGINE, ""),
        ({"secrets": {"A": "b"}, "ssh": "default"}, client.ENGINE, "builder/secrets and builder/ssh"),
        ({"secrets": {"A": "b"}, "ssh": "default"}, client.BUILDKIT, ""),
        ({"arch": BOTH}, client.BUILDKIT, "several of builder/arch"),
        (CACHE, client.BUILDKIT, "builder/cache"),
        ({"sbom": "true", "provenance": "mode=max"}, client.BUILDKIT, "builder/provenance and builder/sbom"),
        ({"remote": ADDRESS, "arch": ["arm64"]}, client.BUILDKIT, "builder/remote"),
        ({"driver": "docker-container"}, client.BUILDKIT, "builder/driver"),
        ({"driver": "cloud acme/fast"}, client.BUILDKIT, "builder/driver"),
    ],
)
def test_what_needs_buildx_is_refused_without(
    project: Path,
    api: Api,
    docker_command: DockerCommand,
    settings: dict[str, Any],
    means: int,
    keys: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client, "means", lambda: means)
    try:
        run(api, wanted(project, **settings), check_mode=True)
        refused = ""
    except BuildError as error:
        refused = error.message
    assert refused.partition(" cannot be had without buildx")[0] == keys
    assert ("docker-buildx-plugin" in refused) is bool(keys)
