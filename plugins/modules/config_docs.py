#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: config_docs
short_description: The documentation of the configuration, section by section
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Prints an example of a section of C(config/deploy.yml) in which every key is explained.
  - Runs on the controller and connects to no host.
options:
  section:
    description: The section to print. Without it the sections are listed.
    type: str
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - Implemented as an action plugin.
seealso:
  - module: caravan.kamal.config_info
"""

EXAMPLES = r"""
- name: List the sections
  caravan.kamal.config_docs:

- name: Explain the proxy section
  caravan.kamal.config_docs:
    section: proxy
"""

RETURN = r"""
text:
  description: What was printed.
  returned: success
  type: str
  sample: "# Boot ..."
"""
