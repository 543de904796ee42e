# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prints what all hosts of a play answered as one text."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Optional

from ansible.utils.display import Display

from ..plugin_utils import report
from ..plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    asks_operator = True
    options = {
        "of": {"type": "str", "choices": [*report.TEXTS, "text"], "required": True},
        "answers": {"type": "str"},
        "text": {"type": "str", "default": ""},
    }

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        parts = [arguments["text"]]
        if arguments["of"] != "text":
            parts.append(report.TEXTS[arguments["of"]](_answers(arguments["answers"], task_vars)))
        text = "\n\n".join(part for part in parts if part)
        Display().display(f"\n{text.rstrip()}\n")
        return {"text": text}


def _answers(variable: str, task_vars: Mapping[str, Any]) -> Dict[str, Any]:
    """What each host registered, None for one that failed or was lost; one that was not asked is left out."""
    registered = {host: task_vars["hostvars"][host].get(variable) for host in task_vars["ansible_play_hosts_all"]}
    asked = {host: answer for host, answer in registered.items() if not (answer and answer.get("skipped"))}
    return {host: None if _has_failed(answer) else answer for host, answer in asked.items()}


def _has_failed(answer: Optional[Mapping[str, Any]]) -> bool:
    return not answer or bool(answer.get("failed") or answer.get("unreachable"))
