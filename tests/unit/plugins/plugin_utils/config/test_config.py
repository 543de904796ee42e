# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every configuration of the tables in tests/unit/data/configs is loaded, or refused for the reasons named there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import Settings, load

TABLES = Path(__file__).resolve().parents[3] / "data" / "configs"
SMALL = "service: hey\nservers: [192.0.2.1]\n"
SETTINGS = Settings(environ={})


def cases(kind):
    return [
        pytest.param(case, id=f"{table.stem}: {case['name']}")
        for table in sorted(TABLES.glob("*.yml"))
        for case in yaml.safe_load(table.read_text(encoding="utf-8"))[kind]
    ]


def read(case, tmp_path):
    path = tmp_path / "config" / "deploy.yml"
    path.parent.mkdir()
    path.write_text(case.get("text", SMALL + case.get("add", "")), encoding="utf-8")
    destination = case.get("destination")
    if destination:
        (path.parent / f"deploy.{destination}.yml").write_text(case["overlay"], encoding="utf-8")
    return load(str(path), destination, SETTINGS)


def value_at(data, key_path):
    for part in key_path.split("/"):
        data = data[int(part)] if isinstance(data, list) else data[part]
    return data


@pytest.mark.parametrize("case", cases("valid"))
def test_valid(case, tmp_path):
    config = read(case, tmp_path)
    for key_path, value in case.get("is", {}).items():
        found = value_at(config.written, key_path)
        assert (found, type(found)) == (value, type(value)), key_path
        assert list(found) == list(value) if isinstance(value, dict) else True, "the order is kept"
    assert not set(case.get("without", [])) & set(config.written)
    notices = case.get("notices", [])
    assert len(config.notices) == len(notices)
    for found, expected in zip(config.notices, notices, strict=True):
        assert expected in found


@pytest.mark.parametrize("case", cases("invalid"))
def test_invalid(case, tmp_path):
    with pytest.raises(ConfigError) as raised:
        read(case, tmp_path)
    wrong = [
        (key_path, words)
        for key_path, given in case["wrong"].items()
        for words in (given if isinstance(given, list) else [given])
    ]
    problems = list(raised.value.problems)
    assert sorted(problem.key_path for problem in problems) == sorted(key_path for key_path, _words in wrong)
    for key_path, words in wrong:
        assert any(problem.key_path == key_path and words in problem.message for problem in problems), str(raised.value)
    assert all(problem.where.startswith("config/deploy.yml") for problem in problems)
    if "line" in case:
        assert problems[0].where == f"config/deploy.yml:{case['line']}"


def test_there_are_enough_configurations():
    assert len(cases("valid")) + len(cases("invalid")) >= 200
