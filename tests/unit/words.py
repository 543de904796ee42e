# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What counts as true and as false, for the tests of all that read such a variable by themselves."""

from __future__ import annotations

from typing import Any

# None: it is neither, and told.
TRUE_OR_FALSE: list[tuple[Any, bool | None]] = [
    (True, True),
    ("true", True),
    ("on", True),
    ("Yes", True),
    ("1", True),
    (1, True),
    (" yes ", True),
    (False, False),
    ("false", False),
    ("off", False),
    ("no", False),
    ("0", False),
    (0, False),
    ("", None),
    ("perhaps", None),
]
