# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What went live on a host, and when: the history that a rollback reads, and the audit log that people read.

The history has one JSON object a line, oldest first: `at`, `command`, `version`, `roles` (one each), `container` (the
ID that went live), `image_id` and `performer`. A version that turned out to be bad later has a line with `version`,
`bad` (why), `at` and `performer`; it counts until the version goes live again.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Callable, Dict, List, Optional, Sequence, Set

from .._host import files

Record = Dict[str, Any]

# What is read in the place of bytes that are no UTF-8.
NO_TEXT = "\ufffd"


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def entry(command: str, version: str, role: str, container: str, image_id: str, performer: str) -> str:
    """One line of the history file. It is written only after the version was proven and took over."""
    record = {
        "at": now(),
        "command": command,
        "version": version,
        "roles": [role],
        "container": container,
        "image_id": image_id,
        "performer": performer,
    }
    return json.dumps(record, sort_keys=True)


def bad_entry(version: str, reason: str, performer: str) -> str:
    """The line that marks a version as none to go back to."""
    return json.dumps({"at": now(), "version": version, "bad": reason, "performer": performer}, sort_keys=True)


def read(path: str, notice: Callable[[str], None]) -> List[Record]:
    """The records of a history file, oldest first; `notice` hears of lines that are none."""
    content = files.read(path) or ""
    records = parse(content)
    garbage = sum(1 for line in content.splitlines() if line.strip()) - len(records)
    if garbage:
        notice(f"{garbage} lines of {files.absolute(path)} are no records of releases and were passed over")
    return records


def parse(content: str) -> List[Record]:
    """The records of a history file, oldest first; a line that was cut short or spoilt is passed over."""
    records = (_record(line) for line in content.splitlines())
    return [record for record in records if record is not None]


def _record(line: str) -> Optional[Record]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(record, dict) and isinstance(record.get("version"), str) and NO_TEXT not in line
    return record if whole else None


def bad_versions(records: Sequence[Record]) -> Set[str]:
    """The versions that were marked as bad after they went live last."""
    last = {record["version"]: record for record in records}
    return {version for version, record in last.items() if record.get("bad")}


def good_versions(records: Sequence[Record]) -> List[str]:
    """The versions that went live and are not marked as bad, each once, the latest first."""
    bad = bad_versions(records)
    return [
        version for version in dict.fromkeys(record["version"] for record in reversed(records)) if version not in bad
    ]


def wanted_versions(records: Sequence[Record]) -> List[str]:
    """The versions that a rollback may want: the last two good ones, which are what is live and what was before."""
    return good_versions(records)[:2]


def images_of(records: Sequence[Record], version: str) -> List[str]:
    """The IDs of the images with which a version went live, the latest first."""
    ids = (record.get("image_id") for record in reversed(records) if record["version"] == version)
    return [image_id for image_id in dict.fromkeys(ids) if isinstance(image_id, str) and image_id]


def live_container(records: Sequence[Record], role: str) -> Optional[str]:
    """The ID of the container that went live last in a role; None if its version is marked as bad, or unknown."""
    bad = bad_versions(records)
    for record in reversed(records):
        roles = record.get("roles")
        if not record.get("bad") and isinstance(roles, list) and role in roles:
            return None if record["version"] in bad else record.get("container")
    return None


def audit_line(performer: str, details: Sequence[Optional[str]], text: str) -> str:
    """`[time] [performer] [detail…] text`, as Kamal writes it."""
    tags = " ".join(f"[{tag}]" for tag in (now(), performer, *details) if tag)
    return f"{tags} {text}"
