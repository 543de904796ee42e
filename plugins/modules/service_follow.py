#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: service_follow
short_description: Follow what a service logs, on all hosts at once
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Prints each line that is logged as it comes, behind the name of its host in a color of its own, until the run is
    ended (Ctrl-C).
  - It follows a role. When a deploy replaces the container, the lines of the new one come next. A host that is lost is
    said to be, and tried again until it is back; its lines go on where they stopped.
  - Two tasks do it. With V(ready) each host answers how it is reached, with V(followed) and C(run_once) one process
    listens to all.
options:
  state:
    description: Which of the two.
    type: str
    choices: [ready, followed]
    required: true
  service:
    description: With V(ready), the service, as the configuration names it.
    type: str
  destination:
    description: With V(ready), the destination, if there is one.
    type: str
  roles:
    description: With V(ready), the roles to follow on this host.
    type: list
    elements: str
    default: []
  containers:
    description: With V(ready), names or IDs of containers to follow, beside those of the roles.
    type: list
    elements: str
    default: []
  answers:
    description: With V(followed), the name of the variable that the hosts registered their answers in.
    type: str
  once:
    description: With V(followed), whether it ends with the containers. Else it waits for the next one.
    type: bool
    default: false
  lines:
    description: How many lines of before to begin with. By default 10, or all with O(since) or O(grep).
    type: int
  since:
    description: Begin with lines since then. A duration such as V(10m), or a time such as V(2026-01-31T12:00:00Z).
    type: str
  grep:
    description: Only lines that match this regular expression.
    type: str
  grep_options:
    description: Options of the host's C(grep), which then chooses the lines, and whose expression O(grep) is.
    type: str
  timestamps:
    description: Whether each line begins with its time.
    type: bool
    default: true
extends_documentation_fragment:
  - caravan.kamal.attributes
  - caravan.kamal.attributes.changes_nothing
notes:
  - Implemented as an action plugin. Hosts are reached with C(ssh) as Ansible reaches them, without passwords; they need
    the C(docker) command.
seealso:
  - module: caravan.kamal.service_logs
"""

EXAMPLES = r"""
- name: Learn how every host is reached
  caravan.kamal.service_follow:
    state: ready
    service: hello
    roles: [web]
  register: hello_followed

- name: Follow all of them
  caravan.kamal.service_follow:
    state: followed
    answers: hello_followed
    grep: " 5[0-9][0-9] "
  run_once: true
"""

RETURN = r"""
way:
  description: How the host is reached.
  returned: with O(state=ready)
  type: dict
  sample: {program: [ssh], words: [-l, root, web1], sudo: false}
places:
  description: What is followed. With O(state=ready) by its name, and how it is found.
  returned: success
  type: raw
  sample: [web1 web, web2 web]
"""
