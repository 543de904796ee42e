# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rollout changed, in versions: from which to which, where."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Tuple

from ..module_utils._names import short_version

NAMED_HOSTS = 8
NONE = "nothing"


class Versions:
    """Of the roles that went live; of one that did so twice in a run, where it came from first."""

    def __init__(self) -> None:
        self._moves: Dict[Tuple[str, str], Tuple[str, str]] = {}

    def add(self, host: str, answer: Mapping[str, Any]) -> None:
        """What M(caravan.kamal.release) answered with state live."""
        for role, before in (answer.get("before") or {}).items():
            first, _after = self._moves.get((host, role), (short_version(before) if before else NONE, ""))
            self._moves[(host, role)] = (first, short_version(answer["version"]))

    def has(self, host: str) -> bool:
        return any(there == host for there, _role in self._moves)

    def lines(self) -> List[str]:
        """One for each role and pair of versions; none for what stayed."""
        hosts: Dict[Tuple[str, str, str], List[str]] = {}
        for (host, role), (before, after) in self._moves.items():
            if before != after:
                hosts.setdefault((role, before, after), []).append(host)
        return [f"{role}: {before} -> {after} on {_some(there)}" for (role, before, after), there in hosts.items()]


def _some(hosts: List[str]) -> str:
    return ", ".join(hosts) if len(hosts) <= NAMED_HOSTS else f"{len(hosts)} hosts"
