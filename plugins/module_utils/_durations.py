# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Durations as Go writes them, which Docker and kamal-proxy both read, and moments that people name."""

from __future__ import annotations

import re
from datetime import datetime, timezone
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


def moment(word: str, now: float) -> int:
    """Unix seconds from a duration that has passed (10m), a date and time, or such a number itself."""
    if word.isdecimal():
        return int(word)
    try:
        return int(now - duration(word) / NANOSECONDS["s"])
    except ValueError:
        pass
    try:
        named = datetime.fromisoformat(word.replace("Z", "+00:00"))
    except ValueError:
        raise ValueError(
            f"{word!r} is neither a duration such as 10m or 1h30m nor a time such as 2026-01-31T12:00:00Z"
        ) from None
    return int((named if named.tzinfo else named.replace(tzinfo=timezone.utc)).timestamp())


def pattern(word: str) -> re.Pattern[str]:
    """A regular expression, or a ValueError that says what is wrong with it."""
    try:
        return re.compile(word)
    except re.error as error:
        raise ValueError(f"{word!r} is not a regular expression: {error}") from error
