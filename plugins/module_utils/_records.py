# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What went live on a host, as the host keeps it and the controller reads it, and what follows from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

# What is read in the place of bytes that are no UTF-8.
NO_TEXT = "\ufffd"


@dataclass(frozen=True)
class Record:
    """A version that went live, by `container` in one role, or that turned out to be bad later: `bad` says why. One of
    an earlier release of this collection names all roles at once and no container."""

    version: str
    at: str = ""
    command: str = ""
    roles: Tuple[str, ...] = ()
    container: str = ""
    image_id: str = ""
    performer: str = ""
    bad: str = ""

    @classmethod
    def of(cls, data: Any) -> Optional[Record]:
        """From plain data; None where that is no record. What is none of a field's values counts as left out."""
        if not isinstance(data, Mapping) or not isinstance(data.get("version"), str):
            return None
        roles = data.get("roles")
        names = tuple(role for role in roles if isinstance(role, str)) if isinstance(roles, (list, tuple)) else ()
        words = {name: data[name] for name in WORDS if isinstance(data.get(name), str)}
        return cls(roles=names, **words)

    def to_data(self) -> Dict[str, Any]:
        """Plain data with what is known."""
        known = {name: value for name, value in asdict(self).items() if value}
        return {**known, "roles": list(self.roles)} if self.roles else known


WORDS = ("version", "at", "command", "container", "image_id", "performer", "bad")


def line(record: Record) -> str:
    """A record as the history file has it, without the end of the line."""
    return json.dumps(record.to_data(), sort_keys=True)


def parse(content: str) -> List[Record]:
    """The records of a history file, oldest first; a line that was cut short or spoilt is passed over."""
    records = (_record(each) for each in content.splitlines())
    return [record for record in records if record is not None]


def _record(text: str) -> Optional[Record]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return None if NO_TEXT in text else Record.of(data)


def bad_versions(records: Sequence[Record]) -> Set[str]:
    """The versions that were marked as bad after they went live last."""
    last = {record.version: record for record in records}
    return {version for version, record in last.items() if record.bad}


def good_versions(records: Sequence[Record]) -> List[str]:
    """The versions that went live and are not marked as bad, each once, the latest first."""
    bad = bad_versions(records)
    return [version for version in dict.fromkeys(record.version for record in reversed(records)) if version not in bad]


def wanted_versions(records: Sequence[Record]) -> List[str]:
    """The versions that a rollback may want: the last two good ones, which are what is live and what was before."""
    return good_versions(records)[:2]


def images_of(records: Sequence[Record], version: str) -> List[str]:
    """The IDs of the images with which a version went live, the latest first."""
    ids = (record.image_id for record in reversed(records) if record.version == version)
    return [image_id for image_id in dict.fromkeys(ids) if image_id]


def image_of_each(records: Sequence[Record], versions: Iterable[str]) -> List[str]:
    """The ID of the image with which each of the versions went live last, for those of which it is known."""
    return [image_id for version in versions for image_id in images_of(records, version)[:1]]


def last_of(records: Sequence[Record], role: str) -> Optional[Record]:
    """What went live last in a role."""
    return next((record for record in reversed(records) if not record.bad and role in record.roles), None)


def live_container(records: Sequence[Record], role: str) -> Optional[str]:
    """The ID of the container that went live last in a role; None if its version is marked as bad, or unknown."""
    last = last_of(records, role)
    return (last.container or None) if last and last.version not in bad_versions(records) else None
