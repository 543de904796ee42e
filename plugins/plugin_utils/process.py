# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command on the controller: what it says is heard while it runs, and its time is limited."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from contextlib import suppress
from typing import Callable, Dict, List, Mapping, Optional, Sequence

from .signals import ending_with_us, put_off

Hear = Callable[[bytes], None]
# How long a command that has ended is listened to for, if something that it left behind holds its output open.
AFTERWARDS = 0.5
STEP = 0.1
# How long it has to end when it is asked to.
GRACE = 3.0


class Lines:
    """Pieces of output as lines of text; `close` tells the last one, which may have no end."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._begun = b""

    def __call__(self, piece: bytes) -> None:
        *lines, self._begun = (self._begun + piece).split(b"\n")
        for line in lines:
            self._tell(line.decode("utf-8", "replace").rstrip("\r"))

    def close(self) -> None:
        if self._begun:
            self(b"\n")


def run(
    argv: Sequence[str],
    folder: str,
    environ: Mapping[str, str],
    seconds: float,
    output: Hear,
    errors: Optional[Hear] = None,
    script: bytes = b"",
) -> Optional[int]:
    """The exit code; None where the time ran out, and the command was ended with all that it started.

    `output` and `errors` get each piece as it comes; without `errors` both are output. There is nothing to read from
    stdin. A `script` can be read from the file that `{script}` in `argv` stands for: so it is in no list of processes.
    Raises OSError where there is no such command.
    """
    deadline = time.monotonic() + seconds
    started: List[subprocess.Popen[bytes]] = []
    with ending_with_us(lambda: [_signal(process, signal.SIGTERM) for process in started]):
        # In the midst of its start there is a process that is not known here yet.
        with put_off():
            started.append(_start(argv, folder, environ, errors is not None, script))
        return _hear(started[0], deadline, output, errors)


def _start(
    argv: Sequence[str], folder: str, environ: Mapping[str, str], apart: bool, script: bytes
) -> subprocess.Popen[bytes]:
    readable, writable = os.pipe() if script else (None, None)
    words = [word.format(script=f"/dev/fd/{readable}") if readable is not None else word for word in argv]
    try:
        process = subprocess.Popen(
            words,
            cwd=folder,
            env={**environ, "PWD": folder},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if apart else subprocess.STDOUT,
            pass_fds=() if readable is None else (readable,),
            start_new_session=True,
        )
    except OSError:
        if writable is not None:
            os.close(writable)
        raise
    finally:
        if readable is not None:
            os.close(readable)
    if writable is not None:
        threading.Thread(target=_write, args=(writable, script), daemon=True).start()
    return process


def _write(descriptor: int, text: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(descriptor, "wb") as stream:
        stream.write(text)


def _hear(process: subprocess.Popen[bytes], deadline: float, output: Hear, errors: Optional[Hear]) -> Optional[int]:
    heard: Dict[int, Hear] = {}
    for stream, hear in ((process.stdout, output), (process.stderr, errors)):
        if stream and hear:
            heard[stream.fileno()] = hear
    try:
        if _listen(process, deadline, heard):
            with suppress(subprocess.TimeoutExpired):
                return process.wait(max(0.0, deadline - time.monotonic()))
        return None
    finally:
        if process.poll() is None:
            _end(process)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def _listen(process: subprocess.Popen[bytes], deadline: float, heard: Mapping[int, Hear]) -> bool:
    """Whether it was heard to the end before the deadline."""
    ended: Optional[float] = None
    with selectors.DefaultSelector() as selector:
        for descriptor, hear in heard.items():
            selector.register(descriptor, selectors.EVENT_READ, hear)
        while selector.get_map():
            now = time.monotonic()
            if ended is None and process.poll() is not None:
                ended = now
            if now >= deadline or (ended is not None and now >= ended + AFTERWARDS):
                break
            for key, _events in selector.select(min(STEP, max(0.0, deadline - now))):
                piece = os.read(key.fd, 65536)
                if piece:
                    key.data(piece)
                else:
                    selector.unregister(key.fd)
    return process.poll() is not None or time.monotonic() < deadline


def _end(process: subprocess.Popen[bytes]) -> None:
    """It leads a group of its own, which ends with it: asked first, and then made to."""
    _signal(process, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and _signal(process, 0):
        process.poll()
        time.sleep(STEP)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: int) -> bool:
    """Whether there was still somebody in its group to get it."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
