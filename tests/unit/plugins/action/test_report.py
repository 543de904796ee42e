# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts answered as text and as JSON."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.action import report

HOSTVARS = {
    "web1": {"found": {"running": {"web": "v1"}, "changed": False, "warnings": [], "ansible_facts": {"a": 1}}},
    "web2": {"found": {"failed": True, "msg": "No."}},
    "web3": {"found": {"skipped": True}},
    "web4": {"found": {"results": [{"running": {}, "item": "db", "failed": False, "_ansible_no_log": False}]}},
}
BY_HOST = {"web1": {"running": {"web": "v1"}}, "web2": None, "web4": {"results": [{"running": {}, "item": "db"}]}}


def shown(monkeypatch: pytest.MonkeyPatch, wanted: str | None = None, **arguments: Any) -> str:
    lines: list[str] = []
    monkeypatch.setattr(report, "Display", lambda: SimpleNamespace(display=lines.append))
    action = report.ActionModule.__new__(report.ActionModule)
    action._templar = SimpleNamespace(template=lambda value: value)
    variables = {"hostvars": HOSTVARS, "ansible_play_hosts_all": list(HOSTVARS)}
    whole = {"answers": None, "text": "", "data": None, "format": None, **arguments}
    answer = action.answer(whole, variables if wanted is None else {**variables, "kamal_format": wanted})
    assert answer["text"].strip() == lines[0].strip()
    return lines[0]


@pytest.mark.parametrize(("wanted", "given"), [("json", None), (None, "json"), ("text", "json")])
def test_json_has_the_answers_by_host_and_nothing_of_ansible(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None, given: str | None
) -> None:
    assert json.loads(shown(monkeypatch, wanted, of="version", answers="found", format=given)) == BY_HOST


@pytest.mark.parametrize(
    ("arguments", "data"),
    [
        ({"text": "nobody", "data": {"held": False, "changed": False}}, {"held": False}),
        ({"text": "nobody"}, {"text": "nobody"}),
    ],
)
def test_a_text_is_its_data_in_json(monkeypatch: pytest.MonkeyPatch, arguments: Any, data: Any) -> None:
    assert json.loads(shown(monkeypatch, "json", of="text", **arguments)) == data


@pytest.mark.parametrize("wanted", [None, "text"])
def test_people_get_text(monkeypatch: pytest.MonkeyPatch, wanted: str | None) -> None:
    assert shown(monkeypatch, wanted, of="text", text="nobody") == "\nnobody\n"
