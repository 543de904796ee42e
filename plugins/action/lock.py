# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes, renews, shows and releases the deploy lock, with one command on the host that keeps it."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._build import git
from ..module_utils._errors import CaravanError, LockError
from ..module_utils._names import Names
from ..plugin_utils import lease, lease_script, owner, shell
from ..plugin_utils.plan import handover
from ..plugin_utils.plan.model import Plan
from ..plugin_utils.plan.version import NO_VERSION

DEFAULT_TTL = 900
ELSEWHERE = (
    " If it stays down, and you are sure that nobody else deploys, let another host keep the lock for this run: "
    "-e kamal_lock_host=HOST, one of {others}."
)

ARGUMENTS = {
    "state": {"type": "str", "choices": ["held", "free", "status"], "required": True},
    "renew": {"type": "bool", "default": False},
    "service": {"type": "str"},
    "destination": {"type": "str"},
    "directory": {"type": "str"},
    "owner": {"type": "str"},
    "ttl": {"type": "int"},
    "message": {"type": "str", "default": lease.AUTOMATIC},
    "version": {"type": "str"},
    "performer": {"type": "str"},
    "force": {"type": "bool", "default": False},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: Any = None, task_vars: Any = None) -> Dict[str, Any]:
        result = super().run(tmp, task_vars)
        _spec, arguments = self.validate_argument_spec(ARGUMENTS)
        self._host = str(self._task.delegate_to or task_vars["inventory_hostname"])
        self._notices: List[str] = []
        try:
            self._fill_in(arguments, task_vars)
            outcome = self._act(arguments["state"])
        except CaravanError as error:
            return {**result, **error.details, "failed": True, "msg": error.message}
        for notice in self._notices:
            Display().warning(notice)
        about = {"host": self._host, "name": self._name, "owner": self._owner, "notices": self._notices}
        return {**result, "changed": False, **about, **outcome}

    def _fill_in(self, arguments: Mapping[str, Any], task_vars: Any) -> None:
        """What the task leaves open comes from the plan of this run; without a plan the service is enough."""
        plan = None if arguments["service"] else handover.plan_of(task_vars)
        names = Names(
            plan.service if plan else arguments["service"],
            arguments["destination"] or (plan.destination if plan else None),
        )
        self._name = names.qualified
        self._others = [host for host in plan.all_hosts if host != self._host] if plan else []
        self._directory = arguments["directory"] or names.lock_directory
        self._owner = arguments["owner"] or owner.this_run()
        self._ttl = _lease(plan) if arguments["ttl"] is None else arguments["ttl"] or None
        self._only_renew = arguments["renew"]
        self._force = arguments["force"]
        root = plan.project_root if plan else os.getcwd()
        self._details = lease.Details(
            by=arguments["performer"] or git.person(root),
            at=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            version=arguments["version"] or _version(plan, root),
            message=arguments["message"],
        )

    def _act(self, state: str) -> Dict[str, Any]:
        if state == "status" or self._task.check_mode:
            return self._look(state)
        return self._hold() if state == "held" else self._free()

    def _ask(self, script: str) -> lease.Answer:
        others = ELSEWHERE.format(others=", ".join(self._others)) if self._others else ""
        output = shell.run(
            self,
            script,
            f"{self._host}, which keeps the deploy lock of {self._name}, cannot be reached",
            f"See that it is up and that its SSH settings are right; a lock there ends when its lease does.{others}",
        )
        return lease.parse_answer(output, self._host)

    def _judge(self, answer: lease.Answer) -> str:
        return lease.judge(answer, self._owner, owner.has_ended)

    # Looking

    def _look(self, state: str) -> Dict[str, Any]:
        answer = self._ask(lease_script.status(self._directory))
        verdict = self._judge(answer)
        described = self._described(answer, verdict)
        is_held = verdict != lease.FREE
        message = described
        if state == "held":
            message = f"{'would' if self._may_take(verdict) else 'could not'} take {described}"
            if not self._may_take(verdict):
                self._notices.append(f"A run now would stop: {described}")
        elif state == "free":
            message = f"would {'release' if self._force or verdict == lease.OURS else 'leave'} {described}"
        lines = lease.kamals_lines(answer) if is_held else ["There is no deploy lock"]
        holder = lease.holder(answer) if is_held else None
        return {"held": is_held, "status": verdict, "holder": holder, "msg": message, "text": "\n".join(lines)}

    def _may_take(self, verdict: str) -> bool:
        return self._force or verdict in (lease.FREE, lease.OURS) or lease.can_be_taken_over(verdict)

    def _described(self, answer: lease.Answer, verdict: str) -> str:
        state = "free" if verdict == lease.FREE else lease.describe(answer, verdict)
        return f"the deploy lock of {self._name} on {self._host}: {state}"

    # Holding

    def _hold(self) -> Dict[str, Any]:
        answer = self._attempt()
        if answer.outcome in ("acquired", "renewed"):
            return {"held": True, "status": lease.OURS, "holder": None, "msg": answer.outcome, **self._run(answer)}
        verdict = self._judge(answer)
        raise self._lost(answer, verdict) if self._only_renew else self._held_by_another(answer, verdict)

    def _run(self, answer: lease.Answer) -> Dict[str, Any]:
        """Who this run is to the hosts: modules refuse one that a higher number came after."""
        by, version = self._details.by, self._details.version
        return {"run": {"number": answer.number, "owner": self._owner, "by": by, "version": version}}

    def _attempt(self) -> lease.Answer:
        if self._only_renew:
            return self._ask(lease_script.renew(self._directory, self._owner, self._ttl or DEFAULT_TTL))
        take = lease_script.acquire(self._directory, self._owner, self._ttl, self._details, force=self._force)
        answer = self._ask(take)
        verdict = self._judge(answer)
        if answer.outcome != "held" or not lease.can_be_taken_over(verdict):
            return answer
        taken = self._ask(
            lease_script.take_over(self._directory, self._owner, self._ttl, self._details, answer.lease_text)
        )
        if taken.outcome == "acquired":
            self._notices.append(f"Took over {self._described(answer, verdict)}")
        return taken

    def _lost(self, answer: lease.Answer, verdict: str) -> LockError:
        state = "it was released" if verdict == lease.FREE else lease.describe(answer, verdict)
        return LockError(
            f"This run no longer holds the deploy lock of {self._name} on {self._host}: {state}. "
            "Nothing more is changed. See what the other run did, then deploy again."
        )

    def _held_by_another(self, answer: lease.Answer, verdict: str) -> LockError:
        may_end = lease.may_end(answer, verdict)
        wait = "Wait for it (-e kamal_lock_wait=SECONDS) or, if" if may_end else "It was taken by hand and lasts. If"
        return LockError(
            f"Another run has {self._described(answer, verdict)}. {wait} you are sure that nothing runs there, "
            "release it: ansible-playbook caravan.kamal.lock -e kamal_lock_state=free",
            status=verdict,
            holder=lease.holder(answer),
            may_end=may_end,
        )

    # Letting go

    def _free(self) -> Dict[str, Any]:
        answer = self._ask(lease_script.release(self._directory, self._owner, force=self._force))
        if answer.outcome != "held":
            return {"held": False, "status": lease.FREE, "holder": None, "msg": answer.outcome}
        verdict = self._judge(answer)
        self._notices.append(f"Not released, because it is not this run's: {self._described(answer, verdict)}")
        return {"held": True, "status": verdict, "holder": lease.holder(answer), "msg": "left alone"}


def _lease(plan: Optional[Plan]) -> int:
    """Seconds that a lease lasts."""
    return plan.lock.ttl if plan else DEFAULT_TTL


def _version(plan: Optional[Plan], root: str) -> str:
    """The planned version. A plan that is only for looking has none: then the commit, as Kamal records it."""
    if plan and plan.version != NO_VERSION:
        return plan.version
    try:
        return git.head(root) if plan and git.is_repository(root) else ""
    except CaravanError:
        return ""
