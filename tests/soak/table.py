# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The summary of a soak as Markdown, and its place in docs/guarantees.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from leftovers import Snapshot
from tally import FailedRequest, Tally

BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"
SHOWN = 20


@dataclass(frozen=True)
class Summary:
    """All that a soak found out. `load` is the result of its load; `before` and `after` are the hosts by name and
    `engine` the memory of this machine's Docker engine before and after, in MiB."""

    seed: int
    date: str
    tally: Tally
    load: Mapping[str, Any]
    failed: Sequence[FailedRequest]
    left_over: Mapping[str, Sequence[str]]
    before: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]
    engine: tuple[int, int]

    @property
    def passed(self) -> bool:
        return not (self.load["failed"] or self.tally.problems or any(self.left_over.values()))


def render(summary: Summary) -> str:
    tally, load = summary.tally, summary.load
    rows = {
        "seed, day": f"{summary.seed}, {summary.date}",
        "releases": f"{tally.releases:,}: {listed(tally.acts)}",
        "interrupted": f"{tally.interruptions:,}: {listed(tally.interrupted)}",
        "put right by the next run": f"{tally.recovered:,} of {tally.interruptions:,}",
        "requests": f"{load['requests']:,} in {load['seconds'] / 60:.0f} min",
        "failed requests": f"{load['failed']:,}",
        "longest time without a good answer": f"{load['max_gap']:.2f} s",
        "slowest answer": f"{load['slowest']:.2f} s",
        "other problems": f"{len(tally.problems):,}",
        "left over on hosts": f"{sum(map(len, summary.left_over.values())):,}",
        "memory of this machine's engine": f"{summary.engine[0]:,} to {summary.engine[1]:,} MiB",
    }
    lines = ["| a soak | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items()), ""]
    return "\n".join([*lines, *hosts(summary), *details(summary)]).rstrip() + "\n"


def listed(counts: Counter[str]) -> str:
    return ", ".join(f"{number} × {name}" for name, number in sorted(counts.items())) or "none"


def hosts(summary: Summary) -> list[str]:
    lines = [
        "| host | containers | images | memory of its engine, MiB | disk of its engine, MiB |",
        "|---|---|---|---|---|",
    ]
    for name, before in summary.before.items():
        after = summary.after[name]
        pairs = (
            (len(before.containers), len(after.containers)),
            (len(before.images), len(after.images)),
            (before.memory, after.memory),
            (before.disk, after.disk),
        )
        lines.append(f"| {name} | " + " | ".join(f"{first} to {last}" for first, last in pairs) + " |")
    return [*lines, ""]


def details(summary: Summary) -> list[str]:
    """What did not hold, in words; nothing if all did."""
    found = [
        *(f"- failed request, {request}" for request in summary.failed[:SHOWN]),
        *(f"- {problem.splitlines()[0]}" for problem in summary.tally.problems),
        *(f"- left over on {host}: {thing}" for host, things in summary.left_over.items() for thing in things[:SHOWN]),
    ]
    return ["What did not hold:", "", *found] if found else []


def replaced(page: str, table: str) -> str:
    """The page with this table between its markers."""
    head, begin, rest = page.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} with {END} after it")
    return f"{head}{BEGIN}\n\n{table}\n{END}{tail}"
