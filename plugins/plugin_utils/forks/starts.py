# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many connections a run begins at a time, whatever number of its processes there are.

Each host has its place in one of the queues, so nobody looks again and again for a free one. The keyword `throttle`
says the same, but is a template in the main process for each host, which then looks thousands of times a second.
"""

from __future__ import annotations

from typing import ContextManager

from .mutexes import Mutexes

_QUEUES = Mutexes()


def one_of(most: int, number: int) -> ContextManager[None]:
    """While this host, of that `number` in its play, is one of the `most` that begin."""
    return _QUEUES.held(str(number % most))
