# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reaching a host, or failing so that a rescue sees it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.caravan.kamal.plugins.action import reach


def run(answer: Any) -> dict[str, Any]:
    def execute(script: str, **_options: Any) -> dict[str, Any]:
        if isinstance(answer, Exception):
            raise answer
        return {"rc": 0, "stdout": "", "stderr": ""}

    action = reach.ActionModule.__new__(reach.ActionModule)
    action._task = SimpleNamespace(args={}, delegate_to=None, check_mode=False, async_val=0, environment=None)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action._templar = SimpleNamespace(template=lambda value: value)
    action._supports_async = False
    action._low_level_execute_command = execute
    return dict(action.run(None, {"inventory_hostname": "web1"}))


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
