# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kept process: what takes time is imported once, and each call is a process of its own that finds it there.

It holds nothing of a call while that runs: no file, no lock, no secret. Whatever becomes of it, a module that has begun
runs to its end, and none begins that nobody waits for.
"""

from __future__ import annotations

import contextlib
import gc
import marshal
import os
import socket
import struct
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from typing import Dict, List, Optional, Set

from .._asked_by import ASKED_BY
from . import store
from .finder import Code
from .run import run_and_end

# Seconds that it stays after its start. Each call says how long it stays after that.
STAYS = 60
# Seconds that either side waits for the other until a module begins.
PATIENCE = 20
# Seconds until it looks again where it may have no more files open.
SHORT_OF_FILES = 0.1
# What is imported before there is a call.
READY = (
    "ansible_collections.caravan.kamal.plugins.modules.",
    "ansible.module_utils._internal._json._profiles._module_legacy",
)
LENGTH = 4
HANDLES = 4
NAME, PYTHON = "kamal-modules", "python3"


@dataclass
class Call:
    connection: socket.socket
    # Standard input, output and error, and the folder that it is called in.
    handles: List[int]
    asked_by: int
    module: str
    stays: int
    environment: Dict[bytes, bytes]
    mask: int

    def close(self) -> None:
        self.connection.close()
        for handle in self.handles:
            os.close(handle)


def main(listener: socket.socket, socket_name: str, code: Code, code_name: str) -> None:
    """Serves until it is not needed any more; in the process of a module it ends as that does.

    With `code_name` the code is new here, and is stored for other runs.
    """
    be_called(NAME)
    if code_name:
        code = store.keep(code, code_name)
    for name in code:
        if name.startswith(READY):
            with contextlib.suppress(Exception):
                import_module(name)
    # What is there already is not looked through, and so not copied, in the process of each module.
    gc.collect()
    gc.freeze()
    server = Server(socket.socket(fileno=listener.detach()))
    call = server.next_module()
    if call:
        begin(call)
    with contextlib.suppress(OSError):
        os.unlink(socket_name)


class Server:
    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._running: Set[int] = set()
        self._stays = STAYS
        self._quiet_since = time.monotonic()

    def next_module(self) -> Optional[Call]:
        """In the process of a module, the call that it is for; None in this one, when it has waited long enough."""
        self._listener.settimeout(1)
        while self._is_needed():
            try:
                connection, _address = self._listener.accept()
            except socket.timeout:
                continue
            except OSError:
                time.sleep(SHORT_OF_FILES)
                continue
            with contextlib.suppress(OSError, ValueError, EOFError, TypeError):
                call = received(connection)
                if call and self._is_the_module(call):
                    return call
            connection.close()
            call = None
        return None

    def _is_needed(self) -> bool:
        if self._running:
            self._quiet_since = time.monotonic()
            self._running = {child for child in self._running if os.waitpid(child, os.WNOHANG) == (0, 0)}
        return bool(self._running) or time.monotonic() - self._quiet_since < self._stays

    def _is_the_module(self, call: Call) -> bool:
        """Two processes for each call: one for the module, and one above it that tells how it ended."""
        self._stays = call.stays
        try:
            above = os.fork()
        except OSError:
            # What asked waits for the end of its output.
            call.close()
            raise
        if above:
            self._running.add(above)
            call.close()
            return False
        self._listener.close()
        if not tell_of(call):
            os._exit(1)
        return True


def be_called(name: str) -> None:
    """In a list of processes."""
    with contextlib.suppress(OSError), open("/proc/self/comm", "w", encoding="ascii") as file:
        file.write(name)


def received(connection: socket.socket) -> Optional[Call]:
    """What `ask` sent; None if it is another user's."""
    connection.settimeout(PATIENCE)
    peer, user, _group = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    if user != os.geteuid():
        return None
    connection.sendall(b"+")
    length, rights, _flags, _from = connection.recvmsg(LENGTH, socket.CMSG_SPACE(HANDLES * 4))
    handles = [handle for _level, _type, data in rights for handle in struct.unpack(f"{len(data) // 4}i", data)]
    try:
        return Call(connection, handles, peer, *marshal.loads(_content(connection, int.from_bytes(length, "big"))))
    except BaseException:
        for handle in handles:
            os.close(handle)
        raise


def _content(connection: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        more = connection.recv(65536)
        if not more:
            raise EOFError
        content += more
    return content


def tell_of(call: Call) -> bool:
    """Fork, and tell how the module ended; True in its process.

    The one above it holds nothing but the connection: a lock or a pipe of the module is free as soon as that ends.
    """
    with contextlib.suppress(Exception):
        module = os.fork()
        if not module:
            return True
        for handle in call.handles:
            os.close(handle)
        _child, status = os.waitpid(module, 0)
        code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        call.connection.sendall(bytes([code]))
    return False


def begin(call: Call) -> None:
    """Become what a process would be that had been started for this call, and run the module."""
    be_called(PYTHON)
    for number, handle in enumerate(call.handles[:3]):
        os.dup2(handle, number)
    os.fchdir(call.handles[3])
    for handle in call.handles:
        os.close(handle)
    os.umask(call.mask)
    os.environb.clear()
    os.environb.update(call.environment)
    os.environ[ASKED_BY] = str(call.asked_by)
    time.tzset()
    if _is_waited_for(call.connection):
        run_and_end(call.module, sys.stdin.buffer.read())


def _is_waited_for(connection: socket.socket) -> bool:
    """Whether the one that asked is still there; it counts the module as begun from here on."""
    with contextlib.suppress(OSError):
        connection.sendall(b"?")
        return connection.recv(1) == b"!"
    return False
