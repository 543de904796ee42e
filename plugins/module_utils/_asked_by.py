# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who asked for a module that the kept process runs: a module by itself has that above it, this one does not."""

from __future__ import annotations

# The variable of its environment with the ID of the process, which waits for the end of the module.
ASKED_BY = "CARAVAN_KAMAL_ASKED_BY"
