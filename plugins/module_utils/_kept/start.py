# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sent to a host when it is reached: starts the kept process of this run, or says that its code is wanted.

With the code on standard input that is compiled there, and stored for the next run.
"""

from __future__ import annotations

import posix
import sys
from _socket import AF_UNIX, SOCK_STREAM, socket

from .place import FOLDER, ROOM, NotBegun, enter, home, install, say, stored

# How many calls may wait while it is being made ready.
WAITING = 16


def make_folder() -> None:
    """Raises NotBegun in another user's home, which would not be that user's own any more."""
    if posix.stat(home()).st_uid != posix.geteuid():
        raise NotBegun(f"{home()!r} is not this user's")
    path = home() + FOLDER
    for each in (path.rpartition(b"/")[0], path):
        try:
            posix.mkdir(each, 0o700)
        except FileExistsError:
            continue


def answers(name: str) -> bool:
    """Whether a process has this socket, even one that stands still while others wait for it."""
    asking = socket(AF_UNIX, SOCK_STREAM)
    asking.setblocking(False)
    try:
        asking.connect(name)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True


def listening(name: str) -> socket:
    """A socket under this name. One that a killed process has left behind lies there until the next one is made."""
    for left in posix.listdir("."):
        if left.endswith(".socket") and not answers(left):
            posix.unlink(left)
    made = socket(AF_UNIX, SOCK_STREAM)
    posix.umask(0o077)
    made.bind(name)
    made.listen(WAITING)
    return made


def detached() -> bool:
    """True in a process that nothing of the connection holds or is held by, False in this one."""
    child = posix.fork()
    if child:
        posix.waitpid(child, 0)
        return False
    posix.setsid()
    if posix.fork():
        posix._exit(0)
    nowhere = posix.open("/dev/null", posix.O_RDWR)
    for handle in (0, 1, 2):
        posix.dup2(nowhere, handle)
    return True


def opened(sent: bytes, code: str) -> dict[str, tuple[bool, object]]:
    """The sources that were sent."""
    from hashlib import sha256
    from json import loads
    from zlib import decompress

    text = decompress(sent)
    if not sha256(text).hexdigest().startswith(code):
        raise NotBegun("what arrived is not what was sent")
    sources: dict[str, tuple[bool, object]] = loads(text)
    return sources


def main(socket_name: str, code: str) -> None:
    del sys.path[0]
    sent = sys.stdin.buffer.read()
    try:
        make_folder()
        enter()
        if answers(socket_name):
            return say("kept")
        found = opened(sent, code) if sent.strip() else stored(code)
        listener = listening(socket_name)
    except (OSError, NotBegun) as error:
        return say(error)
    if not detached():
        return say("kept")
    from importlib import import_module

    install(found)
    import_module(ROOM + "serve").main(listener, socket_name, found, code if sent.strip() else "")
    return None
