#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: A configuration resolved for one version, before anything is touched
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Reads the configuration, checks all of it, finds the version, and resolves every name, environment, label, option,
    batch and path for the hosts of this run.
  - The plan holds the names of secrets, never their values. Whether every secret has a value is checked here.
  - Runs on the controller and connects to no host.
options:
  command:
    description: What the plan is for. It ends up in the history of the hosts.
    type: str
    choices: [deploy, redeploy, rollback, setup, remove, inspect]
    default: deploy
  version:
    description:
      - The version to plan for.
      - Without it the variable C(kamal_version), the environment variable E(VERSION) and the commit of the git
        checkout are tried, in this order.
      - With V(previous) and O(command=rollback) the previous good version is taken from O(histories).
    type: str
  histories:
    description: For each host what M(caravan.kamal.service_info) answered there.
    type: dict
    default: {}
  build:
    description: Whether the image is built. By default the variable C(kamal_build), else V(true).
    type: bool
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - The configuration comes from the variable C(kamal_config), or from the file that C(kamal_config_file) names.
  - Implemented as an action plugin.
seealso:
  - module: caravan.kamal.release
"""

EXAMPLES = r"""
- name: Plan a version that was built before
  caravan.kamal.plan:
    version: 3f2a9c1
    build: false
  run_once: true
  delegate_to: localhost
  register: planned

- name: Keep the plan where the other modules look for it
  ansible.builtin.set_fact:
    kamal_plan: "{{ planned.plan }}"
  run_once: true
  delegate_to: localhost
  delegate_facts: true
"""

RETURN = r"""
plan:
  description: The plan. The share of each host is below C(hosts). The role plan keeps it in C(kamal_plan) of localhost.
  returned: success
  type: dict
  contains:
    service:
      description: The service.
      type: str
      sample: hello
    destination:
      description: The destination, or null.
      type: str
      sample: staging
    version:
      description: The version.
      type: str
      sample: 3f2a9c1b6f0e4d1d8a7c5b3e2f1a0d9c8b7a6f5e
    order:
      description: The hosts of this run in boot order.
      type: list
      elements: str
      sample: [web1, web2, worker1]
    serial:
      description: How many hosts go live at a time.
      type: int
      sample: 3
    hosts:
      description: For each host what M(caravan.kamal.release) needs to know.
      type: dict
      sample: {}
    secrets:
      description: The names of all secrets that are needed.
      type: list
      elements: str
      sample: [DATABASE_URL]
"""
