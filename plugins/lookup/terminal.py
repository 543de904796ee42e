# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: terminal
short_description: Opens the terminal that a task has made ready
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Runs the command that M(caravan.kamal.app_exec), M(caravan.kamal.accessory_exec) or M(caravan.kamal.server_exec)
    answered as RV(caravan.kamal.app_exec#module:terminal), with the terminal that the run was started in.
  - The playbooks ask it for the hosts of their last play, which has none, where the variable C(kamal_interactive) is
    true. That is in the process of the run, which alone has a terminal.
  - Without a terminal, in a CI, or where a program reads the output, nothing is run.
options:
  _terms:
    description: The name of the variable that hosts registered the answer in.
    type: list
    elements: str
    required: true
notes:
  - A run whose terminal ended with another code than 0 ends with that code.
"""

EXAMPLES = r"""
- name: Open the terminal
  hosts: "{{ lookup('caravan.kamal.terminal', 'answered') }}"
  gather_facts: false
"""

RETURN = r"""
_raw:
  description: Nothing.
  type: list
  elements: str
"""

import os
import sys
from typing import Any, List, Mapping, Optional, Sequence

from ansible import constants, context
from ansible.plugins.lookup import LookupBase

from ..plugin_utils import terminal


class LookupModule(LookupBase):
    def run(self, terms: Sequence[Any], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> List[str]:
        known = variables or {}
        line = terminal.made_ready(known, str(terms[0]))
        looks = context.CLIARGS.get("check") or self._templar.template(known.get("kamal_format")) == "json"
        if line and not looks and terminal.is_there(os.environ, sys.stdin, sys.stdout):
            code = terminal.opened(line, constants.DEFAULT_LOCAL_TMP)
            if code:
                raise SystemExit(code)
        return []
