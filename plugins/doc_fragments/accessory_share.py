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
      secrets_file:
        description: The same if its secrets are read from there; null if they are handed over.
        type: str
      network:
        description: Its network.
        type: str
        required: true
      files:
        description: The files that it is given.
        type: list
        elements: dict
        required: true
        suboptions:
          local:
            description: The file in the project.
            type: str
            required: true
          path:
            description: Where it is put.
            type: str
            required: true
          template:
            description: 'What renders it: V(erb), V(jinja) or null.'
            type: str
          secret:
            description: Whether there may be secrets in it.
            type: bool
            required: true
          mode:
            description: Its permissions.
            type: str
            required: true
          owner:
            description: Its owner, or null for the SSH user.
            type: str
      directories:
        description: The folders that are made for it.
        type: list
        elements: dict
        required: true
        suboptions:
          path:
            description: Where it is, below the home or absolute.
            type: str
            required: true
          mode:
            description: Its permissions, or null to leave them.
            type: str
          owner:
            description: Its owner, or null to leave that.
            type: str
      update:
        description: Whether the old container stops before the new one starts, or after.
        type: str
        required: true
      backup:
        description: A command that is run in the old container before it is replaced.
        type: list
        elements: str
        required: true
      ready:
        description: A command in the container that succeeds when that is ready.
        type: list
        elements: str
        required: true
      route:
        description: Its C(proxy) section of the configuration, null if it is not behind kamal-proxy.
        type: dict
      certificate:
        description: The certificate of its route, null where it has none of its own.
        type: dict
        suboptions:
          certificate:
            description: The name of the secret that holds the certificate.
            type: str
            required: true
          private_key:
            description: The name of the secret that holds its private key.
            type: str
            required: true
          directory:
            description: Where both lie.
            type: str
            required: true
      deploy_timeout:
        description: Seconds that it has to answer kamal-proxy's health check.
        type: int
        required: true
      drain_timeout:
        description: Seconds that requests under way may take.
        type: int
        required: true
      ready_timeout:
        description: Seconds that a new container has to become ready.
        type: int
        required: true
      readiness_delay:
        description: Seconds that a container without a health check must have run to count as ready.
        type: int
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
      proxy:
        description: The kamal-proxy of the host, null if it is not behind kamal-proxy.
        type: dict
        suboptions:
          container:
            description: The container for Docker's API.
            type: dict
            required: true
          run:
            description: The C(proxy/run) section of the configuration, empty where it leaves that open.
            type: dict
            required: true
          login:
            description: Whether its image is pulled with the registry's login.
            type: bool
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
