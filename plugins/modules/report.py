#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: What the hosts answered, as text for people or as JSON for programs
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Prints what a task found out on all hosts of the play as one plain text or one JSON document, instead of a JSON
    document for each host.
  - Runs on the controller and connects to no host. Use it with C(run_once).
options:
  of:
    description:
      - What O(answers) holds.
      - V(details), V(containers), V(images), V(version) and V(accessories) are made of answers of
        M(caravan.kamal.service_info), V(proxy) of M(caravan.kamal.proxy_info), V(boot_config) of
        M(caravan.kamal.proxy_boot_config), V(audit) of M(caravan.kamal.audit), V(logs) of
        M(caravan.kamal.service_logs), V(output) of M(caravan.kamal.app_exec), M(caravan.kamal.accessory_exec)
        and M(caravan.kamal.server_exec).
      - V(actions) are answers of anything that returns a list C(actions), such as M(caravan.kamal.release) in check
        mode.
      - V(text) is O(text) as it is.
    type: str
    choices: [details, containers, images, version, proxy, boot_config, accessories, audit, logs, output, actions, text]
    required: true
  answers:
    description: The name of the variable that the hosts registered their answers in.
    type: str
  text:
    description: The text to print with O(of=text), or a heading.
    type: str
    default: ""
  data:
    description: What O(text) says, as data, for O(format=json).
    type: raw
  format:
    description:
      - V(json) prints O(answers) by host, null for one that failed or was lost, or O(data).
      - Left out, the variable C(kamal_format), else V(text).
    type: str
    choices: [text, json]
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - Implemented as an action plugin.
"""

EXAMPLES = r"""
- name: Look at what runs
  caravan.kamal.service_info:
    service: hello
  register: hello_info

- name: Show it
  caravan.kamal.report:
    of: details
    answers: hello_info
  run_once: true
"""

RETURN = r"""
text:
  description: What was printed.
  returned: success
  type: str
  sample: |
    HOST  ROLE  VERSION  STATE    HEALTH  SINCE       ROUTE
    web1  web   3f2a9c1  running  -       Up 2 hours  hello.example.com
"""
