# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The history file, and the form of an audit line."""

from __future__ import annotations

import re

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.history import (
    audit_line,
    entry,
    parse,
)


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


def test_an_audit_line_is_kamals() -> None:
    line = audit_line("sam@example.com", ("staging", "web"), "Booted app version v1")
    assert re.fullmatch(r"\[[^ \]]+Z\] \[sam@example.com\] \[staging\] \[web\] Booted app version v1", line)
    assert "[] " not in audit_line("sam", (None, ""), "Stopped app")
