# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The version to go back to."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.history import entry, parse
from ansible_collections.caravan.kamal.plugins.module_utils._errors import RollbackError
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.version import previous_good, require_everywhere


def lived(*versions: str) -> list[dict[str, Any]]:
    return parse("\n".join(entry("deploy", version, "web", "c", "i", "sam") for version in versions))


@pytest.mark.parametrize(
    ("histories", "running", "expected"),
    [
        ({"a": lived("v1", "v2")}, {"a": "v2"}, "v1"),
        ({"a": lived("v1", "v2", "v2", "v2")}, {"a": "v2"}, "v1"),
        ({"a": lived("v1", "v2", "v1")}, {"a": "v1"}, "v2"),
        ({"a": lived("v1")}, {"a": None}, "v1"),
        ({"a": lived("v1", "v2")}, {"a": "v3"}, "v2"),
        ({"a": lived("v1", "v2"), "b": lived("v0", "v1", "v2")}, {"a": "v2", "b": "v2"}, "v1"),
        ({"a": lived("v1", "v2"), "b": lived("v1")}, {"a": "v2", "b": "v2"}, "v1"),
    ],
    ids=["before", "redeployed", "rolled back", "nothing runs", "by hand", "two hosts", "half a deploy"],
)
def test_previous_good(histories: Any, running: Any, expected: str) -> None:
    assert previous_good(histories, running) == expected


@pytest.mark.parametrize(
    ("histories", "running", "message"),
    [
        ({"a": lived("v1", "v3"), "b": lived("v2", "v3")}, {"a": "v3", "b": "v3"}, "do not agree.*a: v1, b: v2"),
        ({"a": lived("v1", "v3"), "b": []}, {"a": "v3", "b": "v3"}, "do not agree.*b: none"),
        ({"a": lived("v1")}, {"a": "v1"}, "nothing to go back to"),
        ({"a": []}, {"a": None}, "nothing to go back to"),
    ],
)
def test_hosts_that_do_not_agree_are_told(histories: Any, running: Any, message: str) -> None:
    with pytest.raises(RollbackError, match=message) as error:
        previous_good(histories, running)
    assert "kamal_version" in error.value.message


def test_a_version_must_be_on_every_host() -> None:
    containers = {"web1": lived("v1", "v2"), "web2": lived("v2"), "worker1": []}
    require_everywhere("v2", {"web1": containers["web1"], "web2": containers["web2"]})
    with pytest.raises(RollbackError, match="no container of version v1 on web2, worker1"):
        require_everywhere("v1", containers)
