# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Moments as people name them."""

from __future__ import annotations

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._durations import moment


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("1767225600", 1767225600),
        ("2026-01-01T00:00:00Z", 1767225600),
        ("2026-01-01T01:00:00+01:00", 1767225600),
        ("2026-01-01", 1767225600),
        ("1h30m", 1767225600 - 5400),
    ],
)
def test_moments(word: str, seconds: int) -> None:
    assert moment(word, 1767225600.5) == seconds
