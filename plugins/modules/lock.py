#!/usr/bin/python
# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: lock
short_description: The deploy lock of a service, held or free
version_added: 0.1.0
author: Caravan contributors (@caravan-deploy)
description:
  - Only one run at a time may change a service. The lock is a directory in C(.kamal) on one host, where Kamal keeps its
    own, so that either tool stops the other.
  - It is a lease. If a run is killed, its lock expires after O(ttl) seconds, and the next run takes it over with a
    warning.
  - A lock without a lease, taken by Kamal or with O(ttl=0), does not expire.
  - A lease whose run has ended on this machine without releasing it is taken over at once, by the same user.
  - A lock whose run never said who it is counts as broken after two minutes and is taken over with a warning.
options:
  state:
    description:
      - With V(held) this run takes the lock, or renews it where it has it already. It fails when another run has it.
      - With V(free) the lock is released if this run holds it. Another run's lock is left alone, with a warning.
      - With V(status) it is only looked at.
    type: str
    choices: [held, free, status]
    required: true
  renew:
    description: With O(state=held), renew only; fail if this run does not hold the lock any more.
    type: bool
    default: false
  min_age:
    description:
      - With O(renew), a lease that this run took or renewed less than so many seconds ago, and less than a tenth of
        O(ttl), is not renewed yet, and the host is not asked.
      - What the run was answered then is read from the registered variable C(_kamal_lock).
    type: float
    default: 0
  service:
    description: The service. Left out, everything that is not given comes from the plan of this run.
    type: str
  destination:
    description: The destination. Locks of different destinations do not exclude each other.
    type: str
  directory:
    description: The lock's directory, relative to the home of the user who logs in.
    type: str
  owner:
    description: Who holds the lock, in one word. Left out, it stands for this C(ansible-playbook) process.
    type: str
  ttl:
    description:
      - For how many seconds the lock is ours unless it is renewed. With V(0) it lasts until it is released by force.
      - Left out, what the plan worked out for the slowest batch, else 900.
    type: int
  message:
    description: Why the lock is held, for people.
    type: str
    default: Automatic deploy lock
  version:
    description: The version that is being deployed, for people.
    type: str
  performer:
    description: Who is at work, for people. Left out, the name or e-mail address that git knows, else the account.
    type: str
  force:
    description: Take or release the lock whoever holds it.
    type: bool
    default: false
extends_documentation_fragment:
  - caravan.kamal.attributes
attributes:
  diff_mode:
    details: A lock is never a change, so there is never a difference to show.
notes:
  - It never reports a change, and it never waits. To wait for another run, use C(until) with the RV(may_end) that the
    failed task returns.
  - Implemented as an action plugin. Nothing but a POSIX shell is needed on the host, and become is not used.
seealso:
  - module: caravan.kamal.plan
"""

EXAMPLES = r"""
- name: Take the lock of the planned service
  caravan.kamal.lock:
    state: held
  run_once: true
  delegate_to: "{{ hostvars['localhost'].kamal_plan.lock.host }}"

- name: Renew it before the next batch, and stop if it was lost
  caravan.kamal.lock:
    state: held
    renew: true
  run_once: true
  delegate_to: "{{ hostvars['localhost'].kamal_plan.lock.host }}"

- name: Take the lock, waiting a minute for another run
  caravan.kamal.lock:
    state: held
  register: lock
  until: lock is succeeded or not (lock.may_end | default(false))
  retries: 12
  delay: 5

- name: Keep everybody from deploying for an hour
  caravan.kamal.lock:
    state: held
    service: hello
    owner: maintenance
    ttl: 3600
    message: The database is being moved

- name: Release a lock that somebody left behind
  caravan.kamal.lock:
    state: free
    service: hello
    force: true

- name: See who is deploying
  caravan.kamal.lock:
    state: status
    service: hello
  register: lock
"""

RETURN = r"""
held:
  description: Whether the lock is held now, by whomever.
  returned: success
  type: bool
  sample: true
status:
  description: >-
    V(free), V(ours), V(held) by another run, V(expired), V(abandoned) by a run that has ended, V(foreign) for one
    without a lease, V(half-made), or V(broken) if it has been half-made for long.
  returned: success, or when the lock is held by another run
  type: str
  sample: ours
owner:
  description: Who this run is to the lock.
  returned: success
  type: str
  sample: laptop:4711:98765:f2c1b1de-7f2a-4c1e-9a52-2b4d7a1c9e10.4026531836.1000
host:
  description: The host that keeps the lock.
  returned: success
  type: str
  sample: web1
at:
  description: When it was taken or renewed, in seconds since 1970 by the clock of the controller.
  returned: when the lock was taken or renewed
  type: float
  sample: 1764053760.5
renew_by:
  description:
    - When half of the lease is over, in seconds since 1970 by the clock of the controller. What takes longer renews the
      lock by then. Null without a lease.
  returned: when the lock was taken or renewed
  type: float
  sample: 1764054210.5
run:
  description: The run as the option O(caravan.kamal.release#module:run) of the modules that change a service takes it.
  returned: when the lock was taken or renewed
  type: dict
  contains:
    number:
      description: A number that is higher for each holder of the lock; null without a lease.
      type: int
      returned: success
      sample: 1764054000
    owner:
      description: Who this run is to the lock.
      type: str
      returned: success
      sample: laptop:4711:98765:f2c1b1de-7f2a-4c1e-9a52-2b4d7a1c9e10.4026531836.1000
    by:
      description: Who runs it.
      type: str
      returned: success
      sample: ada@example.com
    version:
      description: The version that is being deployed.
      type: str
      returned: success
      sample: 3f2a9c1
name:
  description: Whose lock it is, the service with its destination.
  returned: success
  type: str
  sample: hello-staging
may_end:
  description: Whether the lock is one that a run holds, so that it may be worth waiting for.
  returned: when the lock is held by another run
  type: bool
  sample: true
was_held:
  description: Whether the run had the lock, as far as is known, so that it is to be released. V(false) where another
    run has it by now.
  returned: when O(renew) failed
  type: bool
  sample: true
text:
  description: The lock as C(kamal lock status) prints it.
  returned: when it is only looked at
  type: str
  sample: There is no deploy lock
holder:
  description: Who holds the lock, null unless it is another run.
  returned: success, or when the lock is held by another run
  type: dict
  contains:
    performer:
      description: Who took it.
      type: str
      returned: success
      sample: ada@example.com
    since:
      description: When.
      type: str
      returned: success
      sample: "2026-11-21T07:00:00Z"
    version:
      description: The version that is being deployed.
      type: str
      returned: success
      sample: 3f2a9c1
    message:
      description: Why.
      type: str
      returned: success
      sample: Automatic deploy lock
    expires:
      description: When it expires by itself, null if it does not.
      type: str
      returned: success
      sample: "2026-11-21T07:15:00Z"
notices:
  description: What the operator should know, such as a lock that was taken over.
  returned: success
  type: list
  elements: str
  sample: []
"""
