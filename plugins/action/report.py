# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prints what all hosts of a play answered as one text."""

from __future__ import annotations

import json
from typing import Any, Dict, Mapping, Optional

from ansible.utils.display import Display

from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.display import report

FORMAT = "kamal_format"
FORMATS = ["text", "json"]
# Of what a task registers, what Ansible says of it.
OF_ANSIBLE = ("changed", "failed", "skipped", "invocation", "ansible_facts", "warnings", "deprecations", "exception")


class ActionModule(ControllerAction):
    asks_operator = True
    options = {
        "of": {"type": "str", "choices": [*report.TEXTS, "text"], "required": True},
        "answers": {"type": "str"},
        "text": {"type": "str", "default": ""},
        "data": {"type": "raw"},
        "format": {"type": "str", "choices": FORMATS},
    }

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        given = _answers(arguments["answers"], task_vars) if arguments["of"] != "text" else {}
        if (arguments["format"] or self.value_of(task_vars, FORMAT)) == "json":
            text = _as_json(arguments, given)
            Display().display(text)
        else:
            parts = [arguments["text"], report.TEXTS[arguments["of"]](given) if given else ""]
            text = "\n\n".join(part for part in parts if part)
            Display().display(f"\n{text.rstrip()}\n")
        return {"text": text}


def _as_json(arguments: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    data = given if arguments["of"] != "text" else arguments["data"] or {"text": arguments["text"]}
    return json.dumps(_told(data), indent=2, ensure_ascii=False)


def _told(data: Any) -> Any:
    """The answers without what Ansible adds to them, at every level where it does."""
    if isinstance(data, Mapping):
        return {
            str(name): _told(value)
            for name, value in data.items()
            if name not in OF_ANSIBLE and not str(name).startswith(("_ansible", "ansible_"))
        }
    return [_told(each) for each in data] if isinstance(data, (list, tuple)) else data


def _answers(variable: str, task_vars: Mapping[str, Any]) -> Dict[str, Any]:
    """What each host registered, None for one that failed or was lost; one that was not asked is left out."""
    registered = {host: task_vars["hostvars"][host].get(variable) for host in task_vars["ansible_play_hosts_all"]}
    asked = {host: answer for host, answer in registered.items() if not (answer and answer.get("skipped"))}
    return {host: None if _has_failed(answer) else answer for host, answer in asked.items()}


def _has_failed(answer: Optional[Mapping[str, Any]]) -> bool:
    return not answer or bool(answer.get("failed") or answer.get("unreachable"))
