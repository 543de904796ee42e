# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many connections a run begins at a time, whatever number of its processes there are.

Each host has its place in one of the queues, so nobody looks again and again for a free one. The keyword `throttle`
says the same, but is a template in the main process for each host, which then looks thousands of times a second.
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import Iterator

from .memory import nameless_file

# A byte of it is a queue. The main process makes it, before it forks; a lock on it is gone with its process.
_QUEUES = nameless_file()


@contextmanager
def one_of(most: int, number: int) -> Iterator[None]:
    """While this host, of that `number` in its play, is one of the `most` that begin."""
    queue = number % most
    fcntl.lockf(_QUEUES, fcntl.LOCK_EX, 1, queue)
    try:
        yield
    finally:
        fcntl.lockf(_QUEUES, fcntl.LOCK_UN, 1, queue)
