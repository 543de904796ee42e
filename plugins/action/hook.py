# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs a hook of the project on the controller, or says which tasks are to run in its place."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import Any, Dict, Mapping

from ansible.utils.display import Display

from ..module_utils._errors import HookError
from ..plugin_utils import hooks, invocation
from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.display import host_line
from ..plugin_utils.forks.memory import OF_THIS_RUN
from ..plugin_utils.plan import handover, occasion, version
from ..plugin_utils.plan.hooks import HOSTS, SCRIPT, TASKS
from ..plugin_utils.plan.model import Hook, Plan
from ..plugin_utils.plan.run import WITHOUT_SECRETS

QUIET, VERBOSE = "quiet", "verbose"
NOTHING: Dict[str, Any] = {"actions": [], "file": None, "tasks_on": None, "told": None}
# Their places come twice in the plays of setup and of rollback: once in a run, and once while a lock is held.
ONCE_IN_A_RUN = "pre-connect"
ONCE_IN_A_LOCK = "pre-deploy"


class ActionModule(ControllerAction):
    options = {
        "name": {"type": "str", "required": True, "choices": sorted(occasion.EFFECTS)},
        "hosts": {"type": "list", "elements": "str"},
    }

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        name, plan = arguments["name"], handover.plan_of(task_vars, whole=True)
        hook = plan.hooks.get(name)
        if not hook or not self._is_due(name, hook, plan, task_vars):
            return {**NOTHING, "hook": name}
        told = self._told(name, plan, arguments["hosts"], task_vars)
        answer = {"hook": name, "file": hook.file, "told": told.facts(name), "timeout": hook.timeout}
        self._announce(name, hook)
        if not self._task.check_mode and hook.kind == SCRIPT:
            self._run(name, hook, plan, told, task_vars)
        is_shown = self._task.check_mode or hook.output != QUIET
        runs_tasks = hook.kind == TASKS and not self._task.check_mode
        return {
            **NOTHING,
            **answer,
            "actions": [_action(name, hook, plan, told)] if is_shown else [],
            "tasks_on": hook.on if runs_tasks else None,
        }

    def _is_due(self, name: str, hook: Hook, plan: Plan, task_vars: Mapping[str, Any]) -> bool:
        number = handover.holder(task_vars).get("number")
        if name not in (ONCE_IN_A_RUN, ONCE_IN_A_LOCK) or (name == ONCE_IN_A_LOCK and self._takes_none(number)):
            return True
        occasion_of_it = number if name == ONCE_IN_A_LOCK else ""
        mine = [os.getpid(), time.monotonic()]
        key = f"hook {name} {hook.file} {plan.service} {plan.destination or ''} {occasion_of_it}"
        return bool(OF_THIS_RUN.once(key, lambda: mine) == mine)

    def _takes_none(self, number: Any) -> bool:
        """Whether the role is used without a lock, which check mode does not take."""
        return number is None and not self._task.check_mode

    def _told(self, name: str, plan: Plan, hosts: Any, task_vars: Mapping[str, Any]) -> occasion.Told:
        limit, failure = task_vars.get("ansible_limit"), None
        if name == "on-failure":
            failure = occasion.failure(_failed_results(task_vars))
        known = list(dict.fromkeys(role.name for share in plan.hosts.values() for role in share.roles))
        command, _dot, subcommand = _command(plan).partition(".")
        whole = version.of_plan(plan)
        return occasion.Told(
            recorded_at=occasion.now(),
            performer=plan.performer,
            version=whole,
            service_version=version.with_service(plan.service, whole),
            service=plan.service,
            destination=plan.destination,
            hosts=hosts
            or occasion.hosts(plan, name, task_vars.get("ansible_play_batch") or [], bool(limit or plan.roles)),
            roles=list(plan.roles) or occasion.roles(limit, known),
            lock=name in occasion.LOCKED,
            command=command,
            subcommand=subcommand or None,
            runtime=round(time.time() - hooks.began(plan.service, plan.destination)) if name == "post-deploy" else None,
            error=failure.error if failure else None,
            failed_hosts=failure.hosts if failure else None,
            message=str(self.value_of(task_vars, "kamal_broadcast") or "") if name == "broadcast" else None,
        )

    def _announce(self, name: str, hook: Hook) -> None:
        """A task's name would be shown for a quiet one too, and after what it says."""
        if self._task.check_mode or hook.output != QUIET or _is_verbose():
            Display().display(f"  Run the hook {name}")

    def _run(self, name: str, hook: Hook, plan: Plan, told: occasion.Told, task_vars: Mapping[str, Any]) -> None:
        given, hidden = self._secrets(hook, plan, task_vars)
        is_shown = hook.output == VERBOSE or _is_verbose()

        def tell(line: str) -> None:
            if is_shown:
                Display().display(host_line.of(name, line))

        effect = occasion.effect(name, told.hosts)
        try:
            hooks.run(
                hook.file, plan.project_root, {**given, **told.variables()}, hook.timeout, tell, effect, secrets=hidden
            )
        except HookError as error:
            if name != "on-failure":
                raise HookError(error.message, hook=name) from error
            Display().warning(error.message)

    def _secrets(self, hook: Hook, plan: Plan, task_vars: Mapping[str, Any]) -> Any:
        """The secrets that the hook gets, and all that are known to this run, to be masked."""
        if plan.command in WITHOUT_SECRETS and hook.secrets == []:
            return {}, {}
        known = handover.secrets(plan, partial(self.value_of, task_vars), Display().display)
        needed = {} if plan.command in WITHOUT_SECRETS else {name: name for name in plan.secrets}
        everything = known.everything()
        given = everything if hook.secrets is None else known.values({name: name for name in hook.secrets})
        return given, {**everything, **known.values(needed)}


def _is_verbose() -> bool:
    return bool(Display().verbosity > 0)


def _command(plan: Plan) -> str:
    """As Kamal calls it; in a playbook of one's own what the plan is for."""
    playbooks = invocation.playbooks()
    return playbooks[0] if len(playbooks) == 1 else plan.command


def _action(name: str, hook: Hook, plan: Plan, told: occasion.Told) -> str:
    file = os.path.relpath(hook.file, plan.project_root)
    if hook.kind == SCRIPT:
        return f"run {file}"
    place = f" on {', '.join(told.hosts)}" if hook.on == HOSTS else ""
    return f"run the tasks of {file} for {name}{place}"


def _failed_results(task_vars: Mapping[str, Any]) -> Dict[str, Mapping[str, Any]]:
    hostvars = task_vars["hostvars"]
    found = {host: hostvars[host].get("ansible_failed_result") for host in task_vars["ansible_play_hosts_all"]}
    return {host: result for host, result in found.items() if result}
