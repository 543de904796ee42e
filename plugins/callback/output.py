# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: output
type: notification
short_description: A record of each run, in files or at an OpenTelemetry collector
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Records runs that change something where the section C(output) of the configuration says, as Kamal does. That is a
    file for each run below C(output/file/path), which is relative to the project, and log records at
    C(output/otel/endpoint), sent as OTLP/HTTP with JSON.
  - There are the events C(kamal.start), and C(kamal.complete) or C(kamal.failed), with what ran, for how long and how
    it ended; between them a line for each task, for what was done on each host, and for each failure. Nothing is in
    them that a person watching the run does not read, so no secret.
  - A collector that does not answer is told once and delays nothing.
requirements:
  - enabled in C(callbacks_enabled), as the playbook caravan.kamal.init writes it to C(ansible.cfg)
options: {}
notes:
  - Headers for the collector, such as one that authorizes, are those of the environment variable
    C(OTEL_EXPORTER_OTLP_HEADERS), C(NAME=VALUE) with commas between them.
"""

import os
import time
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

from ansible import context
from ansible.plugins.callback import CallbackBase

from ..plugin_utils import invocation
from ..plugin_utils.display.results import (
    SILENT,
    actions_of,
    answer_of,
    done,
    has_items,
    looks_ahead,
    place_of,
    reason_of,
    short_name,
    task_of,
)
from ..plugin_utils.last_words import at_the_end
from ..plugin_utils.output.file import FileRecorder
from ..plugin_utils.output.otel import OtelRecorder
from ..plugin_utils.output.record import ERROR, INFO, Recorder, Run
from ..plugin_utils.plan.run import TO_BE_FOUND

PLAN = "caravan.kamal.plan"
LOCK = "caravan.kamal.lock"
# Plans of runs that only look, unless they take the lock.
LOOKING = ("inspect", "exec")
CUT_OFF = "the run was cut off"


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "caravan.kamal.output"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._recorders: List[Recorder] = []
        self._plan: Optional[Mapping[str, Any]] = None
        self._service: Optional[str] = None
        # Of a run whose version is found under the lock: its first plan, and what there is to record by then.
        self._unbegun: Optional[Mapping[str, Any]] = None
        self._unwritten: List[Callable[[Recorder], Any]] = []
        self._failure: Optional[str] = None
        self._waiting: Any = None
        self._began = time.monotonic()

    def v2_playbook_on_start(self, playbook: Any) -> None:
        at_the_end(self._cut_off)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._waiting = None if task.action in SILENT else task

    def v2_runner_on_ok(self, result: Any) -> None:
        answer, task = answer_of(result), task_of(result)
        if task.action == PLAN and "plan" in answer:
            self._see(answer["plan"])
        if task.action == LOCK and task.args.get("state") == "held" and self._plan:
            self._begin(self._plan)
        self._tell(done(answer, task), result)

    def v2_runner_item_on_ok(self, result: Any) -> None:
        self._tell(done(answer_of(result), task_of(result)), result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        answer = answer_of(result)
        self._tell(actions_of(answer), result)
        if not has_items(answer):
            self._fail(result, reason_of(answer), counts=not ignore_errors)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._fail(result, reason_of(answer_of(result)))

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._fail(result, reason_of(answer_of(result)))

    def v2_playbook_on_stats(self, stats: Any) -> None:
        counts = [stats.summarize(host) for host in stats.processed]
        has_failed = any(count["failures"] or count["unreachable"] for count in counts)
        self._end((self._failure or "failed") if has_failed else None)

    def _place(self, result: Any) -> str:
        return place_of(result, str(self.host_label(result)))

    def _tell(self, lines: Iterable[str], result: Any) -> None:
        """What was done; what a task would do that only looks ahead is done by a later one."""
        self._announce()
        for line in () if looks_ahead(task_of(result)) else lines:
            self._line(line, self._place(result))

    def _announce(self) -> None:
        """A task that is skipped everywhere is no line."""
        if self._waiting:
            self._line(short_name(self._waiting))
        self._waiting = None

    def _line(self, text: str, host: Optional[str] = None, severity: str = INFO) -> None:
        lines = [partial(_add, line, host, severity) for line in text.splitlines()]
        if self._unbegun:
            self._unwritten += lines
        else:
            self._write(lines)

    def _write(self, lines: Iterable[Callable[[Recorder], Any]]) -> None:
        for line in lines:
            self._record(self._recorders, line)

    def _record(self, recorders: Iterable[Recorder], act: Callable[[Recorder], Any]) -> None:
        """A file that takes no more, as on a full disk, is told of once, and the other records go on."""
        for recorder in list(recorders):
            try:
                said = act(recorder)
            except OSError as error:
                self._recorders = [each for each in self._recorders if each is not recorder]
                self._display.warning(f"output: the rest of this run is not recorded in a file: {error}")
            else:
                if said:
                    self._display.display(said)

    def _fail(self, result: Any, reason: str, counts: bool = True) -> None:
        self._announce()
        self._line(reason, self._place(result), ERROR)
        if counts and not self._failure:
            self._failure = f"{self._place(result)}: {reason}".replace("\n", " ")

    def _see(self, plan: Mapping[str, Any]) -> None:
        self._plan = plan
        if plan["command"] not in LOOKING:
            self._begin(plan)

    def _begin(self, plan: Mapping[str, Any]) -> None:
        """With the first plan of a run that has its version; one of another service ends the record of the first."""
        is_same = self._service == plan["service"]
        if context.CLIARGS.get("check") or (is_same and not self._unbegun):
            return
        if not is_same:
            self._end(None)
            self._service, self._began = plan["service"], time.monotonic()
        if plan["version"] in TO_BE_FOUND:
            self._unbegun = plan
        else:
            self._open(plan)

    def _open(self, plan: Mapping[str, Any]) -> None:
        words = {name: plan[name] for name in ("service", "destination", "version", "performer")}
        command = ",".join(invocation.playbooks()) or plan["command"]
        run = Run(**words, command=command, hosts=list(plan["all_hosts"]))
        for recorder in _recorders(plan["output"], plan["project_root"]):
            try:
                recorder.begin(run)
                self._recorders.append(recorder)
            except OSError as error:
                self._display.warning(f"output: this run is not recorded in a file: {error}")
        lines, self._unwritten, self._unbegun = self._unwritten, [], None
        self._write(lines)

    def _cut_off(self) -> None:
        self._end(CUT_OFF)

    def _end(self, failure: Optional[str]) -> None:
        if self._unbegun:
            self._open(self._unbegun)
        recorders, self._recorders, self._service = self._recorders, [], None
        seconds = time.monotonic() - self._began
        self._record(recorders, lambda recorder: recorder.end(failure, seconds))


def _add(line: str, host: Optional[str], severity: str, recorder: Recorder) -> None:
    recorder.line(line, host, severity)


def _recorders(output: Mapping[str, Any], root: str) -> List[Recorder]:
    found: Dict[str, Recorder] = {}
    if output.get("file"):
        found["file"] = FileRecorder(os.path.join(root, os.path.expanduser(output["file"])))
    if output.get("otel"):
        found["otel"] = OtelRecorder(output["otel"], os.environ)
    return list(found.values())
