#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: accessory_exec
short_description: Run a command in the container of an accessory, or in one like it
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Runs a command in the container that runs, or in a new one that has the image, the variables, the volumes and the
    network of that, and is removed when the command has ended.
  - With O(terminal) nothing is run. The one command is answered that opens a terminal there.
  - A command that ends with another code than 0 is an error. In check mode it is not run.
options:
  name:
    description: The accessory, as the configuration names it.
    type: str
    required: true
  service:
    description: The name of its container.
    type: str
    required: true
  reuse:
    description: Whether it is run in the container of the accessory, which then has to run.
    type: bool
    default: false
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.command
  - caravan.kamal.docker
attributes:
  idempotent:
    support: none
    details: What the command does is its own affair.
seealso:
  - module: caravan.kamal.accessory
"""

EXAMPLES = r"""
- name: See how large the database is
  caravan.kamal.accessory_exec:
    name: db
    service: hello-db
    command: psql -U postgres -c '\l+'
    reuse: true
"""

RETURN = r"""
logs:
  description: By accessory the container, with which code the command ended, and the lines that it wrote.
  returned: success
  type: dict
  sample:
    db:
      container: hello-db
      state: exit code 0
      lines: ["postgres | 7 MB"]
terminal:
  description: The command that opens a terminal, to be run by a person.
  returned: with O(terminal)
  type: str
  sample: ssh -t root@db1 'docker exec -it hello-db psql'
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
  sample: [run psql in hello-db]
"""

from typing import Any, Dict

from ..module_utils._app import accessory_exec, command
from ..module_utils._host import listening
from ..module_utils._host import module as _module

OPTIONS: Dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "service": {"type": "str", "required": True},
    "reuse": {"type": "bool", "default": False},
    **command.OPTIONS,
}


def act(request: _module.Request) -> Dict[str, Any]:
    params = request.params
    engine, wanted = request.engine(command.LONGEST), command.of_options(params)
    with listening.told(request) as telling:
        heard = wanted.told_by(telling).at(params["name"])
        ran = accessory_exec.run(engine, request.changes, params["service"], heard, params["reuse"])
    return {"logs": {params["name"]: ran}}


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
