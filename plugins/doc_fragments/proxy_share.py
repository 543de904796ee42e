# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option `plan`. Generated from plugins/module_utils/_shares.py by `make docs`; do not edit."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  plan:
    description:
    - kamal-proxy as the plan of a run has it, RV(caravan.kamal.plan#module:plan.hosts) at C(proxy).
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
"""
