# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option `plan`. Generated from plugins/module_utils/_shares.py by `make docs`; do not edit."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  plan:
    description:
    - What a load balancer is to know. Where it is left out, it is taken from the plan that M(caravan.kamal.plan)
      made in this run.
    type: dict
    suboptions:
      host:
        description: The host.
        type: str
        required: true
      service:
        description: The service.
        type: str
        required: true
      destination:
        description: The destination, or null.
        type: str
      command:
        description: What the plan is for.
        type: str
        required: true
      performer:
        description: Who runs it, for the audit log.
        type: str
        required: true
      routes:
        description: Its routes, one for each role behind kamal-proxy.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Its name in kamal-proxy, that of the role's own route.
            type: str
            required: true
          proxy:
            description: What kamal-proxy is told, as in a C(proxy) section.
            type: dict
            required: true
          targets:
            description: By host where its kamal-proxy listens.
            type: dict
            required: true
      certificate:
        description: The certificate of its routes, null where it has none of its own.
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
      is_given_secrets:
        description: Whether the certificate is handed over; else it is the one that lies there.
        type: bool
        required: true
      proxy:
        description: Its kamal-proxy.
        type: dict
        required: true
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
      deploy_timeout:
        description: Seconds that a host has to answer the health check.
        type: int
        required: true
      drain_timeout:
        description: Seconds that requests under way may take.
        type: int
        required: true
"""
