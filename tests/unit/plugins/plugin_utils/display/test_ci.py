# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stages and failures in the words of a CI."""

from __future__ import annotations

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.display import ci


@pytest.mark.parametrize(
    ("environ", "begun", "ended", "failed"),
    [
        ({}, ["\nRoll out, in batches"], [], []),
        ({"GITHUB_ACTIONS": ""}, ["\nRoll out, in batches"], [], []),
        (
            {"GITHUB_ACTIONS": "true"},
            ["::group::Roll out, in batches"],
            ["::endgroup::"],
            ["::error title=Caravan::web1: 100%25 full%0ASee there"],
        ),
        (
            {"GITLAB_CI": "true"},
            ["\x1b[0Ksection_start:17:roll_out_in_batches\r\x1b[0KRoll out, in batches"],
            ["\x1b[0Ksection_end:17:roll_out_in_batches\r\x1b[0K"],
            [],
        ),
    ],
)
def test_a_stage_and_a_failure(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], begun: list[str], ended: list[str], failed: list[str]
) -> None:
    monkeypatch.setattr(ci.time, "time", lambda: 17.5)
    where = ci.of(environ)
    assert where.begin("Roll out, in batches") == begun
    assert where.end() == ended
    assert where.failure("web1: 100% full\nSee there") == failed
