# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How far a build is, as lines for people while its module runs: steps that took their time, and those that take long.

The lines are the same in a terminal and in a log.
"""

from __future__ import annotations

import re
import time
from typing import Any, Callable, Dict, Mapping, Sequence

# A step is told when it ends after this many seconds, and while it runs at these times and then each minute.
WORTH_TELLING = 1.0
WHILE_IT_RUNS = (10, 30, 60)
MINUTE = 60
LONGEST_NAME = 100
MOUNTS = re.compile(r"--mount=\S+ ")


class Teller:
    """Makes lines of the events that `Progress` of the build writes; `tell` gets each."""

    def __init__(self, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._tell, self._clock = tell, clock
        self._began: Dict[str, float] = {}
        self._told: Dict[str, int] = {}
        self._amounts: Dict[str, str] = {}

    def hear(self, events: Sequence[Mapping[str, Any]]) -> None:
        """What came since the last call, if anything."""
        for event in events:
            self._take(event)
        self._tell_of_what_runs()

    def _take(self, event: Mapping[str, Any]) -> None:
        step, seconds = event["step"], event.get("seconds")
        if event["state"] == "begun":
            self._began[step] = self._clock()
        elif event["state"] == "moved":
            self._amounts[step] = event["amount"]
        else:
            self._began.pop(step, None)
            if seconds is not None and seconds >= WORTH_TELLING:
                self._tell(f"{_short(step)}: {self._moved(step)}{seconds:.1f} s")

    def _tell_of_what_runs(self) -> None:
        for step, began in self._began.items():
            seconds = int(self._clock() - began)
            due = sum(seconds >= moment for moment in WHILE_IT_RUNS) + max(0, seconds // MINUTE - 1)
            if due > self._told.get(step, 0):
                self._told[step] = due
                self._tell(f"{_short(step)}: {self._moved(step)}{seconds} s so far")

    def _moved(self, step: str) -> str:
        return f"{self._amounts[step]}, " if step in self._amounts else ""


def _short(step: str) -> str:
    name = MOUNTS.sub("", step)
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
