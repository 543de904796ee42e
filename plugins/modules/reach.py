#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: reach
short_description: A host that can be reached
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Opens the connection to a host, which stays open for the tasks that follow.
  - A host that cannot be reached fails, so that a rescue sees it. Ansible would only call it unreachable and go on
    without it.
options: {}
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - Implemented as an action plugin. Nothing but a POSIX shell is needed on the host, and become is not used.
seealso:
  - module: caravan.kamal.lock
"""

EXAMPLES = r"""
- name: Reach every host before anything is begun
  caravan.kamal.reach:
"""

RETURN = r"""
msg:
  description: What was found.
  returned: always
  type: str
  sample: web1 can be reached
"""
