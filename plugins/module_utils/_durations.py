# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Durations as Go writes them, which Docker and kamal-proxy both read."""

from __future__ import annotations

import re
from decimal import Decimal

NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def duration(word: str) -> int:
    """Go's notation (10s, 1m30s, 500ms) in nanoseconds."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", word)
    if word == "0":
        return 0
    if not parts or "".join(amount + unit for amount, unit in parts) != word:
        raise ValueError(f"must be a duration such as 10s or 1m30s, not {word!r}")
    return int(sum(Decimal(amount) * NANOSECONDS[unit] for amount, unit in parts))
