# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/guarantees.md promises nothing that no test holds."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
TEST_FILES = [*(ROOT / "tests" / "unit").rglob("test_*.py"), *(ROOT / "molecule").glob("*/tests/test_*.py")]
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(\w+)`", PAGE.read_text())))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=map("::".join, NAMED))
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    assert [path for path in TEST_FILES if path.name == file and f"\ndef {name}(" in path.read_text()]


def test_every_promise_has_a_test() -> None:
    rows = [line for line in PAGE.read_text().partition("## All of it")[0].splitlines() if line.startswith("| ")]
    assert len(NAMED) > 50
    assert not [row for row in rows if row != "| promise | held by |" and "::" not in row]


def test_the_name_of_a_file_says_which_it_is() -> None:
    assert not [name for name, number in Counter(path.name for path in TEST_FILES).items() if number > 1]
