# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: help
short_description: Prints what the playbook that runs says of itself, and ends the run
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Prints what the playbooks of this collection on the command line do, their variables and Kamal's commands for the
    same, and ends the run well. In a playbook of one's own it lists those that there are.
  - The playbooks of this collection ask it for their hosts where the variable C(kamal_help) is true, so that no host is
    reached and no configuration is read.
options: {}
"""

EXAMPLES = r"""
# ansible-playbook caravan.kamal.app.logs -e kamal_help=true
- name: What this playbook does
  hosts: "{{ lookup('caravan.kamal.help') if kamal_help | default(false) | bool else 'web' }}"
"""

RETURN = r"""
_raw:
  description: Nothing, since the run ends.
  type: list
  elements: str
"""

from typing import Any, List, Mapping, Optional, Sequence

from ansible.plugins.lookup import LookupBase

from ..plugin_utils.commands.help import show_and_end


class LookupModule(LookupBase):
    def run(self, terms: Sequence[Any], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> List[str]:
        show_and_end()
