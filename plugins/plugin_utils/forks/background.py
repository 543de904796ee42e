# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one task of a run begins and a later one waits for, done by a process of its own between the two.

It is a fork of the process of the first task, and ends with the run. What it answers lies in the memory of the run.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import signal
import threading
import time
from typing import Any, Callable, Dict, Iterator, Optional

from .memory import OF_THIS_RUN, Memory
from .mutexes import Mutexes

# Seconds between two looks at whether the run goes on.
WATCHED = 0.2
# Seconds between SIGTERM and SIGKILL: enough to remove files, here and on the host that builds.
GRACE = 10.0
LOST: Dict[str, Any] = {"failed": True, "msg": "What was begun in the background has ended without an answer."}


class Background:
    """The process that does something has the lock of that name as long as it is there."""

    def __init__(self, memory: Memory = OF_THIS_RUN) -> None:
        self._memory, self._mutexes = memory, Mutexes()

    def begin(self, name: str, act: Callable[[], Dict[str, Any]]) -> None:
        """Return as soon as it has begun."""
        has_begun, tells = os.pipe()
        run = os.getppid()
        if os.fork():
            os.close(tells)
            os.read(has_begun, 1)
            os.close(has_begun)
            return
        try:
            os.setsid()
            signal.signal(signal.SIGTERM, _leave)
            self._mutexes.take(name)
            self._memory.put(name, LOST)
            os.close(tells)
            threading.Thread(target=_end_with, args=(run,), daemon=True).start()
            self._memory.put(name, json.loads(json.dumps(act(), default=str)))
        finally:
            os._exit(0)

    def done(self, name: str, act: Callable[[], Dict[str, Any]]) -> Dict[str, Any]:
        """The answer of what was begun by this name, or of what is begun now."""
        answer = self.answer(name)
        if answer is None:
            self.begin(name, act)
            answer = self.answer(name)
        return LOST if answer is None else answer

    def answer(self, name: str) -> Optional[Dict[str, Any]]:
        """Wait for what was begun by this name; None where nothing was, or where that was answered already."""
        with self._mutexes.held(name):
            taken: Optional[Dict[str, Any]] = self._memory.take(name)
        return taken


def _end_with(run: int) -> None:
    """And with it what this process has started, be it in a session of its own, as an ssh that gets a password."""
    while _is_there(run):
        time.sleep(WATCHED)
    _send_to_all(signal.SIGTERM)
    time.sleep(GRACE)
    _send_to_all(signal.SIGKILL)


def _leave(number: int, _frame: Any) -> None:
    """Leave as at an error, so that `finally` and `with` remove files. A second signal does not interrupt that."""
    # What is started meanwhile would inherit SIG_IGN.
    signal.signal(number, lambda _number, _frame: None)
    raise SystemExit(128 + number)


def _send_to_all(number: int) -> None:
    for child in _children_elsewhere():
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, number)
    os.killpg(0, number)


def _children_elsewhere() -> Iterator[int]:
    """Those of this process that lead a group of their own. Only Linux shows them."""
    for status in glob.glob("/proc/[0-9]*/stat"):
        with contextlib.suppress(OSError), open(status, encoding="utf-8", errors="replace") as file:
            _name, _end, fields = file.read().rpartition(")")
            parent, group = (int(field) for field in fields.split()[1:3])
            if parent == os.getpid() and group != os.getpgrp():
                yield int(status.split("/")[2])


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
