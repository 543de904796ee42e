# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The registry on the controller: which one the module is asked for, and what is told where it cannot be had."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Callable

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.caravan.kamal.plugins.action import registry
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan

Asked = Callable[..., tuple[dict[str, Any], dict[str, Any]]]


@pytest.fixture
def ask(plan_of: Callable[..., Plan]) -> Asked:
    """Runs the action; returns what it answers and what the module was given."""

    def act(here: str | None, answer: dict[str, Any], **arguments: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        plan = to_data(replace(plan_of("v1"), registry_here=here))
        variables = {"hostvars": {"localhost": {"kamal_plan": plan}}, "inventory_hostname": "host1"}
        given: dict[str, Any] = {}
        action = registry.ActionModule.__new__(registry.ActionModule)
        task = {"args": {"state": "present", **arguments}, "async_val": 0, "check_mode": False, "diff": False}
        action._task = SimpleNamespace(**task, environment=None, delegate_to="localhost")
        action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), transport="local")
        action._templar = Templar(loader=DataLoader(), variables=variables)
        action._supports_check_mode = action._supports_async = True
        action._execute_module = lambda _module, options, **_more: given.update(options) or dict(answer)
        return dict(action.run(task_vars=variables)), given

    return act


def test_the_registry_of_the_configuration_is_asked_for(ask: Asked) -> None:
    result, given = ask("localhost:5555", {"here": True, "reason": None, "notices": []})
    assert given["server"] == "localhost:5555" and "registry" not in given
    assert result["here"] and result["notices"] == []


def test_another_registry_may_be_named(ask: Asked) -> None:
    assert ask(None, {"here": True, "reason": None}, server="localhost:6666")[1]["server"] == "localhost:6666"


def test_without_a_registry_in_the_configuration_nothing_is_asked(ask: Asked) -> None:
    result, given = ask(None, {})
    assert result["skipped"] and given == {}


def test_why_there_is_no_registry_is_told(ask: Asked) -> None:
    result, _given = ask("localhost:5555", {"here": False, "reason": "No Docker engine answers", "notices": []})
    told = "The image is sent to the hosts over SSH, and not pulled from localhost:5555: No Docker engine answers"
    assert result["notices"] == [told] and not result.get("failed")
