# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the controller makes of the answer to a command: a file of what it wrote, the line that opens a terminal."""

from __future__ import annotations

import base64
import os
from typing import Any, Dict

from ansible.plugins.action import ActionBase

from . import terminal

GOES_ON = "A command that had begun there goes on to its end. "


def finished(action: ActionBase, result: Dict[str, Any]) -> Dict[str, Any]:
    """The result of a module that answers `logs` by the role or the accessory that a command was run for."""
    logs = result.get("logs") or {}
    opened = [answer["terminal"] for answer in logs.values() if "terminal" in answer]
    more = _opening(action, opened[0]) if opened else {}
    path = action._task.args.get("raw")
    return {**result, **more, "logs": {name: _written(answer, path) for name, answer in logs.items()}}


def _opening(action: ActionBase, command: str) -> Dict[str, Any]:
    way = terminal.way(action)
    return {"terminal": way.line(command), "key_ends": way.has_key_of_run}


def _written(answer: Dict[str, Any], path: Any) -> Dict[str, Any]:
    """With what went into the file, instead of the lines."""
    if "stdout" not in answer:
        return answer
    content = base64.b64decode(answer.pop("stdout"))
    handle = os.open(os.path.expanduser(str(path)), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, 0o600)
        file.write(content)
    return {**answer, "lines": [f"{len(content)} bytes are in {path}"]}
