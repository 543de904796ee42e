# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: rollout
type: stdout
short_description: A rollout as the person watching wants to see it
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Shows the stages of a rollout, what was done on each host, and each failure once and readable.
  - Tasks that found nothing to do are not shown for each host.
  - With C(-v) everything is shown, as the default callback does.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
notes:
  - The playbook caravan.kamal.init writes C(stdout_callback = caravan.kamal.rollout) to C(ansible.cfg).
"""

import time

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as Default

NAMED_HOSTS = 8
MESSAGES = ("ansible.builtin.debug", "debug")


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "caravan.kamal.rollout"

    def v2_playbook_on_start(self, playbook):
        self._began = time.monotonic()
        self._stage = self._waiting = None
        if self._verbose:
            super().v2_playbook_on_start(playbook)

    def v2_playbook_on_play_start(self, play):
        self._play = play
        if self._verbose:
            return super().v2_playbook_on_play_start(play)
        if play.get_name().strip() != self._stage:
            self._stage = play.get_name().strip()
            self._display.display(f"\n{self._stage}", color=C.COLOR_HIGHLIGHT)

    def v2_playbook_on_task_start(self, task, is_conditional):
        if self._verbose:
            return super().v2_playbook_on_task_start(task, is_conditional)
        self._waiting = task
        if not task.when:
            self._announce()

    def v2_runner_on_ok(self, result):
        if self._verbose:
            return super().v2_runner_on_ok(result)
        told = _result(result)
        self._announce()
        self._handle_warnings(told)
        for line in _done(told, _task(result)):
            self._line(result, line, _color(told))

    def v2_runner_item_on_ok(self, result):
        if self._verbose:
            return super().v2_runner_item_on_ok(result)
        told = _result(result)
        for line in _done(told, _task(result)):
            self._line(result, f"{self._get_item_label(told)}: {line}", _color(told))

    def v2_runner_item_on_failed(self, result):
        if self._verbose:
            return super().v2_runner_item_on_failed(result)
        told = _result(result)
        self._line(result, f"FAILED: {self._get_item_label(told)}: {_reason(told)}", C.COLOR_ERROR)

    def v2_runner_item_on_skipped(self, result):
        if self._verbose:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        if self._verbose:
            return super().v2_runner_on_failed(result, ignore_errors)
        told = _result(result)
        self._handle_warnings(told)
        for action in told.get("actions") or ():
            self._line(result, action, C.COLOR_CHANGED)
        if not _has_items(told):
            self._line(result, f"FAILED: {_reason(told)}", C.COLOR_SKIP if ignore_errors else C.COLOR_ERROR)

    def v2_runner_on_unreachable(self, result):
        if self._verbose:
            return super().v2_runner_on_unreachable(result)
        self._line(result, f"cannot be reached: {_result(result).get('msg', '')}", C.COLOR_UNREACHABLE)

    def v2_runner_on_skipped(self, result):
        if self._verbose:
            super().v2_runner_on_skipped(result)

    def v2_playbook_on_include(self, included_file):
        if self._verbose:
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_no_hosts_remaining(self):
        if self._verbose:
            super().v2_playbook_on_no_hosts_remaining()

    def v2_playbook_on_stats(self, stats):
        if self._verbose:
            return super().v2_playbook_on_stats(stats)
        counts = {host: stats.summarize(host) for host in sorted(stats.processed)}
        failed = [host for host, count in counts.items() if count["failures"] or count["unreachable"]]
        changed = [host for host, count in counts.items() if count["changed"] and host not in failed]
        same = [host for host in counts if host not in failed and host not in changed]
        parts = (("failed", ", ".join(failed)), ("changed", _some(changed)), ("unchanged", _some(same)))
        outcome = "; ".join(f"{word}: {hosts}" for word, hosts in parts if hosts)
        seconds = time.monotonic() - self._began
        self._display.display(f"\n{outcome} ({seconds:.1f} s)", color=C.COLOR_ERROR if failed else C.COLOR_OK)

    def _announce(self):
        """A task with a condition is only announced when it is not skipped."""
        if self._waiting:
            name = self._waiting.get_name().partition(" : ")
            self._display.display(f"  {name[2] or name[0]}")
        self._waiting = None

    @property
    def _verbose(self):
        return self._display.verbosity > 0

    def _line(self, result, text, color):
        self._announce()
        host = self.host_label(result).rpartition(" -> ")[2]
        first, *more = text.splitlines() or [""]
        self._display.display(f"    {host:<12}  {first}", color=color)
        for line in more:
            self._display.display(f"    {'':<12}  {line}", color=color)


def _some(hosts):
    return ", ".join(hosts) if len(hosts) <= NAMED_HOSTS else f"{len(hosts)} hosts"


def _result(result):
    """ansible-core 2.19 made the attribute public."""
    return result.result if hasattr(result, "result") else result._result


def _task(result):
    return result.task if hasattr(result, "task") else result._task


def _color(told):
    return C.COLOR_CHANGED if told.get("changed") else C.COLOR_OK


def _has_items(told):
    """Of a task with a loop, each item of which was told already."""
    return any("ansible_loop_var" in item for item in told.get("results") or () if isinstance(item, dict))


def _done(told, task):
    """What a task did, one line each: our modules say it, others only whether they changed something."""
    if _has_items(told):
        return []
    if told.get("actions"):
        return told["actions"]
    if task.action in MESSAGES:
        return _texts(told.get("msg"))
    return ["changed"] if told.get("changed") else []


def _texts(message):
    return [str(line) for line in message] if isinstance(message, list) else str(message or "").splitlines()


def _reason(told):
    """One telling of what went wrong; modules that are not ours keep some of it in other fields."""
    parts = (told.get("msg"), told.get("module_stderr"), told.get("stderr"))
    return "\n".join(str(part).strip() for part in parts if part)
