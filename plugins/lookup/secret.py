# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: secret
short_description: A secret of the project, or of a password manager
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Gives the values of secrets by their names, as a deploy would resolve them, that is from the variable
    C(kamal_secrets), then from the secrets files of the project, with the commands in them.
  - With O(adapter) it asks a password manager instead, by its own command line on the controller.
  - A run asks for the same secrets only once.
options:
  _terms:
    description: The names of the secrets.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - caravan.kamal.secret_store
notes:
  - The configuration, which says where the secrets files are, is found as for M(caravan.kamal.config_info).
  - Set C(no_log) on tasks that could print the value.
seealso:
  - module: caravan.kamal.secrets_fetch
"""

EXAMPLES = r"""
- name: Use a secret of the project
  ansible.builtin.uri:
    url: https://chat.example.com/hook
    headers:
      Authorization: "Bearer {{ lookup('caravan.kamal.secret', 'CHAT_TOKEN') }}"
  no_log: true

# In group_vars: what a deploy needs comes from 1Password, without a secrets file.
- kamal_secrets:
    DATABASE_URL: >-
      {{ lookup('caravan.kamal.secret', 'DATABASE_URL', adapter='1password', account='acme', from='Production/Hello') }}
"""

RETURN = r"""
_raw:
  description: The values, in the order of the names.
  type: list
  elements: str
"""

import hashlib
import json
import os
from functools import partial
from typing import Any, Callable, List, Mapping, Optional, Sequence

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..module_utils._errors import CaravanError
from ..plugin_utils.config import source
from ..plugin_utils.forks.memory import OF_THIS_RUN
from ..plugin_utils.secrets import sources, store


class LookupModule(LookupBase):
    def run(self, terms: Sequence[Any], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> List[str]:
        known = variables or {}
        self.set_options(var_options=known, direct=kwargs)
        names, value = [str(term) for term in terms], partial(self._value, known)
        try:
            return self._of_a_store(names, value) if self.get_option("adapter") else _of_project(names, known, value)
        except CaravanError as error:
            raise AnsibleError(error.message) from error

    def _value(self, variables: Mapping[str, Any], name: str) -> Any:
        return self._templar.template(variables[name]) if name in variables else None

    def _of_a_store(self, names: Sequence[str], value: Callable[[str], Any]) -> List[str]:
        options = {name: self.get_option(name) for name in store.OPTIONS}
        asked = json.dumps([options, names], sort_keys=True).encode()
        key = f"store {hashlib.sha256(asked).hexdigest()}"
        return store.pick(names, OF_THIS_RUN.once(key, lambda: store.find(options, names, value)))


def _of_project(names: Sequence[str], variables: Mapping[str, Any], value: Callable[[str], Any]) -> List[str]:
    config = source.from_task_vars(variables, value, os.getcwd())
    secrets_path = config.data["secrets_path"]
    known = sources.of_project(config.project_root, secrets_path, config.destination, value, Display().display)
    known.require(names)
    return [known[name] for name in names]
