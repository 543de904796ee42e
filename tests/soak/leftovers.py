# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on a host, and what of it should not be there after a soak."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

RUNNING, ENDED = "running", ("exited", "dead")
PROXY = "kamal-proxy"
# A rollback may want the last two versions that were live, whatever the quota.
FOR_A_ROLLBACK = 2
# The code of modules, and the socket of the process that runs them.
KEPT = re.compile(r"/(root|home/\w+)/\.cache(/caravan\.kamal(/[\w.-]+)?)?")
RELEASE = re.compile(r".*/\.kamal/apps/[^/]+/env/releases/([^/]+)(/|$)")
UNPACKED = re.compile(r"/tmp/ansible_[\w.]+_payload_\w+")


@dataclass(frozen=True)
class Container:
    name: str
    state: str
    version: str
    role: str


@dataclass(frozen=True)
class Snapshot:
    """A host at one moment. `images` are REPOSITORY:TAG, `files` all paths where users and programs may write,
    `modules` the processes of Ansible's modules; memory (of the Docker engine) and disk (its data) are MiB."""

    containers: tuple[Container, ...]
    images: frozenset[str]
    networks: frozenset[str]
    volumes: frozenset[str]
    files: frozenset[str]
    modules: int
    memory: int
    disk: int


def left_over(before: Snapshot, after: Snapshot, version: str, retain: int, killed: int = 0) -> list[str]:
    """What a host has that neither was there before nor is meant to stay: one sentence part for each thing.

    `version` serves, `retain` is `retain_containers`, and `killed` modules were ended by kill -9.
    """
    return [
        *_containers(before, after, version, retain),
        *(f"image {image}" for image in sorted(_images(before, after))),
        *(f"network {name}" for name in sorted(after.networks ^ before.networks)),
        *(f"volume {name}" for name in sorted(after.volumes ^ before.volumes)),
        *(f"file {path}" for path in _files(before, after, killed)),
        *([f"{after.modules} processes of modules"] if after.modules else []),
    ]


def _containers(before: Snapshot, after: Snapshot, version: str, retain: int) -> Iterator[str]:
    of_the_app = [container for container in after.containers if container.name != PROXY]
    roles = {container.role for container in before.containers if container.name != PROXY}
    running = Counter(container.role for container in of_the_app if container.state == RUNNING)
    for role in sorted(roles):
        if running[role] != 1:
            yield f"{running[role]} running containers of role {role} instead of 1"
    for container in of_the_app:
        if container.state == RUNNING and container.version == version and container.role in roles:
            continue
        if container.state not in ENDED:
            yield f"container {container.name} ({container.state})"
    for role in sorted(roles):
        old = [container.name for container in of_the_app if container.state in ENDED and container.role == role]
        if len(old) > retain + FOR_A_ROLLBACK:
            yield f"{len(old)} old containers of role {role}: {', '.join(old)}"


def _files(before: Snapshot, after: Snapshot, killed: int) -> list[str]:
    """A module ended by kill -9 cannot remove the folder that Ansible unpacked it to: one for each is no fault.

    Nor is what is kept for the modules of the next run, or the environment of a version that has a container.
    """
    versions = {container.version for container in after.containers}
    kept = {path for path in after.files if KEPT.fullmatch(path) or _release(path) in versions}
    new = after.files - before.files - kept
    unpacked = {path for path in new if UNPACKED.match(path)}
    folders = {path for path in unpacked if UNPACKED.fullmatch(path)}
    return sorted(new - unpacked if len(folders) <= killed else new)


def _release(path: str) -> str | None:
    """The version whose environment is in the file, if any."""
    found = RELEASE.match(path)
    return found[1] if found else None


def _images(before: Snapshot, after: Snapshot) -> Iterator[str]:
    versions = {container.version for container in after.containers}
    for image in after.images - before.images:
        if image.rpartition(":")[2] not in versions:
            yield image
