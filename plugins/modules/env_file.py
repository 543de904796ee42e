#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: env_file
short_description: The secrets of a role or an accessory, in a file on this host
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Keeps the file that Kamal reads the secrets of a role or an accessory from, below C(.kamal) in the SSH user's home.
  - It is readable by its owner only (mode 0600). Lines are C(NAME=value); only if a value has a newline, the first line
    says that values are escaped.
  - A release writes the file itself. This module is for having the file right without a release, and for removing it.
  - With O(state=absent) and neither O(role) nor O(accessory) all files with secrets of the service go, also those of
    roles that it no longer has.
options:
  state:
    description: Whether the file is there.
    type: str
    choices: [present, absent]
    default: present
  service:
    description: The service. By default the one of the plan that was made in this run.
    type: str
  destination:
    description: The destination, if there is one.
    type: str
  role:
    description: The role whose file it is. Either this or O(accessory) is needed for O(state=present).
    type: str
  accessory:
    description: The accessory whose file it is.
    type: str
  secrets:
    description:
      - A JSON object with the value of each variable.
      - By default filled in on the controller from the plan, the variable C(kamal_secrets) and the project's secrets
        files.
    type: str
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.turn
seealso:
  - module: caravan.kamal.release
notes:
  - Differences are shown by name, never with values.
"""

EXAMPLES = r"""
- name: Write the secrets of the web role, as the plan has them
  caravan.kamal.env_file:
    role: web

- name: Write a file without a plan
  caravan.kamal.env_file:
    service: hello
    role: web
    secrets: "{{ {'DATABASE_URL': vault_database_url} | to_json }}"

- name: Remove the secrets of an accessory
  caravan.kamal.env_file:
    service: hello
    accessory: db
    state: absent

- name: Remove all files with secrets of the service of the plan
  caravan.kamal.env_file:
    state: absent
"""

RETURN = r"""
path:
  description: The file, or the folder of all of them, relative to the SSH user's home.
  returned: success
  type: str
  sample: .kamal/apps/hello/env/roles/web.env
actions:
  description: What was done, in order, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [write .kamal/apps/hello/env/roles/web.env]
notices:
  description: What the operator should know although nothing was done about it.
  returned: always
  type: list
  elements: str
  sample: []
"""

from typing import Any, Dict, Optional

from ..module_utils._app import env_file, turn
from ..module_utils._host import module as _module
from ..module_utils._names import Names

OPTIONS: Dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "service": {"type": "str"},
    "destination": {"type": "str"},
    "role": {"type": "str"},
    "accessory": {"type": "str"},
    "secrets": {"type": "str", "no_log": True},
    "run": turn.OPTION,
}


def act(request: _module.Request) -> Dict[str, Any]:
    params = request.params
    names = Names(params["service"], params["destination"])
    path = _path(names, params["role"], params["accessory"])
    with turn.taken(request.changes, names.turn_file, params["run"]):
        if params["state"] == "present":
            env_file.ensure(request.changes, path, request.secrets)
        elif path == names.env_directory:
            env_file.remove_all(request.changes, path)
        else:
            env_file.remove(request.changes, path)
    return {"path": path}


def _path(names: Names, role: Optional[str], accessory: Optional[str]) -> str:
    if role:
        return names.role_env_file(role)
    return names.accessory_env_file(accessory) if accessory else names.env_directory


def main() -> None:
    _module.run(
        OPTIONS,
        act,
        docker=False,
        mutually_exclusive=[("role", "accessory")],
        required_if=[("state", "present", ("role", "accessory"), True)],
    )


if __name__ == "__main__":
    main()
