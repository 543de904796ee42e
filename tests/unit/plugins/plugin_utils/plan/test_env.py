# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The forms of env sections, and how they merge."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.env import (
    Env,
    for_host,
    read,
    secret_source,
)


@pytest.mark.parametrize(
    ("section", "clear", "secret"),
    [
        ({}, {}, {}),
        ({"A": "x", "B": 1}, {"A": "x", "B": "1"}, {}),
        ({"clear": {"A": True, "B": None, "C": 1.5}}, {"A": "true", "B": "", "C": "1.5"}, {}),
        ({"secret": ["TOKEN"]}, {}, {"TOKEN": "TOKEN"}),
        ({"secret": ["TOKEN:APP_TOKEN", "A:B:C"]}, {}, {"TOKEN": "APP_TOKEN", "A": "B:C"}),
        ({"clear": None, "secret": None}, {}, {}),
        ({"clear": {"A": "x"}, "secret": ["T"], "tags": {"db": {"B": "y"}}}, {"A": "x"}, {"T": "T"}),
    ],
)
def test_read(section: Any, clear: dict[str, str], secret: dict[str, str]) -> None:
    assert read(section) == Env(clear, secret)


@pytest.mark.parametrize(
    ("root", "role", "tags", "clear", "secret"),
    [
        ({"A": "root"}, {"A": "role"}, (), {"A": "role"}, {}),
        ({"clear": {"A": "root"}, "tags": {"t": {"A": "tag"}}}, {"A": "role"}, ("t",), {"A": "tag"}, {}),
        ({"tags": {"t": {"A": "1"}, "u": {"A": "2"}}}, {}, ("u", "t"), {"A": "1"}, {}),
        ({"clear": {"A": "1"}}, {}, ("unknown",), {"A": "1"}, {}),
        ({"secret": ["S:ONE"]}, {"secret": ["S:TWO", "T"]}, (), {}, {"S": "TWO", "T": "T"}),
        ({"tags": {"t": {"secret": ["S"]}}}, {}, ("t",), {}, {"S": "S"}),
        ({"secret": ["S"]}, {"A": "1"}, (), {"A": "1"}, {"S": "S"}),
        ({}, {"A": "role"}, ("t",), {"A": "role"}, {}),
        (
            {"secret": ["S:ROOT"], "tags": {"t": {"secret": ["S:T"]}, "u": {"secret": ["S:U", "V"]}}},
            {"secret": ["S:ROLE", "R"]},
            ("u", "t"),
            {},
            {"S": "T", "R": "R", "V": "V"},
        ),
        ({"A": "", "tags": {"t": {"B": ""}}}, {"A": "1"}, ("t",), {"A": "1", "B": ""}, {}),
    ],
    ids=[
        "role over root",
        "tag over role",
        "order of tags",
        "unknown tag",
        "secrets",
        "secret of a tag",
        "short over long form",
        "no env at the root",
        "aliases in order",
        "empty values",
    ],
)
def test_what_a_container_gets_on_a_host(root: Any, role: Any, tags: Any, clear: Any, secret: Any) -> None:
    assert for_host(root, role, tags) == Env(clear, secret)


def test_a_clear_value_beats_a_secret_of_the_same_name() -> None:
    assert Env({"A": "clear"}, {"A": "SOURCE", "B": "B"}).needed() == {"B": "B"}


def test_a_secret_entry_splits_at_the_first_colon() -> None:
    assert secret_source("A:B:C") == ("A", "B:C")
    assert secret_source("A:") == ("A", "A")
