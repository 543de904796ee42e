#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: proxy_service
short_description: The route of one service in kamal-proxy
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Sends the requests for a service to a container, holds them, answers them with a maintenance page, or forgets the
    service.
  - What kamal-proxy has is read from its own state file, with every option. A route that is as wanted is left alone.
  - A deploy changes where a route leads, not whether it is paused or stopped. Only V(live) ends that.
options:
  name:
    description: The service in kamal-proxy. For a role it is C(SERVICE-ROLE) or C(SERVICE-ROLE-DESTINATION).
    type: str
    required: true
  state:
    description:
      - V(deployed) sends requests to O(target) as soon as that answers its health check, and lets the one before drain.
      - V(live) serves again after V(paused) or V(stopped).
      - V(paused) holds requests for up to O(max_pause) seconds.
      - V(stopped) answers requests with 503 and O(stop_message).
      - V(absent) forgets the service.
    type: str
    choices: [deployed, live, paused, stopped, absent]
    default: deployed
  target:
    description: The name of a container of this host, or C(HOST:PORT). Needed for O(state=deployed).
    type: str
  proxy:
    description: The options of the route, as in the C(proxy) section of a configuration.
    type: dict
    default: {}
  deploy_timeout:
    description: How many seconds the target has to become healthy.
    type: int
    default: 30
  drain_timeout:
    description: How many seconds requests under way may still take.
    type: int
    default: 30
  max_pause:
    description: How many seconds a request may be held with O(state=paused).
    type: int
    default: 30
  stop_message:
    description: What the maintenance page says with O(state=stopped).
    type: str
    default: ""
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.docker
seealso:
  - module: caravan.kamal.proxy
  - module: caravan.kamal.release
"""

EXAMPLES = r"""
- name: Send requests for a host name to a container
  caravan.kamal.proxy_service:
    name: grafana
    target: grafana
    proxy:
      host: grafana.example.com
      app_port: 3000
      healthcheck:
        path: /api/health

- name: Show the maintenance page
  caravan.kamal.proxy_service:
    name: hello-web
    state: stopped
    stop_message: Back at noon

- name: Serve again
  caravan.kamal.proxy_service:
    name: hello-web
    state: live
"""

RETURN = r"""
service:
  description: The service in kamal-proxy.
  returned: success
  type: str
  sample: hello-web
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [route hello-web to hello-web-3f2a9c1]
notices:
  description: What the operator should know although nothing was done about it.
  returned: always
  type: list
  elements: str
  sample: []
"""

from typing import Any, Dict, Mapping

from ..module_utils._host import module as _module
from ..module_utils._proxy import flags
from ..module_utils._proxy.route import Route

OPTIONS: Dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "state": {
        "type": "str",
        "choices": ["deployed", "live", "paused", "stopped", "absent"],
        "default": "deployed",
    },
    "target": {"type": "str"},
    "proxy": {"type": "dict", "default": {}},
    "deploy_timeout": {"type": "int", "default": 30},
    "drain_timeout": {"type": "int", "default": 30},
    "max_pause": {"type": "int", "default": 30},
    "stop_message": {"type": "str", "default": ""},
}


def act(request: _module.Request) -> Dict[str, Any]:
    params = request.params
    engine = request.engine(timeout=params["deploy_timeout"] + params["drain_timeout"] + 30)
    route = Route(engine, request.changes, params["name"])
    {
        "deployed": lambda: deploy(route, params),
        "live": route.live,
        "paused": lambda: route.pause(params["drain_timeout"], params["max_pause"]),
        "stopped": lambda: route.stop(params["drain_timeout"], params["stop_message"]),
        "absent": route.remove,
    }[params["state"]]()
    return {"service": params["name"]}


def deploy(route: Route, params: Mapping[str, Any]) -> None:
    options = flags.options(
        params["proxy"], deploy_timeout=params["deploy_timeout"], drain_timeout=params["drain_timeout"]
    )
    route.deploy(params["target"], options, flags.app_port(params["proxy"]))


def main() -> None:
    _module.run(OPTIONS, act, required_if=[("state", "deployed", ["target"])])


if __name__ == "__main__":
    main()
