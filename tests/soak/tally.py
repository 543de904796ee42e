# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What happened in a soak: each run, each failed request with what ran at that moment, each problem."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from schedule import Step

NOTHING = "no run"


@dataclass(frozen=True)
class Event:
    """A run, with its begin and end in seconds since the load began."""

    began: float
    ended: float
    text: str


@dataclass(frozen=True)
class FailedRequest:
    at: float
    error: str
    during: str

    def __str__(self) -> str:
        return f"{self.at:.1f} s: {self.error} ({self.during})"


def at_that_moment(moment: float, events: Sequence[Event]) -> str:
    """What ran then, or what ran last before."""
    during = [event.text for event in events if event.began <= moment <= event.ended]
    if during:
        return "during " + " and ".join(during)
    before = [event for event in events if event.ended < moment]
    return f"after {max(before, key=lambda event: event.ended).text}" if before else NOTHING


def failed_requests(errors: Sequence[tuple[float, str]], events: Sequence[Event]) -> list[FailedRequest]:
    """`errors` are the moments at which failed requests began, and how they failed."""
    return [FailedRequest(at, error, at_that_moment(at, events)) for at, error in errors]


@dataclass
class Tally:
    """Counts of a soak while it goes on. A problem is a sentence that names its step; below it, what was printed."""

    acts: Counter[str] = field(default_factory=Counter)
    interrupted: Counter[str] = field(default_factory=Counter)
    recovered: int = 0
    events: list[Event] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def releases(self) -> int:
        return sum(self.acts.values())

    @property
    def interruptions(self) -> int:
        return sum(self.interrupted.values())

    def count(self, step: Step, was_interrupted: bool) -> None:
        self.acts[step.act] += 1
        if was_interrupted and step.interruption:
            self.interrupted[step.interruption.how] += 1

    def problem(self, step: Optional[Step], text: str) -> None:
        self.problems.append(f"step {step.number} ({step}): {text}" if step else text)
