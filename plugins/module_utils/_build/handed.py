# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Values for a command that are in none of its arguments, not in its environment and, where that can be, in no file."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from typing import Any, Iterator, List


class Handed:
    """What a command that is started from here can read as files, as long as the block of `open_hand` lasts."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.descriptors: List[int] = []

    def path(self, name: str, value: str) -> str:
        """Where the command reads the value. On Linux that is anonymous memory, which ends with the last process."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create(name, 0)
            self.descriptors.append(descriptor)
            path = f"/proc/self/fd/{descriptor}"
        else:
            path = os.path.join(self.folder, name)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb", closefd=descriptor not in self.descriptors) as file:
            file.write(value.encode())
        return path


@contextlib.contextmanager
def open_hand() -> Iterator[Handed]:
    """A hand with a private folder, which is gone after the block with all that was handed over."""
    with _ended_in_order(), tempfile.TemporaryDirectory(prefix="caravan-") as folder:
        hand = Handed(folder)
        try:
            yield hand
        finally:
            for descriptor in hand.descriptors:
                os.close(descriptor)


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM, which a build beside a run gets when that is cut off, leaves the block as an error would."""
    is_ours = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if is_ours:
        signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end(number: int, _frame: Any) -> None:
    raise SystemExit(128 + number)
