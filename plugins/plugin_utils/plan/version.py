# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which version a run is about: one that was named, the commit that is checked out, or the one to go back to.

`histories` everywhere is what each host answered, by host; `roles` the names of each host's roles.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, Optional, Sequence

from ...module_utils import _references
from ...module_utils._build import git
from ...module_utils._errors import CaravanError, RollbackError, VersionError
from ...module_utils._names import Names, short_version
from ..config.load import Config
from . import way_back
from .model import Plan
from .run import LIVE, PREVIOUS, TO_BE_FOUND

NO_VERSION = "none"
# What Docker takes as the tag of an image.
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# As much of a digest as Docker shows.
SHORT = 12
NO_TAG = (
    "kamal_version: {!r} cannot be the tag of an image. A version has letters, digits, _, . and -, at most 128, and "
    "begins with a letter, a digit or _. Name one with -e kamal_version=VERSION or the environment variable VERSION."
)


def named(wanted: Optional[str], histories: way_back.Histories, roles: Mapping[str, Sequence[str]]) -> Optional[str]:
    """The version that was asked for; with histories every host must still have it. `previous` means the good one
    before that which runs, as soon as there are histories to find it in. None where nothing was asked for."""
    require_tag(wanted)
    if not wanted or (wanted == PREVIOUS and not histories):
        return wanted
    version = way_back.previous_good(way_back.places(histories, roles)) if wanted == PREVIOUS else wanted
    require_everywhere(version, {host: info.versions for host, info in histories.items()})
    return version


def to_boot(wanted: Optional[str], histories: way_back.Histories, roles: Mapping[str, Sequence[str]]) -> str:
    """The version to boot: the one that was asked for, else the one that is live or was last."""
    require_tag(wanted)
    if wanted or not histories:
        return wanted or LIVE
    return way_back.live(way_back.places(histories, roles))


def of_what_runs(wanted: Any, config: Config, command: str) -> str:
    """For what serves any version. A command in a new container has the image that is tagged as latest."""
    if command != "exec":
        return str(wanted or NO_VERSION)
    require_tag(wanted and str(wanted))
    return str(wanted or Names(config.data["service"], config.destination).latest_tag)


def require_tag(wanted: Optional[str]) -> None:
    """A version that was asked for can be the tag of an image."""
    if wanted and not TAG.fullmatch(wanted):
        raise VersionError(NO_TAG.format(wanted))


def of_image(image: str) -> str:
    """The version of an image that was built elsewhere: its tag, or the beginning of its digest."""
    _repository, tag, digest = _references.parts(image)
    hexadecimal = digest.partition(":")[2]
    if not (DIGEST.fullmatch(digest) if digest else tag):
        raise VersionError(
            f"kamal_image: {image!r} names no image: expected REPOSITORY:TAG or REPOSITORY@sha256:DIGEST."
        )
    version = tag or hexadecimal[:SHORT]
    if _references.is_latest(version):
        raise VersionError(
            f"kamal_image: {image} has the tag {tag}, which is no version. Name the image by another tag or by its "
            "digest, or say which version it is with -e kamal_version=VERSION."
        )
    require_tag(version)
    return version


def of_checkout(config: Config) -> str:
    """The version of what is checked out in the project: its commit, with a suffix if there is more than that."""
    if not git.is_repository(config.project_root):
        raise VersionError(
            f"There is no version: {config.project_root} is not a git checkout. "
            "Name one with -e kamal_version=VERSION or the environment variable VERSION."
        )
    return git.version(config.project_root, context_given="context" in (config.data.get("builder") or {}))


def require_everywhere(version: str, versions: Mapping[str, Sequence[str]]) -> None:
    """Every host still has a container of this version. `versions` holds those that each host has one of."""
    lacking = [host for host, there in versions.items() if version not in there]
    if lacking:
        raise RollbackError(
            f"There is no container of version {version} on {', '.join(lacking)} to go back to. "
            f"Choose one that caravan.kamal.details shows on every host, or deploy it: -e kamal_version={version}."
        )


def of_plan(plan: Plan) -> str:
    """The planned version. A plan that has none, or not yet: then the commit, as Kamal records it."""
    if plan.version not in (NO_VERSION, *TO_BE_FOUND):
        return plan.version
    try:
        return git.head(plan.project_root) if git.is_repository(plan.project_root) else ""
    except CaravanError:
        return ""


def with_service(service: str, version: str) -> str:
    return "@".join(part for part in (service, short_version(version)) if part)
