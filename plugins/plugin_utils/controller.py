# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An action that answers on the controller, without a module on the host."""

from __future__ import annotations

from functools import partial
from typing import Any, Dict, Mapping, Optional

from ansible.plugins.action import ActionBase

from ..module_utils._errors import CaravanError
from . import invocation


class ControllerAction(ActionBase):
    """`options` is the argument spec. With `asks_operator` what was typed is checked first, under its own names."""

    _supports_check_mode = True
    _supports_diff = True

    options: Mapping[str, Any] = {}
    asks_operator = False

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        """The result; what cannot be answered is a CaravanError. Nothing counts as changed unless it is said."""
        raise NotImplementedError

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
        variables = task_vars or {}
        result: Dict[str, Any] = super().run(tmp, variables)
        try:
            if self.asks_operator:
                invocation.require_sound(variables, self._loader, partial(self.value_of, variables))
            _spec, arguments = self.validate_argument_spec(self.options)
            return {**result, "changed": False, **self.answer(arguments, variables)}
        except CaravanError as error:
            return {**result, **error.details, "failed": True, "msg": error.message}

    def require_step(self) -> None:
        invocation.require_step(str(self._templar.template(self._task.get_play().strategy)))

    def value_of(self, task_vars: Mapping[str, Any], name: str) -> Any:
        """A variable, templated; None where it is not set."""
        return self._templar.template(task_vars[name]) if name in task_vars else None
