# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which service a module is about, where no plan is needed to know it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  service:
    description: The service, as the configuration names it.
    type: str
    required: true
  destination:
    description: The destination, if there is one.
    type: str
"""
