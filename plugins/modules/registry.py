#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: registry
short_description: What a registry says to this host, no login to it that lies here, or a registry on this machine
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - V(checked) asks the registry through the Docker engine of the host, whether it takes the login or, with O(image),
    which image it has by a name now. Nothing of the login is kept.
  - V(present) has a registry at a port of this machine that is open to this machine alone. One that answers there is
    used; otherwise the container C(kamal-docker-registry) is started.
  - V(absent) removes a login that C(docker login), or Kamal, has left in the C(~/.docker/config.json) of the SSH user.
  - A registry that does not answer is asked again, three times.
options:
  state:
    description: What is wanted.
    type: str
    choices: [checked, present, absent]
    default: checked
  server:
    description:
      - The registry's server. Left out, that of the plan, or Docker Hub.
      - With O(state=present) it is C(localhost:PORT).
    type: str
  image:
    description: An image that was built elsewhere, by tag or digest.
    type: str
  tag:
    description: The tag that it is to have on hosts. Left out, the version of the plan.
    type: str
  container:
    description:
      - With O(state=absent), the registry C(kamal-docker-registry) that this module, or Kamal, has started on this
        machine goes too, with the images in it.
    type: bool
    default: false
  container_image:
    description: With O(state=present), the image that is started where no registry answers.
    type: str
    default: registry:3
  required:
    description: With O(state=present), whether it is an error that there is none. Otherwise RV(reason) says why.
    type: bool
    default: true
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.docker
  - caravan.kamal.planned
attributes:
  diff_mode:
    support: none
    details: A login is not for showing; RV(actions) says what is done.
seealso:
  - module: caravan.kamal.release
"""

EXAMPLES = r"""
- name: See that the registry takes the login
  caravan.kamal.registry:

- name: Look which image has this name now
  caravan.kamal.registry:
    image: ghcr.io/acme/hello:1.4
  register: hello

- name: Have a registry on this machine
  caravan.kamal.registry:
    state: present
    server: localhost:5555
  delegate_to: localhost

- name: Leave no login behind
  caravan.kamal.registry:
    state: absent
"""

RETURN = r"""
server:
  description: The registry's server, null for Docker Hub.
  returned: success
  type: str
  sample: registry.example.com
username:
  description: As whom it was asked, or null.
  returned: with O(state=checked)
  type: str
  sample: ada
here:
  description: Whether there is a registry, or would be in check mode.
  returned: with O(state=present)
  type: bool
  sample: true
reason:
  description: Why there is none, where it was not O(required), else null.
  returned: with O(state=present)
  type: str
  sample: null
repository:
  description: Name of the image without a tag.
  returned: with O(image)
  type: str
  sample: ghcr.io/acme/hello
tag:
  description: The tag that it is to have on hosts.
  returned: with O(image)
  type: str
  sample: "1.4"
digest:
  description: What the registry knows it by now.
  returned: with O(image)
  type: str
  sample: sha256:0b3d5a1a5cf9d2a0f2f0a3b4a4a6e1c5d0ad0d6c8e7f7e5c4c7fbb2d1f0e9a8b
image_id:
  description: Always null, as nothing was built.
  returned: with O(image)
  type: str
  sample: null
pushed:
  description: Always true, as the registry has it.
  returned: with O(image)
  type: bool
  sample: true
registry_silent:
  description: Always true.
  returned: when the registry did not answer
  type: bool
  sample: true
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [log out of registry.example.com]
notices:
  description: What the operator should know although nothing was done about it.
  returned: always
  type: list
  elements: str
  sample: []
"""

import re
from typing import Any, Dict

from ..module_utils._app.local_registry import LocalRegistry
from ..module_utils._app.registry import Registry
from ..module_utils._errors import ConfigError, EngineError, Problem
from ..module_utils._host import module as _module

OPTIONS: Dict[str, Any] = {
    "state": {"type": "str", "choices": ["checked", "present", "absent"], "default": "checked"},
    "server": {"type": "str"},
    "image": {"type": "str"},
    "tag": {"type": "str"},
    "container": {"type": "bool", "default": False},
    "container_image": {"type": "str", "default": "registry:3"},
    "required": {"type": "bool", "default": True},
    "secrets": {"type": "str", "no_log": True},
    "registry": {"type": "str", "no_log": True},
}


LOCAL = re.compile("localhost:([0-9]+)")


def present(request: _module.Request) -> Dict[str, Any]:
    params, reason = request.params, None
    place = LOCAL.fullmatch(params["server"])
    if place is None:
        raise ConfigError(
            [Problem(f"{params['server']} is no port of this machine: localhost:PORT", "registry/server")]
        )
    try:
        LocalRegistry(request.engine, request.changes, int(place[1]), params["container_image"]).ensure()
    except EngineError as error:
        if params["required"]:
            raise
        reason = error.message
    return {"server": params["server"], "here": reason is None, "reason": reason}


def act(request: _module.Request) -> Dict[str, Any]:
    params = request.params
    if params["state"] == "present":
        return present(request)
    registry = Registry(request.engine(), request.changes, params["server"])
    if params["state"] == "absent":
        registry.log_out()
        if params["container"]:
            registry.remove_container()
        return {"server": params["server"]}
    asked = {"server": params["server"], "username": (request.credentials or {}).get("username")}
    if params["image"]:
        return {**asked, **registry.found(params["image"], params["tag"], request.credentials)}
    registry.check(request.credentials)
    return asked


def main() -> None:
    _module.run(OPTIONS, act, required_by={"image": ["tag"]}, required_if=[("state", "present", ["server"])])


if __name__ == "__main__":
    main()
