# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The image that is wanted: its name, what it is built with, and the registry that it is pushed to."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import Dict, List, Mapping, Optional

from .. import _references
from .._names import SOURCE_LABEL, VERSION_LABEL


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
    arch: List[str]
    push: bool
    registry: Optional[Mapping[str, Optional[str]]]
    force: bool
    no_cache: bool
    clone_dir: Optional[str]

    @property
    def reference(self) -> str:
        return _references.tagged(self.repository, self.version)

    @property
    def platforms(self) -> List[str]:
        return [f"linux/{arch}" for arch in self.arch]

    @property
    def arguments(self) -> Dict[str, Optional[str]]:
        """The build arguments; one without a value has the one that the environment of the build gives it, if any."""
        return {name: os.environ.get(name) if value is None else str(value) for name, value in self.args.items()}

    def fingerprint(self, commit: Optional[str]) -> str:
        """A hash of all that decides what is in the image; empty where no commit holds what it is built from.

        The destination is not part of it: two that build the same from the same commit share the image.
        """
        if commit is None:
            return ""
        source = [commit, self.context, self.dockerfile, self.target, self.platforms, self.arguments]
        return hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()

    def labels(self, commit: Optional[str]) -> Dict[str, str]:
        """The labels of the image. An empty fingerprint is set as well, so that none comes from a base image."""
        return {"service": self.service, VERSION_LABEL: self.version, SOURCE_LABEL: self.fingerprint(commit)}
