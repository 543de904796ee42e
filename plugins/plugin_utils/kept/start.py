# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Starts the kept process of this run on a host, in the visit that reaches it."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from ansible.plugins.action import ActionBase

from . import sources, way

KEPT = "kept"
WANTED = "the code of the modules is"
NOTHING = b"\n"


def start(action: ActionBase, task_vars: Mapping[str, Any]) -> Optional[str]:
    """What the host says: KEPT, or why not; None where nothing was asked. Only a lost connection is an error."""
    found = way.to(action, task_vars)
    if found is None:
        return None
    answer = _visit(action, found, NOTHING)
    return _visit(action, found, sources.of_this_version().packed) if answer.startswith(WANTED) else answer


def _visit(action: ActionBase, to: way.Way, content: bytes) -> str:
    done = action._low_level_execute_command(to.starting(), in_data=content)
    return str(done["stdout"]).strip() or f"exit status {done['rc']}: {str(done['stderr']).strip()}"
