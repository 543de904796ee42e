# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What became of a run: from which version to which roles went where, and which hosts failed and changed."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ...module_utils._names import short_version

NAMED_HOSTS = 8
NONE = "nothing"
CONTROLLER = "the controller"


def named_or_counted(hosts: Sequence[str], most: int) -> str:
    """The names of hosts, unless there are too many to read."""
    return ", ".join(hosts) if len(hosts) <= most else f"{len(hosts)} hosts"


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


def closing_line(counts: Mapping[str, Mapping[str, int]], causes: Mapping[str, Sequence[str]]) -> Tuple[List[str], str]:
    """The hosts that failed, and the line that says what became of all.

    `counts` is Ansible's, by host. `causes` says for a host of the play whose fault its first failed task was.
    """
    if not counts:
        return [], "nothing was done: no host or no task matched"
    broken = [host for host, count in counts.items() if count["failures"] or count["unreachable"]]
    failed = list(dict.fromkeys(culprit for host in broken for culprit in causes.get(host, [host])))
    others = [host for host in counts if host not in failed]
    changed = [host for host in others if counts[host]["changed"]]
    same = [host for host in others if not counts[host]["changed"]]
    parts = (("failed", ", ".join(failed)), ("changed", _some(changed)), ("unchanged", _some(same)))
    return failed, "; ".join(f"{word}: {hosts}" for word, hosts in parts if hosts)


def changed_where(
    counts: Mapping[str, Mapping[str, int]], elsewhere: Mapping[Tuple[str, Tuple[str, ...]], int]
) -> Mapping[str, Mapping[str, int]]:
    """Ansible's counts, with each change counted for the host that it was made on. `elsewhere` says how many changes a
    task for a host of the play made on others, or on none. The controller is named only if nothing else did."""
    whole = {host: dict(count) for host, count in counts.items()}
    for (host, _places), number in elsewhere.items():
        whole[host]["changed"] -= number
    for (_host, places), number in elsewhere.items():
        for place in places:
            if place == CONTROLLER and any(count["changed"] for count in whole.values()):
                continue
            there = whole.setdefault(place, {"failures": 0, "unreachable": 0, "changed": 0})
            there["changed"] += number
    return whole


def _some(hosts: Sequence[str]) -> str:
    return named_or_counted(hosts, NAMED_HOSTS)
