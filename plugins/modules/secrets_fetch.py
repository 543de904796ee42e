#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: secrets_fetch
short_description: Secrets of a password manager, fetched to see that they are there
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Asks a password manager by its own command line, as C(kamal secrets fetch) does, and prints the full name of each
    secret that was found. Its value is replaced by V([REDACTED]), unless O(show) is set.
  - Runs on the controller and connects to no host.
options:
  names:
    description: The names of the secrets. Some adapters take everything below O(from) if there are none.
    type: list
    elements: str
    default: []
  show:
    description: Print and return the values.
    type: bool
    default: false
extends_documentation_fragment:
  - caravan.kamal.secret_store
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - Implemented as an action plugin. To use a value in a playbook, take the lookup P(caravan.kamal.secret#lookup).
seealso:
  - module: caravan.kamal.secrets_extract
  - module: caravan.kamal.secrets_print
  - plugin: caravan.kamal.secret
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: See that the item has what a deploy needs
  caravan.kamal.secrets_fetch:
    adapter: 1password
    account: acme
    from: Production/Hello
    names: [DATABASE_URL, REGISTRY_PASSWORD]
"""

RETURN = r"""
text:
  description: What was printed, as JSON.
  returned: success
  type: str
  sample: '{"Production/Hello/DATABASE_URL": "[REDACTED]"}'
names:
  description: The full names of what was found.
  returned: success
  type: list
  elements: str
  sample: [Production/Hello/DATABASE_URL]
"""
