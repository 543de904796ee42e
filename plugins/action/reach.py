# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Opens the connection to a host, so that a host that is gone is named before anything is begun."""

from __future__ import annotations

import random
import time
from contextlib import nullcontext
from typing import Any, ContextManager, Dict, Mapping, Optional

from ansible.errors import AnsibleConnectionFailure

from ..module_utils._errors import ConfigError
from ..plugin_utils import shell
from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.forks import starts
from ..plugin_utils.kept.start import start
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.model import Plan

REMEDY = "See that it is up and its SSH settings are right."
UNKNOWN_NAME = "Could not resolve hostname"
LONGEST_PAUSE = 2.0


class ActionModule(ControllerAction):
    options = {"dns_retries": {"type": "int"}}

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        host = str(self._task.delegate_to or task_vars["inventory_hostname"])
        failure = f"{host} cannot be reached"
        plan, retries = _plan(task_vars), arguments["dns_retries"]
        if retries is None:
            retries = plan.dns_retries if plan else 0
        with _turn(plan, task_vars), shell.visit(failure, REMEDY):
            kept = self._patiently(retries, task_vars)
        return {"msg": f"{host} can be reached", "kept": False, "why_not": None, **kept}

    def _patiently(self, retries: int, task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        """Many connections that begin at once may be too many for what looks up their names."""
        for attempt in range(retries):
            try:
                return self._begin(task_vars)
            except AnsibleConnectionFailure as error:
                if UNKNOWN_NAME not in str(error):
                    raise
            time.sleep(min(0.1 * 2**attempt, LONGEST_PAUSE) + random.uniform(0, 0.1))
        return self._begin(task_vars)

    def _begin(self, task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        kept = start(self, task_vars)
        if not kept:
            self._low_level_execute_command("true", sudoable=False, executable="/bin/sh")
        return kept


def _plan(task_vars: Mapping[str, Any]) -> Optional[Plan]:
    """That of this run. A host can be reached without one too."""
    try:
        return handover.plan_of(task_vars)
    except ConfigError:
        return None


def _turn(plan: Optional[Plan], task_vars: Mapping[str, Any]) -> ContextManager[None]:
    if plan is None:
        return nullcontext()
    number = task_vars["ansible_play_hosts_all"].index(task_vars["inventory_hostname"])
    return starts.one_of(plan.connection_starts, number)
