# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the collection asks of a container engine, and the words in which it answers. Who answers is DockerEngine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Mapping, Optional, Protocol, Sequence

from .. import _references

RUNNING = ("running", "restarting")
STOPPED = ("created", "exited", "dead")
# A container as `docker inspect` shows it: Id, Name, Image, RestartCount, State, Config, HostConfig, NetworkSettings.
Inspected = Dict[str, Any]


@dataclass(frozen=True)
class Container:
    """One container as a listing shows it; `created` is in Unix seconds."""

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
    """An image: its tags (`repository:tag`) and digests (`repository@digest`).

    A listing leaves out its `layers`, the IDs of their contents from the lowest on, when it was created, and its
    `settings`, a hash of what it says of its containers.
    """

    id: str
    tags: Sequence[str]
    digests: Sequence[str]
    labels: Mapping[str, str]
    layers: Sequence[str] = ()
    created: str = ""
    settings: str = ""

    def has_tag(self, reference: str) -> bool:
        return _references.short(reference) in map(_references.short, self.tags)

    def digests_in(self, repository: str) -> List[str]:
        """The digests that it has had in a repository."""
        wanted = _references.short(repository)
        pairs = (entry.partition("@") for entry in self.digests)
        return [digest for name, _at, digest in pairs if _references.short(name) == wanted]


@dataclass(frozen=True)
class Executed:
    """A command that ran in a container: its exit code, what it wrote to both outputs, and to the first alone."""

    code: int
    output: str
    stdout: bytes = b""


class Hears(Protocol):
    """Who listens to a command while it runs, and may want it to end."""

    def __call__(self, piece: bytes) -> None:
        """The next piece of what it writes, to either output."""

    def ending(self, end: Callable[[], object]) -> ContextManager[None]:
        """Within the with block `end` is called as soon as nobody wants the command to go on."""


class Engine(Protocol):
    """Verbs on the container engine of one host.

    Containers are named by name or ID, images by `repository:tag`, `repository@digest` or ID. Whatever the engine
    refuses, and whatever keeps it from answering, is an EngineError that says what was asked.
    """

    # Containers

    def containers(self, *labels: str) -> List[Container]:
        """All containers with these `name` or `name=value` labels, running or not, newest first."""

    def inspect(self, name: str) -> Optional[Inspected]:
        """Everything that the engine knows of a container, or None where there is none."""

    def create(self, name: str, body: Mapping[str, Any]) -> str:
        """Create a container from the body of `POST /containers/create`, with `Platform` in it. Returns the ID."""

    def start(self, container: str) -> None:
        """Start a container. PortError where a port that it publishes is taken."""

    def stop(self, container: str, timeout: Optional[int]) -> None:
        """Stop a container, killing it after `timeout` seconds; None leaves that to the container and the engine. One
        that is gone is no error."""

    def rename(self, container: str, name: str) -> None:
        """Give a container another name, which must be free."""

    def remove(self, container: str, volumes: bool = False) -> None:
        """Remove a container, running or not; with its anonymous volumes if asked. One that is gone is no error."""

    def execute(self, container: str, argv: Sequence[str], env: Optional[Mapping[str, str]] = None) -> Executed:
        """Run a command in a running container, with more variables if given, and wait for its end."""

    def execute_streamed(self, container: str, argv: Sequence[str], env: Mapping[str, str], hears: Hears) -> int:
        """The same, heard while it runs. Returns the exit code."""

    def read_file(self, container: str, path: str) -> Optional[bytes]:
        """A file out of a container's filesystem, running or not; None where there is no container or no file."""

    def archive(self, container: str, path: str) -> Optional[Iterator[bytes]]:
        """What is at a path of a container, running or not, as the pieces of a tar archive; None where nothing is.

        With `/.` at the end of the path it is what a folder holds.
        """

    def put(self, container: str, path: str, archive: bytes) -> None:
        """Unpack a tar archive in a folder of a container, running or not, with the owners that it says."""

    def logs(self, container: str, lines: Optional[int], since: Optional[int] = None, timestamps: bool = False) -> str:
        """The last lines that a container logged, or all of them; `since` is in Unix seconds."""

    def stdout(self, container: str) -> bytes:
        """All that a container wrote to its standard output."""

    def follow(self, container: str) -> Iterator[bytes]:
        """All that a container will write to both outputs, from its start, which is still to come, to its end."""

    def exit_codes(self, container: str) -> List[int]:
        """With which codes a container exited, oldest first, as far as the engine remembers."""

    # Images

    def image(self, reference: str) -> Optional[Image]:
        """An image of this host, or None where it is not here."""

    def images(self, label: str) -> List[Image]:
        """All images of this host with a `name=value` label."""

    def images_in(self, repository: str) -> List[Image]:
        """All images of this host that have a tag in a repository."""

    def pull(self, reference: str, credentials: Optional[Mapping[str, str]]) -> None:
        """Pull an image; credentials are username and password. ImageError where the registry has or gives none."""

    def registry_digest(self, reference: str, credentials: Optional[Mapping[str, str]]) -> Optional[str]:
        """The digest that the registry has for `repository:tag` now, or None where it has no such tag."""

    def mirrors(self) -> List[str]:
        """The addresses of its mirrors of Docker Hub, which it asks first for an image that lies there."""

    def log_in(self, server: str, credentials: Mapping[str, str]) -> None:
        """Ask a registry whether it takes a login; nothing is kept of it. LoginError where it does not."""

    def tag(self, reference: str, repository: str, tag: str) -> None:
        """Give an image another tag, taking it away from the image that has it."""

    def remove_image(self, reference: str) -> None:
        """Remove a tag, and its image with the last one. An image that a container uses stays."""

    def build(
        self, tag: str, folder: str, credentials: Optional[Mapping[str, str]], **settings: Any
    ) -> Iterator[Mapping[str, Any]]:
        """Build a folder with the engine's own builder, as `tag`; `settings` are those of the Docker SDK's `build`, and
        `credentials` as for `push` may pull the base images.

        Gives the engine's events: `stream` holds output, `error` ends a build that failed.
        """

    def push(self, repository: str, tag: str, credentials: Optional[Mapping[str, str]]) -> Iterator[Mapping[str, Any]]:
        """Push a tag; credentials are username, password and serveraddress. Gives the engine's events, as `build`."""

    def layers(self) -> List[Sequence[str]]:
        """The layers of each image of this host, from the lowest on, as far as `load` builds upon them."""

    def save(self, reference: str) -> Iterator[bytes]:
        """An image with all its layers, as the pieces of a tar archive."""

    def load(self, archive: Iterator[bytes]) -> None:
        """Take an image from the pieces of such an archive, in which layers may be missing that `layers` has."""

    # Volumes

    def has_volume(self, name: str) -> bool:
        """Whether there is a volume of this name."""

    def remove_volume(self, name: str) -> None:
        """Remove a volume with all that is in it. One that is gone is no error, one that a container uses is."""

    # The rest

    def has_network(self, name: str) -> bool:
        """Whether there is a network of this very name."""

    def create_network(self, name: str) -> None:
        """Create a bridge network."""

    def attach(self, network: str, container: str) -> None:
        """Attach a container to a network."""

    def architecture(self) -> str:
        """What it runs on, in Docker's words: amd64, arm64."""

    def id(self) -> str:
        """The engine's own identity: two connections to one engine give the same."""
