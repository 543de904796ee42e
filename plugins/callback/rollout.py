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
  - Says what is waited for and how long each stage took, and at the end from which version to which each role went, and
    which hosts failed, changed and stayed as they were.
  - On a terminal the last line says what hosts are at, and for how long. Elsewhere that is a line for each minute in
    which there is nothing else to say.
  - In GitHub Actions and GitLab CI stages are groups of lines, which can be folded; in GitHub Actions failures are
    annotations too.
  - Colours are Ansible's, so C(NO_COLOR) switches them off.
  - Tasks that found nothing to do are not shown for each host.
  - With C(-v) everything is shown, as the default callback does.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
notes:
  - The playbook caravan.kamal.init writes C(stdout_callback = caravan.kamal.rollout) to C(ansible.cfg).
"""

import os
import time
from typing import Any, Mapping, Optional, Set, Tuple

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as Default
from ansible.utils.vars import load_extra_vars

from ..plugin_utils.display import ci, host_line, screen
from ..plugin_utils.display.held_lock import HeldLock
from ..plugin_utils.display.live_line import NO_ROLE_YET, LiveLine, make_room
from ..plugin_utils.display.results import (
    SILENT,
    actions_of,
    answer_of,
    begins_at,
    done,
    has_items,
    host_of,
    looks_ahead,
    place_of,
    plain,
    reason_of,
    short_name,
    task_of,
    wait_of,
)
from ..plugin_utils.display.summary import CONTROLLER, Versions
from ..plugin_utils.display.tally import Tally
from ..plugin_utils.last_words import at_the_end

RELEASE = "caravan.kamal.release"
# Seconds that a stage took, from which on they are told.
NOTICED = 1.0
# Tasks of the role app that only repeat that a run ends, on hosts that need not have failed.
STOPS = ("Say where it stopped", "Say that it stopped")


class CallbackModule(Default):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "caravan.kamal.rollout"

    def v2_playbook_on_start(self, playbook: Any) -> None:
        self._began = self._stage_began = time.monotonic()
        self._ci, self._versions = ci.of(os.environ), Versions()
        # Where a program reads what is listed, nothing else is in its way.
        self._is_aside = _extra(playbook).get("kamal_format") == "json"
        # The last that was shown, and that of the play at hand.
        self._shown_stage: Optional[str] = None
        self._stage: Optional[str] = None
        self._waiting: Any = None
        # What was shown of the task at hand, so that many hosts with one failure tell it once.
        self._shown: Set[Tuple[str, str]] = set()
        self._tally, self._lock = Tally(), HeldLock()
        at_the_end(self._tell_of_the_lock)
        is_first, self._live = not hasattr(self, "_live"), LiveLine(screen.write, screen.width(os.environ, self._ci))
        if not self._verbose and not self._is_aside:
            self._live.start()
        if is_first:
            make_room(self._display, lambda: self._live)
        if self._verbose:
            super().v2_playbook_on_start(playbook)

    def v2_playbook_on_play_start(self, play: Any) -> None:
        self._play = play
        self._stage = play.get_name().strip()
        if self._verbose:
            super().v2_playbook_on_play_start(play)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """A stage that there is nothing to do in is none."""
        if self._verbose:
            super().v2_playbook_on_no_hosts_matched()

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self._shown = set()
        self._tally.begin_task()
        if self._verbose:
            return super().v2_playbook_on_task_start(task, is_conditional)
        if self._stage != self._shown_stage:
            self._end_stage()
            self._shown_stage = self._stage
            self._say(*self._ci.begin(str(self._stage)), color=C.COLOR_HIGHLIGHT)
        self._live.forget()
        self._waiting = None if task.action in SILENT else task
        if not task.when:
            self._announce()

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        if self._verbose:
            super().v2_runner_on_start(host, task)
        elif task.action not in SILENT:
            self._live.begin(str(host.get_name()), short_name(task), begins_at(task))

    def v2_runner_on_ok(self, result: Any) -> None:
        answer = answer_of(result)
        self._live.end(host_of(result))
        if task_of(result).action == RELEASE and not looks_ahead(task_of(result)):
            self._versions.add(self._name(result), answer)
        self._lock.remember(task_of(result), answer)
        if self._verbose:
            return super().v2_runner_on_ok(result)
        self._announce()
        self._handle_warnings(answer)
        if answer.get("changed"):
            self._tally.changed(result, self._name(result))
        for line in done(answer, task_of(result)):
            self._line(result, line, _color(answer))

    def v2_runner_item_on_ok(self, result: Any) -> None:
        answer = answer_of(result)
        if answer.get("changed"):
            self._tally.item_changed(result, self._name(result))
        if self._verbose:
            return super().v2_runner_item_on_ok(result)
        for line in done(answer, task_of(result)):
            self._line(result, f"{self._item(result)}{line}", _color(answer))

    def v2_runner_item_on_failed(self, result: Any) -> None:
        self._tally.item_failed(result, self._name(result))
        if self._verbose:
            return super().v2_runner_item_on_failed(result)
        answer = answer_of(result)
        for action in actions_of(answer):
            self._line(result, f"{self._item(result)}{action}", C.COLOR_CHANGED)
        self._line(result, f"FAILED: {self._item(result)}{reason_of(answer)}", C.COLOR_ERROR)

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        if self._verbose:
            super().v2_runner_item_on_skipped(result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._live.end(host_of(result))
        is_stop = bool(self._tally.causes) and short_name(task_of(result)) in STOPS
        if not ignore_errors:
            self._tally.failed(result, self._name(result), is_stop)
        if self._verbose:
            return super().v2_runner_on_failed(result, ignore_errors)
        if is_stop:
            return self._stop(reason_of(answer_of(result)))
        answer = answer_of(result)
        self._handle_warnings(answer)
        for action in actions_of(answer):
            self._line(result, action, C.COLOR_CHANGED)
        if not has_items(answer):
            self._failure(result, reason_of(answer), C.COLOR_SKIP if ignore_errors else C.COLOR_ERROR)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._live.end(host_of(result))
        self._tally.failed(result, self._name(result))
        if self._verbose:
            return super().v2_runner_on_unreachable(result)
        self._line(result, f"cannot be reached: {plain(answer_of(result).get('msg'))}", C.COLOR_UNREACHABLE)

    def v2_runner_on_skipped(self, result: Any) -> None:
        if self._verbose:
            return super().v2_runner_on_skipped(result)
        self._live.end(host_of(result))
        host, is_of_others = host_of(result), answer_of(result).get("skip_reason") == NO_ROLE_YET
        if is_of_others and not self._versions.has(host):
            self._live.waits(host)

    def v2_runner_retry(self, result: Any) -> None:
        """A task with `until` waits: what for is said once, and again only if it is something else by then."""
        if self._verbose:
            return super().v2_runner_retry(result)
        answer, place = answer_of(result), self._name(result)
        if (place, reason_of(answer)) not in self._shown:
            self._shown.add((place, reason_of(answer)))
            self._line(result, wait_of(answer, task_of(result)), C.COLOR_SKIP)

    def v2_playbook_on_include(self, included_file: Any) -> None:
        if self._verbose:
            super().v2_playbook_on_include(included_file)

    def v2_playbook_on_no_hosts_remaining(self) -> None:
        if self._verbose:
            super().v2_playbook_on_no_hosts_remaining()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        self._lock.forget()
        if self._verbose:
            return super().v2_playbook_on_stats(stats)
        self._live.forget()
        self._end_stage()
        for line in self._versions.lines():
            self._say(line, color=C.COLOR_CHANGED)
        seconds = time.monotonic() - self._began
        failed, outcome = self._tally.closing_line({host: stats.summarize(host) for host in sorted(stats.processed)})
        self._say(f"\n{outcome} ({seconds:.1f} s)", color=C.COLOR_ERROR if failed else C.COLOR_OK)

    def _tell_of_the_lock(self) -> None:
        if self._lock.told:
            self._say(self._lock.told, color=C.COLOR_WARN)

    # Lines

    def _say(self, *lines: str, color: Any = None) -> None:
        for line in lines:
            self._display.display(line, color=color, stderr=self._is_aside)

    def _end_stage(self) -> None:
        """How long it took, where a person would have noticed."""
        seconds, self._stage_began = time.monotonic() - self._stage_began, time.monotonic()
        if self._shown_stage is not None:
            self._say(*([f"  ({seconds:.1f} s)"] if seconds >= NOTICED else []), *self._ci.end())

    def _announce(self) -> None:
        """A task with a condition is only announced when it is not skipped."""
        if self._waiting:
            self._say(f"  {short_name(self._waiting)}")
        self._waiting = None

    @property
    def _verbose(self) -> bool:
        return bool(self._display.verbosity > 0)

    def _name(self, result: Any) -> str:
        """The host that a task ran on, whichever host of the play it ran for."""
        host = place_of(result, self.host_label(result))
        is_controller = host == "localhost" and host_of(result) != "localhost"
        return CONTROLLER if is_controller else host

    def _item(self, result: Any) -> str:
        """What a line of a loop begins with; nothing in a loop over hosts, as each line has the name of its host."""
        label = str(self._get_item_label(answer_of(result)))
        return "" if label == self._name(result) else f"{label}: "

    def _failure(self, result: Any, reason: str, color: Any) -> None:
        """Each reason once: hosts that fail for the same one are named alone."""
        again = ("", reason) in self._shown
        self._shown.add(("", reason))
        if not again and color == C.COLOR_ERROR:
            self._say(*self._ci.failure(f"{self._name(result)}: {reason}"))
        self._line(result, "FAILED: for the same reason" if again else f"FAILED: {reason}", color)

    def _stop(self, reason: str) -> None:
        """Once, and of no host in particular: those that failed were told before."""
        if not self._shown:
            self._announce()
            self._say(f"    {reason}", color=C.COLOR_ERROR)
        self._shown.add(("", reason))

    def _line(self, result: Any, text: str, color: Any) -> None:
        self._announce()
        first, *more = text.splitlines() or [""]
        lines = [host_line.of(self._name(result), first), *(host_line.of("", line) for line in more)]
        self._say(*lines, color=color)


def _extra(playbook: Any) -> Mapping[str, Any]:
    return dict(load_extra_vars(playbook.get_loader())) if playbook else {}


def _color(answer: Mapping[str, Any]) -> Any:
    return C.COLOR_CHANGED if answer.get("changed") else C.COLOR_OK
