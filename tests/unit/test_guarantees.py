# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/guarantees.md promises nothing that no test holds, and molecule/README.md names tests that there are."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
TEST_FILES = [*(ROOT / "tests" / "unit").rglob("test_*.py"), *(ROOT / "molecule").glob("*/tests/test_*.py")]
STORIES = ROOT / "molecule" / "README.md"
NAMED, NAMED_OF_STORIES = (
    sorted(set(re.findall(r"`(test_\w+\.py)::(\w+)`", page.read_text()))) for page in (PAGE, STORIES)
)
ALL = sorted({*NAMED, *NAMED_OF_STORIES})
# Of Kamal 2.12: each test of its test/integration.
SCENARIOS = (
    "main: deploy, redeploy, rollback, details, audit",
    "main: app with roles",
    "main: config",
    "main: aliases",
    "main: deploy with destinations",
    "main: setup and remove",
    "main: two apps",
    "main: deploy with traefik",
    "main: deploy with custom certificate",
    "app: stop, start, boot, logs, images, containers, exec, remove",
    "app: parallel roles",
    "app: custom error pages",
    "broken deploy: deploying a bad image",
    "lock: acquire, release, status",
    "proxy: boot, reboot, stop, start, restart, logs, remove",
    "accessory: boot, stop, start, restart, logs, remove",
    "accessory: proxied",
)


@pytest.mark.parametrize("page", [PAGE, STORIES], ids=lambda page: page.name)
def test_a_test_is_named_with_its_file(page: Path) -> None:
    named = re.findall(r"`([^`\n]*::[^`\n]*)`", page.read_text())
    assert [each for each in named if not re.fullmatch(r"test_\w+\.py::\w+", each)] == []


@pytest.mark.parametrize(("file", "name"), ALL, ids=map("::".join, ALL))
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    assert [path for path in TEST_FILES if path.name == file and f"\ndef {name}(" in path.read_text()]


def test_every_promise_has_a_test() -> None:
    rows = [line for line in PAGE.read_text().partition("## All of it")[0].splitlines() if line.startswith("| ")]
    assert len(NAMED) > 50
    assert not [row for row in rows if row != "| promise | held by |" and "::" not in row]


def test_every_scenario_of_kamals_has_a_test_on_hosts() -> None:
    rows = [line.split(" | ") for line in STORIES.read_text().splitlines() if line.endswith("` |") and "::" in line]
    assert list(dict.fromkeys(row[0].removeprefix("| ") for row in rows)) == list(SCENARIOS)
    on_hosts = {path.name for path in TEST_FILES if "molecule" in path.parts}
    assert {file for file, _name in NAMED_OF_STORIES} <= on_hosts


def test_the_name_of_a_file_says_which_it_is() -> None:
    assert not [name for name, number in Counter(path.name for path in TEST_FILES).items() if number > 1]
