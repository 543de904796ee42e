# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads and checks the configuration and prints it, after merging, with what follows from it, without secrets."""

from __future__ import annotations

import os
from typing import Any, Dict

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._errors import CaravanError
from ..plugin_utils import invocation
from ..plugin_utils.config import show, source
from ..plugin_utils.plan.overview import overview


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> Dict[str, Any]:
        result = super().run(tmp, task_vars)
        self._variables = task_vars
        form = {"type": "str", "default": "yaml", "choices": ["yaml", "json"]}
        _spec, arguments = self.validate_argument_spec({"format": form})
        try:
            invocation.require_sound(task_vars, self._loader, self._value)
            config = source.from_task_vars(task_vars, self._value, os.getcwd())
            whole = overview(config, self._version())
        except CaravanError as error:
            return {**result, "failed": True, "msg": error.message}
        text = show.as_text(whole, arguments["format"])
        Display().display(text)
        return {**result, "changed": False, "text": text, **whole}

    def _version(self) -> Any:
        wanted = self._value("kamal_version") or os.environ.get("VERSION")
        return str(wanted) if wanted else None

    def _value(self, name: str) -> Any:
        return self._templar.template(self._variables[name]) if name in self._variables else None
