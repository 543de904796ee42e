# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Explains a configuration for Kamal 1 key by key, and writes it anew if asked."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import partial
from typing import Any, Dict, List, Mapping

from ansible.utils.display import Display

from ..module_utils._errors import ConfigError, Problem
from ..plugin_utils.config import source
from ..plugin_utils.config.kamal1_conversion import Conversion, beside, of_files
from ..plugin_utils.controller import ControllerAction

FORMER = "This configuration is for Kamal 1. What becomes of each of its keys:"
UNWRITTEN = (
    "Nothing was changed. To have what is shown above written into {files}, run this again with "
    "-e kamal_upgrade_write=true; the hosts are upgraded by the run after that."
)
LEFT = "This has to be written by hand before the hosts can be upgraded:\n{left}"
WRITTEN = "{done} {files}. Look at it, commit it, and run this again without kamal_upgrade_write to upgrade the hosts."


class ActionModule(ControllerAction):
    asks_operator = True
    options = {"write": {"type": "bool", "default": False}}

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        value = partial(self.value_of, task_vars)
        root, paths = source.project_files(task_vars, value, os.getcwd())
        found = of_files(root, paths)
        if not found:
            return {"explained": [], "written": []}
        explained = [line for each in found.values() for line in each.lines()]
        explained += beside(root, str(value("kamal_destination") or "") or None)
        changed = {path: each for path, each in found.items() if each.after != each.before}
        diffs = [each.diff() for each in changed.values()]
        Display().display("\n".join(["", FORMER, *(f"  {line}" for line in explained), "", *diffs, ""]))
        return {"explained": explained, **self._write(changed, list(found.values()), arguments["write"])}

    def _write(self, changed: Mapping[str, Conversion], found: List[Conversion], write: bool) -> Dict[str, Any]:
        files = " and ".join(each.shown for each in changed.values())
        left = [f"  {line}" for each in found for line in each.lines_left()]
        if write and changed and not self._task.check_mode:
            for path, each in changed.items():
                _replace(path, each.after)
        if changed and not write:
            raise ConfigError([Problem("\n".join([UNWRITTEN.format(files=files), *_left(left)]))])
        if left:
            done = [f"{files} was written."] if changed and not self._task.check_mode else []
            raise ConfigError([Problem("\n".join([*done, *_left(left)]))])
        verb = "Would write" if self._task.check_mode else "Wrote"
        Display().display(WRITTEN.format(done=verb, files=files))
        diff = [{"before": each.before, "after": each.after, "before_header": path} for path, each in changed.items()]
        return {"changed": bool(changed), "written": list(changed), "diff": diff}


def _left(lines: List[str]) -> List[str]:
    return [LEFT.format(left="\n".join(lines))] if lines else []


def _replace(path: str, text: str) -> None:
    """The file is whole at any moment, and keeps its mode."""
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
        try:
            with open(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            shutil.copymode(path, temporary)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        message = f"it stays as it is, since {folder} cannot be written to: {error}. Mend that, and run this again"
        raise ConfigError([Problem(message, where=path)]) from error
