# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The variables that a user sets: what is refused, and that nothing reads one that is not in the table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.plugin_utils import former_variables, variable_checks, variables
from words import TRUE_OR_FALSE

ROOT = Path(__file__).resolve().parents[4]
SPECS = sorted(ROOT.glob("roles/*/meta/argument_specs.yml"))
PLACES = [*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/*/*.yml"), *ROOT.glob("plugins/*/**/*.py")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kamal_version", None),
        ("site_version", None),
        ("kamal_vresion", "kamal_vresion: there is no such variable; did you mean kamal_version?"),
        ("kamal_buidl", "kamal_buidl: there is no such variable; did you mean kamal_build?"),
        ("kamal_qqqqqq", "kamal_qqqqqq: there is no such variable; docs/operating.md lists those that there are"),
        ("kamal_logs_role", "kamal_logs_role: this variable is called kamal_roles"),
        ("kamal_accessory_cmd", "kamal_accessory_cmd: this variable is called kamal_cmd"),
        (
            "kamal_lock_state",
            "kamal_lock_state: there are playbooks for it, caravan.kamal.lock.acquire, lock.release and lock.status",
        ),
        ("kamal_plan", "kamal_plan: this cannot be set with -e: the role plan sets it, on localhost"),
    ],
)
def test_a_name_that_nothing_reads_is_refused(name: str, message: str | None) -> None:
    assert [str(problem) for problem in variable_checks.unknown([name])] == ([message] if message else [])


@pytest.mark.parametrize(
    ("playbook", "name", "now"),
    [
        ("lock.acquire", "message", "kamal_lock_message"),
        ("logs", "role", "kamal_roles"),
        ("audit", "lines", "kamal_audit_lines"),
        ("config", "format", "kamal_format"),
        ("docs", "section", "kamal_docs_section"),
        ("deploy", "version", "kamal_version"),
        ("logs", "destination", "kamal_destination"),
        ("audit", "hosts", "kamal_hosts"),
        ("remove", "confirm", "kamal_confirm"),
        ("deploy", "roles", "kamal_roles"),
        ("app.logs", "lines", "kamal_logs_lines"),
        ("prune.containers", "retain", "kamal_prune_retain"),
        ("secrets.fetch", "adapter", "kamal_secrets_adapter"),
        ("secrets.extract", "name", "kamal_secrets_names"),
        ("deploy", "state", None),
        ("audit", "grep", None),
    ],
)
def test_a_former_name_is_refused_by_the_playbook_that_took_it(playbook: str, name: str, now: str | None) -> None:
    expected = [f"{name}: this variable is called {now}"] if now else []
    assert [str(problem) for problem in variable_checks.former([name], [playbook])] == expected
    assert not now or now in variables.BY_NAME


@pytest.mark.parametrize(
    ("name", "playbooks", "known", "messages"),
    [
        ("version", ["deploy"], {"version"}, ["version: this variable is called kamal_version"]),
        ("version", ["deploy"], {"version", "kamal_version"}, []),
        ("version", [], {"version"}, []),
        ("roles", ["deploy"], {"roles"}, ["roles: this variable is called kamal_roles"]),
        ("roles", [], {"roles"}, []),
    ],
    ids=[
        "an option of Kamal",
        "the inventory makes use of it",
        "a playbook of one's own",
        "roles",
        "roles of one's own",
    ],
)
def test_an_option_of_kamal_is_refused_where_nothing_reads_it(
    name: str, playbooks: list[str], known: set[str], messages: list[str]
) -> None:
    assert [str(problem) for problem in variable_checks.former([name], playbooks, known)] == messages


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("kamal_lock_wait", "30", None),
        ("kamal_lock_wait", 30, None),
        ("kamal_lock_wait", "abc", "expected a whole number from 0 on, not 'abc'"),
        ("kamal_lock_wait", -1, "expected a whole number from 0 on, not -1"),
        ("kamal_lock_wait", "²", "expected a whole number from 0 on, not '²'"),
        ("kamal_build", "no", None),
        ("kamal_build", False, None),
        ("kamal_build", "fales", "expected true or false, not 'fales'"),
        ("kamal_build", None, None),
        ("kamal_format", "xml", "expected text or json, not 'xml'"),
        ("kamal_format", "json", None),
        ("kamal_version", 12, None),
        ("kamal_logs_since", "10m", None),
        ("kamal_logs_since", 1767225600, None),
        (
            "kamal_logs_since",
            "yesterday",
            "'yesterday' is neither a duration such as 10m or 1h30m nor a time such as 2026-01-31T12:00:00Z",
        ),
        ("kamal_logs_grep", "GET|POST", None),
        ("kamal_logs_grep", "(", "'(' is not a regular expression: missing ), unterminated subpattern at position 0"),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: Any, message: str | None) -> None:
    problems = variable_checks.wrong_values([name, "other"], {name: value}.__getitem__)
    assert [str(problem) for problem in problems] == ([f"{name}: {message}"] if message else [])


@pytest.mark.parametrize(("value", "counts"), TRUE_OR_FALSE)
def test_what_is_neither_true_nor_false_is_refused(value: Any, counts: bool | None) -> None:
    problems = variable_checks.wrong_values(["kamal_build"], {"kamal_build": value}.__getitem__)
    told = [f"kamal_build: expected true or false, not {value!r}"] if counts is None else []
    assert [str(problem) for problem in problems] == told


def test_every_variable_that_is_read_is_in_the_table() -> None:
    known = {*variables.BY_NAME, *variable_checks.READ_ONLY, *former_variables.GONE}
    read = {name: path for path in PLACES for name in re.findall(r"(?<![\w.-])kamal_[a-z_]+\b(?!\.)", text(path))}
    strays = {name: str(path.relative_to(ROOT)) for name, path in read.items() if name not in known}
    assert strays == {}


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.parents[1].name))
def test_the_specs_of_the_roles_agree_with_the_table(path: Path) -> None:
    points = yaml.safe_load(text(path))["argument_specs"].values()
    for name, option in ((name, option) for point in points for name, option in point.get("options", {}).items()):
        if name in variable_checks.READ_ONLY:
            continue
        variable = variables.BY_NAME[name]
        assert option["type"] == variable.type, name
        assert tuple(option.get("choices", ())) == variable.choices, name
        if "default" in option:
            assert variable.default == f"`{yaml.safe_dump(option['default']).splitlines()[0]}`", name
