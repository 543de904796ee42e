# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts the kept process of this run on a host, in the visit that reaches it."""

from __future__ import annotations

from typing import Any, Dict, Mapping

from ansible.plugins.action import ActionBase

from . import sources, way

KEPT = "kept"
WANTED = "the code of the modules is"
NOTHING = b"\n"


def start(action: ActionBase, task_vars: Mapping[str, Any]) -> Dict[str, Any]:
    """What the task answers: whether the process is `kept`, `why_not`, and what was found out for later tasks.

    Empty where nothing was asked. Only a lost connection is an error.
    """
    python = way.discovered(action, task_vars)
    found = way.to(action, task_vars, python)
    if found is None:
        return {}
    said = _visit(action, found, NOTHING)
    if said.startswith(WANTED):
        said = _visit(action, found, sources.of_this_version().packed)
    facts = {"ansible_facts": {way.FACT: python}} if python and not action._task.delegate_to else {}
    return {"kept": said == KEPT, "why_not": None if said == KEPT else said, **facts}


def _visit(action: ActionBase, to: way.Way, content: bytes) -> str:
    done = action._low_level_execute_command(to.starting(), in_data=content)
    *_greeting, said = str(done["stdout"]).strip().splitlines() or [""]
    return said or f"exit status {done['rc']}: {str(done['stderr']).strip()}"
