# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What went live on a host, and when: the history that a rollback reads, and the audit log that people read."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence

from .._errors import RollbackError


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def entry(command: str, version: str, roles: Sequence[str], image_id: str, performer: str) -> str:
    """One line of the history file. It is written only after the version was proven and took over."""
    record = {
        "at": now(),
        "command": command,
        "version": version,
        "roles": list(roles),
        "image_id": image_id,
        "performer": performer,
    }
    return json.dumps(record, sort_keys=True)


def parse(content: str) -> List[Dict[str, Any]]:
    """The records of a history file, oldest first; a line cut short by a full disk is passed over."""
    records = []
    for line in content.splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            continue
    return [record for record in records if isinstance(record, dict) and "version" in record]


def audit_line(performer: str, details: Sequence[Optional[str]], text: str) -> str:
    """`[time] [performer] [detail…] text`, as Kamal writes it."""
    tags = " ".join(f"[{tag}]" for tag in (now(), performer, *details) if tag)
    return f"{tags} {text}"


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
    found = ", ".join(f"{host}: {version or 'none'}" for host, version in sorted(candidates.items()))
    raise RollbackError(
        f"The hosts do not agree on a previous good version ({found}). "
        "Name the version to go back to: -e kamal_version=VERSION."
    )


def require_everywhere(version: str, containers: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Every host still has a container of this version. `containers` holds those of each host, as service_info says."""
    lacking = [host for host, found in containers.items() if version not in {one["version"] for one in found}]
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
