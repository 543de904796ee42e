#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: audit
short_description: The audit log of a service on this host
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Appends a line to the audit log and answers with the last lines of it. Without O(text) it only reads.
  - The file and the form of its lines are Kamal's.
options:
  text:
    description: What happened. It is written with the time, O(performer), O(destination) and O(role).
    type: str
  role:
    description: The role that it happened to.
    type: str
  performer:
    description: Who did it. By default the user on the host.
    type: str
  lines:
    description: How many of the last lines are returned.
    type: int
    default: 50
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.service
attributes:
  idempotent:
    support: partial
    details: Reading changes nothing. With O(text) every run adds a line, since it tells of another occasion.
"""

EXAMPLES = r"""
- name: Read the last lines
  caravan.kamal.audit:
    service: hello
  register: log

- name: Tell what was done by hand
  caravan.kamal.audit:
    service: hello
    text: Rebuilt the search index
    performer: "{{ lookup('env', 'USER') }}"
"""

RETURN = r"""
path:
  description: The log, relative to the SSH user's home.
  returned: success
  type: str
  sample: .kamal/hello-audit.log
lines:
  description: Its last lines, oldest first.
  returned: success
  type: list
  elements: str
  sample: ["[2026-01-31T12:00:00Z] [sam@example.com] [web] Booted app version 3f2a9c1"]
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [append to .kamal/hello-audit.log]
notices:
  description: What the operator should know although nothing was done about it.
  returned: always
  type: list
  elements: str
  sample: []
"""

from typing import Any, Dict

from ..module_utils._app import history
from ..module_utils._host import files
from ..module_utils._host import module as _module
from ..module_utils._names import Names

OPTIONS: Dict[str, Any] = {
    "service": {"type": "str", "required": True},
    "destination": {"type": "str"},
    "text": {"type": "str"},
    "role": {"type": "str"},
    "performer": {"type": "str"},
    "lines": {"type": "int", "default": 50},
}


def act(request: _module.Request) -> Dict[str, Any]:
    params = request.params
    path = Names(params["service"], params["destination"]).audit_log
    if params["text"]:
        performer = params["performer"] or files.user()
        line = history.audit_line(performer, (params["destination"], params["role"]), params["text"])
        request.changes.show(path, None, line)
        request.changes.do(f"append to {path}", lambda: files.append(path, line))
    return {"path": path, "lines": (files.read(path) or "").splitlines()[-params["lines"] :]}


def main() -> None:
    _module.run(OPTIONS, act, docker=False)


if __name__ == "__main__":
    main()
