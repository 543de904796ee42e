#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: prune
short_description: No more old containers and images of a service than wanted
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Removes stopped containers of a service, of each role and destination all but the newest O(retain), and then the
    images of the service that no container needs any more.
  - The last two versions that were live here stay, whatever O(retain) says. So does every image tagged as latest, and
    the images of the last two versions that were live at each other destination of the service.
options:
  retain:
    description: How many stopped containers of each role and destination stay.
    type: int
    default: 5
  parts:
    description:
      - What goes. With V(containers) go also the assets and the secrets of versions of which no container is left.
      - With V(images) alone, an image that any container was made from stays.
    type: list
    elements: str
    choices: [containers, images]
    default: [containers, images]
  versions:
    description: More versions whose containers stay.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.turn
  - caravan.kamal.docker
  - caravan.kamal.service
seealso:
  - module: caravan.kamal.release
"""

EXAMPLES = r"""
- name: Keep what a rollback may need
  caravan.kamal.prune:
    service: hello

- name: Make room
  caravan.kamal.prune:
    service: hello
    destination: staging
    retain: 1
"""

RETURN = r"""
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [remove container hello-web-77d0e21, "remove image hello:77d0e21"]
notices:
  description: What the operator should know although nothing was done about it.
  returned: always
  type: list
  elements: str
  sample: []
"""

from typing import Any, Dict

from ..module_utils._app import prune, turn
from ..module_utils._errors import ConfigError, Problem
from ..module_utils._host import module as _module
from ..module_utils._names import Names

OPTIONS: Dict[str, Any] = {
    "service": {"type": "str", "required": True},
    "destination": {"type": "str"},
    "retain": {"type": "int", "default": 5},
    "parts": {"type": "list", "elements": "str", "choices": [*prune.PARTS], "default": [*prune.PARTS]},
    "versions": {"type": "list", "elements": "str", "default": []},
    "run": turn.OPTION,
}


def act(request: _module.Request) -> Dict[str, Any]:
    params = request.params
    if params["retain"] < 1:
        raise ConfigError([Problem("must be 1 or more, or a rollback has nothing to go back to", "retain")])
    names = Names(params["service"], params["destination"])
    with turn.taken(request.changes, names.turn_file, params["run"]):
        wanted = (params["retain"], params["versions"], params["parts"])
        prune.prune_all(request.engine(), request.changes, names, *wanted)
    return {}


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
