# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Listens to a command while it runs: tells its lines as they come, keeps the last of them, and ends it when asked."""

from __future__ import annotations

import codecs
import contextlib
import io
import threading
from collections import deque
from typing import Callable, Deque, Iterator, List, Optional, Sequence

from .._errors import CaravanError
from .._masks import masked
from .._progress import POLL, Progress
from .module import Request

# So much of a line is told although it has not ended.
LONGEST_LINE = 64 * 1024
# So many characters of what was told are kept for the answer.
KEPT = 2**20


class Listener:
    """Is given the output piece by piece, as bytes. A secret is blacked out wherever a piece ends."""

    def __init__(self, progress: Progress, place: str) -> None:
        self._progress, self._place = progress, place
        self._words = progress.words
        self._decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")("replace"), translate=True)
        self._rest, self._is_cut = "", False
        self._told: Deque[str] = deque()
        self._size = self._left_out = 0

    def __call__(self, piece: bytes) -> None:
        self._rest += self._decoder.decode(piece)
        end = self._rest.rfind("\n") + 1
        if len(self._rest) - end > LONGEST_LINE:
            end = len(self._rest)
        end = self._whole(end)
        if end:
            self._tell(self._rest[:end], is_cut=self._rest[end - 1] != "\n")
            self._rest = self._rest[end:]

    def end(self) -> str:
        """What of the output is kept, with a line in front where that is not all."""
        self._rest += self._decoder.decode(b"", final=True)
        if self._rest or self._is_cut:
            self._tell(self._rest)
            self._rest = ""
        kept = "".join(self._told)
        return f"[{self._left_out} characters before this are left out]\n{kept}" if self._left_out else kept

    @contextlib.contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        """Within the with block `end` is called as soon as nobody wants the command to go on."""
        over = threading.Event()
        watching = threading.Thread(target=self._watch, args=(over, end), daemon=True)
        watching.start()
        try:
            yield
        finally:
            over.set()
            watching.join()

    def _watch(self, over: threading.Event, end: Callable[[], object]) -> None:
        while not over.wait(POLL):
            if self._progress.is_to_stop:
                with contextlib.suppress(CaravanError, OSError):
                    end()
                return

    def _tell(self, text: str, is_cut: bool = False) -> None:
        self._progress.wrote(self._place, text[:-1] if text.endswith("\n") else text, is_cut)
        self._is_cut = is_cut
        self._told.append(text)
        self._size += len(text)
        while self._size > KEPT and len(self._told) > 1:
            gone = len(self._told.popleft())
            self._size -= gone
            self._left_out += gone

    def _whole(self, end: int) -> int:
        """A place not after `end` where the text can be cut: no secret begins before it that may go on behind it."""
        while True:
            found = _cut_through(self._rest, end, self._words)
            if found is None:
                return end
            end = self._line_of(found)

    def _line_of(self, place: int) -> int:
        """Where the line begins, unless that is too long to be held back."""
        begin = self._rest.rfind("\n", 0, place) + 1
        return place if place - begin > LONGEST_LINE else begin


def _cut_through(text: str, end: int, words: Sequence[str]) -> Optional[int]:
    """Where the first of these words begins that a cut at `end` would part, as far as can be seen by now."""
    begins: List[int] = []
    for word in words:
        place = text.find(word[0], max(0, end - len(word) + 1), end)
        while place >= 0:
            if word.startswith(text[place : place + len(word)]):
                begins.append(place)
                break
            place = text.find(word[0], place + 1, end)
    return min(begins, default=None)


# Of a module whose changes may take long: that they are told while they are made.
OPTION = {"type": "path"}


@contextlib.contextmanager
def told(request: Request, removed: bool = False) -> Iterator[Optional[Progress]]:
    """For a module with the option `progress`; None where nobody listens. With `removed` nothing is left of it."""
    path = request.params["progress"]
    progress = Progress(path, request.hidden) if path else None
    try:
        yield progress
    finally:
        if progress:
            progress.over(removed)


@contextlib.contextmanager
def changes_told(request: Request) -> Iterator[None]:
    """What is changed and waited for within the with block. Secrets that are found meanwhile are no part of it."""
    with told(request, removed=True) as progress:
        if progress:
            at = progress.at
            request.changes.tell = lambda what: at(masked(what, request.hidden))
        yield
