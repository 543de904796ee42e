# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Prints the documentation of the configuration."""

from __future__ import annotations

from typing import Any, Dict

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._errors import CaravanError
from ..plugin_utils import invocation
from ..plugin_utils.config import show


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> Dict[str, Any]:
        result = super().run(tmp, task_vars)
        _spec, arguments = self.validate_argument_spec({"section": {"type": "str"}})
        section = arguments["section"]
        try:
            invocation.require_sound(task_vars, self._loader, lambda name: self._templar.template(task_vars.get(name)))
            text = show.documentation(section) if section else show.contents()
        except CaravanError as error:
            return {**result, "failed": True, "msg": error.message}
        Display().display(text)
        return {**result, "changed": False, "text": text}
