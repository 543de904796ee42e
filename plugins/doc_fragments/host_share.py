# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option `plan`. Generated from plugins/module_utils/_shares.py by `make docs`; do not edit."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  plan:
    description:
    - What a host is to know of a release. Where it is left out, it is taken from the plan that M(caravan.kamal.plan)
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
      version:
        description: The version.
        type: str
        required: true
      command:
        description: What the plan is for.
        type: str
        required: true
      performer:
        description: Who runs it, for the audit log and the history.
        type: str
        required: true
      network:
        description: The network of its containers.
        type: str
        required: true
      image:
        description: The image.
        type: dict
        required: true
        suboptions:
          service:
            description: The service that the image's label C(service) must name, or null for any image.
            type: str
          repository:
            description: Its name without a tag.
            type: str
            required: true
          tag:
            description: Its tag, the version.
            type: str
            required: true
          latest:
            description: The tag that it gets when it is live.
            type: str
            required: true
          pull:
            description: Whether there is a registry to pull it from.
            type: bool
            required: true
      roles:
        description: The roles of this host in boot order.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: The role.
            type: str
            required: true
          container:
            description: The name of its container.
            type: str
            required: true
          route:
            description: Its name in kamal-proxy, null if it is not behind it.
            type: str
          proxy:
            description: The C(proxy) section of the configuration for it, null if it is not behind kamal-proxy.
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
          kept_env_file:
            description: The file with the secrets that this version went live with.
            type: str
            required: true
          secrets_file:
            description: The one of these two that its secrets are read from; null if they are handed over.
            type: str
          assets:
            description: Its assets.
            type: list
            elements: dict
            required: true
            suboptions:
              path:
                description: The folder in the image and in the container.
                type: str
                required: true
              extracted:
                description: What is in the image.
                type: str
                required: true
              volume:
                description: 'What the container has: this, and what is in the image of the version before.'
                type: str
                required: true
              writable:
                description: Whether the container may write there.
                type: bool
                required: true
          stop_timeout:
            description: Seconds that its container has to stop; null leaves it to Docker.
            type: int
          deploy_timeout:
            description: Seconds that a new container has to become healthy.
            type: int
            required: true
          drain_timeout:
            description: Seconds that requests under way may take.
            type: int
            required: true
          readiness_delay:
            description: Seconds that a container without a health check must have run to count as healthy.
            type: int
            required: true
      gate_roles:
        description: Those of them that the other roles wait for.
        type: list
        elements: str
        required: true
      other_roles:
        description: Those that wait.
        type: list
        elements: str
        required: true
      proxy:
        description: Its kamal-proxy, null where nothing is behind it.
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
      folders:
        description: The folders that are made for its volumes.
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
      error_pages:
        description: Where the error pages of this version lie, or null.
        type: str
      parallel_roles:
        description: Whether the roles of this host go live side by side.
        type: bool
        required: true
      retain:
        description: How many stopped containers of each role are kept.
        type: int
        required: true
      audit_log:
        description: The audit log.
        type: str
        required: true
      history_file:
        description: The history.
        type: str
        required: true
"""
