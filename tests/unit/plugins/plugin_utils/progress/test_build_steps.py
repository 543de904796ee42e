# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What people see of a build while it runs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.progress.build import Teller


def event(state: str, step: str, **more: Any) -> dict[str, Any]:
    return {"state": state, "step": step, **more}


BASE = "[1/3] FROM busybox"
MAKE = "[2/3] RUN --mount=type=secret,id=A --mount=type=ssh make"


@pytest.mark.parametrize(
    ("heard", "told"),
    [
        ([(0, event("begun", MAKE)), (12.5, event("ended", MAKE, seconds=12.3))], ["[2/3] RUN make: 12.3 s"]),
        ([(0, event("begun", MAKE)), (0.2, event("ended", MAKE, seconds=0.2))], []),
        ([(0, event("begun", MAKE)), (0.2, event("ended", MAKE, seconds=None))], []),
        (
            [
                (0, event("begun", BASE)),
                (1, event("moved", BASE, amount="10MB / 31MB")),
                (3, event("ended", BASE, seconds=3.04)),
            ],
            ["[1/3] FROM busybox: 10MB / 31MB, 3.0 s"],
        ),
        (
            [(0, event("begun", MAKE)), *((float(second), None) for second in range(1, 200))],
            [f"[2/3] RUN make: {seconds} s so far" for seconds in (10, 30, 60, 120, 180)],
        ),
        (
            [
                (0, event("begun", BASE)),
                (5, event("moved", BASE, amount="10MB / 31MB")),
                (11, None),
                (12, event("ended", BASE, seconds=12)),
                (60, None),
            ],
            ["[1/3] FROM busybox: 10MB / 31MB, 11 s so far", "[1/3] FROM busybox: 10MB / 31MB, 12.0 s"],
        ),
        ([(0, event("begun", "RUN " + "x" * 200)), (10, None)], ["RUN " + "x" * 95 + "…: 10 s so far"]),
    ],
)
def test_which_lines_the_events_of_a_build_make(
    heard: list[tuple[float, dict[str, Any] | None]], told: list[str]
) -> None:
    now, lines = [0.0], []
    teller = Teller(lines.append, lambda: now[0])
    for moment, said in heard:
        now[0] = moment
        teller.hear([said] if said else [])
    assert lines == told
