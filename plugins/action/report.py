# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prints what all hosts of a play answered as one text."""

from __future__ import annotations

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..plugin_utils import report


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _spec, arguments = self.validate_argument_spec(
            {
                "of": {"type": "str", "choices": [*report.TEXTS, "text"], "required": True},
                "answers": {"type": "str"},
                "text": {"type": "str", "default": ""},
            }
        )
        parts = [arguments["text"]]
        if arguments["of"] != "text":
            parts.append(report.TEXTS[arguments["of"]](_answers(arguments["answers"], task_vars)))
        text = "\n\n".join(part for part in parts if part)
        Display().display(f"\n{text.rstrip()}\n")
        return {**result, "changed": False, "text": text}


def _answers(variable, task_vars):
    """What each host registered, None for one that failed or was lost; one that was not asked is left out."""
    found = {host: task_vars["hostvars"][host].get(variable) for host in task_vars["ansible_play_hosts_all"]}
    asked = {host: answer for host, answer in found.items() if not (answer and answer.get("skipped"))}
    return {host: None if _has_failed(answer) else answer for host, answer in asked.items()}


def _has_failed(answer):
    return not answer or answer.get("failed") or answer.get("unreachable")
