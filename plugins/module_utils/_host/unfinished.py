# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files that are being written under a hidden name. Their writers hold them locked, so that those that killed ones have
left can be told from them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from typing import Tuple

WRITING = os.O_WRONLY | os.O_CREAT | os.O_EXCL


def made(folder: int, name: str, mode: int) -> Tuple[int, str]:
    """A new file, open and locked, and its hidden name in the folder."""
    while True:
        hidden = f".{name}.{secrets.token_hex(8)}"
        handle = os.open(hidden, WRITING, mode, dir_fd=folder)
        with contextlib.suppress(OSError):  # a file system may have no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        # Before it was locked another process may have taken it for one that was left.
        if os.path.exists(f"/proc/self/fd/{folder}/{hidden}"):
            return handle, hidden
        os.close(handle)


def remove_left(folder: int, name: str) -> None:
    """Remove what killed processes have left of the file, which may be one of secrets."""
    left = re.compile(rf"\.{re.escape(name)}\.[0-9a-f]{{16}}")
    for each in filter(left.fullmatch, os.listdir(folder)):
        with contextlib.suppress(OSError):
            handle = os.open(each, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW, dir_fd=folder)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(each, dir_fd=folder)
            finally:
                os.close(handle)
