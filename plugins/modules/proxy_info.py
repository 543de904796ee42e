#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: proxy_info
short_description: What kamal-proxy is and routes on this host
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Tells whether the container runs, since when and with which image, where it is not as it should be, and every route,
    of whatever app. Without O(plan) nothing is compared.
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
  - caravan.kamal.docker
  - caravan.kamal.proxy_share
seealso:
  - module: caravan.kamal.proxy
  - module: caravan.kamal.service_info
"""

EXAMPLES = r"""
- name: Look at kamal-proxy
  caravan.kamal.proxy_info:
  register: proxy

- name: Stop here unless it routes hello
  ansible.builtin.assert:
    that: "'hello-web' in proxy.routes"
"""

RETURN = r"""
state:
  description: Docker's word for the state of the container, or V(absent).
  returned: success
  type: str
  sample: running
image:
  description: Its image, or null.
  returned: success
  type: str
  sample: "basecamp/kamal-proxy:v0.9.2"
since:
  description: When it started or, if it does not run, ended.
  returned: success
  type: str
  sample: "2026-01-31T12:00:00.123456789Z"
differs:
  description: What is not as O(plan) says, each with what it is and what it should be.
  returned: success
  type: list
  elements: str
  sample: ["HostConfig/PortBindings/80/tcp[0]/HostPort is 80, not 8080"]
routes:
  description: Every route by its name.
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
"""

from typing import Any, Dict

from ..module_utils._data import from_data, options
from ..module_utils._host import module as _module
from ..module_utils._proxy.look import look
from ..module_utils._shares import ProxyShare

OPTIONS: Dict[str, Any] = {"plan": {"type": "dict", "options": options(ProxyShare)}}


def act(request: _module.Request) -> Dict[str, Any]:
    plan = request.params["plan"]
    wanted = from_data(ProxyShare, plan).container if plan else None
    return look(request.engine(), wanted, request.changes.notice)


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
