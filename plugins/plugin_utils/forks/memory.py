# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a run knows for its whole length, in memory that all its processes share and nothing else can see.

Ansible runs each task in a process of its own, a fork of the one that a person started. What a task finds out is lost
with its process, unless it becomes a fact or a result, which are shown, cached and sent about. This memory is made when
the main process loads the first action that needs it, before it forks: anonymous pages, so no file and no name.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import tempfile
from typing import Any, Callable, Dict, Iterator

from ...module_utils._errors import CaravanError

SIZE = 32 * 2**20
_LENGTH = 8


class Memory:
    """JSON by name. The lock, which the kernel frees with its process, is on an empty file without a name."""

    def __init__(self, size: int = SIZE) -> None:
        self._pages = mmap.mmap(-1, size)
        self._lock = nameless_file()
        # How many with blocks of this process are under way, one in another.
        self._depth = 0

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What is kept by this name. The first process that asks makes it, the others wait; an error is not kept."""
        with self._alone():
            known = self._read()
            if name in known:
                return known[name]
            made = make()
            self._write({**self._read(), name: made})
            return made

    def put(self, name: str, value: Any) -> None:
        with self._alone():
            self._write({**self._read(), name: value})

    def known(self, name: str) -> Any:
        """What is kept by this name; None where nothing is."""
        with self._alone():
            return self._read().get(name)

    def take(self, name: str) -> Any:
        """What is kept by this name, and no longer is; None where nothing was."""
        with self._alone():
            known = self._read()
            value = known.pop(name, None)
            self._write(known)
            return value

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._depth:
            fcntl.lockf(self._lock, fcntl.LOCK_EX)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                fcntl.lockf(self._lock, fcntl.LOCK_UN)

    def forget(self) -> None:
        self._pages[:_LENGTH] = bytes(_LENGTH)

    def _read(self) -> Dict[str, Any]:
        length = int.from_bytes(self._pages[:_LENGTH], "big")
        return dict(json.loads(self._pages[_LENGTH : _LENGTH + length])) if length else {}

    def _write(self, known: Dict[str, Any]) -> None:
        text = json.dumps(known).encode()
        if _LENGTH + len(text) > len(self._pages):
            raise CaravanError(f"What this run has to remember is longer than {len(self._pages) >> 20} MiB.")
        self.forget()
        self._pages[_LENGTH : _LENGTH + len(text)] = text
        self._pages[:_LENGTH] = len(text).to_bytes(_LENGTH, "big")


def nameless_file() -> int:
    """In memory where the system has that: a full disk is no reason not to start."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("caravan")
    descriptor, path = tempfile.mkstemp()
    os.unlink(path)
    return descriptor


OF_THIS_RUN = Memory()
