# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option `plan`. Generated from plugins/module_utils/_shares.py by `make docs`; do not edit."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  plan:
    description:
    - What a host is to know of an accessory. Where it is left out, it is taken from the plan that M(caravan.kamal.plan)
      made in this run.
    type: dict
    suboptions:
      name:
        description: The accessory, as the configuration names it.
        type: str
        required: true
      service:
        description: The name of its container.
        type: str
        required: true
      body:
        description: The container for Docker's API, without secrets.
        type: dict
        required: true
      secrets:
        description: By variable the name of the secret that it gets.
        type: dict
        required: true
      env_file:
        description: The file with its secrets.
        type: str
        required: true
      network:
        description: Its network.
        type: str
        required: true
      app:
        description: The service that it belongs to.
        type: str
        required: true
      destination:
        description: The destination, or null.
        type: str
      host:
        description: The host.
        type: str
        required: true
      performer:
        description: Who runs it, for the audit log.
        type: str
        required: true
      audit_log:
        description: The audit log.
        type: str
        required: true
      turn_file:
        description: The file that keeps runs of the service apart.
        type: str
        required: true
"""
