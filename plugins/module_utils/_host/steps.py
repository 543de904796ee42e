# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Steps of which each is to be taken whatever becomes of the others, as those of a way back."""

from __future__ import annotations

from typing import Callable, List, Sequence

from .._errors import CaravanError


def attempt(*steps: Callable[[], object]) -> List[str]:
    """Take all the steps, whatever becomes of those before. Returns what went wrong."""
    troubles = []
    for step in steps:
        try:
            step()
        except CaravanError as error:
            troubles.append(error.message)
    return troubles


def on_the_way_back(troubles: Sequence[str]) -> List[str]:
    """What went wrong there, as lines for a person."""
    return [f"On the way back this failed too: {trouble}" for trouble in troubles]
