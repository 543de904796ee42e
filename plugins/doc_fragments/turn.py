# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a module that changes a service says on whose behalf."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  run:
    description:
      - The run that this is a part of, as M(caravan.kamal.lock) returned it in RV(caravan.kamal.lock#module:run).
      - While a module changes a service on a host, others of the same service and destination wait for it there. One of
        a run that was overtaken, because a later holder of the lock was there, refuses and changes nothing.
      - In a run of the playbooks or roles it is filled in. Without it only the waiting is left.
    type: dict
    suboptions:
      number:
        description: A number that is higher for each holder of the lock.
        type: int
      owner:
        description: Who the run is to the lock.
        type: str
      by:
        description: Who runs it, for people.
        type: str
      version:
        description: The version that is being deployed, for people.
        type: str
"""
