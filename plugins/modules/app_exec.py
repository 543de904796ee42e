#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: app_exec
short_description: Run a command for the roles of this host
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Runs a command in a new container of each role, which has the role's image, variables, secrets, volumes and network,
    and is removed when the command has ended. It publishes no port, gets no requests and sees no assets.
  - With O(reuse) it runs in the container of the role that runs.
  - The image is that of what runs or, where nothing does, the one that is tagged as latest; with a version in the plan
    it is that version's. It is pulled where it is missing.
  - A command that ends with another code than 0 is an error. In check mode it is not run.
options:
  roles:
    description: The roles to run it for. Left out, all of this host.
    type: list
    elements: str
  reuse:
    description: Whether it is run in the container that runs.
    type: bool
    default: false
  detached:
    description:
      - Whether nobody waits for its end. Its container stays afterwards, with its logs, until it is pruned.
      - It is about a new container.
    type: bool
    default: false
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.command
  - caravan.kamal.docker
  - caravan.kamal.network
  - caravan.kamal.planned
  - caravan.kamal.host_share
attributes:
  idempotent:
    support: none
    details: What the command does is its own affair.
seealso:
  - module: caravan.kamal.accessory_exec
  - module: caravan.kamal.service_logs
"""

EXAMPLES = r"""
- name: Count the users
  caravan.kamal.app_exec:
    command: bin/rails runner 'puts User.count'
    roles: [web]

- name: See what the running container has as its environment
  caravan.kamal.app_exec:
    command: env
    reuse: true

- name: Begin a long import
  caravan.kamal.app_exec:
    command: bin/import
    detached: true
    env:
      BATCH: "100"
"""

RETURN = r"""
logs:
  description: By role the container, with which code the command ended, and the lines that it wrote.
  returned: success
  type: dict
  sample:
    web:
      container: a container like hello-web
      state: exit code 0
      lines: ["42"]
terminal:
  description: The command that opens a terminal, to be run by a person.
  returned: with O(terminal)
  type: str
  sample: ssh -t root@web1 'docker exec -it hello-web-3f2a9c1 bash'
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
  sample: [run bin/rails in a container like hello-web]
"""

from typing import Any, Dict

from ..module_utils._app import command, found_secrets
from ..module_utils._app.app_exec import AppExec
from ..module_utils._app.context import Context
from ..module_utils._data import from_data, options
from ..module_utils._errors import ConfigError, Problem
from ..module_utils._host import listening
from ..module_utils._host import module as _module
from ..module_utils._shares import HostShare

OPTIONS: Dict[str, Any] = {
    **_module.NETWORK_OPTIONS,
    "roles": {"type": "list", "elements": "str"},
    "reuse": {"type": "bool", "default": False},
    "detached": {"type": "bool", "default": False},
    "plan": {"type": "dict", "options": options(HostShare)},
    "secrets": {"type": "str", "no_log": True},
    "registry": {"type": "str", "no_log": True},
    **command.OPTIONS,
}


def act(request: _module.Request) -> Dict[str, Any]:
    params, share = request.params, from_data(HostShare, request.params["plan"])
    reuse = params["reuse"]
    if params["detached"] and (reuse or params["terminal"] or params["raw"]):
        message = "this is about a new container that nobody waits for, so neither reuse, terminal nor raw goes with it"
        raise ConfigError([Problem(message, "detached")])
    found = {} if reuse else found_secrets.of_roles(share)
    for values in found.values():
        request.hide(values)
    context = Context(request.engine(command.LONGEST), request.changes, share, request.secrets, found=found)
    with listening.told(request) as telling:
        wanted = command.of_options(params).told_by(telling)
        return {"logs": AppExec(context, request.credentials, wanted, reuse).run(params["roles"])}


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
