#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: accessory
short_description: A container that lives longer than releases, such as a database
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Sees to it that an accessory of the configuration runs on this host, with its network, its image and its secrets.
  - One that exists is started but never replaced, since its data matters more than its settings. A warning says when
    they differ.
options:
  name:
    description: The accessory, as the configuration names it.
    type: str
    required: true
  state:
    description:
      - V(present) is there and runs, V(stopped) does not run.
      - V(absent) removes the container and the file with its secrets. Its image, volumes and data stay.
      - With V(absent) a container stays, with a warning, that was booted for another destination, or whose service has
        containers of another destination on this host.
    type: str
    choices: [present, stopped, absent]
    default: present
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.turn
  - caravan.kamal.docker
  - caravan.kamal.planned
  - caravan.kamal.accessory_share
"""

EXAMPLES = r"""
- name: Have the database running
  caravan.kamal.accessory:
    name: db

- name: Remove its container, keep its data
  caravan.kamal.accessory:
    name: db
    state: absent
"""

RETURN = r"""
container:
  description: The name of the container.
  returned: success
  type: str
  sample: hello-db
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["pull postgres:16", boot container hello-db]
notices:
  description: What the operator should know although nothing was done about it.
  returned: always
  type: list
  elements: str
  sample: []
"""

from typing import Any, Dict

from ..module_utils._app import turn
from ..module_utils._app.accessory import Accessory
from ..module_utils._data import from_data, options
from ..module_utils._host import module as _module
from ..module_utils._shares import AccessoryShare

OPTIONS: Dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "stopped", "absent"], "default": "present"},
    "plan": {"type": "dict", "options": options(AccessoryShare)},
    "secrets": {"type": "str", "no_log": True},
    "registry": {"type": "str", "no_log": True},
    "run": turn.OPTION,
}


def act(request: _module.Request) -> Dict[str, Any]:
    params = request.params
    accessory = Accessory(
        engine=request.engine(),
        changes=request.changes,
        share=from_data(AccessoryShare, params["plan"]),
        secrets=request.secrets,
        credentials=request.credentials,
    )
    states = {"present": accessory.present, "stopped": accessory.stopped, "absent": accessory.absent}
    with turn.taken(request.changes, accessory.share.turn_file, params["run"]):
        return states[params["state"]]()


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
