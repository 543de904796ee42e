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
      - V(started) runs; it must be there, and is started as it was made.
      - V(restarted) stops and starts it, V(rebooted) replaces it by a new one. Requests are refused meanwhile. What it
        routed before it routes afterwards.
      - V(upgraded) runs in the place of the Traefik that Kamal 1 left, which is stopped for it and removed. Where it
        does not come up, Traefik serves as before. Until then M(caravan.kamal.release) has it run beside Traefik,
        without Traefik's ports.
      - V(absent) leaves it where it is as long as it routes any service, unless O(force=true). Their routes and
        their files stay then for the next one. So do files of a service that is stopped and has no route.
    type: str
    choices: [present, started, stopped, restarted, rebooted, upgraded, absent]
    default: present
  run:
    description: The settings of the container, as in the C(proxy/run) section of a configuration; O(plan) wins.
    type: dict
    default: {}
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
  app:
    description:
      - On behalf of which app this is done. The app's audit log is told of it, and the host remembers how this app
        wants kamal-proxy to run.
      - Where another app of the host wants it otherwise, the module fails. Where this one says nothing, what
        C(kamal proxy boot_config set) left on the host counts. What has no form in C(proxy/run) there stops a container
        from being made; where one is there already, a warning says so.
      - With O(plan), or where there is a plan of the run, filled in on the controller.
    type: dict
    suboptions:
      name:
        description: The service, with its destination if it has one.
        type: str
        required: true
      destination:
        description: The destination, if there is one.
        type: str
      performer:
        description: Who does it.
        type: str
        default: ""
      audit_log:
        description: The audit log, relative to the home.
        type: str
  registry:
    description:
      - A JSON object with C(username) and C(password) for pulling the proxy's image, where it needs them.
      - With O(plan), filled in on the controller where the image lies in the registry of the configuration.
    type: str
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.docker
  - caravan.kamal.network
  - caravan.kamal.proxy_share
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

- name: Replace it by a new one
  caravan.kamal.proxy:
    state: rebooted

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
used_by:
  description: The services that it routes.
  returned: with O(state=absent)
  type: list
  elements: str
  sample: [hello-web]
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

from typing import Any, Callable, Dict, Mapping, Optional

from ..module_utils._app import history, turn
from ..module_utils._data import from_data, options
from ..module_utils._host import files, networks
from ..module_utils._host import module as _module
from ..module_utils._host.engine import Engine
from ..module_utils._names import NETWORK, PROXY_CONTAINER, PROXY_TURN
from ..module_utils._proxy import container as _proxy
from ..module_utils._proxy import replacement, traefik
from ..module_utils._proxy.asked import Asked
from ..module_utils._proxy.settings import proxy_container
from ..module_utils._shares import ProxyShare

APP: Dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "destination": {"type": "str"},
    "performer": {"type": "str", "default": ""},
    "audit_log": {"type": "str"},
}
OPTIONS: Dict[str, Any] = {
    **_module.NETWORK_OPTIONS,
    "state": {
        "type": "str",
        "choices": ["present", "started", "stopped", "restarted", "rebooted", "upgraded", "absent"],
        "default": "present",
    },
    "run": {"type": "dict", "default": {}},
    "plan": {"type": "dict", "options": options(ProxyShare)},
    "recreate": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "removed_routes": {"type": "list", "elements": "str", "default": []},
    "app": {"type": "dict", "options": APP},
    "registry": {"type": "str", "no_log": True},
}
# As Kamal tells its audit log. It tells no boot.
TOLD = {
    "started": "Started proxy",
    "stopped": "Stopped proxy",
    "restarted": "Restarted proxy",
    "rebooted": "Rebooted proxy",
    "upgraded": "Rebooted proxy",
    "absent": "Removed proxy container",
}


def act(request: _module.Request) -> Dict[str, Any]:
    engine, changes, state = request.engine(), request.changes, request.params["state"]
    states: Mapping[str, Callable[[], Optional[Dict[str, Any]]]] = {
        "present": lambda: booted(request, engine, recreated(request)),
        "started": lambda: _proxy.start_again(engine, changes, must_be_there=True),
        "stopped": lambda: _proxy.stop(engine, changes),
        "restarted": lambda: _proxy.restart(engine, changes),
        "rebooted": lambda: booted(request, engine, replacement.reboot),
        "upgraded": lambda: booted(request, engine, traefik.take_over),
        "absent": lambda: removed(request, engine),
    }
    with turn.taken(changes, PROXY_TURN, None):
        more = states[state]() or {}
        audit(request)
    return {"container": PROXY_CONTAINER, **more}


def recreated(request: _module.Request) -> Callable[..., None]:
    return replacement.recreate if request.params["recreate"] else _proxy.ensure


def booted(request: _module.Request, engine: Engine, boot: Callable[..., None]) -> None:
    plan, app = request.params["plan"], request.params["app"]
    share = from_data(ProxyShare, plan) if plan else None
    run = share.run if share else request.params["run"]
    wanted: Mapping[str, Any] = share.container if share else proxy_container(run)
    asked = Asked(app["name"], run) if app and (share or run) else None
    if not (boot is traefik.take_over and request.changes.check_mode):  # the staging before it lists that
        networks.ensure(engine, request.changes, NETWORK)
    if asked:
        wanted = asked.wanted(engine, request.changes, wanted, anew=boot is not _proxy.ensure)
    boot(engine, request.changes, wanted, request.credentials)
    if asked:
        asked.record(request.changes)


def removed(request: _module.Request, engine: Engine) -> Dict[str, Any]:
    params = request.params
    return {"used_by": _proxy.remove(engine, request.changes, params["force"], params["removed_routes"])}


def audit(request: _module.Request) -> None:
    app, text, changes = request.params["app"] or {}, TOLD.get(request.params["state"]), request.changes
    if text and app.get("audit_log") and changes.changed and not changes.check_mode:
        line = history.audit_line(app["performer"], (app["destination"],), text)
        files.append(app["audit_log"], line)


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
