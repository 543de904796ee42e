# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The history that a rollback reads, and the audit log that people read: lines in files of a host.

The history has one JSON object a line, oldest first, each of them a `Record`. It is written only after a version was
proven and took over; the mark of a bad version counts until the version goes live again.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Callable, List, Optional, Sequence

from .. import _records
from .._host import files
from .._records import Record


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def entry(command: str, version: str, role: str, container: str, image_id: str, performer: str) -> str:
    """The line for a version that went live in a role."""
    return _records.line(Record(version, now(), command, (role,), container, image_id, performer))


def bad_entry(version: str, reason: str, performer: str) -> str:
    """The line that marks a version as none to go back to."""
    return _records.line(Record(version, now(), bad=reason, performer=performer))


def read(path: str, notice: Callable[[str], None]) -> List[Record]:
    """The records of a history file, oldest first; `notice` hears of lines that are none."""
    content = files.read(path) or ""
    records = _records.parse(content)
    garbage = sum(1 for line in content.splitlines() if line.strip()) - len(records)
    if garbage:
        notice(f"{garbage} lines of {files.absolute(path)} are no records of releases and were passed over")
    return records


def audit_line(performer: str, details: Sequence[Optional[str]], text: str) -> str:
    """`[time] [performer] [detail…] text`, as Kamal writes it."""
    tags = " ".join(f"[{tag}]" for tag in (now(), performer, *details) if tag)
    return " ".join(f"{tags} {text}".splitlines())
