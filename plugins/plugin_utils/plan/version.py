# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which version a run is about: one that was named, the commit that is checked out, or the previous good one.

`histories` everywhere is what service_info answered on each host, by host.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

from ...module_utils._build import git
from ...module_utils._errors import RollbackError, VersionError
from ..config.load import Config

Histories = Mapping[str, Mapping[str, Any]]

PREVIOUS = "previous"
NO_VERSION = "none"


def named(wanted: Optional[str], histories: Histories) -> Optional[str]:
    """The version that was asked for; with histories every host must still have it. `previous` means the good one
    before that which runs, as soon as there are histories to find it in. None where nothing was asked for."""
    if not wanted or (wanted == PREVIOUS and not histories):
        return wanted
    version = previous(histories) if wanted == PREVIOUS else wanted
    require_everywhere(version, {host: info["containers"] for host, info in histories.items()})
    return version


def of_checkout(config: Config) -> str:
    """The version of what is checked out in the project: its commit, with a suffix if there is more than that."""
    if not git.is_repository(config.project_root):
        raise VersionError(
            f"There is no version: {config.project_root} is not a git checkout. "
            "Name one with -e kamal_version=VERSION or the environment variable VERSION."
        )
    return git.version(config.project_root, context_given="context" in (config.data.get("builder") or {}))


def previous(histories: Histories) -> str:
    """The version to go back to, of all hosts."""
    records = {host: info["history"] for host, info in histories.items()}
    running = {host: next(iter(info["running"].values()), None) for host, info in histories.items()}
    return previous_good(records, running)


def previous_good(histories: Mapping[str, Sequence[Mapping[str, Any]]], running: Mapping[str, Optional[str]]) -> str:
    """The version to go back to: the one that was live before the one that runs, the same on every host.

    `histories` holds the records of each host, oldest first; `running` the version that each host runs now.
    """
    candidates = {host: _before(records, running.get(host)) for host, records in histories.items()}
    versions = set(candidates.values())
    if len(versions) == 1 and None not in versions:
        return str(versions.pop())
    if versions <= {None}:
        raise RollbackError(
            f"No other version was live before on {', '.join(sorted(candidates))}, so there is nothing to go back to. "
            "Name a version whose image exists: -e kamal_version=VERSION."
        )
    choices = ", ".join(f"{host}: {version or 'none'}" for host, version in sorted(candidates.items()))
    raise RollbackError(
        f"The hosts do not agree on a previous good version ({choices}). "
        "Name the version to go back to: -e kamal_version=VERSION."
    )


def require_everywhere(version: str, containers: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Every host still has a container of this version. `containers` holds those of each host, as service_info says."""
    lacking = [host for host, ones in containers.items() if version not in {one["version"] for one in ones}]
    if lacking:
        raise RollbackError(
            f"There is no container of version {version} on {', '.join(lacking)} to go back to. "
            f"Choose one that caravan.kamal.details shows on every host, or deploy it: -e kamal_version={version}."
        )


def _before(records: Sequence[Mapping[str, Any]], running: Optional[str]) -> Optional[str]:
    """Walking back: past what runs now, to the first other version."""
    for record in reversed(records):
        if record["version"] != running:
            return str(record["version"])
    return None
