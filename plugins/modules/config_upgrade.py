#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: config_upgrade
short_description: A configuration for Kamal 1 explained, and written anew for Kamal 2
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Says of each key of a C(config/deploy.yml) for Kamal 1, and of the file of its destination, what Kamal 2 has
    instead, and shows as a diff what can be converted. Comments, order and ERB stay.
  - It fails as long as something of the file is for Kamal 1, so that nothing is done to hosts until then. One that has
    nothing of the kind is left alone.
  - Runs on the controller and connects to no host.
options:
  write:
    description: Whether what can be converted is written.
    type: bool
    default: false
extends_documentation_fragment:
  - caravan.kamal.attributes
notes:
  - The file is the one that C(kamal_config_file) names, by default C(config/deploy.yml). A configuration in the
    variable C(kamal_config) is not converted; the check of it says key by key what is for Kamal 1.
  - Implemented as an action plugin.
seealso:
  - module: caravan.kamal.config_info
"""

EXAMPLES = r"""
- name: Say what has to change
  caravan.kamal.config_upgrade:

- name: Write what can be converted
  caravan.kamal.config_upgrade:
    write: true
"""

RETURN = r"""
explained:
  description: A line for each key that is for Kamal 1.
  returned: success
  type: list
  elements: str
  sample: ["config/deploy.yml:12 stop_wait_time -> drain_timeout"]
written:
  description: The files that were written, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/home/me/app/config/deploy.yml]
"""
