# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What modules that may take long are told of who wants to hear what they are at."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  progress:
    description:
      - A file that gets a line of JSON for each thing that is done or waited for, while that is. It goes with the
        module. Left out, the action has what takes long shown.
    type: path
"""
