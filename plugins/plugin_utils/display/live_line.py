# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts are at while nothing else is shown: on a terminal a line that is drawn anew, elsewhere one each minute.

It is written past Python's buffers and by a thread that shares nothing but its own lock: Ansible forks at any moment.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from .host_line import At
from .summary import named_or_counted

# Why a release is skipped on a host that has roles for a later task.
NO_ROLE_YET = "no role of this host is asked for"
NAMED_HOSTS = 4
DRAWN, TOLD = 0.5, 60.0
CLEAR = "\r\x1b[K"

Write = Callable[[str], object]


class LiveLine:
    """`width` is that of the terminal, None where there is none."""

    def __init__(self, write: Write, width: Optional[int], now: Callable[[], float] = time.monotonic) -> None:
        self._write, self._width, self._now = write, width, now
        self._lock, self._process = threading.RLock(), os.getpid()
        self._at: Dict[str, Tuple[str, str, float]] = {}
        self._waiting: List[str] = []
        self._quiet_since = now()
        self._is_drawn = False

    def start(self) -> None:
        threading.Thread(target=self._tick, daemon=True).start()

    def _tick(self) -> None:
        while True:
            time.sleep(DRAWN)
            self.draw()

    def begin(self, host: str, task: str, place: Optional[str] = None) -> None:
        """A task for a host, which runs in another `place` perhaps; an empty one is not known yet."""
        with self.aside():
            self._at[host] = (task, host if place is None else place, self._now())

    def at(self, host: str, what: str) -> None:
        """What the task is at on a host."""
        with self._lock:
            if host in self._at:
                self._at[host] = (what, self._at[host][1], self._now())

    def end(self, host: str) -> None:
        with self.aside():
            self._at.pop(host, None)

    def waits(self, host: str) -> None:
        """Until the task at hand is done on the others."""
        with self.aside():
            self._at.pop(host, None)
            self._waiting.append(host)

    def forget(self) -> None:
        """A task is over."""
        with self.aside():
            self._at, self._waiting = {}, []

    @contextmanager
    def aside(self) -> Iterator[None]:
        """While something else is written. In a fork there is nothing to make room for."""
        if os.getpid() != self._process:
            yield
            return
        with self._lock:
            if self._is_drawn:
                self._write(CLEAR)
                self._is_drawn = False
            self._quiet_since = self._now()
            yield

    def draw(self) -> None:
        with self._lock:
            if not self._at:
                return
            if self._width:
                self._write(CLEAR + self.text()[: self._width - 1])
                self._is_drawn = True
            elif self._now() - self._quiet_since >= TOLD:
                self._write(f"    {self.text().strip()}\n")
                self._quiet_since = self._now()

    def text(self) -> str:
        """The tasks that are under way, with their hosts and how long the first of those has been at it."""
        hosts: Dict[str, List[str]] = {}
        for task, place, _since in self._at.values():
            hosts.setdefault(task, []).append(place)
        parts = [f"{_some(there)}{task}, {self._seconds(task)} s" for task, there in hosts.items()]
        if self._waiting:
            parts.append(f"{_some(self._waiting)}waiting for the barrier")
        return "  … " + "; ".join(parts)

    def _seconds(self, task: str) -> int:
        return int(self._now() - min(since for what, _place, since in self._at.values() if what == task))


def _some(places: List[str]) -> str:
    hosts = [place for place in places if place]
    return f"{named_or_counted(hosts, NAMED_HOSTS)}: " if hosts else ""


def make_room(display: Any, live: Callable[[], LiveLine]) -> None:
    """Warnings, and what tasks say themselves, are shown by others than the callback: each has a line of its own, at
    once, wherever it goes to. In a fork it is only handed on."""
    show, process = display.display, os.getpid()

    def shown(*arguments: Any, **options: Any) -> None:
        if os.getpid() != process:
            show(*arguments, **options)
        elif arguments and isinstance(arguments[0], At):
            live().at(arguments[0].host, arguments[0].what)
            show(*arguments, **options)
        else:
            with live().aside():
                show(*arguments, **options)
                sys.stdout.flush()

    display.display = shown
