#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: secrets_extract
short_description: One secret out of those that were fetched
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Looks for a secret by its full name, else for the first one whose full name ends with it, as C(kamal secrets
    extract) does. Its value is replaced by V([REDACTED]), unless O(show) is set.
  - Runs on the controller and connects to no host.
options:
  name:
    description: The name of the secret, or the end of it after a slash. More than one name is an error.
    type: list
    elements: str
    required: true
  fetched:
    description: What C(kamal secrets fetch) printed, as text or as a map. Without it O(adapter) is asked.
    type: raw
  show:
    description: Print and return the value.
    type: bool
    default: false
extends_documentation_fragment:
  - caravan.kamal.secret_store
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - Implemented as an action plugin. To use a value in a playbook, take the lookup P(caravan.kamal.secret#lookup).
seealso:
  - module: caravan.kamal.secrets_fetch
"""

EXAMPLES = r"""
- name: See that this secret can be had
  caravan.kamal.secrets_extract:
    name: DATABASE_URL
    adapter: 1password
    account: acme
    from: Production/Hello
"""

RETURN = r"""
text:
  description: What was printed.
  returned: success
  type: str
  sample: "[REDACTED]"
"""
