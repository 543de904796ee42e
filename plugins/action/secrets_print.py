# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Lists the secrets of the project with their places, and prints their values only if that is asked for."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import Any, Dict, List, Mapping

from ansible.utils.display import Display

from ..module_utils._errors import SecretError
from ..plugin_utils import invocation
from ..plugin_utils.config import source
from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.forks.memory import Memory
from ..plugin_utils.secrets import pre_init, sources
from ..plugin_utils.secrets.commands import SWITCH
from ..plugin_utils.secrets.sources import Secrets
from ..plugin_utils.secrets.tool import REDACTED


class ActionModule(ControllerAction):
    options = {"show": {"type": "bool", "default": False}}

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        value_of, tell = partial(self.value_of, task_vars), Display().display
        invocation.require_sound(task_vars, self._loader, value_of)

        def without_commands(name: str) -> Any:
            return False if name == SWITCH else value_of(name)

        if arguments["show"]:
            pre_init.begin(task_vars, value_of, tell)
        config = source.from_task_vars(task_vars, value_of, os.getcwd())
        place = (config.project_root, config.data["secrets_path"], config.destination)
        if arguments["show"]:
            known = sources.of_project(*place, value_of, tell)
            lines = _values(known)
        else:
            known = sources.of_project(*place, without_commands, tell, Memory())
            lines = _names(known)
        text = "\n".join(lines or [f"There are no secrets. {_where_to(config.project_root, place[1])}"])
        if value_of("kamal_format") == "json":
            text = _as_json(known, arguments["show"])
        tell(text)
        return {"text": text, "names": list(known.places)}


def _names(known: Secrets) -> List[str]:
    """A line for each, as far as can be said without a command, and below them why some have no value."""
    without = known.without_value
    lines = [
        _none(name, where) if name in without else f"{name}={REDACTED}  ({where})"
        for name, where in known.places.items()
    ]
    return [*lines, *without.values()]


def _values(known: Secrets) -> List[str]:
    """A line for each, and below them what is wrong with those that have no value."""
    lines: List[str] = []
    problems: Dict[str, None] = {}
    for name, where in known.places.items():
        try:
            lines.append(f"{name}={known[name]}")
        except SecretError as error:
            lines.append(_none(name, where))
            problems[error.message] = None
    return [*lines, *problems]


def _none(name: str, where: str) -> str:
    return f"{name}  has no value that can be used  ({where})"


def _as_json(known: Secrets, show: bool) -> str:
    """By name the place, and the value if that is asked for; null where it has none."""
    values = known.everything() if show else {}
    told = {
        name: {"where": where, **({"value": values.get(name)} if show else {})} for name, where in known.places.items()
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def _where_to(root: str, secrets_path: str) -> str:
    return f"Write NAME=value into {os.path.join(root, secrets_path)}, or set the variable {sources.VARIABLE}."
