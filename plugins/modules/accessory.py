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
  - Sees to it that an accessory of the configuration runs on this host, with its network, its image, its files and its
    secrets.
  - One that is no longer as the configuration says is replaced. The old container comes back, with the files that it
    had, where the new one does not get ready. Volumes are never removed.
  - One that Kamal booted is taken as it is, until it is made anew with O(recreate).
options:
  name:
    description: The accessory, as the configuration names it.
    type: str
    required: true
  state:
    description:
      - V(present) is there, as the configuration says, and runs.
      - V(started) starts the container that there is, V(restarted) stops it before that, V(stopped) does not run.
      - V(absent) removes the container, the file with its secrets and, if nothing else uses it, the image.
      - With V(absent) a container stays, with a warning, that was booted for another destination, or whose service has
        containers of another destination on this host. Its data stays too, also where the container is gone.
      - The first container of an accessory that is not ready in time runs on. V(present) looks at it again, also with
        O(recreate); V(started) and V(restarted) fail until it is ready, and so does V(present) for another destination
        that wants another one.
    type: str
    choices: [present, started, restarted, stopped, absent]
    default: present
  recreate:
    description: Whether V(present) replaces a container in which nothing differs.
    type: bool
    default: false
  pull:
    description: Whether V(present) asks the registry for a newer image under the same tag.
    type: bool
    default: false
  upgrade:
    description:
      - Whether V(present) replaces a container that Kamal 1 booted, which is not on the network of the others. Its data
        stays.
    type: bool
    default: false
  backup:
    description: Whether the backup of the configuration is made before a container is replaced.
    type: bool
    default: true
  data:
    description: What V(absent) does with the folder and the volumes of the accessory. A folder elsewhere always stays.
    type: str
    choices: [keep, delete]
    default: keep
  foretold:
    description:
      - What an earlier task of this run has listed for the service here, RV(caravan.kamal.release#module:actions).
      - In check mode it is still to be done, and with O(state=absent) what goes with it is not listed again. Otherwise
        this changes nothing.
    type: list
    elements: str
    default: []
  files:
    description:
      - What is in its files, as a JSON object of base64 text by path. Where it is left out, the project's files are
        read and rendered on the controller.
    type: str
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.turn
  - caravan.kamal.told
  - caravan.kamal.docker
  - caravan.kamal.network
  - caravan.kamal.planned
  - caravan.kamal.accessory_share
"""

EXAMPLES = r"""
- name: Have the database running
  caravan.kamal.accessory:
    name: db

- name: Replace it where its tag has a newer image
  caravan.kamal.accessory:
    name: db
    pull: true

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
routes:
  description: Its name in kamal-proxy, if it is behind it.
  returned: success
  type: list
  elements: str
  sample: []
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

from ..module_utils._app import found_secrets, turn
from ..module_utils._app.accessory import Accessory
from ..module_utils._app.accessory_host import AccessoryHost, contents
from ..module_utils._data import from_data, options
from ..module_utils._host import listening
from ..module_utils._host import module as _module
from ..module_utils._names import accessory_turn
from ..module_utils._shares import AccessoryShare

OPTIONS: Dict[str, Any] = {
    **_module.NETWORK_OPTIONS,
    "name": {"type": "str", "required": True},
    "state": {
        "type": "str",
        "choices": ["present", "started", "restarted", "stopped", "absent"],
        "default": "present",
    },
    "recreate": {"type": "bool", "default": False},
    "pull": {"type": "bool", "default": False},
    "upgrade": {"type": "bool", "default": False},
    "backup": {"type": "bool", "default": True},
    "data": {"type": "str", "choices": ["keep", "delete"], "default": "keep"},
    "foretold": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "str", "no_log": True},
    "plan": {"type": "dict", "options": options(AccessoryShare)},
    "secrets": {"type": "str", "no_log": True},
    "registry": {"type": "str", "no_log": True},
    "run": turn.OPTION,
    "progress": listening.OPTION,
}
# Seconds that a backup may take without a word, and what is left for the engine beside a proof.
LONGEST_BACKUP = 6 * 60 * 60
MARGIN = 30


def act(request: _module.Request) -> Dict[str, Any]:
    params = request.params
    share = from_data(AccessoryShare, params["plan"])
    found = found_secrets.of_accessory(share) if params["state"] == "present" else None
    request.hide(found or {})
    longest = max(share.ready_timeout, share.deploy_timeout + share.drain_timeout)
    backs_up = share.backup and params["backup"] and params["state"] == "present"
    host = AccessoryHost(
        engine=request.engine(longest + MARGIN),
        patient=request.engine(LONGEST_BACKUP) if backs_up else None,
        changes=request.changes,
        share=share,
        secrets=request.secrets,
        found=found,
        credentials=request.credentials,
        contents=contents(params["files"]),
    )
    own_turn = turn.taken(request.changes, share.turn_file, params["run"])
    # Another destination that shares it has another turn, and other numbers of its lock.
    shared_turn = turn.taken(request.changes, accessory_turn(share.service), None, longest + turn.PATIENCE)
    with listening.changes_told(request), own_turn, shared_turn:
        return _bring(Accessory(host), params)


def _bring(accessory: Accessory, params: Any) -> Dict[str, Any]:
    if params["state"] == "present":
        return accessory.present(**{name: params[name] for name in ("recreate", "pull", "upgrade", "backup")})
    if params["state"] == "absent":
        return accessory.absent(with_data=params["data"] == "delete", foretold=params["foretold"])
    states = {
        "started": accessory.started,
        "restarted": accessory.restarted,
        "stopped": accessory.stopped,
    }
    return states[params["state"]]()


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
