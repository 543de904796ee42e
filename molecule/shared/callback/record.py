# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Writes the result of every task as a line of JSON beside what a user sees, so that a story can ask what happened."""

from __future__ import annotations

import json
import os

from ansible.parsing.ajson import AnsibleJSONEncoder
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: record
type: aggregate
short_description: Results as lines of JSON in the file that STORY_RECORD names
description: For the stories in molecule/.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"

    def _told(self, outcome, result):
        self._write(
            {
                "outcome": outcome,
                "host": result._host.get_name(),
                "task": result._task.get_name(),
                "module": result._task.action,
                "result": result._result,
            }
        )

    def _write(self, line):
        with open(os.environ["STORY_RECORD"], "a", encoding="utf-8") as record:
            record.write(json.dumps(line, cls=AnsibleJSONEncoder) + "\n")

    def v2_runner_on_ok(self, result):
        self._told("ok", result)

    def v2_runner_on_failed(self, result, ignore_errors=False):
        self._told("failed", result)

    def v2_runner_on_unreachable(self, result):
        self._told("unreachable", result)

    def v2_playbook_on_stats(self, stats):
        self._write({"changed": {host: stats.changed.get(host, 0) for host in sorted(stats.processed)}})
