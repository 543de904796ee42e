# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What containers log on many hosts at once, line by line, for as long as somebody watches.

A process for each place runs a script there. That follows a role and not a container: when another one takes over, its
lines come next. It ends as soon as nobody reads its output any more, however that came about.
"""

from __future__ import annotations

import queue
import re
import shlex
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from .signals import ending_with_parent, waking_us
from .terminal import Way

# A lost connection is noticed within seconds, and nobody is asked for a password.
SSH_FLAGS = (
    "-oBatchMode=yes",
    "-oConnectTimeout=10",
    "-oServerAliveInterval=5",
    "-oServerAliveCountMax=2",
    "-oLogLevel=ERROR",
)
LOST = 255
LONGEST_PAUSE = 15.0
TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z ")

_SCRIPT = """\
exec 3<&0
{ cat <&3; kill 0; } >/dev/null 2>&1 &
command -v docker >/dev/null || { echo "there is no docker command" >&2; exit 127; }
since=@SINCE@ lines=@LINES@ seen= before=
follow() {
  while :; do
    id=$(docker ps --quiet --no-trunc @FILTERS@) || exit
    id=$(echo "$id" | head -n 1)
    if [ -n "$id" ]; then
      began=$(docker inspect --format '{{.State.StartedAt}}' "$id")
      if [ -n "$seen" ]; then
        if [ "$id" != "$seen" ]; then since=; elif [ "$began" != "$before" ]; then since=$began; fi
      fi
      docker logs --follow --timestamps ${lines:+--tail "$lines"} ${since:+--since "$since"} "$id" 2>&1
      seen=$id before=$began lines= since=$(date +%s)
    fi
    @ONCE@
    sleep 0.5
  done
}
follow@GREP@
"""


@dataclass(frozen=True)
class Wish:
    """Which lines are wanted: the last so many, since when, and how they are chosen. With `once` a container that has
    ended is not waited for again."""

    lines: Optional[int] = None
    since: str = ""
    grep: str = ""
    grep_options: str = ""
    timestamps: bool = True
    once: bool = False


@dataclass(frozen=True)
class Place:
    """What is followed: its name for people, the way to its host, and by which words `docker ps` finds it."""

    name: str
    way: Way
    filters: Sequence[str]


def script(filters: Sequence[str], wish: Wish) -> str:
    words = [*shlex.split(wish.grep_options), "-e", wish.grep]
    parts: Dict[str, str] = {
        "SINCE": shlex.quote(wish.since),
        "LINES": str(wish.lines or ""),
        "FILTERS": " ".join(f"--filter {shlex.quote(each)}" for each in filters) + (" --all" if wish.once else ""),
        "ONCE": "exit 0" if wish.once else "",
        "GREP": f" | grep --line-buffered {shlex.join(words)}" if wish.grep_options else "",
    }
    return re.sub("@([A-Z]+)@", lambda found: parts[found[1]], _SCRIPT)


def follow(places: Sequence[Place], wish: Wish, tell: Callable[[str, str], None]) -> None:
    """Tells each line, with the name of its place, until all have ended, which most never do."""
    told: queue.Queue[Tuple[str, Optional[str]]] = queue.Queue()
    for place in places:
        threading.Thread(target=_Follower(place, wish, told).run, daemon=True).start()
    left = len(places)
    with waking_us(), ending_with_parent():
        while left:
            name, line = told.get()
            left -= line is None
            if line is not None:
                tell(name, line)


class _Follower:
    def __init__(self, place: Place, wish: Wish, told: queue.Queue[Tuple[str, Optional[str]]]) -> None:
        self.place, self.wish, self.told = place, wish, told
        self.wanted = re.compile(wish.grep) if wish.grep and not wish.grep_options else None
        # The times of the last line, and of the last one before the connection was lost, in parts that can be compared.
        self.last = self.known = ("", 0.0)

    def run(self) -> None:
        try:
            self._run()
        finally:
            self.told.put((self.place.name, None))

    def _run(self) -> None:
        pause, is_lost = 1.0, False
        while True:
            before = self.last
            code, reason = self._visit()
            if code != LOST:
                return None if code == 0 else self._say(f"ended with code {code}: {reason}")
            pause = 1.0 if self.last != before else min(2 * pause, LONGEST_PAUSE)
            if not is_lost or self.last != before:
                self._say(f"the connection was lost ({reason}); it is tried again until it is back")
            is_lost = True
            time.sleep(pause)

    def _visit(self) -> Tuple[int, str]:
        wish, self.known = self.wish, self.last
        if self.last[0]:
            wish = Wish(None, f"{self.last[0]}Z", wish.grep, wish.grep_options, wish.timestamps, wish.once)
        process = subprocess.Popen(
            self.place.way.argv(script(self.place.filters, wish), *SSH_FLAGS),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        for line in process.stdout or ():
            self._hear(line.decode("utf-8", "replace").rstrip("\r\n"))
        _held, errors = process.communicate()
        reason = errors.decode("utf-8", "replace").strip()
        return process.wait(), reason

    def _hear(self, line: str) -> None:
        """After a lost connection the lines of the last second come once more."""
        found = TIME.match(line)
        if found:
            moment = (found[1], float(found[2] or 0))
            if moment <= self.known:
                return
            self.last = max(self.last, moment)
        if self.wanted is None or self.wanted.search(line):
            self._say(line[found.end() :] if found and not self.wish.timestamps else line)

    def _say(self, line: str) -> None:
        self.told.put((self.place.name, line))


def filters_of_role(service: str, role: str, destination: str) -> List[str]:
    return [
        f"label={name}={value}" for name, value in (("service", service), ("role", role), ("destination", destination))
    ]


def filters_of(container: str) -> List[str]:
    """By its name or its ID."""
    return [f"id={container}" if re.fullmatch("[0-9a-f]{12,64}", container) else f"name=^/?{re.escape(container)}$"]
