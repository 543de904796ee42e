# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record of one run: what is told of it at its beginning, while it lasts, and at its end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional, Protocol, Sequence

INFO, ERROR = "INFO", "ERROR"


@dataclass(frozen=True)
class Run:
    """`command` is the playbook, as Kamal names its commands."""

    service: str
    destination: Optional[str]
    version: str
    performer: str
    command: str
    hosts: Sequence[str]


class Recorder(Protocol):
    def begin(self, run: Run) -> None: ...

    def line(self, text: str, host: Optional[str], severity: str) -> None: ...

    def end(self, failure: Optional[str], seconds: float) -> Optional[str]:
        """`failure` is None for a run that went well. Returns what a person should know."""
