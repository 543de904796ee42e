#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: service_info
short_description: What runs of a service on this host
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Tells which version of each role runs, all containers with their state and health, the images, the routes in
    kamal-proxy, the proxy itself, accessories, and what went live here before.
  - It asks the Docker engine a handful of questions and changes nothing. Containers that Kamal made are understood.
options:
  service:
    description:
      - The service, as the configuration names it.
      - Where it is left out, this and all other options that are not given come from the plan of the run.
    type: str
    required: false
  roles:
    description: The roles to tell about. An empty list means all that have a container.
    type: list
    elements: str
    default: []
  accessories:
    description: The names of the containers of accessories to tell about.
    type: list
    elements: str
    default: []
  balanced:
    description:
      - By route of a load balancer that runs here, where it finds each host of the role.
      - Which of them get requests is in RV(balanced).
    type: dict
    default: {}
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
  - caravan.kamal.docker
  - caravan.kamal.service
seealso:
  - module: caravan.kamal.service_logs
"""

EXAMPLES = r"""
- name: Look at what runs
  caravan.kamal.service_info:
    service: hello
  register: info

- name: Stop here unless the web role runs
  ansible.builtin.assert:
    that: "'web' in info.running"
"""

RETURN = r"""
running:
  description: The version that runs, by role. It is of the newest container with the latest image, or else of the
    newest.
  returned: success
  type: dict
  sample: {web: 3f2a9c1}
containers:
  description: All containers of the service at the destination, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
    role:
      description: Its role.
      type: str
    version:
      description: Its version.
      type: str
    state:
      description: Docker's word for its state.
      type: str
    status:
      description: Docker's words for its state and for how long.
      type: str
    health:
      description: The state of its health check, or null without one.
      type: str
    image:
      description: The image that it was made from.
      type: str
    image_id:
      description: The ID of that image.
      type: str
    created:
      description: When it was made.
      type: str
  sample:
    - name: hello-web-3f2a9c1
      role: web
      version: 3f2a9c1
      state: running
      status: Up 2 hours
      health: null
      image: "hello:3f2a9c1"
      image_id: sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1
      created: "2026-01-31T12:00:00Z"
routes:
  description: The routes of the service in kamal-proxy, by their name there.
  returned: success
  type: dict
  sample:
    hello-web:
      targets: ["hello-web-3f2a9c1:80"]
      hosts: [hello.example.com]
      path_prefixes: [/]
      tls: false
      state: running
      message: ""
proxy:
  description: The kamal-proxy container.
  returned: success
  type: dict
  contains:
    running:
      description: Whether it runs.
      type: bool
    state:
      description: Docker's word for its state, or V(absent).
      type: str
    image:
      description: Its image.
      type: str
  sample: {running: true, state: running, image: "basecamp/kamal-proxy:v0.9.2"}
accessories:
  description: The state of each container in O(accessories), null where there is none.
  returned: success
  type: dict
  sample: {hello-db: {state: running, status: Up 3 days, health: null, image: "postgres:16"}}
images:
  description: All images of the service on this host, of every destination.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its ID.
      type: str
    tags:
      description: Its names with their tags.
      type: list
      elements: str
    containers:
      description: The names of the containers that were made from it, running or not.
      type: list
      elements: str
  sample:
    - id: sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1
      tags: ["hello:3f2a9c1", "hello:latest"]
      containers: [hello-web-3f2a9c1]
latest:
  description: The image that is tagged as latest for this destination, or null.
  returned: success
  type: dict
  sample: {id: "sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1", tag: "hello:latest"}
balanced:
  description: By route of O(balanced) which hosts get requests and which do not; empty where kamal-proxy lacks it.
  returned: success
  type: dict
  sample:
    hello-web:
      hosts: [hello.example.com]
      state: running
      serving: [web1]
      drained: [web2]
history:
  description: What went live here, oldest first.
  returned: success
  type: list
  elements: dict
  sample:
    - at: "2026-01-31T12:00:00Z"
      command: deploy
      version: 3f2a9c1
      roles: [web]
      image_id: sha256:4bcff63911fcb4448bd4fdacec207030997caf25e9bea4045fa6c8c44de311d1
      performer: sam@example.com
"""

from typing import Any, Dict

from ..module_utils._app import info
from ..module_utils._host import module as _module
from ..module_utils._names import Names

OPTIONS: Dict[str, Any] = {
    "service": {"type": "str"},
    "destination": {"type": "str"},
    "roles": {"type": "list", "elements": "str", "default": []},
    "accessories": {"type": "list", "elements": "str", "default": []},
    "balanced": {"type": "dict", "default": {}},
}


def act(request: _module.Request) -> Dict[str, Any]:
    params = request.params
    names = Names(params["service"], params["destination"])
    wanted = info.Wanted(params["roles"], params["accessories"], params["balanced"])
    return info.look(request.engine(), names, wanted, request.changes.notice)


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
