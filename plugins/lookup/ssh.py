# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
name: ssh
short_description: What ssh needs for the length of a run, from the section ssh of the configuration
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - V(agent) is the socket of an ssh-agent of this run, which has the private keys that C(ssh/key_data) names. They come
    from the project's secrets, are in no file and in no argument, and the agent ends with the run.
  - V(config) is a file that includes those of C(ssh/config), where there are several.
  - The inventory plugin P(caravan.kamal.deploy#inventory) puts this into the connection variables of its hosts, so
    nothing has to be called. Both are made once in a run, when the first host is reached.
options:
  _terms:
    description: What is wanted.
    type: list
    elements: str
    choices: [agent, config]
    required: true
notes:
  - The configuration is found as for M(caravan.kamal.config_info).
"""

EXAMPLES = r"""
# In an inventory of one's own
ansible_ssh_extra_args: -o IdentityAgent={{ lookup('caravan.kamal.ssh', 'agent') | quote }}
"""

RETURN = r"""
_raw:
  description: The paths.
  type: list
  elements: path
"""

import os
from functools import partial
from typing import Any, Callable, List, Mapping, Optional, Sequence

from ansible import constants
from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..module_utils._errors import CaravanError
from ..plugin_utils import agent
from ..plugin_utils.config import source, ssh
from ..plugin_utils.config.load import Config
from ..plugin_utils.secrets import sources

INCLUDING = "ssh_config"


class LookupModule(LookupBase):
    def run(self, terms: Sequence[Any], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> List[str]:
        known = variables or {}
        value = partial(self._value, known)
        made = {"agent": partial(_agent, known, value), "config": partial(_config, known, value)}
        unknown = [str(term) for term in terms if str(term) not in made]
        if unknown:
            raise AnsibleError(f"expected {' or '.join(made)}, not {', '.join(unknown)}")
        try:
            return [made[str(term)]() for term in terms]
        except CaravanError as error:
            raise AnsibleError(error.message) from error

    def _value(self, variables: Mapping[str, Any], name: str) -> Any:
        return self._templar.template(variables[name]) if name in variables else None


def _agent(variables: Mapping[str, Any], value: Callable[[str], Any]) -> str:
    def keys() -> Mapping[str, str]:
        config = _read(variables, value)
        path, destination = config.data["secrets_path"], config.destination
        names = ssh.secret_names(config.data["ssh"])
        known = sources.of_project(config.project_root, path, destination, value, Display().display)
        return {**known.values({name: name for name in names}), **ssh.plain_keys(config.data["ssh"])}

    return agent.of_this_run(constants.DEFAULT_LOCAL_TMP, keys)


def _config(variables: Mapping[str, Any], value: Callable[[str], Any]) -> str:
    path = os.path.join(constants.DEFAULT_LOCAL_TMP, INCLUDING)
    if not os.path.exists(path):
        files = ssh.configurations(_read(variables, value).data["ssh"])
        new = f"{path}.{os.getpid()}"
        with open(new, "w", encoding="utf-8") as file:
            file.writelines(f'Include "{os.path.abspath(each)}"\n' for each in files)
        os.rename(new, path)
    return path


def _read(variables: Mapping[str, Any], value: Callable[[str], Any]) -> Config:
    return source.from_task_vars(variables, value, os.getcwd())
