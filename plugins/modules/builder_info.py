#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: builder_info
short_description: With what an image is built on this host
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Tells which builder M(caravan.kamal.image_build) would use, whether it is there, and what the docker command of this
    host can build with.
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
  - caravan.kamal.docker
  - caravan.kamal.builder_choice
seealso:
  - module: caravan.kamal.image_build
"""

EXAMPLES = r"""
- name: Look what builds here
  caravan.kamal.builder_info:
    arch: [amd64, arm64]
  delegate_to: localhost
"""

RETURN = r"""
name:
  description: The builder's name, or null for the engine's own.
  returned: success
  type: str
  sample: kamal-local-docker-container
driver:
  description: Its driver.
  returned: success
  type: str
  sample: docker-container
exists:
  description: Whether it is there. The engine's own always is.
  returned: success
  type: bool
  sample: true
means:
  description: What the docker command can build with, V(buildx), V(buildkit) or just the V(engine) itself.
  returned: success
  type: str
  sample: buildx
nodes:
  description: Where it builds, an address or V(here), with the platforms if it is not for all of them.
  returned: success
  type: list
  elements: str
  sample: [here linux/amd64, "ssh://builder.example.com linux/arm64"]
"""

from typing import Any, Dict

from ..module_utils._build import at_hand
from ..module_utils._host import module as _module


def act(request: _module.Request) -> Dict[str, Any]:
    return at_hand.look(at_hand.of(request.engine(), request.params))


def main() -> None:
    _module.run(at_hand.OPTIONS, act)


if __name__ == "__main__":
    main()
