# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is filled in on the controller for a module that carries out a part of the plan."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  secrets:
    description:
      - A JSON object with the values of the secrets that the plan names.
      - Where it is left out, filled in on the controller from the variable C(kamal_secrets) and the project's secrets
        files.
    type: str
  registry:
    description:
      - A JSON object with C(username) and C(password) for pulling.
      - Where it is left out, filled in on the controller. It goes into the API call and is never stored on the host.
    type: str
seealso:
  - module: caravan.kamal.plan
"""
