# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every module promises; a module that cannot keep a promise in full overrides it and says why."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: In check mode it tells what it would do and changes nothing.
    support: full
  diff_mode:
    description: In diff mode it shows what is different, without the values of secrets.
    support: full
  idempotent:
    description: Run again with the same options, it finds nothing to do and reports no change.
    support: full
"""

    # Of modules that only look or tell.
    CHANGES_NOTHING = r"""
options: {}
attributes:
  diff_mode:
    details: Nothing is changed, so there is never a difference to show.
"""
