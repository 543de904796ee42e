# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The terminal that a run is watched on, if there is one."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Mapping, Optional

from .ci import Plain


def width(environ: Mapping[str, str], where: Plain) -> Optional[int]:
    """None where lines cannot be drawn anew."""
    is_terminal = sys.stdout.isatty() and environ.get("TERM") not in (None, "dumb") and not where.is_ci
    return shutil.get_terminal_size().columns if is_terminal else None


def write(text: str) -> None:
    """Past Python's buffers."""
    os.write(1, text.encode(sys.stdout.encoding or "utf-8", "replace"))
