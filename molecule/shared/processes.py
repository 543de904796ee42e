# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What every process shows of itself, on the controller and, as its children, on the test hosts."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

SHOWN = ("cmdline", "environ")
# The processes of containers and of hooks have secrets in their environment: that is what they are for.
MAY_HAVE_SECRETS = (b"KAMAL_HOST=", b"KAMAL_RECORDED_AT=")


@dataclass
class Sight:
    """`looks` is how often all processes were looked at, `found` where one of the words was seen, and in what."""

    words: Collection[str]
    looks: int = 0
    programs: set[str] = field(default_factory=set)
    found: set[str] = field(default_factory=set)

    def look(self) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            for kind in SHOWN:
                with suppress(OSError):
                    self._read(kind, (process / kind).read_bytes())
        self.looks += 1

    def _read(self, kind: str, text: bytes) -> None:
        words = text.split(b"\0")
        if kind == "cmdline":
            self.programs.add(words[0].decode(errors="replace").rpartition("/")[2])
        elif any(word.startswith(MAY_HAVE_SECRETS) for word in words):
            return
        self.found.update(f"{word} in {kind} {text[:300]!r}" for word in self.words if word.encode() in text)


@contextmanager
def watched(words: Collection[str]) -> Iterator[Sight]:
    """All processes are looked at again and again while the with block lasts."""
    sight, over = Sight(words), threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            sight.look()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield sight
    finally:
        over.set()
        thread.join()
