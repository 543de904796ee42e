# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An engine that builds and pushes in memory, a registry beside it, and a project in a git checkout."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import Any, Callable, Iterator

import docker.errors
import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import client
from ansible_collections.caravan.kamal.plugins.module_utils._build.build import Build
from ansible_collections.caravan.kamal.plugins.module_utils._build.wanted import Wanted
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.docker_engine import DockerEngine
from ansible_collections.caravan.kamal.plugins.module_utils._progress import Progress

REPOSITORY = "registry.example.com/app"
REFERENCE = f"{REPOSITORY}:v1"
LOGIN = {"username": "ada", "password": "hunter2", "serveraddress": "registry.example.com"}


def digest_of(image_id: str) -> str:
    return "sha256:" + hashlib.sha256(image_id.encode()).hexdigest()


def refuse(error: Exception | None) -> None:
    if error is not None:
        raise error


class Api:
    """Answers as the engine's API does. An image is what its Dockerfile, its arguments and its labels make of it."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.registry: dict[str, str] = {}
        self.registry_error: Exception | None = None
        self.builds: list[dict[str, Any]] = []
        self.logins: list[tuple[str, str, str]] = []
        self.login_error: Exception | None = None
        self.pushes: list[tuple[str, Any]] = []
        self.build_events: list[dict[str, Any]] = [{"stream": "Step 1/1 : FROM scratch\n"}]
        self.push_events: Any = None
        self.while_building: Callable[[Path], None] = lambda folder: None

    def build(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        self.builds.append(arguments)
        text = Path(arguments["dockerfile"]).read_text()
        self.while_building(Path(arguments["path"]))
        yield from self.build_events
        if not any("error" in event for event in self.build_events):
            made_of = repr((text, arguments["buildargs"], arguments["labels"]))
            image_id = "sha256:" + hashlib.sha256(made_of.encode()).hexdigest()
            image = {"Id": image_id, "Config": {"Labels": arguments["labels"]}, "RepoDigests": [], "Dockerfile": text}
            self.images.setdefault(image_id, image)
            self.images[arguments["tag"]] = self.images[image_id]

    def inspect_image(self, reference: str) -> dict[str, Any]:
        if reference not in self.images:
            raise docker.errors.ImageNotFound(f"No such image: {reference}")
        return self.images[reference]

    def tag(self, reference: str, repository: str, tag: str, force: bool) -> None:
        self.images[f"{repository}:{tag}"] = self.inspect_image(reference)

    def remove_image(self, reference: str) -> None:
        self.images.pop(reference)

    def push(self, repository: str, tag: str, auth_config: Any, **_stream: Any) -> Iterator[dict[str, Any]]:
        self.pushes.append((f"{repository}:{tag}", auth_config))
        if isinstance(self.push_events, Exception):
            refuse(self.push_events)
        return iter(self._pushed(repository, tag) if self.push_events is None else self.push_events)

    def _pushed(self, repository: str, tag: str) -> list[dict[str, Any]]:
        image = self.inspect_image(f"{repository}:{tag}")
        digest = digest_of(image["Id"])
        self.registry[f"{repository}:{tag}"] = digest
        image["RepoDigests"] = sorted({*image["RepoDigests"], f"{repository}@{digest}"})
        return [{"status": "Pushed"}, {"aux": {"Tag": tag, "Digest": digest, "Size": 1}}]

    def inspect_distribution(self, image: str, auth_config: Any) -> dict[str, Any]:
        refuse(self.registry_error)
        if image not in self.registry:
            raise docker.errors.NotFound("manifest unknown")
        return {"Descriptor": {"digest": self.registry[image]}}

    def version(self) -> dict[str, str]:
        return {"Arch": "amd64"}

    def login(self, username: str, password: str, registry: str, reauth: bool) -> None:
        self.logins.append((registry, username, password))
        refuse(self.login_error)

    def info(self) -> dict[str, str]:
        return {"ID": "ENGINE"}


def wanted(project: Path, **changes: Any) -> Wanted:
    fields: dict[str, Any] = {
        "service": "app",
        "repository": REPOSITORY,
        "version": "v1",
        "latest": "latest",
        "project_root": str(project),
        "context": None,
        "dockerfile": "Dockerfile",
        "target": None,
        "args": {"A": "b"},
        "secrets": {},
        "ssh": None,
        "arch": ["amd64"],
        "driver": None,
        "remote": None,
        "local": True,
        "cache_from": None,
        "cache_to": None,
        "provenance": None,
        "sbom": None,
        "pack": None,
        "push": True,
        "latest_here": False,
        "registry": {"server": "registry.example.com", "username": "ada", "password": "hunter2"},
        "force": False,
        "no_cache": False,
        "clone_dir": str(project.parent / "clones"),
    }
    return Wanted(**{**fields, **changes})


def run(api: Api, wanted: Wanted, check_mode: bool = False) -> dict[str, Any]:
    """What the module image_build answers."""
    changes = Changes(check_mode)
    result = Build(DockerEngine(api), changes, wanted, "unix:///var/run/docker.sock", Progress(None, {})).ensure()
    return changes.result(**result)


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "protocol.file.allow=always"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, name: str = "file", content: str = "one") -> str:
    """A commit with this file; returns its ID."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content)
    git(folder, "add", ".")
    git(folder, "commit", "-q", "--allow-empty", "-m", "a change")
    return git(folder, "rev-parse", "HEAD")


def checkout(folder: Path, name: str = "Dockerfile", content: str = "FROM scratch\n") -> Path:
    """A project with one commit, by default of a Dockerfile."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, name, content)
    return folder


@pytest.fixture
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of this machine counts for git, and no repository above the temporary folder."""
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))


@pytest.fixture
def project(own_configuration: None, tmp_path: Path) -> Path:
    """A project in a git checkout, clean."""
    return checkout(tmp_path / "project")


@pytest.fixture
def repository(own_configuration: None, tmp_path: Path) -> Path:
    """A checkout whose folder has a space in its name."""
    return checkout(tmp_path / "my app", "file", "one")


@pytest.fixture
def api(own_configuration: None, monkeypatch: pytest.MonkeyPatch) -> Api:
    """The engine of a machine without buildx."""
    monkeypatch.setattr(client, "means", lambda: client.ENGINE)
    return Api()
