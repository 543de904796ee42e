#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: config_info
short_description: The configuration as it is after rendering, merging and checking
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Reads the configuration with its destination, checks all of it, and prints it together with what follows from it
    (version, image, the hosts of the roles and accessories, volumes, logging, connection, build).
  - Registry user names and passwords and build arguments that are written out are replaced by V([REDACTED]). Names of
    secrets are shown.
  - Runs on the controller and connects to no host.
options:
  format:
    description: The form of what is printed.
    type: str
    choices: [yaml, json]
    default: yaml
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - The configuration comes from the variable C(kamal_config), from the file that C(kamal_config_file) names, or from
    C(config/deploy.yml) below the current folder. C(kamal_destination) chooses the destination.
  - Implemented as an action plugin.
seealso:
  - module: caravan.kamal.config_docs
  - module: caravan.kamal.plan
"""

EXAMPLES = r"""
- name: Show the configuration of staging
  caravan.kamal.config_info:
  vars:
    kamal_destination: staging

- name: Show it as JSON
  caravan.kamal.config_info:
    format: json
"""

RETURN = r"""
text:
  description: What was printed.
  returned: success
  type: str
  sample: "file: /srv/app/config/deploy.yml ..."
file:
  description: The file that was read; null if the configuration came from the variable C(kamal_config).
  returned: success
  type: str
  sample: /srv/app/config/deploy.yml
destination:
  description: The destination, or null.
  returned: success
  type: str
  sample: staging
project_root:
  description: The folder that relative paths start from.
  returned: success
  type: str
  sample: /srv/app
primary_role:
  description: The role that is proven first, or null if there are no roles.
  returned: success
  type: str
  sample: web
roles:
  description: The hosts of each role.
  returned: success
  type: dict
  sample: {web: [192.0.2.10], workers: [192.0.2.11]}
accessories:
  description: The hosts of each accessory.
  returned: success
  type: dict
  sample: {db: [192.0.2.20]}
version:
  description: The version that a deploy would have, or null.
  returned: success
  type: str
  sample: 3f2a9c1b6f0e4d1d8a7c5b3e2f1a0d9c8b7a6f5e
repository:
  description: The repository of the image, with its registry.
  returned: success
  type: str
  sample: registry.example.com/acme/hello
absolute_image:
  description: The image of that version.
  returned: success
  type: str
  sample: registry.example.com/acme/hello:3f2a9c1b6f0e4d1d8a7c5b3e2f1a0d9c8b7a6f5e
service_with_version:
  description: The service with the version as it is shown.
  returned: success
  type: str
  sample: hello@3f2a9c1
hosts:
  description: The hosts of the app in boot order.
  returned: success
  type: list
  elements: str
  sample: [192.0.2.10, 192.0.2.11]
primary_host:
  description: The first of them, or null.
  returned: success
  type: str
  sample: 192.0.2.10
volumes:
  description: What is mounted in every role's containers.
  returned: success
  type: list
  elements: str
  sample: [storage:/app/storage]
logging:
  description: The log driver and its options where a role says nothing else.
  returned: success
  type: dict
  sample: {driver: null, options: {max-size: 10m}}
ssh:
  description: The connection variables that hosts of this file get; empty if the configuration is no file.
  returned: success
  type: dict
  sample: {ansible_user: root}
builder:
  description: How the image is built. The values of build arguments are left out.
  returned: success
  type: dict
  sample: {context: a clone of the last commit, dockerfile: Dockerfile}
config:
  description: The configuration in the shape of the file, without what is secret and without C(x-) keys.
  returned: success
  type: dict
  sample: {service: hello, servers: [192.0.2.10]}
notices:
  description: What is accepted although something else decides, with its place.
  returned: success
  type: list
  elements: str
  sample: []
"""
