# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Takes, renews, shows and releases the deploy lock, with one command on the host that keeps it."""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime, timezone

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils._build import git
from ..module_utils._errors import CaravanError, LockError
from ..module_utils._names import Names
from ..plugin_utils import lease
from ..plugin_utils.ahead import prepared
from ..plugin_utils.plan import handover

POLL = 5
DEFAULT_TTL = 900

ARGUMENTS = {
    "state": {"type": "str", "choices": ["held", "free", "status", "reached"], "required": True},
    "renew": {"type": "bool", "default": False},
    "service": {"type": "str"},
    "destination": {"type": "str"},
    "directory": {"type": "str"},
    "owner": {"type": "str"},
    "ttl": {"type": "int"},
    "message": {"type": "str", "default": lease.AUTOMATIC},
    "version": {"type": "str"},
    "performer": {"type": "str"},
    "wait": {"type": "int"},
    "delay": {"type": "int", "default": 0},
    "force": {"type": "bool", "default": False},
    "prepare": {"type": "str"},
}


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp=None, task_vars=None):
        result = super().run(tmp, task_vars)
        _spec, arguments = self.validate_argument_spec(ARGUMENTS)
        self._host = self._task.delegate_to or task_vars["inventory_hostname"]
        self._notices = []
        try:
            self._fill_in(arguments, task_vars)
            if arguments["delay"] and not self._task.check_mode:
                time.sleep(arguments["delay"])
            with prepared(self, arguments["prepare"], task_vars):
                answer = self._act(arguments["state"])
        except CaravanError as error:
            return {**result, **error.details, "failed": True, "msg": error.message}
        for notice in self._notices:
            Display().warning(notice)
        return {**result, "changed": False, "owner": self._owner, "notices": self._notices, **answer}

    def _fill_in(self, arguments, task_vars):
        """What the task leaves open comes from the plan of this run; without a plan the service is enough."""
        plan = {} if arguments["service"] else handover.plan_of(task_vars)
        lock = plan.get("lock", {})
        names = Names(arguments["service"] or plan["service"], arguments["destination"] or plan.get("destination"))
        self._name = names.qualified
        self._directory = arguments["directory"] or lock.get("directory") or names.lock_directory
        self._owner = arguments["owner"] or lock.get("owner") or _this_run()
        self._ttl = arguments["ttl"] or lock.get("ttl") or DEFAULT_TTL
        wait = arguments["wait"]
        self._wait = int(self._templar.template(task_vars.get("kamal_lock_wait", 0))) if wait is None else wait
        self._only_renew = arguments["renew"]
        self._force = arguments["force"]
        self._details = lease.Details(
            by=arguments["performer"] or plan.get("performer") or git.user(os.getcwd()),
            at=datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            version=arguments["version"] or plan.get("version") or "",
            message=arguments["message"],
        )

    def _act(self, state):
        if state == "reached":
            return self._reach()
        if state == "status" or self._task.check_mode:
            return self._look(state)
        return self._hold() if state == "held" else self._free()

    def _reach(self):
        """Only the connection. It is kept open, so that the next task does not wait for it."""
        self._command(
            "true", f"{self._host} cannot be reached", "See that it is up and that its SSH settings are right."
        )
        return {"held": False, "status": None, "holder": None, "msg": f"{self._host} can be reached"}

    def _command(self, script, failure, remedy):
        try:
            return self._low_level_execute_command(script, sudoable=False, executable="/bin/sh")
        except AnsibleConnectionFailure as error:
            # Unreachable would pass by the rescue of a rollout.
            raise LockError(f"{failure}: {str(error).strip().rstrip('.')}. {remedy}") from error

    def _ask(self, script):
        done = self._command(
            script,
            f"{self._host}, which keeps the deploy lock of {self._name}, cannot be reached",
            "See that it is up and that its SSH settings are right; a lock held there ends when its lease does.",
        )
        said = done["stdout"] if done["rc"] == 0 else done["stdout"] + done["stderr"]
        return lease.parse_answer(said, self._host)

    # Looking

    def _look(self, state):
        answer = self._ask(lease.status(self._directory))
        verdict = lease.judge(answer, self._owner)
        said = self._said(answer, verdict)
        if state == "held":
            may = self._force or verdict in (lease.FREE, lease.OURS) or lease.can_be_taken_over(verdict)
            said = f"would take {said}" if may else f"could not take {said}"
            if not may:
                self._notices.append(f"A run now would stop: {self._said(answer, verdict)}")
        elif state == "free":
            said = f"would release {said}" if self._force or verdict == lease.OURS else f"would leave {said}"
        held = verdict != lease.FREE
        return {"held": held, "status": verdict, "holder": lease.holder(answer) if held else None, "msg": said}

    def _said(self, answer, verdict):
        state = "free" if verdict == lease.FREE else lease.describe(answer, verdict)
        return f"the deploy lock of {self._name} on {self._host}: {state}"

    # Holding

    def _hold(self):
        deadline = time.monotonic() + self._wait
        told = False
        while True:
            answer = self._attempt()
            if answer.outcome in ("acquired", "renewed"):
                return {"held": True, "status": lease.OURS, "holder": None, "msg": answer.outcome}
            verdict = lease.judge(answer, self._owner)
            left = deadline - time.monotonic()
            if self._only_renew or left <= 0:
                raise self._held_by_another(answer, verdict)
            if not told:
                Display().display(f"Waiting up to {self._wait} s, {self._said(answer, verdict)}")
                told = True
            time.sleep(min(POLL, left))

    def _attempt(self):
        if self._only_renew:
            return self._ask(lease.renew(self._directory, self._owner, self._ttl))
        answer = self._ask(lease.acquire(self._directory, self._owner, self._ttl, self._details, force=self._force))
        verdict = lease.judge(answer, self._owner)
        if answer.outcome != "held" or not lease.can_be_taken_over(verdict):
            return answer
        taken = self._ask(lease.take_over(self._directory, self._owner, self._ttl, self._details, answer.lease_text))
        if taken.outcome == "acquired":
            self._notices.append(f"Took over {self._said(answer, verdict)}")
        return taken

    def _held_by_another(self, answer, verdict):
        if self._only_renew:
            state = "it was released" if verdict == lease.FREE else lease.describe(answer, verdict)
            return LockError(
                f"This run no longer holds the deploy lock of {self._name} on {self._host}: {state}. "
                "Nothing more is changed. See what the other run did, then deploy again."
            )
        return LockError(
            f"Another run has {self._said(answer, verdict)}. Wait for it (-e kamal_lock_wait=SECONDS) or, if you "
            "are sure that nothing runs there, release it: ansible-playbook caravan.kamal.lock -e state=free",
            status=verdict,
            holder=lease.holder(answer),
        )

    # Letting go

    def _free(self):
        answer = self._ask(lease.release(self._directory, self._owner, force=self._force))
        if answer.outcome != "held":
            return {"held": False, "status": lease.FREE, "holder": None, "msg": answer.outcome}
        verdict = lease.judge(answer, self._owner)
        self._notices.append(f"Not released, because it is not this run's: {self._said(answer, verdict)}")
        return {"held": True, "status": verdict, "holder": lease.holder(answer), "msg": "left alone"}


def _this_run():
    """The same in every task of one ansible-playbook, and in no other: its process on this machine."""
    parent = os.getppid()
    return f"{socket.gethostname()}:{parent}:{_started(parent)}"


def _started(process):
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[19]
    except OSError:
        return "0"
