#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: barrier
short_description: The barrier that roles wait at until the primary one is live
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Decides whether the roles that wait for the primary one may start, from what earlier tasks answered on the hosts.
  - It opens when the primary role went live on every host that the run has come to, in this batch and in earlier ones,
    and the run has lost none of them. A host that failed earlier keeps it closed in every play, also in one without
    C(any_errors_fatal).
  - While it is closed the task fails, which ends the rollout.
  - Runs on the controller and connects to no host. Use it with C(run_once).
options:
  live:
    description: The name of the variable that the hosts registered in when the primary role was brought live there.
    type: str
    required: true
  serving:
    description:
      - The name of the variable that a task registered in which looked again whether hosts of earlier batches serve, in
        a loop over their names.
      - A host that no longer serves keeps the barrier closed. One that was not looked at is judged by O(live) alone.
    type: str
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - Implemented as an action plugin.
seealso:
  - module: caravan.kamal.release
"""

EXAMPLES = r"""
- name: Bring the role that the others wait for live
  caravan.kamal.release:
    state: live
    roles: "{{ kamal_plan.hosts[inventory_hostname].gate_roles }}"
  register: gate

- name: See that it is live on every host so far
  caravan.kamal.barrier:
    live: gate
  run_once: true
  delegate_to: localhost
"""

RETURN = r"""
open:
  description: Whether the other roles may start.
  returned: when there is a plan
  type: bool
  sample: true
missing:
  description: The hosts on which the primary role should be live and is not.
  returned: when there is a plan
  type: list
  elements: str
  sample: []
"""
