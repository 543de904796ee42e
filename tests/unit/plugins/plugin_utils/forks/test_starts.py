# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How many connections a run begins at a time."""

from __future__ import annotations

import os
import signal

from ansible_collections.caravan.kamal.plugins.plugin_utils.forks import starts


def entered(most: int, number: int) -> tuple[int, int]:
    """A process that has to be one of `most`, and what it writes a byte to once it is. Killed, it leaves."""
    read, write = os.pipe()
    process = os.fork()
    if not process:
        os.close(read)
        with starts.one_of(most, number):
            os.write(write, b"+")
            signal.pause()
        os._exit(0)
    os.close(write)
    return process, read


def waits(read: int) -> bool:
    os.set_blocking(read, False)
    try:
        return not os.read(read, 1)
    except BlockingIOError:
        return True
    finally:
        os.set_blocking(read, True)


def test_as_many_begin_as_may_and_the_next_when_one_is_gone() -> None:
    begun = [entered(2, number) for number in (0, 1)]
    assert [os.read(read, 1) for _process, read in begun] == [b"+", b"+"]
    third, of_third = entered(2, 2)
    assert waits(of_third)
    os.kill(begun[0][0], signal.SIGKILL)
    assert os.read(of_third, 1) == b"+"
    for process in (begun[1][0], third):
        os.kill(process, signal.SIGKILL)
    for process in (begun[0][0], begun[1][0], third):
        os.waitpid(process, 0)
