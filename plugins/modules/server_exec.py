#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: server_exec
short_description: Run a command on this host
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Runs a command of the shell in the home of the user who is connected, with a line in the service's audit log that
    names the command without its arguments.
  - A command that ends with another code than 0 is an error. In check mode it is not run.
options:
  command:
    description: The command, for C(/bin/sh).
    type: str
    required: true
  host:
    description: What the host is called, for people.
    type: str
    required: true
  performer:
    description: Who runs it, for the audit log.
    type: str
    default: ""
  terminal:
    description: Whether it is for a person at a terminal. Then it is not run, and RV(terminal) is what opens it.
    type: bool
    default: false
  raw:
    description:
      - A file on the controller that gets, byte for byte, what the command writes to its standard output. It is written
        anew, and only its owner may read it.
    type: path
  progress:
    description:
      - A file that gets a line of JSON for what the command writes, while it runs. Of a long output the answer then has
        the end alone. Left out, the action shows it as it comes, except with O(raw) or as JSON.
    type: path
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.service
attributes:
  idempotent:
    support: none
    details: What the command does is its own affair.
notes:
  - The parts of O(terminal) and O(raw) that are done on the controller are those of an action plugin.
seealso:
  - module: caravan.kamal.app_exec
"""

EXAMPLES = r"""
- name: See how much room is left
  caravan.kamal.server_exec:
    service: hello
    host: "{{ inventory_hostname }}"
    command: df -h /
"""

RETURN = r"""
logs:
  description: With which code the command ended, and the lines that it wrote.
  returned: success
  type: dict
  sample:
    shell:
      container: df
      state: exit code 0
      lines: ["/dev/sda1  20G  9.0G  11G  45% /"]
terminal:
  description: The command that opens a terminal, to be run by a person.
  returned: with O(terminal)
  type: str
  sample: ssh -t root@web1 top
key_ends:
  description: Whether the run came with a key of C(ssh/key_data), which is not there any more when a person runs that.
  returned: with O(terminal)
  type: bool
  sample: false
streamed:
  description: Whether all that it wrote was shown while it ran.
  returned: where it was to be shown
  type: bool
  sample: true
actions:
  description: What was run, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [run df]
"""

from typing import Any, Dict

from ..module_utils._app import history, server_exec
from ..module_utils._host import files, listening
from ..module_utils._host import module as _module
from ..module_utils._names import Names

OPTIONS: Dict[str, Any] = {
    "service": {"type": "str", "required": True},
    "destination": {"type": "str"},
    "command": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "performer": {"type": "str", "default": ""},
    "terminal": {"type": "bool", "default": False},
    "raw": {"type": "path"},
    "progress": {"type": "path"},
}


def act(request: _module.Request) -> Dict[str, Any]:
    params = request.params
    command, name = params["command"], server_exec.named(params["command"])
    if not request.changes.check_mode:
        text = f"Executed cmd '{name}' on {params['host']}"
        line = history.audit_line(params["performer"], (params["destination"],), text)
        files.append(Names(params["service"], params["destination"]).audit_log, line)
    if params["terminal"]:
        ran = {"container": name, "state": "waits for a terminal", "lines": [], "terminal": command}
    else:
        with listening.told(request) as telling:
            ran = server_exec.run(request.changes, command, params["host"], bool(params["raw"]), telling)
    return {"logs": {server_exec.PLACE: ran}}


def main() -> None:
    _module.run(OPTIONS, act, docker=False)


if __name__ == "__main__":
    main()
