# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reaching a host, or failing so that a rescue sees it."""

from __future__ import annotations

from contextlib import nullcontext
from types import MappingProxyType, SimpleNamespace
from typing import Any, Callable, Mapping

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.caravan.kamal.plugins.action import reach
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan


def run(answer: Any, variables: Mapping[str, Any] = MappingProxyType({}), **arguments: Any) -> dict[str, Any]:
    def execute(script: str, **_options: Any) -> dict[str, Any]:
        given = answer() if callable(answer) else answer
        if isinstance(given, Exception):
            raise given
        return {"rc": 0, "stdout": "", "stderr": ""}

    action = reach.ActionModule.__new__(reach.ActionModule)
    action._task = SimpleNamespace(args=arguments, delegate_to=None, check_mode=False, async_val=0, environment=None)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action._templar = SimpleNamespace(template=lambda value: value)
    action._supports_async = False
    action._low_level_execute_command = execute
    return dict(action.run(None, {"inventory_hostname": "web1", "hostvars": {}, **variables}))


@pytest.mark.parametrize(
    ("answer", "failed", "message"),
    [
        (None, False, "web1 can be reached"),
        (AnsibleConnectionFailure("Connection refused."), True, "web1 cannot be reached: Connection refused. See that"),
    ],
)
def test_a_host_is_reached_or_named_with_a_remedy(answer: Any, failed: bool, message: str) -> None:
    result = run(answer)
    assert bool(result.get("failed")) is failed
    assert not result.get("unreachable")
    assert result["msg"].startswith(message)


UNKNOWN = AnsibleConnectionFailure("ssh: Could not resolve hostname web1: Temporary failure in name resolution")
REFUSED = AnsibleConnectionFailure("Connection refused")


@pytest.mark.parametrize(
    ("answers", "retries", "asked", "failed"),
    [
        ([UNKNOWN, UNKNOWN, None], 3, 3, False),
        ([UNKNOWN, UNKNOWN, UNKNOWN], 2, 3, True),
        ([UNKNOWN], 0, 1, True),
        ([REFUSED], 3, 1, True),
        ([UNKNOWN, REFUSED], 3, 2, True),
    ],
)
def test_a_name_is_looked_up_again_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, answers: list[Any], retries: int, asked: int, failed: bool
) -> None:
    monkeypatch.setattr(reach.time, "sleep", lambda _seconds: None)
    left = iter(answers)
    result = run(lambda: next(left), dns_retries=retries)
    assert (bool(result.get("failed")), asked) == (failed, len(answers) - len(list(left)))


def test_the_plan_says_how_many_begin_at_a_time_and_how_often_names_are_looked_up_again(
    monkeypatch: pytest.MonkeyPatch, plan_of: Callable[..., Plan]
) -> None:
    turns: list[tuple[int, int]] = []
    monkeypatch.setattr(reach.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(reach.starts, "one_of", lambda most, number: turns.append((most, number)) or nullcontext())
    plan = plan_of("v1", sshkit={"max_concurrent_starts": 4, "dns_retries": 1})
    variables = {"hostvars": {"localhost": {"kamal_plan": to_data(plan)}}, "ansible_play_hosts_all": ["web0", "web1"]}
    answers = iter([UNKNOWN, None])
    assert not run(lambda: next(answers), variables).get("failed")
    assert turns == [(4, 1)]
    answers = iter([UNKNOWN, UNKNOWN])
    assert run(lambda: next(answers), variables)["failed"]
