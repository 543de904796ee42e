# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes, renews, shows and releases the deploy lock, with one command on the host that keeps it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible.utils.display import Display

from ..module_utils._build import git
from ..module_utils._errors import CaravanError, LockError
from ..module_utils._names import Names
from ..plugin_utils import lease, lease_script, owner, shell
from ..plugin_utils.controller import ControllerAction
from ..plugin_utils.plan import handover, version
from ..plugin_utils.plan.model import Plan

DEFAULT_TTL = 900
# A lease is new for this part of its time at most, whatever `min_age` says: a short one would end before it is renewed.
NEW_PART = 0.1
ELSEWHERE = (
    " If it stays down, and you are sure that nobody else deploys, let another host keep the lock for this run: "
    "-e kamal_lock_host=HOST, one of {others}."
)

# What a run that took or renewed a lock is answered.
ANSWERED = ("held", "status", "holder", "msg", "at", "renew_by", "run")

ARGUMENTS = {
    "state": {"type": "str", "choices": ["held", "free", "status"], "required": True},
    "renew": {"type": "bool", "default": False},
    "min_age": {"type": "float", "default": 0.0},
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


@dataclass(frozen=True)
class Request:
    """What is asked for: the lock by its name and place, who asks, and what the lock's host then keeps of it. `ttl` is
    None for a lock that lasts; `others` are hosts that could keep it instead."""

    host: str
    name: str
    directory: str
    owner: str
    ttl: Optional[int]
    only_renew: bool
    force: bool
    others: Sequence[str]
    details: lease.Details

    @property
    def run(self) -> Dict[str, Any]:
        """Who this run is to the hosts: modules refuse one that a higher number came after."""
        return {"owner": self.owner, "by": self.details.by, "version": self.details.version}

    def judge(self, answer: lease.Answer) -> str:
        return lease.judge(answer, self.owner, owner.has_ended)

    def may_take(self, verdict: str) -> bool:
        return self.force or verdict in (lease.FREE, lease.OURS) or lease.can_be_taken_over(verdict)

    def described(self, answer: lease.Answer, verdict: str) -> str:
        state = "free" if verdict == lease.FREE else lease.describe(answer, verdict)
        return f"the deploy lock of {self.name} on {self.host}: {state}"


class ActionModule(ControllerAction):
    options = ARGUMENTS

    def answer(self, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Dict[str, Any]:
        asked = _request(str(self._task.delegate_to or task_vars["inventory_hostname"]), arguments, task_vars)
        try:
            outcome = {"notices": [], **self._outcome(asked, arguments, task_vars.get(handover.LOCK))}
        except CaravanError as error:
            if asked.only_renew:
                error.details.setdefault("was_held", True)
            raise
        for notice in outcome["notices"]:
            Display().warning(notice)
        return {"host": asked.host, "name": asked.name, "owner": asked.owner, **outcome}

    def _outcome(self, asked: Request, arguments: Mapping[str, Any], before: Any) -> Dict[str, Any]:
        """`before` is what this run was answered last."""
        if arguments["state"] != "held":
            return self._act(asked, arguments["state"])
        self.require_step()
        return _new_enough(asked, arguments["min_age"], before) or self._act(asked, "held")

    def _act(self, asked: Request, state: str) -> Dict[str, Any]:
        if state == "status" or self._task.check_mode:
            return self._look(asked, state)
        return self._hold(asked) if state == "held" else self._free(asked)

    def _ask(self, asked: Request, script: str) -> lease.Answer:
        others = ELSEWHERE.format(others=", ".join(asked.others)) if asked.others else ""
        output = shell.run(
            self,
            script,
            f"{asked.host}, which keeps the deploy lock of {asked.name}, cannot be reached",
            f"See that it is up and that its SSH settings are right; a lock there ends when its lease does.{others}",
        )
        return lease.parse_answer(output, asked.host)

    # Looking

    def _look(self, asked: Request, state: str) -> Dict[str, Any]:
        answer = self._ask(asked, lease_script.status(asked.directory))
        verdict = asked.judge(answer)
        message = described = asked.described(answer, verdict)
        notices = []
        if state == "held":
            message = f"{'would' if asked.may_take(verdict) else 'could not'} take {described}"
            notices += [] if asked.may_take(verdict) else [f"A run now would stop: {described}"]
        elif state == "free":
            message = f"would {'release' if asked.force or verdict == lease.OURS else 'leave'} {described}"
        is_held = verdict != lease.FREE
        lines = lease.kamals_lines(answer) if is_held else ["There is no deploy lock"]
        holder = lease.holder(answer) if is_held else None
        text = "\n".join(lines)
        return {"held": is_held, "status": verdict, "holder": holder, "msg": message, "text": text, "notices": notices}

    # Holding

    def _hold(self, asked: Request) -> Dict[str, Any]:
        begun = time.time()
        answer, notices = self._attempt(asked)
        if answer.outcome in ("acquired", "renewed"):
            run = {"number": answer.number, **asked.run}
            held = {"held": True, "status": lease.OURS, "holder": None, "msg": answer.outcome, "at": begun}
            renew_by = begun + asked.ttl / 2 if asked.ttl else None
            return {**held, "renew_by": renew_by, "run": run, "notices": notices}
        verdict = asked.judge(answer)
        raise _lost(asked, answer, verdict) if asked.only_renew else _held_by_another(asked, answer, verdict)

    def _attempt(self, asked: Request) -> Tuple[lease.Answer, List[str]]:
        """The host's answer, and what the operator is told of a lock that was taken over."""
        if asked.only_renew:
            return self._ask(asked, lease_script.renew(asked.directory, asked.owner, asked.ttl or DEFAULT_TTL)), []
        ours = (asked.directory, asked.owner, asked.ttl, asked.details)
        answer = self._ask(asked, lease_script.acquire(*ours, force=asked.force))
        verdict = asked.judge(answer)
        if answer.outcome != "held" or not lease.can_be_taken_over(verdict):
            return answer, []
        taken = self._ask(asked, lease_script.take_over(*ours, answer.lease_text))
        return taken, [f"Took over {asked.described(answer, verdict)}"] if taken.outcome == "acquired" else []

    # Letting go

    def _free(self, asked: Request) -> Dict[str, Any]:
        answer = self._ask(asked, lease_script.release(asked.directory, asked.owner, force=asked.force))
        if answer.outcome != "held":
            return {"held": False, "status": lease.FREE, "holder": None, "msg": answer.outcome}
        verdict = asked.judge(answer)
        notice = f"Not released, because it is not this run's: {asked.described(answer, verdict)}"
        left = {"held": True, "status": verdict, "holder": lease.holder(answer), "msg": "left alone"}
        return {**left, "notices": [notice]}


def _request(host: str, arguments: Mapping[str, Any], task_vars: Mapping[str, Any]) -> Request:
    """What the task leaves open comes from the plan of this run; without a plan the service is enough."""
    plan = None if arguments["service"] else handover.plan_of(task_vars)
    names = Names(
        plan.service if plan else arguments["service"],
        arguments["destination"] or (plan.destination if plan else None),
    )
    root = plan.project_root if plan else os.getcwd()
    return Request(
        host=host,
        name=names.qualified,
        directory=arguments["directory"] or names.lock_directory,
        owner=arguments["owner"] or owner.this_run(),
        ttl=_lease(plan) if arguments["ttl"] is None else arguments["ttl"] or None,
        only_renew=arguments["renew"],
        force=arguments["force"],
        others=[other for other in plan.all_hosts if other != host] if plan else [],
        details=lease.Details(
            by=arguments["performer"] or git.person(root),
            at=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            version=arguments["version"] or (version.of_plan(plan) if plan else ""),
            message=arguments["message"],
        ),
    )


def _new_enough(asked: Request, min_age: float, before: Any) -> Optional[Dict[str, Any]]:
    """What this run was answered for the same lock, if that is not long ago."""
    if not asked.only_renew or not isinstance(before, Mapping) or not isinstance(before.get("at"), float):
        return None
    if (before["host"], before["name"], before["owner"]) != (asked.host, asked.name, asked.owner):
        return None
    age = time.time() - before["at"]
    is_new = 0 <= age < min(min_age, NEW_PART * (asked.ttl or DEFAULT_TTL))
    return {name: before[name] for name in ANSWERED} if is_new else None


def _lost(asked: Request, answer: lease.Answer, verdict: str) -> LockError:
    state = "it was released" if verdict == lease.FREE else lease.describe(answer, verdict)
    return LockError(
        f"This run no longer holds the deploy lock of {asked.name} on {asked.host}: {state}. "
        "Nothing more is changed. See what the other run did, then deploy again.",
        was_held=verdict == lease.FREE,
    )


def _held_by_another(asked: Request, answer: lease.Answer, verdict: str) -> LockError:
    may_end = lease.may_end(answer, verdict)
    wait = "Wait for it (-e kamal_lock_wait=SECONDS) or, if" if may_end else "It was taken by hand and lasts. If"
    return LockError(
        f"Another run has {asked.described(answer, verdict)}. {wait} you are sure that nothing runs there, "
        "release it: ansible-playbook caravan.kamal.lock.release",
        status=verdict,
        holder=lease.holder(answer),
        may_end=may_end,
    )


def _lease(plan: Optional[Plan]) -> int:
    """Seconds that a lease lasts."""
    return plan.lock.ttl if plan else DEFAULT_TTL
