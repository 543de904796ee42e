# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What modules that run a command in a container are told of it."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  command:
    description: The command. It is split into words, and no shell sees it unless it is one.
    type: str
    required: true
  env:
    description: Variables that the command has beside those of the container.
    type: dict
    default: {}
  terminal:
    description:
      - Whether the command is for a person at a terminal. Then it is not run, but made ready, and RV(terminal) is the
        one command that opens it.
      - A container that is made for it goes when the terminal is closed, or later if it is never opened.
    type: bool
    default: false
  raw:
    description:
      - A file on the controller that gets, byte for byte, what the command writes to its standard output. It is written
        anew, and only its owner may read it.
      - For a command that runs in one place.
    type: path
  progress:
    description:
      - A file that gets a line of JSON for what the command writes, while it runs. Of a long output the answer then has
        the end alone. Left out, the action shows it as it comes, except with O(raw) or as JSON.
    type: path
notes:
  - The parts of O(terminal) and O(raw) that are done on the controller are those of an action plugin.
"""
