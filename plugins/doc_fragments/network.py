# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a module makes the network that its containers are on."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  ipv6:
    description:
      - Whether a network that has to be made also has IPv6, with a subnet of its own below C(fd00::/8).
      - One that is there already stays as it is.
      - Where it is left out, filled in on the controller from the variable C(kamal_network_ipv6).
    type: bool
    default: false
"""
