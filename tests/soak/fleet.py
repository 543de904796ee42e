# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Releases one after another on the lab's hosts: performs each step, interrupts some, and looks whether all is well."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from typing import Any, Optional, TextIO

import schedule
import sight
from hosts import Host, ask
from project import Project, Run, Started
from schedule import Interruption, Step
from tally import Event, Tally

ROLES = {"web1": "web", "web2": "web", "worker1": "workers"}
RETAIN = 3
CONFIG = {"retain_containers": RETAIN, "deploy_timeout": 30}
SOUND: dict[str, Any] = {"env": None, "builder": None, **CONFIG}
FAULTS: dict[str, dict[str, Any]] = {
    schedule.CRASHING: {**SOUND, "builder": {"args": {"BROKEN": "1"}}},
    schedule.UNHEALTHY: {**SOUND, "env": {"clear": {"UNHEALTHY": "1"}}, "deploy_timeout": 3},
}
LAST_LINES = 25


@dataclass(frozen=True)
class Operation:
    """A playbook with its version, or with none the one that rollback finds. `serves` is the version that serves
    afterwards, `works` whether the run is meant to succeed and `changes` whether it may change something each time."""

    playbook: str
    version: Optional[str]
    serves: str
    works: bool = True
    changes: bool = True

    @property
    def kind(self) -> tuple[str, bool]:
        """What decides how long it takes."""
        return self.playbook, self.works


@dataclass
class Fleet:
    """The project and its hosts. `live` is the version that serves and `previous` the one that served before it."""

    project: Project
    hosts: list[Host]
    clock: Callable[[], float]
    tally: Tally
    log: TextIO
    live: str = ""
    previous: str = ""
    number: int = 0
    commits: dict[str, str] = field(default_factory=dict)
    durations: dict[tuple[str, bool], list[float]] = field(default_factory=dict)

    def first(self) -> None:
        """Two versions, so that there is one to go back to, and a release's usual time is known."""
        for _number in range(2):
            version = self.next_version(SOUND)
            run, _interrupted = self.run(Operation("deploy", version, serves=version), "before the soak")
            wrong = self.look(version)
            if wrong or not run.ok:
                raise SystemExit(f"{chr(10).join(wrong)}\n{_end_of(run)}")
            self.settle(version)
        self.tally.events.clear()

    def last(self) -> None:
        """One more version: what it does not tidy up is left over."""
        version = self.next_version({**SOUND, "boot": None})
        run, _interrupted = self.run(Operation("deploy", version, serves=version), "after the soak")
        self.judge(None, Operation("deploy", version, serves=version), run)

    def perform(self, step: Step) -> None:
        operation = self.prepare(step)
        run, interrupted = self.run(operation, str(step), step.interruption)
        self.tally.count(step, interrupted)
        if interrupted:
            self.recover(step, operation)
            return
        if not operation.changes and run.actions:
            # It tidied up after versions that failed and runs that do not prune. Now nothing is left to do.
            run, _interrupted = self.run(operation, f"{step}, once more")
        self.judge(step, operation, run)

    def prepare(self, step: Step) -> Operation:
        """What the step is on this fleet as it is; the project is ready for it afterwards."""
        if step.act in (schedule.ROLLBACK, schedule.AGAIN):
            self.project.checkout(self.commits[self.live])
        if step.act == schedule.ROLLBACK:
            return Operation("rollback", None, serves=self.previous)
        if step.act == schedule.AGAIN:
            return Operation("deploy", self.live, serves=self.live, changes=False)
        version = self.next_version({**FAULTS.get(step.act, SOUND), "boot": _boot(step.limit)})
        if step.act in schedule.BROKEN:
            return Operation("deploy", version, serves=self.live, works=False)
        return Operation("redeploy" if step.act == schedule.REDEPLOY else "deploy", version, serves=version)

    def next_version(self, changes: dict[str, Any]) -> str:
        self.number += 1
        version = f"v{self.number}"
        self.project.configure(changes)
        self.commits[version] = self.project.commit(version)
        return version

    def run(self, operation: Operation, text: str, interruption: Optional[Interruption] = None) -> tuple[Run, bool]:
        """The finished run, and whether it was interrupted before its end."""
        variables = {"kamal_version": operation.version} if operation.version else {}
        began = self.clock()
        started = self.project.start(operation.playbook, **variables)
        interrupted = self.interrupt(started, interruption, self.usual(operation)) if interruption else False
        with redirect_stdout(self.log):
            run = started.wait()
        self.log.flush()
        self.tally.events.append(Event(began, self.clock(), f"{operation.playbook} {operation.version or ''} ({text})"))
        if not interruption and run.ok == operation.works:
            self.durations.setdefault(operation.kind, []).append(run.seconds)
        if interruption and interrupted and not interruption.at_once:
            self.wait_for_what_was_left(started)
        return run, interrupted

    def usual(self, operation: Operation) -> float:
        """The seconds that such a run takes, or, before there was one, any run."""
        every = [seconds for durations in self.durations.values() for seconds in durations]
        return statistics.median(self.durations.get(operation.kind) or every)

    def interrupt(self, started: Started, interruption: Interruption, usual: float) -> bool:
        """Whether something was ended while the run went on, which usually takes so many seconds."""
        moment = started.began + interruption.moment * usual
        host = next(host for host in self.hosts if host.name == interruption.host)
        while started.process.poll() is None:
            if time.monotonic() < moment:
                time.sleep(0.01)
            elif not _is_module(interruption):
                _send(started, interruption.how)
                return True
            elif sight.end_module(host):
                return True
        return False

    def wait_for_what_was_left(self, started: Started) -> None:
        """Until neither this machine nor a host works on what was interrupted; after two minutes it is a problem."""
        deadline = time.monotonic() + 120
        while _group_lives(started) or any(sight.modules(host) for host in self.hosts):
            if time.monotonic() > deadline:
                self.tally.problem(None, f"two minutes after {' '.join(started.command)} ended, parts of it still ran")
                return
            time.sleep(0.1)

    def recover(self, step: Step, operation: Operation) -> None:
        """The next run has to put right what the interrupted one left, with nobody's help."""
        again = operation
        if not operation.works:
            self.project.checkout(self.commits[self.live])
            again = Operation("deploy", self.live, serves=self.live)
        elif operation.playbook == "rollback":
            again = Operation("rollback", operation.serves, serves=operation.serves)
        run, _interrupted = self.run(again, f"the next run after {step}")
        if run.ok:
            self.tally.recovered += self.judge(step, replace(again, changes=True), run)
            return
        self.tally.problem(step, f"the next run failed: {_reason(run)}\n{_end_of(run)}")
        for host in self.hosts:
            host.sh(f"rm -rf {host.home}/.kamal/lock-hello")
        run, _interrupted = self.run(again, f"the second run after {step}")
        self.judge(step, replace(again, changes=True), run)

    def judge(self, step: Optional[Step], operation: Operation, run: Run) -> bool:
        """Whether the run ended as it was meant to and the fleet is as it should be; if not, a problem says why."""
        wrong = []
        if run.ok != operation.works:
            outcome = "failed" if operation.works else "succeeded"
            wrong.append(f"{operation.playbook} {operation.version or ''} {outcome}: {_reason(run)}\n{_end_of(run)}")
        if not operation.changes and (run.actions or set(run.changed.values()) != {0}):
            wrong.append(f"the same version again was not unchanged: {run.actions or run.changed}")
        wrong += self.look(operation.serves)
        if wrong:
            self.tally.problem(step, "\n".join(wrong))
        self.settle(operation.serves)
        return not wrong

    def look(self, version: str) -> list[str]:
        """Where the fleet is not what it should be when this version serves and nothing runs."""
        wrong = []
        for host in self.hosts:
            wanted = f"hello-{ROLES[host.name]}-{version}"
            if host.running != [wanted]:
                wrong.append(f"{host.name} runs {', '.join(host.running) or 'nothing'} instead of {wanted}")
            if ROLES[host.name] == "web" and (answer := host.ask()).version != version:
                wrong.append(f"{host.name} answers {answer.status} {answer.version} instead of {version}")
            if host.locked():
                wrong.append(f"{host.name} is locked")
        return wrong

    def settle(self, wanted: str) -> None:
        """What serves now is where the next step begins, whether it is what was wanted or not."""
        serves = ask().version or wanted
        if serves != self.live:
            self.previous, self.live = self.live, serves


def _boot(limit: schedule.Limit) -> Optional[dict[str, Any]]:
    return {"limit": limit} if limit is not None else None


def _is_module(interruption: Interruption) -> bool:
    return interruption.how == schedule.MODULE


def _send(started: Started, name: str) -> None:
    """Ctrl-C goes to the whole group, as from a terminal; the others to the one process that somebody ends."""
    if name == "SIGINT":
        os.killpg(started.process.pid, signal.SIGINT)
    else:
        started.process.send_signal(getattr(signal, name))


def _group_lives(started: Started) -> bool:
    try:
        os.killpg(started.process.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _reason(run: Run) -> str:
    """The first message of the first host that failed."""
    return next((f"{host}, {messages[0]}" for host, messages in run.failures.items()), "no task failed")


def _end_of(run: Run) -> str:
    return "\n".join("    " + line for line in run.output.rstrip().splitlines()[-LAST_LINES:])
