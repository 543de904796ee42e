# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What decides on the builder of buildx."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  arch:
    description: The architectures to build for; empty means that of the engine.
    type: list
    elements: str
    default: []
  driver:
    description: The driver of buildx; left out, the engine's own builder where that will do.
    type: str
  remote:
    description: The address of another engine that builds for architectures this host's does not have.
    type: str
  local:
    description: Whether the engine of this host builds as well.
    type: bool
    default: true
  beyond_engine:
    description: Whether the image has a cache or an attestation, which the engine's own builder cannot make.
    type: bool
    default: false
notes:
  - Without any of these options the action on the controller fills them in from the plan.
"""
