# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Locks by name for the processes of a run. The kernel frees those of a process that ends, however it ends."""

from __future__ import annotations

import fcntl
import zlib
from contextlib import contextmanager
from typing import Callable, Iterator

from .memory import nameless_file


class Mutexes:
    """Each is a byte of one file, which the main process makes before it forks."""

    def __init__(self) -> None:
        self._file = nameless_file()

    def take(self, name: str) -> None:
        """Until `free`, or the end of this process."""
        fcntl.lockf(self._file, fcntl.LOCK_EX, 1, _byte_of(name))

    def free(self, name: str) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _byte_of(name))

    @contextmanager
    def held(self, name: str, will_wait: Callable[[], object] = lambda: None) -> Iterator[None]:
        """Within the with block; `will_wait` is called where another process has it."""
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _byte_of(name))
        except OSError:
            will_wait()
            self.take(name)
        try:
            yield
        finally:
            self.free(name)


def _byte_of(name: str) -> int:
    return zlib.crc32(name.encode())
