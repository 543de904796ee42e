# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Builds and pushes against an engine that only writes down what it is asked."""

from __future__ import annotations

import subprocess

import docker.errors
import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import build
from ansible_collections.caravan.kamal.plugins.module_utils._host.docker_engine import DockerEngine
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Image
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError

LABELS = {"service": "app", "caravan.version": "v1"}
PUSHED = "registry.example.com/app@sha256:aaa"


class Api:
    """Answers as the engine's API does."""

    def __init__(self):
        self.builds = []
        self.pushes = []
        self.build_events = [{"stream": "Step 1/1 : FROM scratch\n"}, {"aux": {"ID": "sha256:new"}}]
        self.push_events = [{"status": "Pushing"}, {"aux": {"Tag": "v1", "Digest": "sha256:bbb", "Size": 1}}]

    def build(self, **arguments):
        self.builds.append(arguments)
        return iter(self.build_events)

    def push(self, repository, **arguments):
        self.pushes.append((repository, arguments["tag"], arguments["auth_config"]))
        if isinstance(self.push_events, Exception):
            raise self.push_events
        return iter(self.push_events)


class Engine(DockerEngine):
    def __init__(self, found=None):
        super().__init__(Api())
        self.images = {"registry.example.com/app:v1": found}
        self.tags = []

    def image(self, reference):
        if self.api.builds:
            return Image("sha256:new", [reference], [], LABELS)
        return self.images.get(reference)

    def tag(self, reference, repository, tag):
        self.tags.append((reference, f"{repository}:{tag}"))

    def id(self):
        return "ENGINE"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    return tmp_path


@pytest.fixture(autouse=True)
def without_buildx(monkeypatch):
    monkeypatch.setattr(build, "has_buildx", lambda: False)


def wanted(project, **changes):
    fields = {
        "service": "app",
        "repository": "registry.example.com/app",
        "version": "v1",
        "latest": "latest",
        "project_root": str(project),
        "context": ".",
        "dockerfile": "Dockerfile",
        "target": None,
        "args": {"A": "b"},
        "arch": ["amd64"],
        "push": True,
        "registry": {"server": "registry.example.com", "username": "ada", "password": "hunter2"},
        "force": False,
        "no_cache": False,
        "clone_dir": None,
    }
    return build.Wanted(**{**fields, **changes})


def run(engine, wanted, check_mode=False):
    changes = Changes(check_mode)
    result = build.Build(engine, changes, wanted, "unix:///var/run/docker.sock").ensure()
    return changes.result(**result)


def image(digests=(), labels=None):
    return Image("sha256:old", ["registry.example.com/app:v1"], digests, LABELS if labels is None else labels)


BUILD = "build registry.example.com/app:v1"
PUSH = "push registry.example.com/app:v1 and :latest"


@pytest.mark.parametrize(
    "found, changes, actions, digest",
    [
        (None, {}, [BUILD, PUSH], "sha256:bbb"),
        (None, {"push": False}, [BUILD], None),
        (image([PUSHED]), {}, [], "sha256:aaa"),
        (image([PUSHED]), {"force": True}, [BUILD, PUSH], "sha256:bbb"),
        (image(), {}, [PUSH], "sha256:bbb"),
        (image(), {"push": False}, [], None),
        (image(["other.example.com/app@sha256:ccc"]), {}, [PUSH], "sha256:bbb"),
        (image([PUSHED], {"service": "other", "caravan.version": "v1"}), {}, [BUILD, PUSH], "sha256:bbb"),
        (image([PUSHED], {"service": "app"}), {}, [BUILD, PUSH], "sha256:bbb"),
    ],
)
def test_what_is_done(project, found, changes, actions, digest):
    engine = Engine(found)
    result = run(engine, wanted(project, **changes))
    assert result["actions"] == actions
    assert result["changed"] == bool(actions)
    assert result["digest"] == digest
    assert result["engine_id"] == "ENGINE"
    assert result["image_id"] == ("sha256:new" if BUILD in actions else "sha256:old")


def test_check_mode_tells_and_does_nothing(project):
    engine = Engine()
    result = run(engine, wanted(project), check_mode=True)
    assert result["actions"] == [BUILD, PUSH]
    assert (result["image_id"], result["digest"]) == (None, None)
    assert (engine.api.builds, engine.api.pushes, engine.tags) == ([], [], [])


def test_an_argument_without_a_value_takes_it_from_the_environment(project, monkeypatch):
    monkeypatch.setenv("FROM_OUTSIDE", "x")
    monkeypatch.delenv("NOWHERE", raising=False)
    engine = Engine()
    run(engine, wanted(project, args={"FROM_OUTSIDE": None, "NOWHERE": None}))
    assert engine.api.builds[0]["buildargs"] == {"FROM_OUTSIDE": "x", "NOWHERE": None}


def test_what_the_engine_is_asked(project):
    engine = Engine()
    run(engine, wanted(project, target="app", no_cache=True))
    assert engine.api.builds == [
        {
            "path": str(project),
            "dockerfile": str(project / "Dockerfile"),
            "tag": "registry.example.com/app:v1",
            "labels": LABELS,
            "buildargs": {"A": "b"},
            "target": "app",
            "platform": "linux/amd64",
            "nocache": True,
            "rm": True,
            "forcerm": True,
            "decode": True,
        }
    ]
    login = {"username": "ada", "password": "hunter2", "serveraddress": "registry.example.com"}
    assert engine.api.pushes == [
        ("registry.example.com/app", "v1", login),
        ("registry.example.com/app", "latest", login),
    ]
    assert ("registry.example.com/app:v1", "registry.example.com/app:latest") in engine.tags


def test_a_failed_build_shows_the_end_of_its_output(project):
    engine = Engine()
    lines = [{"stream": f"line {number}\n"} for number in range(30)]
    engine.api.build_events = [*lines, {"errorDetail": {}, "error": "returned a non-zero code: 3"}]
    with pytest.raises(BuildError, match="could not be built from Dockerfile") as caught:
        run(engine, wanted(project))
    output = caught.value.details["output"]
    assert len(output) == 20
    assert output[-2:] == ["line 29", "returned a non-zero code: 3"]
    assert engine.api.pushes == []


@pytest.mark.parametrize(
    "said, part",
    [
        ("unauthorized: authentication required", "Check registry/username (ada)"),
        ("denied: requested access to the resource is denied", "Check registry/username (ada)"),
        ('Get "https://registry.example.com/v2/": dial tcp: lookup registry.example.com: no such host', "the network"),
        ("x509: certificate signed by unknown authority", "certs.d/registry.example.com/ca.crt"),
        ("blob upload unknown", "could not be pushed: "),
    ],
)
def test_a_refused_push_says_why(project, said, part):
    for events in ([{"errorDetail": {"message": said}, "error": said}], docker.errors.APIError(said)):
        engine = Engine(image())
        engine.api.push_events = events
        with pytest.raises(BuildError) as caught:
            run(engine, wanted(project))
        assert part in caught.value.message
        assert "hunter2" not in caught.value.message


def test_a_push_without_an_account_says_where_to_set_it(project):
    engine = Engine(image())
    engine.api.push_events = [{"error": "no basic auth credentials"}]
    with pytest.raises(BuildError, match="Set registry/username"):
        run(engine, wanted(project, registry={"server": "registry.example.com", "username": None, "password": None}))
    assert engine.api.pushes[0][2] is None


@pytest.mark.parametrize(
    "changes, part",
    [
        ({"dockerfile": "Containerfile"}, "There is no Containerfile"),
        ({"context": "missing"}, "builder/context is missing"),
        ({"arch": ["amd64", "arm64"]}, "amd64, arm64"),
        ({"project_root": "/nowhere/at/all"}, "kamal_build_host"),
    ],
)
def test_mistakes_are_found_before_anything_is_done(project, changes, part):
    with pytest.raises(BuildError, match=part):
        run(Engine(), wanted(project, **changes), check_mode=True)


@pytest.mark.parametrize(
    "repository, digests, digest",
    [
        ("team/app", ["team/app@sha256:1"], "sha256:1"),
        ("docker.io/team/app", ["team/app@sha256:1"], "sha256:1"),
        ("docker.io/library/app", ["app@sha256:1"], "sha256:1"),
        ("team/app", ["mirror.example.com/team/app@sha256:1"], None),
    ],
)
def test_digest_of_names_on_docker_hub(project, repository, digests, digest):
    engine = Engine()
    engine.images = {f"{repository}:v1": image(digests)}
    assert run(engine, wanted(project, repository=repository, push=False))["digest"] == digest


def git(folder, *arguments):
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder):
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "a change")
    return git(folder, "rev-parse", "HEAD")


@pytest.mark.parametrize("context, notice", [(None, "left out of the image"), (".", "go into the image")])
def test_changes_without_a_commit(project, tmp_path_factory, context, notice):
    commit(project)
    (project / "Dockerfile").write_text("FROM nothing\n")
    engine, clones = Engine(), tmp_path_factory.mktemp("clones")
    result = run(engine, wanted(project, context=context, clone_dir=str(clones)))
    assert notice in result["notices"][0]
    built_in = engine.api.builds[0]["path"]
    assert built_in == (str(project) if context else str(clones / project.name))


def test_a_version_that_is_a_commit_is_built_from_it(project, tmp_path_factory):
    first = commit(project)
    (project / "Dockerfile").write_text("FROM nothing\n")
    commit(project)
    engine, clones = Engine(), tmp_path_factory.mktemp("clones")
    run(engine, wanted(project, context=None, version=first, clone_dir=str(clones)))
    assert (clones / project.name / "Dockerfile").read_text() == "FROM scratch\n"


FAKE_DOCKER = """#!/bin/sh
echo "$@"
echo "A=$A DOCKER_HOST=$DOCKER_HOST" >&2
exit {code}
"""


@pytest.fixture
def docker_command(tmp_path, monkeypatch):
    monkeypatch.undo()
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")

    def install(code):
        (folder / "docker").write_text(FAKE_DOCKER.format(code=code))
        (folder / "docker").chmod(0o755)

    return install


@pytest.mark.parametrize("code", [0, 1])
def test_has_buildx(docker_command, code):
    docker_command(code)
    assert build.has_buildx() is (code == 0)


def test_buildx_gets_arguments_by_the_environment(project, docker_command, monkeypatch):
    docker_command(3)
    monkeypatch.setattr(build, "has_buildx", lambda: True)
    with pytest.raises(BuildError) as caught:
        run(Engine(), wanted(project))
    words, environment = caught.value.details["output"]
    assert environment == "A=b DOCKER_HOST=unix:///var/run/docker.sock"
    assert "--build-arg=A " in words
    assert "--label=service=app --label=caravan.version=v1" in words
    assert words.endswith(f"--load {project}")
