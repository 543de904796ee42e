# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a run changed and broke something, whichever hosts of the play its tasks ran for."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from . import summary
from .results import answer_of, host_of, looks_ahead, task_of

# Whose answer names the hosts that it fails for.
BARRIER = "caravan.kamal.barrier"


class Tally:
    """`place` is where a task ran, as people know it."""

    def __init__(self) -> None:
        # Whose fault the first failed task of each host of the play was.
        self.causes: Dict[str, List[str]] = {}
        # How often a task for a host of the play changed others, that it was delegated to, by all these names. None of
        # them stand for a task that only looked ahead and changed nothing.
        self._elsewhere: Dict[Tuple[str, Tuple[str, ...]], int] = {}
        self.begin_task()

    def begin_task(self) -> None:
        # Where items of the loop at hand failed and changed something, by the host of the play that it runs for.
        self._failed_items: Dict[str, List[str]] = {}
        self._changed_items: Dict[str, List[str]] = {}

    def item_failed(self, result: Any, place: str) -> None:
        self._failed_items.setdefault(host_of(result), []).append(place)

    def item_changed(self, result: Any, place: str) -> None:
        self._changed_items.setdefault(host_of(result), []).append(place)

    def changed(self, result: Any, place: str) -> None:
        """Noted where that is not the host of the play that the task runs for."""
        host = host_of(result)
        places = self._changed_items.get(host) or [place]
        there = () if looks_ahead(task_of(result)) else tuple(dict.fromkeys(places))
        if there != (host,):
            self._elsewhere[host, there] = self._elsewhere.get((host, there), 0) + 1

    def failed(self, result: Any, place: str, only_stops: bool = False) -> None:
        """The hosts that a barrier waits for or whose items failed, else the one that the task ran on. A task that only
        says that the run stops fails for those that failed before."""
        of_items = self._failed_items.get(host_of(result))
        awaited = answer_of(result).get("missing") if task_of(result).action == BARRIER else None
        culprits = list(awaited or of_items or [place])
        self.causes.setdefault(host_of(result), sum(self.causes.values(), []) if only_stops else culprits)

    def closing_line(self, counts: Mapping[str, Mapping[str, int]]) -> Tuple[List[str], str]:
        """The hosts that failed, and the line that says what became of all. `counts` is Ansible's, by host."""
        return summary.closing_line(summary.changed_where(counts, self._elsewhere), self.causes)
