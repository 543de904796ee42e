# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An image built from a commit and pushed, once: with buildx where it is, else with the engine's own builder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections import deque
from dataclasses import dataclass
from typing import Any, Deque, Dict, Iterable, Iterator, List, Mapping, Optional

from . import buildx
from . import git
from .._host.engine import Engine, Image
from .._host.changes import Changes
from .._errors import BuildError, EngineError
from .._names import VERSION_LABEL

TAIL = 20
COMMIT = re.compile("[0-9a-f]{40}")
HUB = re.compile(r"^(index\.)?docker\.io/(library/)?")
LOGIN_REFUSED = ("unauthorized", "denied", "no basic auth credentials", "authentication required", "incorrect username")
UNREACHABLE = (
    "no such host",
    "connection refused",
    "i/o timeout",
    "no route to host",
    "network is unreachable",
    "timeout",
)


@dataclass(frozen=True)
class Wanted:
    """What to build and where it goes; the fields are the module's options."""

    service: str
    repository: str
    version: str
    latest: str
    project_root: str
    context: Optional[str]
    dockerfile: str
    target: Optional[str]
    args: Mapping[str, Optional[str]]
    arch: List[str]
    push: bool
    registry: Optional[Mapping[str, Any]]
    force: bool
    no_cache: bool
    clone_dir: Optional[str]

    @property
    def reference(self) -> str:
        return f"{self.repository}:{self.version}"

    @property
    def labels(self) -> Dict[str, str]:
        return {"service": self.service, VERSION_LABEL: self.version}


class Build:
    def __init__(self, engine: Engine, changes: Changes, wanted: Wanted, docker_host: str) -> None:
        self.engine = engine
        self.changes = changes
        self.wanted = wanted
        self.docker_host = docker_host

    def ensure(self) -> Dict[str, Any]:
        """The image exists under its version and, if asked, in the registry, there as latest too.

        On a host `latest` means what went live last, so it does not move here.
        """
        wanted = self.wanted
        found = self.engine.image(wanted.reference)
        fresh = wanted.force or found is None or not _is_ours(found, wanted)
        if fresh:
            found = self._build()
        # A fresh image may share the digest of an equal one that was pushed before; its tag is still to be pushed.
        digest = None if fresh else _digest(found, wanted.repository)
        if wanted.push and digest is None:
            digest = self.changes.do(f"push {wanted.reference} and :{wanted.latest}", self._push)
        return {
            "image_id": found.id if found else None,
            "digest": digest,
            "engine_id": self.engine.id(),
            "repository": wanted.repository,
            "tag": wanted.version,
        }

    # Building

    def _build(self) -> Optional[Image]:
        wanted = self.wanted
        if len(wanted.arch) > 1:
            raise BuildError(
                f"builder/arch names {', '.join(wanted.arch)}, but one image for several architectures cannot be built "
                "yet. Name the one that the hosts have."
            )
        if not os.path.isdir(wanted.project_root):
            raise BuildError(
                f"{wanted.project_root} does not exist on this host, so there is nothing to build from. Build where "
                "the project is checked out (kamal_build_host)."
            )
        self._look()
        return self.changes.do(f"build {wanted.reference}", self._build_now)

    def _look(self) -> None:
        """What can be known before the build: mistakes in paths, and what becomes of changes without a commit."""
        root = self.wanted.project_root
        changed = git.is_repository(root) and git.uncommitted(root)
        if changed and self._clones():
            self.changes.notice("Changes without a commit are left out of the image: it is built from a clone")
        elif changed:
            self.changes.notice("Changes without a commit go into the image: builder/context says where it is built")
        if not self._clones():
            self._check_files(root)

    def _clones(self) -> bool:
        return self.wanted.context is None and git.is_repository(self.wanted.project_root)

    def _build_now(self) -> Optional[Image]:
        root = self._clone() if self._clones() else self.wanted.project_root
        self._check_files(root)
        folder, dockerfile = self._context(root), os.path.join(root, self.wanted.dockerfile)
        if has_buildx():
            self._build_with_buildx(folder, dockerfile)
        else:
            self._build_with_engine(folder, dockerfile)
        return self.engine.image(self.wanted.reference)

    def _clone(self) -> str:
        """A version that is a commit is built from that very commit, even if the checkout has moved on since."""
        wanted = self.wanted
        sha = wanted.version if COMMIT.fullmatch(wanted.version) else git.head(wanted.project_root)
        return git.clone(wanted.project_root, wanted.clone_dir or _default_clone_dir(wanted.service), sha)

    def _context(self, root: str) -> str:
        return os.path.normpath(os.path.join(root, self.wanted.context or "."))

    def _check_files(self, root: str) -> None:
        folder, dockerfile = self._context(root), os.path.join(root, self.wanted.dockerfile)
        if not os.path.isdir(folder):
            raise BuildError(f"builder/context is {self.wanted.context}, but {folder} is not a folder.")
        if not os.path.isfile(dockerfile):
            raise BuildError(
                f"There is no {self.wanted.dockerfile} in {root}. Commit one, or name it in builder/dockerfile."
            )

    def _platforms(self) -> List[str]:
        return [f"linux/{arch}" for arch in self.wanted.arch]

    def _build_with_buildx(self, folder: str, dockerfile: str) -> None:
        wanted = self.wanted
        build = {
            "platforms": self._platforms(),
            "tags": [wanted.reference],
            "labels": wanted.labels,
            "args": wanted.args,
            "dockerfile": dockerfile,
            "target": wanted.target,
            "no_cache": wanted.no_cache,
            "progress": "plain",
            "load": True,
            "context": folder,
        }
        environment = {**os.environ, **buildx.environment(build), "DOCKER_HOST": self.docker_host}
        with subprocess.Popen(
            buildx.argv(build),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        ) as process:
            said = deque((line.rstrip() for line in process.stdout or ()), maxlen=TAIL)
        if process.returncode:
            raise self._failed(said)

    def _build_with_engine(self, folder: str, dockerfile: str) -> None:
        wanted = self.wanted
        with _reading(folder):
            events = self.engine.build(
                wanted.reference,
                folder,
                dockerfile=dockerfile,
                labels=wanted.labels,
                buildargs={
                    name: os.environ.get(name) if value is None else value for name, value in wanted.args.items()
                },
                target=wanted.target or "",
                platform=",".join(self._platforms()) or None,
                nocache=wanted.no_cache,
            )
            said: Deque[str] = deque(maxlen=TAIL)
            for event in events:
                said.extend(_lines(event))
                if "error" in event:
                    raise self._failed(said)

    def _failed(self, said: Iterable[str]) -> BuildError:
        output = list(said)
        return BuildError(
            f"{self.wanted.reference} could not be built from {self.wanted.dockerfile}. The end of the output:\n"
            + "\n".join(output),
            output=output,
        )

    # Pushing

    def _push(self) -> Optional[str]:
        wanted = self.wanted
        self.engine.tag(wanted.reference, wanted.repository, wanted.latest)
        digest = self._push_tag(wanted.version)
        self._push_tag(wanted.latest)
        return digest or _digest(self.engine.image(wanted.reference), wanted.repository)

    def _push_tag(self, tag: str) -> Optional[str]:
        digest = None
        for event in self._push_events(tag):
            if "error" in event:
                raise _refused(f"{self.wanted.repository}:{tag}", str(event["error"]), self.wanted.registry)
            digest = (event.get("aux") or {}).get("Digest") or digest
        return digest

    def _push_events(self, tag: str) -> Iterable[Mapping[str, Any]]:
        try:
            yield from self.engine.push(self.wanted.repository, tag, _credentials(self.wanted.registry))
        except EngineError as error:
            raise _refused(f"{self.wanted.repository}:{tag}", error.message, self.wanted.registry) from error


@contextlib.contextmanager
def _reading(folder: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BuildError(f"The files in {folder} could not be read for the build: {error}") from error


def has_buildx() -> bool:
    """Whether the docker command is here and can build with BuildKit."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0


def _is_ours(found: Image, wanted: Wanted) -> bool:
    return all(found.labels.get(name) == value for name, value in wanted.labels.items())


def _digest(found: Optional[Image], repository: str) -> Optional[str]:
    """The digest under which the registry knows the image; Docker writes names on Docker Hub in their short form."""
    wanted = HUB.sub("", repository)
    for entry in found.digests if found else ():
        name, _rest, digest = entry.partition("@")
        if HUB.sub("", name) == wanted:
            return digest
    return None


def _credentials(registry: Optional[Mapping[str, Any]]) -> Optional[Dict[str, str]]:
    if not registry or not registry.get("username") or not registry.get("password"):
        return None
    return {
        "username": registry["username"],
        "password": registry["password"],
        "serveraddress": registry.get("server") or "https://index.docker.io/v1/",
    }


def _default_clone_dir(service: str) -> str:
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(cache, "caravan", "clones", service)


def _lines(event: Mapping[str, Any]) -> List[str]:
    text = str(event.get("stream") or event.get("error") or "")
    return [line for line in text.splitlines() if line.strip()]


def _refused(reference: str, said: str, registry: Optional[Mapping[str, Any]]) -> BuildError:
    server = (registry or {}).get("server") or "Docker Hub"
    told = said.lower()
    if any(text in told for text in LOGIN_REFUSED):
        who = (registry or {}).get("username")
        hint = (
            f"Check registry/username ({who}), registry/password, and that this account may push there."
            if who
            else "Set registry/username and registry/password."
        )
        return BuildError(f"{server} refused to take {reference}: {said}. {hint}")
    if any(text in told for text in UNREACHABLE):
        return BuildError(
            f"{server} cannot be reached to push {reference}: {said}. Check registry/server and the network."
        )
    if "certificate" in told:
        return BuildError(
            f"The Docker engine does not trust {server}: {said}. Put its CA into /etc/docker/certs.d/{server}/ca.crt."
        )
    return BuildError(f"{reference} could not be pushed: {said}")
