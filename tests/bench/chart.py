# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bars for the medians of the benchmark, as SVG that a page can show in light and dark."""

from __future__ import annotations

from html import escape
from typing import Dict, List

WIDTH, LEFT, RIGHT = 760, 90, 50
BAR, GAP, HEAD = 12, 10, 34
COLOURS = ("#9aa5b1", "#3b82c4", "#5aa36b", "#d08c3c", "#8f6fb5", "#c2566a", "#4fa3a5")
TEXT = 'font-family="sans-serif" font-size="11" fill="#7a7f87"'


def bars(rows: Dict[str, Dict[str, float]]) -> str:
    """For each row a group of bars, one for each column."""
    columns = list(next(iter(rows.values())))
    scale = (WIDTH - LEFT - RIGHT) / max(value for cells in rows.values() for value in cells.values())
    parts, top = _legend(columns), HEAD
    for name, cells in rows.items():
        middle = top + len(cells) * BAR // 2 + 4
        parts.append(f'<text x="{LEFT - 8}" y="{middle}" text-anchor="end" {TEXT}>{escape(name)}</text>')
        for number, column in enumerate(columns):
            parts += _bar(top + number * BAR, cells[column], scale, COLOURS[number % len(COLOURS)])
        top += len(columns) * BAR + GAP
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" aria-label="Seconds">'
    return "\n".join([head, *parts, "</svg>", ""])


def _legend(columns: List[str]) -> List[str]:
    parts, left = [], LEFT
    for number, column in enumerate(columns):
        parts.append(f'<rect x="{left}" y="8" width="10" height="10" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(f'<text x="{left + 15}" y="17" {TEXT}>{escape(column)}</text>')
        left += 28 + 7 * len(column)
    return parts


def _bar(top: int, seconds: float, scale: float, colour: str) -> List[str]:
    width = seconds * scale
    return [
        f'<rect x="{LEFT}" y="{top}" width="{width:.1f}" height="{BAR - 2}" fill="{colour}"/>',
        f'<text x="{LEFT + width + 4:.1f}" y="{top + 9}" {TEXT}>{seconds:.1f} s</text>',
    ]
