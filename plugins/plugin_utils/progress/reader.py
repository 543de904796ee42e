# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a module says while it runs, read where it writes that, over the connection of its action."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager, nullcontext, suppress
from copy import copy
from typing import Any, Callable, ContextManager, Dict, Iterator, List, Optional, Protocol

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ...module_utils._progress import NEXT, OVER, STOP
from ..signals import waking_us

LOCAL = "local"
# Seconds between two looks at a file of this machine.
NEAR = 0.1
# On another host one question waits for something new, for so many steps of so many seconds.
STEPS, STEP = 10, 0.2
# Seconds after which something takes long.
LONG = 2.0
HOME = "$HOME"
# How much of a file one look brings.
PIECE = 2**20
# Seconds that a host may take to be told that the work is to end.
TOLD_WITHIN = 5.0

Event = Dict[str, Any]
# Gets what came since it was called last, at times nothing.
Hear = Callable[[List[Event]], None]

READING = """\
f=@FILE@; i=@STEPS@
while [ "$i" -gt 0 ] && [ "$(wc -c 2>/dev/null < "$f" || echo 0)" -le @PLACE@ ]; do i=$((i-1)); sleep @STEP@; done
tail -c +@NEXT@ "$f" 2>/dev/null | head -c @PIECE@; true"""


class Files(Protocol):
    """Where a module writes: `path` is the first file."""

    path: str

    def read(self, number: int, place: int, waits: bool) -> Optional[bytes]:
        """What there is of a file from a place on, perhaps after a wait for it; None where it cannot be read."""

    def stop(self) -> None:
        """Have the module end what it does."""

    def remove(self) -> None:
        """The module has ended, and what ends us keeps the folder from being removed later."""


class Near:
    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, "progress")

    def read(self, number: int, place: int, waits: bool) -> Optional[bytes]:
        if number:
            with suppress(OSError):
                os.unlink(name_of(self.path, number - 1))
        with suppress(OSError), open(name_of(self.path, number), "rb") as file:
            file.seek(place)
            return file.read(PIECE)
        return b""

    def stop(self) -> None:
        with suppress(OSError), open(self.path + STOP, "wb"):
            pass

    def remove(self) -> None:
        shutil.rmtree(os.path.dirname(self.path), ignore_errors=True)


class Far:
    """In the folder that a task has on its host, and that goes with it. A terminal on the way, as for sudo, would end
    lines otherwise, so it is read by the user who is connected."""

    def __init__(self, action: ActionBase, folder: Optional[str]) -> None:
        shell = action._connection._shell
        there = folder or shell.tmpdir or action._make_tmp_path()
        self.path = str(shell.join_path(there, f"progress-{secrets.token_hex(8)}"))
        self._action = action

    def read(self, number: int, place: int, waits: bool) -> Optional[bytes]:
        read = f"rm -f {_word(name_of(self.path, number - 1))}; " if number else ""
        words = {"FILE": _word(name_of(self.path, number)), "STEPS": STEPS if waits else 0, "STEP": STEP}
        script = READING
        for word, value in {**words, "PLACE": place, "NEXT": place + 1, "PIECE": PIECE}.items():
            script = script.replace(f"@{word}@", str(value))
        answer = self._ask(read + script)
        return None if answer is None else answer.encode()

    def stop(self) -> None:
        self._tell(f": > {_word(self.path + STOP)}")

    def remove(self) -> None:
        self._tell(f"rm -rf {_word(os.path.dirname(self.path))}")

    def _tell(self, script: str) -> None:
        """In the midst of another command over the same connection, and whether or not the host answers."""
        asking = threading.Thread(target=self._ask, args=(script,), daemon=True)
        asking.start()
        asking.join(TOLD_WITHIN)

    def _ask(self, script: str) -> Optional[str]:
        """On a copy of the connection. Ansible keeps in it where the password of a command lies: ours would take the
        place of the module's, whose password would stay there."""
        action = copy(self._action)
        action._connection = copy(action._connection)
        try:
            return str(action._low_level_execute_command(script, sudoable=False)["stdout"])
        except (AnsibleError, OSError):
            return None


def _word(path: str) -> str:
    """For a shell, which knows the home of its user."""
    return f'"{HOME}"{shlex.quote(path[len(HOME) :])}' if path.startswith(f"{HOME}/") else shlex.quote(path)


def name_of(path: str, number: int) -> str:
    return f"{path}.{number}" if number else path


class Reading:
    """`is_whole` says that all that the module had to say was heard."""

    def __init__(self, files: Files, hear: Hear, after: float = 0.0) -> None:
        self.path, self.is_whole = files.path, False
        self._files, self._hear, self._after = files, hear, after
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """The module has ended; what it wrote last is heard too."""
        self._over.set()
        self._thread.join()

    def stop(self) -> None:
        """Have the module end its work, and wait until it says so: what ends us may end the module too."""
        self._files.stop()
        self._thread.join(TOLD_WITHIN)
        if self.is_whole:
            self._files.remove()

    def leave(self) -> None:
        """The module has ended, and so has what was of interest."""
        self._over.set()

    def _read(self) -> None:
        if self._after and self._over.wait(self._after):
            return
        number, place, rest = 0, 0, b""
        while not self.is_whole:
            is_last, began = self._over.is_set(), time.monotonic()
            piece = self._files.read(number, place, not is_last)
            if piece is None or (self._after and self._over.is_set()):
                return
            *lines, rest = (rest + piece).split(b"\n")
            events = _events(lines)
            if events is None:
                return
            mark = events[-1]["state"] if events else ""
            number, place = (number + 1, 0) if mark == NEXT else (number, place + len(piece))
            self._hear([event for event in events if event["state"] not in (NEXT, OVER)])
            self.is_whole = mark == OVER
            if not piece and is_last:
                return
            if not piece:
                self._over.wait(max(0.0, NEAR - (time.monotonic() - began)))


def _events(lines: List[bytes]) -> Optional[List[Event]]:
    """None of a host that says something of its own to each command, so that nothing else can be told from it."""
    try:
        found = [json.loads(line) for line in lines]
    except ValueError:
        return None
    return found if all(isinstance(event, dict) and "state" in event for event in found) else None


@contextmanager
def heard(action: ActionBase, hear: Hear) -> Iterator[Reading]:
    """Within the with block `hear` gets what a module says that is told the `path` of the answer."""
    with waking_us(), _files(action) as files:
        reading = Reading(files, hear)
        reading.begin()
        try:
            yield reading
        finally:
            reading.end()


@contextmanager
def heard_if_long(action: ActionBase, hear: Hear, folder: Optional[str]) -> Iterator[Reading]:
    """The same of a module that most often is done before anybody asks: it is listened to after `LONG` seconds, and not
    to its end. `folder` is one of the host that the module may write into, so that none has to be made."""
    with waking_us(), _files(action, folder) as files:
        reading = Reading(files, hear, LONG)
        reading.begin()
        try:
            yield reading
        finally:
            reading.leave()


def _files(action: ActionBase, folder: Optional[str] = None) -> ContextManager[Files]:
    return _near() if action._connection.transport == LOCAL else nullcontext(Far(action, folder))


@contextmanager
def _near() -> Iterator[Files]:
    with tempfile.TemporaryDirectory(prefix="caravan-") as made:
        yield Near(made)
