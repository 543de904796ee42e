# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: shortcuts
short_description: Less to type for the playbooks of this collection
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - V(makefile) has a target for each playbook, V(justfile) a recipe, and V(completion) is what bash needs to complete
    the names of playbooks and variables.
  - The playbook caravan.kamal.init writes them where C(kamal_init_makefile), C(kamal_init_justfile) and
    C(kamal_init_completion) say.
options:
  _terms:
    description: What is wanted.
    type: list
    elements: str
    choices: [makefile, justfile, completion]
    required: true
"""

EXAMPLES = r"""
- name: Complete names in every shell of mine
  ansible.builtin.copy:
    content: "{{ lookup('caravan.kamal.shortcuts', 'completion') }}"
    dest: ~/.local/share/bash-completion/completions/ansible-playbook
    mode: "0644"
"""

RETURN = r"""
_raw:
  description: The texts.
  type: list
  elements: str
"""

from typing import Any, List, Mapping, Optional, Sequence

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ..plugin_utils.commands.shortcuts import KINDS


class LookupModule(LookupBase):
    def run(self, terms: Sequence[Any], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> List[str]:
        unknown = [str(term) for term in terms if str(term) not in KINDS]
        if unknown:
            raise AnsibleError(f"expected {', '.join(KINDS)}, not {', '.join(unknown)}")
        return [KINDS[str(term)]() for term in terms]
