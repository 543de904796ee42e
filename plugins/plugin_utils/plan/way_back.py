# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The version to go back to, worked out over all hosts and roles, also when only some of them have moved on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence, Set

from ...module_utils._errors import RollbackError
from ...module_utils._records import Record, bad_versions

REMEDY = "Name the version to go back to: -e kamal_version=VERSION."


@dataclass(frozen=True)
class HostInfo:
    """What service_info answered on a host, as far as it says where to go back to: by role the version that runs, the
    versions that there are containers of, and the history."""

    running: Mapping[str, str]
    versions: Sequence[str]
    history: Sequence[Record]

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> HostInfo:
        records = (Record.of(record) for record in answer["history"])
        versions = [container["version"] for container in answer.get("containers") or ()]
        return cls(answer["running"], versions, [record for record in records if record is not None])


Histories = Mapping[str, HostInfo]


@dataclass(frozen=True)
class Place:
    """A role on a host: the version that it runs, or ran last, and other good ones that were live, nearest first."""

    host: str
    role: str
    version: Optional[str]
    before: Sequence[str]


def places(histories: Histories, roles: Mapping[str, Sequence[str]]) -> List[Place]:
    """The roles of the plan on every host, One that never ran has no say."""
    bad = set().union(*(bad_versions(info.history) for info in histories.values()))
    anything_runs = any(info.running for info in histories.values())
    every = [
        _place(host, role, info, bad, anything_runs)
        for host, info in sorted(histories.items())
        for role in roles.get(host, ())
    ]
    return [place for place in every if place.version or not anything_runs]


def previous_good(everywhere: Sequence[Place]) -> str:
    """The version to go back to; RollbackError when there is none, or when hosts and roles do not agree on one.

    After a half rollout it is the version that the others still run and that those which moved on had before. Else it
    is the one that was live before everywhere. Versions that were marked bad are passed over.
    """
    stayed = [version for version in _versions(everywhere) if _others_had(everywhere, version)]
    if len(stayed) == 1 and len(_versions(everywhere)) > 1:
        return stayed[0]
    nearest = {place.before[0] if place.before else None for place in everywhere}
    if len(nearest) == 1 and nearest != {None}:
        return str(nearest.pop())
    if nearest <= {None}:
        hosts = ", ".join(dict.fromkeys(place.host for place in everywhere))
        raise RollbackError(
            f"No other version was live and good before on {hosts}, so there is nothing to go back to. "
            "Name a version whose image exists: -e kamal_version=VERSION."
        )
    raise RollbackError(f"The hosts and roles do not agree on a version to go back to:\n{table(everywhere)}\n{REMEDY}")


def live(everywhere: Sequence[Place]) -> str:
    """The version that runs or, where nothing runs, was live last; RollbackError where hosts and roles do not agree."""
    versions = {place.version or next(iter(place.before), None) for place in everywhere} - {None}
    if len(versions) == 1:
        return str(versions.pop())
    if not versions:
        raise RollbackError("Nothing was live here, so that there is nothing to boot. Deploy first.")
    raise RollbackError(
        f"The hosts and roles do not run one version:\n{table(everywhere)}\n"
        "Name the one to boot: -e kamal_version=VERSION."
    )


def table(everywhere: Sequence[Place]) -> str:
    """Host, role, what it runs and what was good before, in columns."""
    rows = [("host", "role", "version", "before it")]
    rows += [(each.host, each.role, each.version or "none", ", ".join(each.before) or "none") for each in everywhere]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[3]]) for row in rows
    )


def _versions(everywhere: Sequence[Place]) -> Set[str]:
    return {place.version for place in everywhere if place.version}


def _others_had(everywhere: Sequence[Place], version: str) -> bool:
    """Whether this version is live in some places and was live, and good, before in all others."""
    return all(place.version == version or version in place.before for place in everywhere)


def _place(host: str, role: str, info: HostInfo, bad: Set[str], anything_runs: bool) -> Place:
    """A place where nothing runs stands at its last version, unless nothing runs anywhere: then that is the way back.

    A role that has never had another version goes where its host goes.
    """
    records = [record for record in info.history if not record.bad]
    own = [record for record in records if role in (record.roles or (role,))]
    version = info.running.get(role)
    if version is None and anything_runs and own:
        version = own[-1].version
    before = _before(own, version, bad) or _before(records, version, bad)
    return Place(host, role, version, before)


def _before(records: Sequence[Record], version: Optional[str], bad: Set[str]) -> List[str]:
    """Walking back: the other versions, nearest first."""
    versions = dict.fromkeys(record.version for record in reversed(records))
    return [each for each in versions if each != version and each not in bad]
