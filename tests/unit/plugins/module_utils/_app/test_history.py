# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The history file, the version to go back to, and the form of an audit line."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.history import (
    audit_line,
    entry,
    parse,
    previous_good,
    require_everywhere,
)
from ansible_collections.caravan.kamal.plugins.module_utils._errors import RollbackError


def lived(*versions: str) -> list[dict[str, Any]]:
    return parse("\n".join(entry("deploy", version, ["web"], "i", "sam") for version in versions))


def test_what_was_written_is_read_again() -> None:
    (record,) = parse(entry("deploy", "v1", ["web", "worker"], "sha256:1", "sam@example.com"))
    at = record.pop("at")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", at)
    assert record == {
        "command": "deploy",
        "version": "v1",
        "roles": ["web", "worker"],
        "image_id": "sha256:1",
        "performer": "sam@example.com",
    }


@pytest.mark.parametrize("broken", ['{"version": "v2", "ro', "", "null", "[]", '{"other": 1}', "nonsense"])
def test_a_broken_line_is_passed_over(broken: str) -> None:
    content = "\n".join([entry("deploy", "v1", [], "", ""), broken, entry("deploy", "v3", [], "", "")])
    assert [record["version"] for record in parse(content)] == ["v1", "v3"]


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


def test_an_audit_line_is_kamals() -> None:
    line = audit_line("sam@example.com", ("staging", "web"), "Booted app version v1")
    assert re.fullmatch(r"\[[^ \]]+Z\] \[sam@example.com\] \[staging\] \[web\] Booted app version v1", line)
    assert "[] " not in audit_line("sam", (None, ""), "Stopped app")


def test_a_version_must_be_on_every_host() -> None:
    containers = {"web1": lived("v1", "v2"), "web2": lived("v2"), "worker1": []}
    require_everywhere("v2", {"web1": containers["web1"], "web2": containers["web2"]})
    with pytest.raises(RollbackError, match="no container of version v1 on web2, worker1"):
        require_everywhere("v1", containers)
