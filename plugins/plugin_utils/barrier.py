# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether the roles that wait may start: only when the primary role is live on every host that was reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

Result = Optional[Mapping[str, Any]]


@dataclass(frozen=True)
class Hosts:
    """The hosts of a play in its order: all of them, those that have not failed, and of these the batch at hand."""

    everywhere: Sequence[str]
    remaining: Sequence[str]
    batch: Sequence[str]

    @property
    def reached(self) -> List[str]:
        """Those that this run has come to: up to the end of the batch, and whatever failed before."""
        end = max((self.everywhere.index(host) for host in self.batch), default=-1)
        return [host for number, host in enumerate(self.everywhere) if number <= end or host not in self.remaining]


def missing(
    gate: Sequence[str], hosts: Hosts, live: Callable[[str], Result], serving: Mapping[str, Result]
) -> List[str]:
    """The hosts of the primary role that keep the barrier closed, of those that were reached.

    `live` gives what a host answered when the role was brought live there; `serving`, by host, what it answered when it
    was looked at again, where that was done. A host that the run has lost is missing, whatever it answered before.
    """
    return [
        host
        for host in hosts.reached
        if host in gate
        and not (
            host in hosts.remaining and succeeded(live(host)) and (host not in serving or succeeded(serving[host]))
        )
    ]


def succeeded(result: Result) -> bool:
    """Whether a task ran on a host and did what it should."""
    return bool(result) and not any((result or {}).get(word) for word in ("failed", "unreachable", "skipped"))


def by_host(registered: Result) -> Dict[str, Result]:
    """The results of a task that looked at hosts one after another, in a loop whose items are their names."""
    results = (registered or {}).get("results") or []
    return {str(result["item"]): result for result in results if "item" in result and not result.get("skipped")}
