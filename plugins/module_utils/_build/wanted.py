# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The image that is wanted: its name, what it is built with, and the registry that it is pushed to."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional

from .. import _references
from .._errors import BuildError
from .._names import SOURCE_LABEL, VERSION_LABEL
from .builders import Choice
from .received import Received

NOT_SET = re.compile(r"\$\w+|\$\{\w+\}")


@dataclass(frozen=True)
class Wanted:
    """The options of the module image_build; see its documentation for each of them."""

    service: str
    repository: str
    version: str
    latest: str
    project_root: str
    context: Optional[str]
    dockerfile: str
    target: Optional[str]
    args: Mapping[str, Optional[str]]
    secrets: Mapping[str, str]
    ssh: Optional[str]
    arch: List[str]
    driver: Optional[str]
    remote: Optional[str]
    local: bool
    cache_from: Optional[str]
    cache_to: Optional[str]
    provenance: Optional[str]
    sbom: Optional[str]
    pack: Optional[Mapping[str, Any]]
    push: bool
    latest_here: bool
    registry: Optional[Mapping[str, Optional[str]]]
    force: bool
    no_cache: bool
    clone_dir: Optional[str]
    received: Optional[Received] = None

    @property
    def reference(self) -> str:
        return _references.tagged(self.repository, self.version)

    @property
    def latest_reference(self) -> str:
        return _references.tagged(self.repository, self.latest)

    @property
    def platforms(self) -> List[str]:
        return [f"linux/{arch}" for arch in self.arch]

    @property
    def arguments(self) -> Dict[str, Optional[str]]:
        """The build arguments; one without a value has the one that the environment of the build gives it, if any."""
        return {name: os.environ.get(name) if value is None else str(value) for name, value in self.args.items()}

    @property
    def ssh_access(self) -> Optional[str]:
        """`builder/ssh` with the variables of the environment in it, as a shell would put them there."""
        text = os.path.expandvars(self.ssh or "")
        unset = NOT_SET.search(text)
        if unset:
            raise BuildError(
                f"builder/ssh is {self.ssh}, but {unset[0]} is not set where the image is built. Start an SSH agent "
                "there (eval $(ssh-agent); ssh-add), or name a key: default=$HOME/.ssh/id_ed25519."
            )
        return text or None

    @property
    def login(self) -> Optional[Dict[str, str]]:
        """What logs in to the registry, in the words of Docker's API."""
        username, password = (self.registry or {}).get("username"), (self.registry or {}).get("password")
        if not username or not password:
            return None
        server = (self.registry or {}).get("server") or _references.DOCKER_HUB
        return {"username": username, "password": password, "serveraddress": server}

    def fingerprint(self, commit: Optional[str]) -> str:
        """A hash of all that decides what is in the image; empty where no commit holds what it is built from.

        The destination is not part of it: two that build the same from the same commit share the image.
        """
        if commit is None:
            return ""
        made = [commit, self.context, self.dockerfile, self.target, self.platforms, self.arguments]
        source = [*made, sorted(self.secrets), self.provenance, self.sbom, self.pack]
        return hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()

    def labels(self, commit: Optional[str]) -> Dict[str, str]:
        """The labels of the image. An empty fingerprint is set as well, so that none comes from a base image."""
        return {"service": self.service, VERSION_LABEL: self.version, SOURCE_LABEL: self.fingerprint(commit)}


def choice(wanted: Any) -> Choice:
    """What decides on the builder of buildx, of a `Wanted` or of the plan's part of it."""
    attests = any((value or "false") != "false" for value in (wanted.provenance, wanted.sbom))
    return Choice(
        arch=list(wanted.arch),
        driver=wanted.driver,
        remote=wanted.remote,
        local=wanted.local,
        beyond_engine=attests or bool(wanted.cache_from or wanted.cache_to),
    )
