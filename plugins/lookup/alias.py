# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: alias
short_description: Runs what an alias of the configuration stands for, in place of the playbook that asks
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - An alias below C(aliases) is a command line of Kamal's. The C(ansible-playbook) that runs is replaced by one with
    the playbook and the variables that do the same, and with all that it was called with itself.
  - The playbook caravan.kamal.alias asks it for its hosts, before anything is reached.
options:
  _terms:
    description: The name of the alias. Without one the aliases that there are, are printed, and the run ends.
    type: list
    elements: str
notes:
  - The configuration is the extra variable C(kamal_config_file), the C(deploy.yml) that is the inventory, or
    C(config/deploy.yml). Variables of hosts are not known yet where it is looked for.
"""

EXAMPLES = r"""
# ansible-playbook -i config/deploy.yml caravan.kamal.alias -e kamal_alias=console
- name: What the alias stands for
  hosts: "{{ lookup('caravan.kamal.alias', kamal_alias) }}"
"""

RETURN = r"""
_raw:
  description: V(localhost) where the syntax of a playbook is checked. Otherwise nothing, since another run takes over.
  type: list
  elements: str
"""

import os
from functools import partial
from typing import Any, List, Mapping, Optional, Sequence

from ansible import context
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..module_utils._errors import CaravanError
from ..plugin_utils.commands import alias
from ..plugin_utils.config import source

FAILED = 1


class LookupModule(LookupBase):
    def run(self, terms: Sequence[Any], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> List[str]:
        if context.CLIARGS.get("syntax"):
            return ["localhost"]
        known = variables or {}
        try:
            aliases = source.aliases(known, partial(self._value, known), os.getcwd())
            alias.run(aliases, next(filter(None, map(str, terms)), ""))
        except CaravanError as error:
            # As an error of a template it would be told with the place in our playbook.
            Display().error(error.message, wrap_text=False)
            raise SystemExit(FAILED) from error

    def _value(self, variables: Mapping[str, Any], name: str) -> Any:
        return self._templar.template(variables[name]) if name in variables else None
