# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prints one secret out of what was fetched, and its value only if that is asked for."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, Dict, Mapping, Sequence

from ansible.utils.display import Display

from ..module_utils._errors import SecretError
from ..plugin_utils import invocation
from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.secrets import kamal_command, pre_init, store


class ActionModule(ControllerAction):
    options = {
        **store.OPTIONS,
        "name": {"type": "list", "elements": "str", "required": True},
        "fetched": {"type": "raw", "no_log": True},
        "show": {"type": "bool", "default": False},
    }

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        value_of = partial(self.value_of, task_vars)
        invocation.require_sound(task_vars, self._loader, value_of)
        name, fetched = _only(arguments["name"]), arguments["fetched"]
        if fetched is None:
            pre_init.begin(task_vars, value_of, Display().display)
            (value,) = store.pick([name], store.find(arguments, [name], value_of))
        else:
            text = fetched if isinstance(fetched, str) else json.dumps(fetched)
            value = kamal_command.extract(name, kamal_command.fetched(text))
        text = store.shown(value, arguments["show"])
        Display().display(text)
        return {"text": text}


def _only(names: Sequence[str]) -> str:
    if len(names) == 1:
        return names[0]
    raise SecretError(
        f"secrets.extract takes one name, not {', '.join(names) or 'none'}. Run it for each with -e "
        "kamal_secrets_names=NAME, or see all of them with caravan.kamal.secrets.fetch."
    )
