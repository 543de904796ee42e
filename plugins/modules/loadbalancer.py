#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: loadbalancer
short_description: The load balancer of a service, on one of its hosts
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - A kamal-proxy in front of those of the hosts of roles, as the C(loadbalancer) section of a configuration has it. It
    sends requests to those hosts that were put into it and answer its health check.
  - It runs on this host. Use it with C(delegate_to) in a play of the hosts that it is about.
options:
  state:
    description:
      - V(present) has kamal-proxy running here and puts O(hosts) in, as soon as they answer. Those that were in it stay
        there as long as they answer.
      - V(drained) takes O(hosts) out, and waits for requests under way. They stay in where no other host answers, or
        where kamal-proxy has stopped, which O(state=present) starts.
      - V(absent) removes its routes and files.
    type: str
    choices: [present, drained, absent]
    default: present
  hosts:
    description: Hosts of roles behind kamal-proxy, as the configuration names them.
    type: list
    elements: str
    default: []
  if_they_answer:
    description: Whether those of O(hosts) that do not answer are left out, with a warning, instead of failing.
    type: bool
    default: false
  drained:
    description:
      - Hosts that an earlier task of this run has taken out, RV(drained).
      - In check mode they are still in, and with O(state=present) they count as if they were not. Otherwise this
        changes nothing.
    type: list
    elements: str
    default: []
  earlier:
    description:
      - Hosts that an earlier task of this run has put in. In check mode they are not there yet, and with
        O(state=present) they count as if they were, with O(state=drained) kamal-proxy as one that runs. Otherwise this
        changes nothing.
    type: list
    elements: str
    default: []
  foretold:
    description:
      - What an earlier task of this run has listed for kamal-proxy here, RV(caravan.kamal.proxy#module:actions).
      - In check mode it is still to be done. With O(state=present) it is not listed again, with O(state=drained)
        kamal-proxy counts as one that runs. Otherwise this changes nothing.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.turn
  - caravan.kamal.told
  - caravan.kamal.docker
  - caravan.kamal.network
  - caravan.kamal.planned
  - caravan.kamal.loadbalancer_share
seealso:
  - module: caravan.kamal.proxy_service
"""

EXAMPLES = r"""
- name: Take this host out of the load balancer
  caravan.kamal.loadbalancer:
    state: drained
    hosts: ["{{ inventory_hostname }}"]
  delegate_to: lb1

- name: Put it back
  caravan.kamal.loadbalancer:
    hosts: ["{{ inventory_hostname }}"]
  delegate_to: lb1

- name: Remove the load balancer
  caravan.kamal.loadbalancer:
    state: absent
  delegate_to: lb1
"""

RETURN = r"""
drained:
  description: The hosts that were taken out, or would be in check mode.
  returned: with O(state=drained)
  type: list
  elements: str
  sample: [web1]
routes:
  description: The routes that were taken out of kamal-proxy, or would be in check mode.
  returned: with O(state=absent)
  type: list
  elements: str
  sample: [hello-web]
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: ["route hello-web to web2"]
notices:
  description: What the operator should know although nothing was done about it.
  returned: always
  type: list
  elements: str
  sample: []
"""

from typing import Any, Dict

from ..module_utils._app import turn
from ..module_utils._app.load_balancer import LoadBalancer
from ..module_utils._balancing import LoadBalancerShare
from ..module_utils._data import from_data, options
from ..module_utils._host import listening
from ..module_utils._host import module as _module
from ..module_utils._names import Names

OPTIONS: Dict[str, Any] = {
    **_module.NETWORK_OPTIONS,
    "state": {"type": "str", "choices": ["present", "drained", "absent"], "default": "present"},
    "plan": {"type": "dict", "options": options(LoadBalancerShare)},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "if_they_answer": {"type": "bool", "default": False},
    "drained": {"type": "list", "elements": "str", "default": []},
    "earlier": {"type": "list", "elements": "str", "default": []},
    "foretold": {"type": "list", "elements": "str", "default": []},
    "secrets": {"type": "str", "no_log": True},
    "registry": {"type": "str", "no_log": True},
    "run": turn.OPTION,
    "progress": listening.OPTION,
}
# Seconds that a call may take beyond what it waits for.
MARGIN = 30


def act(request: _module.Request) -> Dict[str, Any]:
    share = from_data(LoadBalancerShare, request.params["plan"])
    names = Names(share.service, share.destination)
    longest = share.deploy_timeout + share.drain_timeout
    own_turn = turn.taken(request.changes, names.turn_file, request.params["run"], longest + turn.PATIENCE)
    with listening.changes_told(request), own_turn:
        return _act(request, balancer(request, share, longest + MARGIN))


def balancer(request: _module.Request, share: LoadBalancerShare, timeout: int) -> LoadBalancer:
    return LoadBalancer(
        engine=request.engine(timeout=timeout),
        changes=request.changes,
        share=share,
        secrets=request.secrets,
        credentials=request.credentials,
        foretold=request.params["foretold"],
    )


def _act(request: _module.Request, there: LoadBalancer) -> Dict[str, Any]:
    params = request.params
    if params["state"] == "absent":
        return {"routes": there.remove()}
    if params["state"] == "drained":
        return {"drained": there.take_out(params["hosts"], params["earlier"])}
    there.put_in(params["hosts"], params["if_they_answer"], params["drained"], params["earlier"])
    return {}


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
