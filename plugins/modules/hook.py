#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: hook
short_description: A hook of the project
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Runs a script of the project's folder of hooks on the controller, in the project's folder, and tells it in Kamal's
    environment variables what the run is doing.
  - Where the variable C(kamal_hooks) names a task file instead, it runs nothing, but answers which tasks are to run and
    what they are to be told. The role C(hooks) includes them.
  - A script that fails, or takes longer than it may, is ended with all that it has started, and fails the task; only
    V(on-failure) does not.
  - What it says is shown line by line as it comes where C(hooks_output) or C(-v) asks for it, and in any case when it
    fails. Values of secrets are masked.
  - Which hooks there are is decided in the plan. One that is not in it does nothing.
options:
  name:
    description: Which hook.
    type: str
    required: true
    choices:
      - broadcast
      - docker-setup
      - on-failure
      - post-app-boot
      - post-deploy
      - post-proxy-reboot
      - post-push
      - pre-app-boot
      - pre-build
      - pre-connect
      - pre-deploy
      - pre-proxy-reboot
  hosts:
    description:
      - The hosts that it is told of.
      - Without them those of the batch, for V(pre-app-boot), V(post-app-boot), V(pre-proxy-reboot) and
        V(post-proxy-reboot), else all hosts of the run.
    type: list
    elements: str
extends_documentation_fragment:
  - caravan.kamal.attributes
attributes:
  diff_mode:
    details: What a hook changes is its own affair, so there is never a difference to show.
  idempotent:
    support: none
    details: It runs each time. It does not count as a change, for no host of the run is changed by it that is known of.
notes:
  - Implemented as an action plugin. Use it with C(run_once) and C(delegate_to=localhost).
  - In check mode no hook runs; each that would is an action.
seealso:
  - module: caravan.kamal.plan
"""

EXAMPLES = r"""
- name: Run the hook pre-deploy
  caravan.kamal.hook:
    name: pre-deploy
  run_once: true
  delegate_to: localhost

- name: Run it as the playbooks do, be it a script or a task file
  ansible.builtin.import_role:
    name: caravan.kamal.hooks
  vars:
    kamal_hook_name: pre-deploy
"""

RETURN = r"""
hook:
  description: The name of the hook.
  returned: always
  type: str
  sample: pre-deploy
file:
  description: Its file; null where the plan does not have the hook.
  returned: success
  type: str
  sample: /home/sam/hello/.kamal/hooks/pre-deploy
tasks_on:
  description: Where tasks are to run, V(controller), V(once) or V(hosts); null where nothing is left to do.
  returned: success
  type: str
  sample: null
timeout:
  description: Seconds that it may take.
  returned: when the plan has the hook
  type: int
  sample: 600
told:
  description:
    - What a hook is told. A task file has it as C(kamal_hook), a script has what is not null in environment variables
      such as C(KAMAL_SERVICE_VERSION).
  returned: success
  type: dict
  sample:
    name: pre-deploy
    recorded_at: "2026-01-31T12:00:00Z"
    performer: sam@example.com
    version: 3f2a9c1b6f0e4d1d8a7c5b3e2f1a0d9c8b7a6f5e
    service_version: hello@3f2a9c1
    service: hello
    destination: null
    hosts: [web1, web2]
    roles: null
    lock: true
    command: deploy
    subcommand: null
    runtime: null
    error: null
    failed_hosts: null
actions:
  description: What was run, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["run .kamal/hooks/pre-deploy"]
"""
