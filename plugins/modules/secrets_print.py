#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: secrets_print
short_description: The secrets of the project
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Lists the secrets that the variable C(kamal_secrets) and the secrets files of the project have, each with its place,
    and why one has no value, as that it is empty or made of what is not set. No command in these files is run.
  - With O(show) the commands are run and the values printed, as C(kamal secrets print) does.
  - Runs on the controller and connects to no host.
options:
  show:
    description: Print and return the values.
    type: bool
    default: false
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - The configuration, which says where the files are, is found as for M(caravan.kamal.config_info).
  - Implemented as an action plugin.
seealso:
  - module: caravan.kamal.secrets_fetch
  - module: caravan.kamal.config_info
"""

EXAMPLES = r"""
- name: Which secrets are there, and where do they come from
  caravan.kamal.secrets_print:
"""

RETURN = r"""
text:
  description: What was printed.
  returned: success
  type: str
  sample: REGISTRY_PASSWORD=[REDACTED]  (/srv/app/.kamal/secrets:3)
names:
  description: The names of the secrets.
  returned: success
  type: list
  elements: str
  sample: [REGISTRY_PASSWORD]
"""
