# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sent to a host for each call of a module: has the kept process run it, or runs it here from the code that was kept.

The arguments are on standard input, which is handed over as it is, and so are standard output and error: what the
module prints is what Ansible reads. That no module was begun is printed in its place.
"""

from __future__ import annotations

import marshal
import posix
import sys
from _socket import AF_UNIX, SCM_RIGHTS, SO_PEERCRED, SOCK_STREAM, SOL_SOCKET, socket, timeout

from .place import ROOM, NotBegun, enter, install, say, stored

# Seconds to wait for the process to be ready.
PATIENCE = 20


def ask(socket_name: str, module: str, stays: int, here: int) -> int:
    """The exit status of the module. Raises NotBegun or OSError only if it was not and will not be begun."""
    kept = socket(AF_UNIX, SOCK_STREAM)
    kept.settimeout(PATIENCE)
    kept.connect(socket_name)
    if int.from_bytes(kept.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)[4:8], sys.byteorder) != posix.geteuid():
        raise NotBegun("it is another user's")
    # What one that stands still has been handed stays open with it, and the controller would wait for its end.
    if kept.recv(1) != b"+":
        raise NotBegun("it ended")
    mask = posix.umask(0o077)
    posix.umask(mask)
    request = marshal.dumps((module, stays, posix.environ, mask))
    rights = b"".join(handle.to_bytes(4, sys.byteorder) for handle in (0, 1, 2, here))
    kept.sendmsg([len(request).to_bytes(4, "big")], [(SOL_SOCKET, SCM_RIGHTS, rights)])
    kept.sendall(request)
    if kept.recv(1) != b"?":
        raise NotBegun("it ended")
    kept.sendall(b"!")
    kept.settimeout(None)
    try:
        return int.from_bytes(kept.recv(1) or b"\1", "big")
    except OSError:
        return 1


def answer(socket_name: str, module: str, stays: int, here: int) -> int | None:
    """What `ask` answers, if it does. A process that kept this call waiting is not asked by the next."""
    try:
        return ask(socket_name, module, stays, here)
    except timeout:
        forget(socket_name)
    except (OSError, NotBegun):
        pass
    return None


def forget(socket_name: str) -> None:
    try:
        posix.unlink(socket_name)
    except OSError:
        return


def main(socket_name: str, code: str, module: str, stays: str) -> None:
    del sys.path[0]
    try:
        here = posix.open(".", posix.O_PATH)
        enter()
        status = answer(socket_name, module, int(stays), here)
        found = {} if status is not None else stored(code)
    except (OSError, NotBegun) as error:
        reason = ascii(error).replace("\\", "/").replace('"', "'")
        say(f'{{"kept_not_begun": "{reason}", "failed": true, "msg": "No module was begun: {reason}"}}')
        return
    if status is not None:
        posix._exit(status)
    from importlib import import_module

    posix.fchdir(here)
    posix.close(here)
    install(found)
    import_module(ROOM + "run").run_and_end(module, sys.stdin.buffer.read())
