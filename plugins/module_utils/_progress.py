# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is said while a module runs, written to files for whoever reads it: Ansible hears of a module at its end."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import Any, Callable, List, Mapping, Optional, TextIO

from ._masks import hidden_words, masked

# A file of more bytes is followed by another one, and the reader removes those that it has read.
SEGMENT = 4 * 2**20
# How many may lie there unread, and for how many seconds a reader is waited for that has fallen behind.
AHEAD, PATIENCE = 4, 60.0
POLL = 0.1
# The last events of a file and of all.
NEXT, OVER = "next", "over"
STOP = ".stop"
# Says what is waited for from here on.
Tell = Callable[[str], object]


def nobody(_what: str) -> None:
    """Who listens where nobody does."""


class Progress:
    """One line of JSON for each event. Where the files cannot be written, nothing is shown, and the work goes on.

    `path` is the first file, those after it have a number. The reader makes a file `path`.stop to have the work ended.
    """

    def __init__(self, path: Optional[str], hidden: Mapping[str, str]) -> None:
        self.hidden = hidden
        self._path, self._number, self._size, self._at = path or "", 0, 0, ""
        self._lock = threading.Lock()
        self.file: Optional[TextIO] = self._opened() if path else None

    # Of a build

    def begun(self, step: str) -> None:
        self._write(state="begun", step=step)

    def ended(self, step: str, seconds: Optional[float]) -> None:
        """`seconds` is None for a step whose result was in the cache."""
        self._write(state="ended", step=step, seconds=seconds)

    def moved(self, step: str, amount: str) -> None:
        """How much of what a step fetches or sends has gone."""
        self._write(state="moved", step=step, amount=amount)

    # Of what takes long

    def at(self, what: str) -> None:
        """What is waited for from here on, said once."""
        if what != self._at:
            self._at = what
            self._write(state="at", what=what)

    # Of a command

    def wrote(self, place: str, text: str, is_cut: bool = False) -> None:
        """Whole lines, without the end of the last, which may only be `is_cut` there: then it goes on."""
        self._write(state="wrote", place=place, text=text, is_cut=is_cut)

    @property
    def words(self) -> List[str]:
        """What is blacked out, the longest first."""
        return hidden_words(self.hidden)

    def over(self, removed: bool = False) -> None:
        """All is said: a reader that finds this mark has read it all. With `removed` no reader has to."""
        self._write(state=OVER)
        if removed and self._path:
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    @property
    def is_to_stop(self) -> bool:
        return bool(self._path) and os.path.exists(self._path + STOP)

    def _write(self, **event: Any) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._size > SEGMENT:
                self._put({"state": NEXT})
                self._number += 1
                self.file = self._opened() if self._is_followed() else None
                self._size = 0
            self._put(masked(event, self.hidden))

    def _put(self, event: Mapping[str, Any]) -> None:
        """After a line that may have been cut short there is no other."""
        file, self.file = self.file, None
        if file is not None:
            self._size += file.write(json.dumps(event) + "\n")
            file.flush()
            self.file = file

    def _opened(self) -> Optional[TextIO]:
        """A new file, and no link. Its folder is the reader's alone, who may be another user than we are."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with contextlib.suppress(OSError):
            handle = os.open(self._name(self._number), flags, 0o644)
            os.fchmod(handle, 0o644)
            return open(handle, "w", encoding="utf-8")
        return None

    def _is_followed(self) -> bool:
        """Whether somebody reads what is written; one that is behind is waited for."""
        deadline = time.monotonic() + PATIENCE
        while os.path.exists(self._name(self._number - AHEAD)) and self._number >= AHEAD:
            if time.monotonic() > deadline or self.is_to_stop:
                return False
            time.sleep(POLL)
        return True

    def _name(self, number: int) -> str:
        return f"{self._path}.{number}" if number else self._path
