# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What went live on a host, and when: the history that a rollback reads, and the audit log that people read."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, Dict, List, Optional, Sequence


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
