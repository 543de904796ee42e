# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Signals that end a process: what it does before it ends."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import Any, Callable, Dict, Iterator, List

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Interrupts what the main thread waits for. Nobody else sends it to us.
WAKE = signal.SIGURG
# Seconds between two attempts to wake it.
STEP = 0.1
# Seconds between two looks whether the main process is there.
WATCHED = 1.0
OVER = b"\0"


@contextlib.contextmanager
def ending_with_us(end: Callable[[], object]) -> Iterator[None]:
    """What ends us, such as Ctrl-C or a closed terminal, has `end` called first: what would not notice, in a group of
    its own or on another host, ends too.
    """
    before = handlers()

    def pass_on(number: int, _frame: Any) -> None:
        end()
        signal.signal(number, before[number])
        signal.raise_signal(number)

    with _handled(before, pass_on):
        yield


@contextlib.contextmanager
def put_off() -> Iterator[None]:
    """What ends us waits until the block is left. What starts in it does not inherit that, as it would what we block
    or ignore.
    """
    came: List[int] = []
    with _raised_afterwards(came, lambda number, _frame: came.append(number)):
        yield


class _Ended(BaseException):
    """By a signal."""


@contextlib.contextmanager
def leaving_first() -> Iterator[None]:
    """What ends us leaves the with block first."""
    came: List[int] = []

    def leave(number: int, _frame: Any) -> None:
        came.append(number)
        if len(came) == 1:
            raise _Ended

    with _raised_afterwards(came, leave):
        yield


@contextlib.contextmanager
def _raised_afterwards(came: List[int], handler: Callable[[int, Any], None]) -> Iterator[None]:
    try:
        with _handled(handlers(), handler):
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """As `put_off`, by what the thread blocks: for what tidies up alone, whose children inherit that. Ansible sends a
    second signal right after the first."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def waking_us() -> Iterator[None]:
    """For a main thread that waits for long while others run. Of two signals that come at once one of those may be
    given both, and Python leaves the handlers to the main thread, which waits on: here it is woken for them.
    """
    if not _is_main():
        yield
        return
    came, tells = os.pipe()
    os.set_blocking(tells, False)
    waking = threading.Thread(target=_wake, args=(threading.get_ident(), came), daemon=True)
    waking.start()
    former = signal.signal(WAKE, lambda _number, _frame: None)
    told = signal.set_wakeup_fd(tells, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(told)
        os.write(tells, OVER)
        waking.join()
        signal.signal(WAKE, former)
        os.close(came)
        os.close(tells)


def _wake(thread: int, came: int) -> None:
    """From the first signal on, again and again, as the thread may not wait yet when it is woken. WAKE is a signal too,
    and writes what is read next."""
    while OVER not in os.read(came, 1024):
        signal.pthread_kill(thread, WAKE)
        time.sleep(STEP)


@contextlib.contextmanager
def ending_with_parent() -> Iterator[None]:
    """For a worker that may wait for ever: a terminal that is closed ends Ansible's main process, and not the workers,
    which from ansible-core 2.19 on are in sessions of their own."""
    if not _is_main():
        yield
        return
    over = threading.Event()
    watching = threading.Thread(target=_watch, args=(threading.get_ident(), os.getppid(), over), daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _watch(thread: int, parent: int, over: threading.Event) -> None:
    while not over.wait(WATCHED):
        if os.getppid() != parent:
            signal.pthread_kill(thread, signal.SIGTERM)
            return


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()


def handlers() -> Dict[int, Any]:
    """Of what ends us now. What we ignore, as with nohup, is left alone; only the main thread can set handlers."""
    now = {number: signal.getsignal(number) for number in ENDING} if _is_main() else {}
    return {number: handler for number, handler in now.items() if handler not in (None, signal.SIG_IGN)}


@contextlib.contextmanager
def _handled(before: Dict[int, Any], handler: Callable[[int, Any], None]) -> Iterator[None]:
    try:
        for number in before:
            signal.signal(number, handler)
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
