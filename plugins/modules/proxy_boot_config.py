#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: proxy_boot_config
short_description: The files of C(kamal proxy boot_config) on this host
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - C(kamal proxy boot_config set) keeps in files on each host how kamal-proxy is run. They count where the
    configuration has no C(proxy/run).
  - This module tells what they hold, also as a section C(proxy/run) that says the same, or removes them.
options:
  state:
    description:
      - V(present) leaves them as they are, V(absent) removes them.
      - The container is not changed. What takes effect when it is rebooted is told by M(caravan.kamal.proxy_info).
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - caravan.kamal.attributes
seealso:
  - module: caravan.kamal.proxy
"""

EXAMPLES = r"""
- name: See how Kamal was told to run kamal-proxy
  caravan.kamal.proxy_boot_config:
  register: boot_config

- name: Remove it, now that proxy/run in the configuration says the same
  caravan.kamal.proxy_boot_config:
    state: absent
"""

RETURN = r"""
files:
  description: What the files hold, or held, by name.
  returned: success
  type: dict
  sample: {image_version: v0.9.3}
section:
  description: The section C(proxy/run) that says the same.
  returned: success
  type: dict
  sample: {version: v0.9.3}
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [remove .kamal/proxy/image_version]
notices:
  description: What the operator should know although nothing was done about it.
  returned: always
  type: list
  elements: str
  sample: []
"""

from typing import Any, Dict

from ..module_utils._errors import ConfigError
from ..module_utils._host import module as _module
from ..module_utils._proxy import boot_config

OPTIONS: Dict[str, Any] = {"state": {"type": "str", "choices": ["present", "absent"], "default": "present"}}


def act(request: _module.Request) -> Dict[str, Any]:
    texts = boot_config.found()
    try:
        section = boot_config.section()
    except ConfigError as error:
        request.changes.notice(error.message)
        section = {}
    if request.params["state"] == "absent":
        boot_config.reset(request.changes)
    return {"files": texts, "section": section}


def main() -> None:
    _module.run(OPTIONS, act, docker=False)


if __name__ == "__main__":
    main()
