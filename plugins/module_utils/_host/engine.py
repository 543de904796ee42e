# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Docker engine of this host, through the Docker SDK, in our own words."""

from __future__ import annotations

import contextlib
import io
import re
import sys
import tarfile
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from .._errors import EngineError, ImageError, PortError

try:
    import docker
    import docker.errors
    from requests.exceptions import RequestException
except ImportError:
    HAS_DOCKER = False
else:
    HAS_DOCKER = True

RUNNING = ("running", "restarting")
STOPPED = ("created", "exited", "dead")
PORT_TAKEN = ("port is already allocated", "address already in use", "ports are not available")
DENIED = ("unauthorized", "denied", "no basic auth credentials", "authentication required")
DOCKER_HUB = re.compile(r"^(index\.)?docker\.io/(library/)?")


@dataclass(frozen=True)
class Container:
    """One container as a listing shows it."""

    id: str
    name: str
    state: str
    image_id: str
    created: int
    image: str = ""
    status: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.state in RUNNING


@dataclass(frozen=True)
class Image:
    id: str
    tags: Sequence[str]
    digests: Sequence[str]
    labels: Mapping[str, str]

    def digests_in(self, repository: str) -> List[str]:
        """The digests that it has had in a repository; Docker writes names on Docker Hub in their short form."""
        short = DOCKER_HUB.sub("", repository)
        pairs = (entry.partition("@") for entry in self.digests)
        return [digest for name, _at, digest in pairs if DOCKER_HUB.sub("", name) == short]


@dataclass(frozen=True)
class Executed:
    code: int
    output: str


class Engine:
    """Verbs on one Docker engine. Anything that it refuses is an EngineError."""

    def __init__(self, api: Any) -> None:
        self.api = api

    @classmethod
    def connect(cls, host: str, timeout: int) -> Engine:
        if not HAS_DOCKER:
            raise EngineError(
                f"The Python library docker is missing for {sys.executable} on this host. Install it "
                "(apt install python3-docker), or run the playbook caravan.kamal.setup."
            )
        try:
            return cls(docker.APIClient(base_url=host, version="auto", timeout=timeout))
        except docker.errors.DockerException as error:
            raise EngineError(_unreachable(host, error)) from error

    # Containers

    def containers(self, *labels: str) -> List[Container]:
        """All containers with these `name=value` labels, running or not, newest first."""
        with _calling("list containers"):
            found = self.api.containers(all=True, filters={"label": list(labels)})
        return sorted((_listed(item) for item in found), key=lambda container: container.created, reverse=True)

    def inspect(self, name: str) -> Optional[Dict[str, Any]]:
        """Everything Docker knows of a container, or None where there is none."""
        with _calling(f"inspect container {name}"):
            try:
                return dict(self.api.inspect_container(name))
            except docker.errors.NotFound:
                return None

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        with _calling(f"create container {name}"):
            config = {key: value for key, value in body.items() if key != "Platform"}
            platform = body.get("Platform")
            return str(self.api.create_container_from_config(config, name=name, platform=platform)["Id"])

    def start(self, container: str) -> None:
        with _calling(f"start container {container}"):
            self.api.start(container)

    def stop(self, container: str, timeout: Optional[int]) -> None:
        with _calling(f"stop container {container}"):
            self.api.stop(container, timeout=timeout)

    def rename(self, container: str, name: str) -> None:
        with _calling(f"rename container {container} to {name}"):
            self.api.rename(container, name)

    def remove(self, container: str) -> None:
        with _calling(f"remove container {container}"), contextlib.suppress(docker.errors.NotFound):
            self.api.remove_container(container, force=True, v=True)

    def execute(self, container: str, argv: Sequence[str]) -> Executed:
        with _calling(f"run {argv[0]} in container {container}"):
            command = self.api.exec_create(container, list(argv))["Id"]
            output = self.api.exec_start(command)
            return Executed(int(self.api.exec_inspect(command)["ExitCode"] or 0), output.decode("utf-8", "replace"))

    def read_file(self, container: str, path: str) -> Optional[str]:
        """A file out of a container's filesystem, or None where it does not exist."""
        with _calling(f"read {path} in container {container}"):
            try:
                chunks, _stat = self.api.get_archive(container, path)
            except docker.errors.NotFound:
                return None
            with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
                member = archive.extractfile(archive.getmembers()[0])
                return member.read().decode() if member else None

    def logs(self, container: str, lines: Optional[int], since: Optional[int] = None, timestamps: bool = False) -> str:
        """The last lines that a container logged, or all of them."""
        with _calling(f"read the logs of container {container}"):
            text = self.api.logs(container, tail="all" if lines is None else lines, since=since, timestamps=timestamps)
        return bytes(text).decode("utf-8", "replace")

    # Images

    def image(self, reference: str) -> Optional[Image]:
        with _calling(f"inspect image {reference}"):
            try:
                found = self.api.inspect_image(reference)
            except docker.errors.NotFound:
                return None
        return _image(found, (found.get("Config") or {}).get("Labels"))

    def images(self, label: str) -> List[Image]:
        with _calling("list images"):
            return [_image(item, item.get("Labels")) for item in self.api.images(filters={"label": label})]

    def pull(self, reference: str, credentials: Optional[Mapping[str, str]]) -> None:
        """Pull `repository:tag` or `repository@digest`; credentials are username and password."""
        repository, tag = split_reference(reference)
        auth = dict(credentials) if credentials else None
        with _pulling(reference):
            for step in self.api.pull(repository, tag=tag, auth_config=auth, stream=True, decode=True):
                if "error" in step:
                    raise docker.errors.DockerException(step["error"])

    def registry_digest(self, reference: str, credentials: Optional[Mapping[str, str]]) -> Optional[str]:
        """The digest that the registry has for `repository:tag` now, or None where it has no such tag."""
        with _calling(f"ask the registry for {reference}"):
            try:
                answer = self.api.inspect_distribution(
                    reference, auth_config=dict(credentials) if credentials else None
                )
            except docker.errors.NotFound:
                return None
            return str(answer["Descriptor"]["digest"])

    def push(self, repository: str, tag: str, credentials: Optional[Mapping[str, str]]) -> Iterator[Mapping[str, Any]]:
        """Push `repository:tag`; yields what the engine reports, an `error` too."""
        auth = dict(credentials) if credentials else None
        with _calling(f"push {repository}:{tag}"):
            yield from self.api.push(repository, tag=tag, auth_config=auth, stream=True, decode=True)

    def build(self, reference: str, folder: str, **options: Any) -> Iterator[Mapping[str, Any]]:
        """Build with the engine's own builder; yields what the engine reports, an `error` too."""
        with _calling(f"build {reference}"):
            yield from self.api.build(path=folder, tag=reference, rm=True, forcerm=True, decode=True, **options)

    def tag(self, reference: str, repository: str, tag: str) -> None:
        with _calling(f"tag image {reference} as {repository}:{tag}"):
            self.api.tag(reference, repository, tag, force=True)

    def remove_image(self, reference: str) -> None:
        """Remove an image; one that a container still uses stays."""
        with _calling(f"remove image {reference}"):
            try:
                self.api.remove_image(reference)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise

    # The rest

    def has_network(self, name: str) -> bool:
        with _calling("list networks"):
            return any(network["Name"] == name for network in self.api.networks(names=[name]))

    def create_network(self, name: str) -> None:
        with _calling(f"create network {name}"):
            self.api.create_network(name, driver="bridge", check_duplicate=True)

    def id(self) -> str:
        with _calling("ask for its identity"):
            return str(self.api.info()["ID"])


def split_reference(reference: str) -> Sequence[str]:
    """`repository:tag` or `repository@digest` in two; a colon before a slash belongs to the registry's port."""
    if "@" in reference:
        return reference.split("@", 1)
    repository, colon, tag = reference.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (reference, "latest")


def _listed(item: Mapping[str, Any]) -> Container:
    return Container(
        id=item["Id"],
        name=(item["Names"] or ["/"])[0].lstrip("/"),
        state=item["State"],
        image_id=item["ImageID"],
        created=item["Created"],
        image=item.get("Image", ""),
        status=item.get("Status", ""),
        labels=item.get("Labels") or {},
    )


def _image(item: Mapping[str, Any], labels: Optional[Mapping[str, str]]) -> Image:
    return Image(item["Id"], item.get("RepoTags") or (), item.get("RepoDigests") or (), labels or {})


@contextlib.contextmanager
def _calling(what: str) -> Iterator[None]:
    try:
        yield
    except docker.errors.APIError as error:
        explanation = str(error.explanation or error)
        kind = PortError if any(text in explanation.lower() for text in PORT_TAKEN) else EngineError
        raise kind(f"Docker could not {what}: {explanation}") from error
    except (docker.errors.DockerException, RequestException) as error:
        raise EngineError(f"Docker did not answer when asked to {what}: {error}") from error


@contextlib.contextmanager
def _pulling(reference: str) -> Iterator[None]:
    try:
        yield
    except docker.errors.NotFound as error:
        raise ImageError(
            f"The registry has no image {reference}. Build and push it first (leave out kamal_build=false), "
            "or check image and registry in the configuration."
        ) from error
    except (docker.errors.DockerException, RequestException) as error:
        explanation = str(getattr(error, "explanation", None) or error)
        if any(text in explanation.lower() for text in DENIED):
            raise ImageError(
                f"The registry refused to hand out {reference}: {explanation}. Check registry/username, "
                "registry/password and that this account may read the image."
            ) from error
        raise ImageError(f"Could not pull {reference}: {explanation}") from error


def _unreachable(host: str, error: Exception) -> str:
    text = str(error)
    if "Permission denied" in text:
        return (
            f"This user may not talk to the Docker engine at {host}. Add the user to the group docker "
            "(the playbook caravan.kamal.setup does) and connect anew."
        )
    return (
        f"No Docker engine answers at {host} ({text}). Start it (systemctl start docker), "
        "or install it with the playbook caravan.kamal.setup."
    )
