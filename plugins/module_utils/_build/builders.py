# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The builders of buildx, under Kamal's names: which one an image needs, and that it is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

from .._errors import BuildError
from .client import Client

CONTAINER, DOCKER, CLOUD = "docker-container", "docker", "cloud"
NOT_IN_NAMES = re.compile("[^a-z0-9_-]")
ENDPOINT = "{{.Endpoints.docker.Host}}"


@dataclass(frozen=True)
class Choice:
    """What decides on the builder. `beyond_engine`: a cache or an attestation, which the engine's own cannot make."""

    arch: Sequence[str]
    driver: Optional[str]
    remote: Optional[str]
    local: bool
    beyond_engine: bool


@dataclass(frozen=True)
class Node:
    """Where a builder builds: the engine at a `remote` address, else the one at hand; for all platforms or for some."""

    remote: Optional[str] = None
    platforms: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Builder:
    name: str
    driver: str
    nodes: Tuple[Node, ...]

    @property
    def context(self) -> str:
        """What Docker knows the remote engine by."""
        return f"{self.name}-context"

    @property
    def remote(self) -> Optional[str]:
        return next((node.remote for node in self.nodes if node.remote), None)


def find(wanted: Choice, arch: str) -> Optional[Builder]:
    """The builder for an image; None is the engine's own. `arch` is what the engine at hand builds for."""
    driver = wanted.driver or CONTAINER
    if driver.split()[0] == CLOUD:
        return Builder(re.sub("[ /]", "-", driver), driver, (Node(),))
    here, there = _divided(wanted, arch)
    if there and not here:
        return Builder(f"kamal-remote-{_in_a_name(there)}", CONTAINER, (Node(there),))
    if there:
        nodes = (Node(None, (f"linux/{arch}",)), Node(there, _others(wanted, arch)))
        return Builder(f"kamal-hybrid-{driver}-{_in_a_name(there)}", driver, nodes)
    if driver == DOCKER or not (wanted.driver or wanted.beyond_engine or len(wanted.arch) > 1):
        return None
    return Builder(f"kamal-local-{driver}", driver, (Node(),))


def _divided(wanted: Choice, arch: str) -> Tuple[bool, Optional[str]]:
    """Whether the engine at hand takes part, and the address of the other one if that does."""
    if not wanted.remote:
        return True, None
    if not wanted.local:
        return False, wanted.remote
    here = not wanted.arch or arch in wanted.arch
    return here, wanted.remote if _others(wanted, arch) else None


def _others(wanted: Choice, arch: str) -> Tuple[str, ...]:
    return tuple(f"linux/{each}" for each in wanted.arch if each != arch)


def _in_a_name(remote: str) -> str:
    return NOT_IN_NAMES.sub("-", remote)


def ensure(client: Client, builder: Builder) -> None:
    """The builder is there, and builds where it should; another build may be making it at the same time."""
    if is_there(client, builder):
        return
    remove(client, builder)
    for words in creating(builder):
        code, said = client.ask(*words)
        if code and not is_there(client, builder):
            raise BuildError(
                f"{builder.name}, which is to build the image, could not be created: {said}{_remedy(builder)}"
            )


def is_known(client: Client, builder: Builder) -> bool:
    """Whether there is one of this name, wherever it builds."""
    return client.ask("buildx", "inspect", builder.name)[0] == 0


def is_there(client: Client, builder: Builder) -> bool:
    code, said = client.ask("buildx", "inspect", builder.name)
    if code or not builder.remote:
        return not code
    code, address = client.ask("context", "inspect", builder.context, "--format", ENDPOINT)
    return not code and address == builder.remote and builder.context in said


def creating(builder: Builder) -> Sequence[Sequence[str]]:
    """The commands that make a builder. An engine elsewhere is known by a context."""
    if builder.driver.split()[0] == CLOUD:
        return [["buildx", "create", "--driver", *builder.driver.split()]]
    commands: List[List[str]] = []
    for number, node in enumerate(builder.nodes):
        create = ["buildx", "create", "--name", builder.name, f"--driver={builder.driver}"]
        create += ["--append"] if number else []
        create += [f"--platform={','.join(node.platforms)}"] if node.platforms else []
        if node.remote:
            about = ["--description", f"{builder.name} host", "--docker", f"host={node.remote}"]
            commands.append(["context", "create", builder.context, *about])
            create.append(builder.context)
        commands.append(create)
    return commands


def remove(client: Client, builder: Builder) -> None:
    client.ask("buildx", "rm", builder.name)
    if builder.remote:
        client.ask("context", "rm", "--force", builder.context)


def _remedy(builder: Builder) -> str:
    where = f"See whether `docker -H {builder.remote} version` answers." if builder.remote else ""
    return f". {where or 'See whether `docker buildx ls` answers.'}"
