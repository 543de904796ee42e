# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stories compare when containers started; Docker leaves trailing zeros out, so that its texts do not compare."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "molecule" / "shared"))

from hosts import moment


@pytest.mark.parametrize(
    ("earlier", "later", "nanoseconds"),
    [
        ("2026-11-25T22:31:52.12Z", "2026-11-25T22:31:52.123456789Z", 3_456_789),
        ("2026-11-25T22:31:52Z", "2026-11-25T22:31:52.000000001Z", 1),
        ("2026-12-31T23:59:59.5Z", "2027-01-01T00:00:00.5Z", 10**9),
    ],
)
def test_moments_compare(earlier: str, later: str, nanoseconds: int) -> None:
    assert moment(later) - moment(earlier) == nanoseconds
