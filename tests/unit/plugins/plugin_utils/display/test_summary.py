# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From which version to which, where, and the line that closes a run."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.display.summary import Versions, closing_line

NEW, OLD = "3f2a9c1b6f0e4d1d8a7c5b3e2f1a0d9c8b7a6f5e", "77d0e2100e4d1d8a7c5b3e2f1a0d9c8b7a6f5e00"


@pytest.mark.parametrize(
    ("answers", "lines"),
    [
        ([], []),
        ([("web1", {"version": NEW}), ("web1", {"version": NEW, "before": {}})], []),
        ([("web1", {"version": NEW, "before": {"web": NEW}})], []),
        ([("web1", {"version": NEW, "before": {"web": None}})], ["web: nothing -> 3f2a9c1 on web1"]),
        (
            [
                ("web1", {"version": NEW, "before": {"web": OLD}}),
                ("web2", {"version": NEW, "before": {"web": OLD}}),
                ("worker1", {"version": NEW, "before": {"jobs": OLD}}),
            ],
            ["web: 77d0e21 -> 3f2a9c1 on web1, web2", "jobs: 77d0e21 -> 3f2a9c1 on worker1"],
        ),
        (
            [(f"h{number}", {"version": "v2", "before": {"web": "v1"}}) for number in range(9)],
            ["web: v1 -> v2 on 9 hosts"],
        ),
    ],
    ids=["none", "not of a release that went live", "the same", "the first", "two roles", "many"],
)
def test_the_versions_before_and_after(answers: list[tuple[str, dict[str, Any]]], lines: list[str]) -> None:
    versions = Versions()
    for host, answer in answers:
        versions.add(host, answer)
    assert versions.lines() == lines


OK = {"failures": 0, "unreachable": 0, "changed": 0}
CHANGED, FAILED, LOST = {**OK, "changed": 2}, {**OK, "failures": 1, "changed": 1}, {**OK, "unreachable": 1}

CLOSING = {
    "all is well": ({"a": CHANGED, "b": OK}, {}, [], "changed: a; unchanged: b"),
    "the second failed": ({"a": OK, "b": FAILED}, {"b": ["b"]}, ["b"], "failed: b; unchanged: a"),
    "two failed": ({"a": FAILED, "b": FAILED, "c": OK}, {}, ["a", "b"], "failed: a, b; unchanged: c"),
    "one was lost": ({"a": CHANGED, "b": LOST}, {"b": ["b"]}, ["b"], "failed: b; changed: a"),
    "the lock's host failed, asked for another": (
        {"a": OK, "b": FAILED, "c": OK},
        {"b": ["a"]},
        ["a"],
        "failed: a; changed: b; unchanged: c",
    ),
    "the controller failed": (
        {"a": {**OK, "failures": 1}},
        {"a": ["the controller"]},
        ["the controller"],
        "failed: the controller; unchanged: a",
    ),
    "the barrier was judged for the first host": (
        {"a": FAILED, "b": FAILED, "c": OK},
        {"a": ["b"], "b": ["b"]},
        ["b"],
        "failed: b; changed: a; unchanged: c",
    ),
    "a failure was rescued": ({"a": OK, "b": CHANGED}, {"a": ["a"]}, [], "changed: b; unchanged: a"),
    "nothing ran": ({}, {}, [], "nothing was done: no host or no task matched"),
    "many": ({f"h{number}": CHANGED for number in range(9)}, {}, [], "changed: 9 hosts"),
}


@pytest.mark.parametrize(("counts", "causes", "failed", "line"), CLOSING.values(), ids=CLOSING)
def test_the_closing_line(counts: Any, causes: Any, failed: list[str], line: str) -> None:
    assert closing_line(counts, causes) == (failed, line)
