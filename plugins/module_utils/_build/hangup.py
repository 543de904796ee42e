# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A build ends where nobody can hear its answer any more: its run was ended, or the connection to it was."""

from __future__ import annotations

import contextlib
import select
import signal
import threading
from typing import Any, Iterator

from .._errors import BuildError

STDOUT = 1
EVERY = 1.0  # seconds
HUNG_UP = select.POLLERR | select.POLLHUP | select.POLLNVAL


@contextlib.contextmanager
def noticed(output: int = STDOUT) -> Iterator[None]:
    """While the block lasts, `output` is where the answer goes; BuildError, once, where nobody reads from there."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def look(_number: int, _frame: Any) -> None:
        if is_hung_up(output):
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise BuildError("The run that asked for this build has ended, and so does the build.")

    former = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, former)


def is_hung_up(output: int) -> bool:
    """A pipe that nobody reads, or a connection that was closed. A file never is."""
    poll = select.poll()
    poll.register(output, 0)
    return any(event & HUNG_UP for _output, event in poll.poll(0))
