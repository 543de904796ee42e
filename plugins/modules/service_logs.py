#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: service_logs
short_description: The last lines that a service logged on this host
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Reads what the container of each role logged. Where none runs, the newest one is taken, which may tell why.
options:
  roles:
    description: The roles to read. An empty list means all that have a container.
    type: list
    elements: str
    default: []
  accessories:
    description: The names of the containers of accessories to read, instead of the roles.
    type: list
    elements: str
    default: []
  lines:
    description: How many lines of each role. By default 100, or all of them with O(since) or O(grep).
    type: int
  since:
    description: Only lines since then. A duration such as V(10m), or a time such as V(2026-01-31T12:00:00Z).
    type: str
  container:
    description: A container to read instead, by its name or ID. A host that does not have it answers nothing.
    type: str
  grep:
    description: Only lines that match this regular expression.
    type: str
  grep_options:
    description:
      - Options of the host's C(grep), such as V(-i -C 3). It then chooses the lines, with O(grep) as its expression.
    type: str
    default: ""
  timestamps:
    description: Whether each line begins with its time.
    type: bool
    default: true
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
  - caravan.kamal.docker
  - caravan.kamal.service
seealso:
  - module: caravan.kamal.service_info
"""

EXAMPLES = r"""
- name: Read the last lines of every role
  caravan.kamal.service_logs:
    service: hello

- name: Look for errors of the last hour
  caravan.kamal.service_logs:
    service: hello
    roles: [web]
    since: 1h
    grep: " 5[0-9][0-9] "
"""

RETURN = r"""
logs:
  description: By role or container of an accessory its container, the state of that and the lines, each with its time.
  returned: success
  type: dict
  sample:
    web:
      container: hello-web-3f2a9c1
      state: running
      lines: ["2026-01-31T12:00:00.123456789Z hello 3f2a9c1 listens on port 80"]
"""

from typing import Any, Dict

from ..module_utils._app import logs
from ..module_utils._host import module as _module
from ..module_utils._names import Names

OPTIONS: Dict[str, Any] = {
    "service": {"type": "str", "required": True},
    "destination": {"type": "str"},
    "roles": {"type": "list", "elements": "str", "default": []},
    "accessories": {"type": "list", "elements": "str", "default": []},
    "lines": {"type": "int"},
    "since": {"type": "str"},
    "grep": {"type": "str"},
    "grep_options": {"type": "str", "default": ""},
    "timestamps": {"type": "bool", "default": True},
    "container": {"type": "str"},
}


def act(request: _module.Request) -> Dict[str, Any]:
    params = request.params
    asked = (params[name] for name in ("lines", "since", "grep", "grep_options", "timestamps"))
    limits, named = logs.Limits.of(*asked), [params["container"]] if params["container"] else params["accessories"]
    if named:
        return {"logs": logs.read_named(request.engine(), named, limits)}
    return {
        "logs": logs.read(request.engine(), Names(params["service"], params["destination"]), params["roles"], limits)
    }


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
