# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Docker engine of a host, through the Docker SDK: what calls it."""

from __future__ import annotations

import contextlib
import secrets
import sys
import time
from functools import partial
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from .. import _references
from .._errors import EngineError
from . import docker_answers as _answers
from . import docker_errors as _errors
from . import docker_streams as _streams
from . import refusals
from .docker_errors import UNANSWERED
from .docker_errors import asking as _asking
from .docker_errors import asking_registry as _asking_registry
from .docker_errors import pulling as _pulling
from .engine import Container, Executed, Hears, Image, Inspected

try:
    import docker
    import docker.errors
    import docker.types
except ImportError:
    HAS_DOCKER = False
else:
    HAS_DOCKER = True


class DockerEngine:
    """An `Engine`; `api` is the SDK's APIClient, `ipv6` says what networks are made with."""

    def __init__(self, api: Any, ipv6: bool = False) -> None:
        self.api, self.ipv6 = api, ipv6

    @classmethod
    def at(cls, host: str, timeout: int, ipv6: bool = False) -> DockerEngine:
        """Connect to the engine at a DOCKER_HOST; `timeout` in seconds is that of each call."""
        if not HAS_DOCKER:
            raise EngineError(
                f"The Python library docker is missing for {sys.executable} on this host. Install it "
                "(apt install python3-docker), or run the playbook caravan.kamal.setup."
            )
        try:
            return cls(docker.APIClient(base_url=host, version="auto", timeout=timeout), ipv6)
        except UNANSWERED as error:
            raise EngineError(refusals.no_engine(host, str(error))) from error

    # Containers

    def containers(self, *labels: str) -> List[Container]:
        with _asking("list containers"):
            items = self.api.containers(all=True, filters={"label": list(labels)})
            return sorted(
                (_answers.listed(item) for item in items), key=lambda container: container.created, reverse=True
            )

    def inspect(self, name: str) -> Optional[Inspected]:
        with _asking(f"inspect container {name}"):
            try:
                found = dict(self.api.inspect_container(name))
            except docker.errors.APIError as error:
                if not _errors.is_nobody(error):
                    raise
                return None
            return found if _answers.is_called(found, name) else None

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        with _asking(f"create container {name}"):
            config = {key: value for key, value in body.items() if key != "Platform"}
            platform = body.get("Platform")
            return str(self.api.create_container_from_config(config, name=name, platform=platform)["Id"])

    def start(self, container: str) -> None:
        with _asking(f"start container {container}"):
            self.api.start(container)

    def stop(self, container: str, timeout: Optional[int]) -> None:
        with _asking(f"stop container {container}"), contextlib.suppress(docker.errors.NotFound):
            if timeout is None:
                # The SDK, which does not ask for the container's own, would give up before the engine does.
                timeout = _answers.stop_timeout(self.api.inspect_container(container))
            self.api.stop(container, timeout=timeout)

    def rename(self, container: str, name: str) -> None:
        with _asking(f"rename container {container} to {name}"):
            self.api.rename(container, name)

    def remove(self, container: str, volumes: bool = False) -> None:
        with _asking(f"remove container {container}"), contextlib.suppress(docker.errors.NotFound):
            self.api.remove_container(container, force=True, v=volumes)

    def execute(self, container: str, argv: Sequence[str], env: Optional[Mapping[str, str]] = None) -> Executed:
        with _asking(f"run {argv[0]} in container {container}"):
            return _streams.tried_twice(partial(self._execute, container, argv, env), _was_refused)

    def execute_streamed(self, container: str, argv: Sequence[str], env: Mapping[str, str], hears: Hears) -> int:
        with _asking(f"run {argv[0]} in container {container}"):
            return _streams.execute(self.api, container, argv, env, hears)

    def _execute(self, container: str, argv: Sequence[str], env: Optional[Mapping[str, str]]) -> Executed:
        command = self.api.exec_create(container, list(argv), environment=dict(env or {}))["Id"]
        pieces = list(self.api.exec_start(command, stream=True, demux=True))
        output = b"".join(piece for pair in pieces for piece in pair if piece)
        stdout = b"".join(piece for piece, _other in pieces if piece)
        return Executed(_streams.exit_code(self.api, command), output.decode("utf-8", "replace"), stdout)

    def read_file(self, container: str, path: str) -> Optional[bytes]:
        archive = self.archive(container, path)
        with _asking(f"read {path} in container {container}"):
            return None if archive is None else _answers.only_file(b"".join(archive))

    def archive(self, container: str, path: str) -> Optional[Iterator[bytes]]:
        what = f"read {path} in container {container}"

        def read() -> Iterator[bytes]:
            with _asking(what):
                yield from chunks

        with _asking(what):
            try:
                chunks, _stat = self.api.get_archive(container, path)
            except docker.errors.NotFound:
                return None
            return read()

    def put(self, container: str, path: str, archive: bytes) -> None:
        with _asking(f"write to {path} in container {container}"):
            self.api.put_archive(container, path, archive)

    def logs(self, container: str, lines: Optional[int], since: Optional[int] = None, timestamps: bool = False) -> str:
        with _asking(f"read the logs of container {container}"):
            text = self.api.logs(container, tail="all" if lines is None else lines, since=since, timestamps=timestamps)
        return bytes(text).decode("utf-8", "replace")

    def stdout(self, container: str) -> bytes:
        with _asking(f"read the output of container {container}"):
            return bytes(self.api.logs(container, stdout=True, stderr=False))

    def follow(self, container: str) -> Iterator[bytes]:
        return _streams.follow(self.api, container)

    def exit_codes(self, container: str) -> List[int]:
        """From the engine's events: the state of a container that was restarted forgets how it ended."""
        with _asking(f"look up how container {container} ended"):
            filters = {"container": [container], "event": ["die"]}
            events = self.api.events(since="0", until=f"{time.time():.9f}", filters=filters, decode=True)
            return [int(event["Actor"]["Attributes"]["exitCode"]) for event in events]

    # Images

    def image(self, reference: str) -> Optional[Image]:
        with _asking(f"inspect image {reference}"):
            try:
                item = self.api.inspect_image(reference)
            except docker.errors.NotFound:
                return None
            if not _answers.is_image(item, reference):
                return None
            return _answers.image(item, (item.get("Config") or {}).get("Labels"))

    def images(self, label: str) -> List[Image]:
        with _asking("list images"):
            return [_answers.image(item, item.get("Labels")) for item in self.api.images(filters={"label": label})]

    def images_in(self, repository: str) -> List[Image]:
        with _asking(f"list the images of {repository}"):
            return [
                _answers.image(item, item.get("Labels")) for item in self.api.images(name=_references.short(repository))
            ]

    def pull(self, reference: str, credentials: Optional[Mapping[str, str]]) -> None:
        repository, tag = _references.split(reference)
        auth = dict(credentials) if credentials else None
        with _pulling(reference, bool(credentials)):
            for step in self.api.pull(repository, tag=tag, auth_config=auth, stream=True, decode=True):
                if "error" in step:
                    raise docker.errors.DockerException(step["error"])

    def registry_digest(self, reference: str, credentials: Optional[Mapping[str, str]]) -> Optional[str]:
        auth = dict(credentials) if credentials else None
        with _asking_registry(f"tell of {reference}", f"ask the registry for {reference}"):
            try:
                return str(self.api.inspect_distribution(reference, auth_config=auth)["Descriptor"]["digest"])
            except docker.errors.NotFound:
                return None

    def mirrors(self) -> List[str]:
        with _asking("list its registry mirrors"):
            return _answers.mirrors(self.api.info())

    def log_in(self, server: str, credentials: Mapping[str, str]) -> None:
        with _asking_registry(f"take the login of {credentials['username']}", f"log in to {server}"):
            self.api.login(registry=server, reauth=True, **credentials)

    def tag(self, reference: str, repository: str, tag: str) -> None:
        with _asking(f"tag image {reference} as {repository}:{tag}"):
            self.api.tag(reference, repository, tag, force=True)

    def remove_image(self, reference: str) -> None:
        with _asking(f"remove image {reference}"):
            try:
                self.api.remove_image(reference)
            except docker.errors.NotFound:
                pass
            except docker.errors.APIError as error:
                if error.status_code != 409:
                    raise

    def build(
        self, tag: str, folder: str, credentials: Optional[Mapping[str, str]], **settings: Any
    ) -> Iterator[Mapping[str, Any]]:
        with _asking(f"build {tag}"):
            if credentials:
                with contextlib.suppress(docker.errors.APIError):  # Most base images need no login.
                    server = credentials["serveraddress"]
                    self.api.login(credentials["username"], credentials["password"], registry=server, reauth=True)
            yield from self.api.build(path=folder, tag=tag, rm=True, forcerm=True, decode=True, **settings)

    def push(self, repository: str, tag: str, credentials: Optional[Mapping[str, str]]) -> Iterator[Mapping[str, Any]]:
        auth = dict(credentials) if credentials else None
        with _asking(f"push {repository}:{tag}"):
            yield from self.api.push(repository, tag=tag, auth_config=auth, stream=True, decode=True)

    def layers(self) -> List[Sequence[str]]:
        with _asking("list the layers of images"):
            if not _answers.builds_upon_layers(self.api.info()):
                return []
            images = (self.image(item["Id"]) for item in self.api.images(all=True))
            return [image.layers for image in images if image]

    def save(self, reference: str) -> Iterator[bytes]:
        with _asking(f"save image {reference}"):
            yield from self.api.get_image(reference)

    def load(self, archive: Iterator[bytes]) -> None:
        with _asking("load an image"):
            for step in self.api.load_image(archive):
                if "error" in step:
                    raise docker.errors.DockerException(step["error"])

    # Volumes

    def has_volume(self, name: str) -> bool:
        with _asking(f"inspect volume {name}"):
            try:
                self.api.inspect_volume(name)
            except docker.errors.NotFound:
                return False
            return True

    def remove_volume(self, name: str) -> None:
        with _asking(f"remove volume {name}"), contextlib.suppress(docker.errors.NotFound):
            self.api.remove_volume(name)

    # The rest

    def has_network(self, name: str) -> bool:
        with _asking("list networks"):
            return any(network["Name"] == name for network in self.api.networks(names=[name]))

    def create_network(self, name: str) -> None:
        with _asking(f"create network {name}"):
            try:
                addresses = _with_ipv6() if self.ipv6 else {}
                self.api.create_network(name, driver="bridge", check_duplicate=True, **addresses)
            except docker.errors.APIError as error:
                # The run of another app has just created it.
                if error.status_code != 409:
                    raise

    def attach(self, network: str, container: str) -> None:
        with _asking(f"connect container {container} to network {network}"):
            self.api.connect_container_to_network(container, network)

    def architecture(self) -> str:
        with _asking("say what it runs on"):
            return str(self.api.version()["Arch"])

    def id(self) -> str:
        with _asking("say which engine it is"):
            return str(self.api.info()["ID"])


def _was_refused(executed: Executed) -> bool:
    return executed.output.startswith(_streams.NOT_EXECUTED.decode())


def _with_ipv6() -> Dict[str, Any]:
    """A subnet of the private range as RFC 4193 has it: engines before 27 choose none themselves."""
    subnet = f"fd{secrets.token_hex(1)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}::/64"
    pools = [docker.types.IPAMPool(subnet=subnet)]
    return {"enable_ipv6": True, "ipam": docker.types.IPAMConfig(pool_configs=pools)}
