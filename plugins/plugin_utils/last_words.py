# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a callback has to say when a run is cut off, which Ansible tells it nothing of."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
from typing import Any, Callable, List

from . import signals

_WORDS: List[Callable[[], object]] = []


def at_the_end(say: Callable[[], object]) -> None:
    """Have it called once when this process ends, in the order of these calls.

    Ctrl-C comes to the functions of atexit; SIGTERM, with which a CI job is cancelled, ends Ansible before them.
    """
    if not _WORDS:
        atexit.register(_say_all)
    if say not in _WORDS:
        _WORDS.append(say)
    former = signals.handlers().get(signal.SIGTERM)
    if former is not None and not isinstance(former, _BeforeIt):
        signal.signal(signal.SIGTERM, _BeforeIt(former))


class _BeforeIt:
    """A handler that does what the former one did after the last words. Forks inherit it, and have none to say."""

    def __init__(self, former: Any) -> None:
        self._former, self._process = former, os.getpid()

    def __call__(self, number: int, frame: Any) -> None:
        if os.getpid() == self._process:
            _say_all()
        if callable(self._former):
            self._former(number, frame)
        else:
            signal.signal(number, self._former)
            signal.raise_signal(number)


def _say_all() -> None:
    while _WORDS:
        # What cannot be said, as while another word is written, neither hides the next one nor keeps us from ending.
        with contextlib.suppress(Exception):
            _WORDS.pop(0)()
