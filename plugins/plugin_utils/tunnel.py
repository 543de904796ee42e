# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A port of a host that leads to the same port of this machine, over the connection that Ansible has to the host.

The process that keeps that connection (ssh's ControlPersist) is asked for the forward, and to end it. It outlives the
run, and runs of one user share it: so each of them holds a lock on a file while it needs the forward, and the last one
ends it. The file of a run that was killed tells the next one that there is something to end.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.path import makedirs_safe, unfrackpath

from . import process, signals

SSH = "ssh"
LOOPBACK = "127.0.0.1"
PATIENCE = 30.0  # seconds
# As /proc/net/tcp and tcp6 show what listens, with the address in the order of bytes that the machine has.
LISTENS = re.compile(r"^\s*\d+: ([0-9A-F]+):[0-9A-F]{4} 0+:0000 0A ", re.MULTILINE)
OF_LOOPBACK = re.compile(r"[0-9A-F]{6}7F|7F[0-9A-F]{6}|0{24}(01000000|00000001)|0{16}FFFF0000[0-9A-F]{6}7F")
VERBOSE = re.compile("-v+")
NO_SOCKET = "the connection keeps no control socket. Leave ControlMaster and ControlPersist in the arguments of ssh"
REFUSED = "its SSH server refuses to forward ports (AllowTcpForwarding and PermitListen in its sshd_config)"
PUBLIC = "its SSH server would open the port to its network (GatewayPorts in its sshd_config)"


class NoTunnel(Exception):
    """Why there is none."""


def told(result: Dict[str, Any], server: str, host: str = "the hosts") -> Dict[str, Any]:
    """With a notice where the registry here was not used, and why not: the run goes on without it."""
    if not result.get("reason"):
        return result
    text = f"The image is sent to {host} over SSH, and not pulled from {server}: {result['reason']}"
    Display().warning(text)
    return {**result, "notices": [*(result.get("notices") or ()), text]}


@dataclass(frozen=True)
class Tunnel:
    """To the host of a task; `port` is the same on both sides."""

    action: ActionBase
    port: int

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Raises NoTunnel; AnsibleConnectionFailure where the host is lost."""
        self._require_ssh()
        before = self._listening()  # which sees to it that there is a connection
        with signals.leaving_first():
            marker = _Marker(self._marker_path())
            try:
                code, said = self._ask("forward")
                if code != 0:
                    raise NoTunnel(self._reason(code, said, bool(before)))
                if any(not OF_LOOPBACK.fullmatch(address) for address in self._listening() - before):
                    raise NoTunnel(PUBLIC)
                yield
            finally:
                with signals.undisturbed():
                    marker.leave(self._end)

    def end_leftover(self) -> None:
        """End what a run that was killed has left, unless another one is using it."""
        if self._has_way() and os.path.exists(self._marker_path()):
            _Marker(self._marker_path()).leave(self._end)

    # The host

    def _listening(self) -> Set[str]:
        """The addresses of the host where something listens on the port."""
        pattern = f": [0-9A-F]*:{self.port:04X} 0*:0000 0A "
        look = f"grep -h '{pattern}' /proc/net/tcp /proc/net/tcp6 2>/dev/null; true"
        done = self.action._low_level_execute_command(look, sudoable=False, executable="/bin/sh")
        return set(LISTENS.findall(str(done["stdout"])))

    # The connection

    def _has_way(self) -> bool:
        connection = self.action._connection
        return connection.transport == SSH and hasattr(connection, "_build_command")

    def _require_ssh(self) -> None:
        if not self._has_way():
            kind = self.action._connection.transport
            raise NoTunnel(f"its connection is of the kind {kind}, and only one of ssh can lead back to this machine")

    def _ask(self, request: str) -> Tuple[Optional[int], str]:
        """The exit code of ssh and what it said; without a code it did not answer in time."""
        there = f"{LOOPBACK}:{self.port}"
        said = bytearray()
        argv = self._command("-O", request, "-R", f"{there}:{there}")
        code = process.run(argv, os.getcwd(), os.environ, PATIENCE, said.extend)
        return code, said.decode("utf-8", "replace").strip()

    def _command(self, *words: str) -> List[str]:
        """As Ansible calls ssh for this host. A password is not asked for where the connection is there."""
        connection: Any = self.action._connection
        connection.host = connection.get_option("host") or connection._play_context.remote_addr
        program = str(connection.get_option("ssh_executable"))
        built = [os.fsdecode(word) for word in connection._build_command(program, SSH, *words, connection.host)]
        if built[0] == "sshpass":
            for descriptor in connection.sshpass_pipe:
                os.close(descriptor)
        return [word for word in built[built.index(program) :] if not VERBOSE.fullmatch(word)]

    def _end(self) -> bool:
        """False where ssh did not answer or was ended itself; what it refuses to end is not there."""
        code, _said = self._ask("cancel")
        return code is not None and code >= 0

    def _reason(self, code: Optional[int], said: str, is_taken: bool) -> str:
        if code is None:
            return f"ssh did not answer within {PATIENCE:.0f} s"
        if "Control socket" in said or "ControlPath" in said:
            return NO_SOCKET
        if "port forwarding failed" in said:
            return f"something else listens on its port {self.port}" if is_taken else REFUSED
        return f"ssh says {said.splitlines()[-1] if said else 'nothing'}"

    def _marker_path(self) -> str:
        folder = unfrackpath(self.action._connection.get_option("control_path_dir"))
        makedirs_safe(folder, 0o700)
        name = hashlib.sha256("\0".join([*self._command(), str(self.port)]).encode()).hexdigest()[:32]
        return os.path.join(folder, f"{name}.tunnel")


class _Marker:
    """A file that is there as long as a forward may be. Who uses the forward shares the lock on it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = self._locked()
        while not self._is_there():
            os.close(self._file)
            self._file = self._locked()

    def _locked(self) -> int:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def _is_there(self) -> bool:
        """Whether it is still the file of that name: the one who had it before may have removed it."""
        try:
            return os.path.samestat(os.stat(self._path), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def leave(self, end: Callable[[], bool]) -> None:
        """Call `end` unless another one still uses it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if end():
                os.unlink(self._path)
        except BlockingIOError:
            pass
        finally:
            os.close(self._file)
