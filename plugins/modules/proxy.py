#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: proxy
short_description: The kamal-proxy container of this host
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Keeps kamal-proxy running. There is one on a host, and all services share it.
  - One that exists is started but never changed, because a change means a moment without it. With O(recreate=true)
    one that differs from the wanted settings is replaced; routes and certificates are in a volume and stay.
options:
  state:
    description:
      - V(present) is there and runs, V(stopped) does not run, and V(absent) is not there.
      - V(absent) leaves it where it is as long as it routes any service, unless O(force=true).
    type: str
    choices: [present, stopped, absent]
    default: present
  run:
    description: The settings of the container, as in the C(proxy/run) section of a configuration.
    type: dict
    default: {}
  plan:
    description:
      - The container as the plan has it, RV(caravan.kamal.plan#module:plan.hosts) at C(proxy).
      - It takes the place of O(run).
    type: dict
  recreate:
    description: Replace a container whose settings or image are not the wanted ones.
    type: bool
    default: false
  force:
    description: Remove it although services are routed.
    type: bool
    default: false
  removed_routes:
    description:
      - Routes that an earlier task of this run has removed, RV(caravan.kamal.release#module:routes).
      - In check mode they are still there, and with O(state=absent) they count as gone. Otherwise this changes nothing.
    type: list
    elements: str
    default: []
  registry:
    description:
      - A JSON object with C(username) and C(password) for pulling the proxy's image, where it needs them.
      - With O(plan), filled in on the controller where the image lies in the registry of the configuration.
    type: str
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.docker
seealso:
  - module: caravan.kamal.proxy_service
"""

EXAMPLES = r"""
- name: Keep kamal-proxy running
  caravan.kamal.proxy:

- name: Listen on other ports, replacing one that does not
  caravan.kamal.proxy:
    run:
      http_port: 8080
      https_port: 8443
    recreate: true

- name: Remove it if no service needs it any more
  caravan.kamal.proxy:
    state: absent
"""

RETURN = r"""
container:
  description: The name of the container.
  returned: success
  type: str
  sample: kamal-proxy
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [boot kamal-proxy]
notices:
  description: What the operator should know although nothing was done about it.
  returned: always
  type: list
  elements: str
  sample: []
"""

from typing import Any, Dict

from ..module_utils._host import module as _module
from ..module_utils._host.engine import Engine
from ..module_utils._names import NETWORK, PROXY_CONTAINER
from ..module_utils._proxy import container as _proxy
from ..module_utils._proxy.settings import proxy_container

OPTIONS: Dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "stopped", "absent"], "default": "present"},
    "run": {"type": "dict", "default": {}},
    "plan": {"type": "dict"},
    "recreate": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "removed_routes": {"type": "list", "elements": "str", "default": []},
    "registry": {"type": "str", "no_log": True},
}


def act(request: _module.Request) -> Dict[str, Any]:
    engine, changes, state = request.engine(), request.changes, request.params["state"]
    if state == "present":
        present(request, engine)
    elif state == "stopped":
        _proxy.stop(engine, changes)
    else:
        _proxy.remove(engine, changes, request.params["force"], request.params["removed_routes"])
    return {"container": PROXY_CONTAINER}


def present(request: _module.Request, engine: Engine) -> None:
    wanted = request.params["plan"] or proxy_container(request.params["run"])
    if not engine.has_network(NETWORK):
        request.changes.do(f"create network {NETWORK}", lambda: engine.create_network(NETWORK))
    ensure = _proxy.recreate if request.params["recreate"] else _proxy.ensure
    ensure(engine, request.changes, wanted, request.credentials)


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
