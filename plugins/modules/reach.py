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
  - No more begin at a time than the plan of the run says, if there is one.
  - Where C(kamal_kept_process) is set it also starts the process there that runs the modules of this run.
options:
  dns_retries:
    description:
      - How often its name is looked up again where that fails. Nothing else is tried again.
      - Where it is left out the plan of the run says it, and without a plan it is not.
    type: int
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - Implemented as an action plugin. Nothing but a POSIX shell is needed on the host. Become is used only for the
    process, which belongs to the user that modules run as.
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
kept:
  description: Whether the process runs that is kept for the modules of this run.
  returned: success
  type: bool
why_not:
  description: What the host said instead of starting it. Null where it was started, or where it was not asked to.
  returned: success
  type: str
"""
