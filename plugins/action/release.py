# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Gives the release module this host's share of the plan and the secret values that it names."""

from __future__ import annotations

import json

from ansible.plugins.action import ActionBase

from ..module_utils import _share
from ..module_utils._errors import CaravanError


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        try:
            plan = _share.plan_of(task_vars)
            share = _share.option(arguments, "plan", lambda: _share.host_share(plan, task_vars["inventory_hostname"]))
            given = self._templar.template("{{ kamal_secrets | default({}) }}")
            known = _share.secrets(plan, given)
            arguments["plan"] = share
            arguments["secrets"] = _share.values(known, share["roles"])
            arguments["registry"] = json.dumps(_share.registry(plan, known))
        except CaravanError as error:
            return {**result, "failed": True, "msg": error.message}
        return {**result, **self._execute_module("caravan.kamal.release", arguments, task_vars=task_vars)}
