#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: builder
short_description: The builder of buildx that an image needs
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Creates the builder that M(caravan.kamal.image_build) would use, under Kamal's name, or removes it. An engine
    elsewhere is known by a context of Docker, which comes and goes with it.
  - Where the engine's own builder does it, there is nothing to create or to remove.
options:
  state:
    description: Whether it is there. With V(absent) its cache goes too.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.docker
  - caravan.kamal.builder_choice
seealso:
  - module: caravan.kamal.image_build
"""

EXAMPLES = r"""
- name: Have a builder for two architectures
  caravan.kamal.builder:
    arch: [amd64, arm64]
  delegate_to: localhost
"""

RETURN = r"""
name:
  description: The builder's name, or null for the engine's own.
  returned: success
  type: str
  sample: kamal-local-docker-container
actions:
  description: What was done, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [create the builder kamal-local-docker-container]
"""

from typing import Any, Dict

from ..module_utils._build import at_hand
from ..module_utils._host import module as _module

OPTIONS: Dict[str, Any] = {
    **at_hand.OPTIONS,
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}


def act(request: _module.Request) -> Dict[str, Any]:
    hand = at_hand.of(request.engine(), request.params)
    return at_hand.ensure(hand, request.changes, request.params["state"] == "present")


def main() -> None:
    _module.run(OPTIONS, act)


if __name__ == "__main__":
    main()
