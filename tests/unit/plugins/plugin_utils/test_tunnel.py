# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A port of a host that leads here: what ssh is asked, what is told where that cannot be, and that it is closed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.caravan.kamal.plugins.plugin_utils import tunnel
from ansible_collections.caravan.kamal.plugins.plugin_utils.tunnel import NO_SOCKET, PUBLIC, REFUSED, NoTunnel, Tunnel

PORT = 5555
WAY = "127.0.0.1:5555:127.0.0.1:5555"
FORWARD, CANCEL = f"-O forward -R {WAY} web2", f"-O cancel -R {WAY} web2"
# Keeps what is open in a file beside it, and does what the file `does` says when it is asked for a forward.
PROGRAM = """\
#!/bin/sh
cd "{folder}"
echo "$*" >> asked
case "$*" in
*cancel*) test ! -e slow || sleep 0.5; rm -f open ;;
*forward*) . ./does ;;
esac
"""
OPENS = "echo {address}:15B3 > open"
REFUSES = "echo 'mux_client_forward: forwarding request failed: remote port forwarding failed for listen port 5555' >&2"
LOCAL, ANYWHERE, LOCAL_V6, ANYWHERE_V6 = "0100007F", "00000000", "0" * 24 + "01000000", "0" * 32
MAPPED = "0000000000000000FFFF00000100007F"


class Host:
    """A connection of Ansible's to a host; where it listens on the port beside what `ssh` opens is in `taken`."""

    def __init__(self, folder: Path, user: str = "ada") -> None:
        self.folder, self.user = folder, user
        self.taken: list[str] = []
        self.transport, self.host, self.sshpass_pipe = "ssh", "", ()
        self.before: list[str] = []
        self.lost = False
        self._play_context = SimpleNamespace(remote_addr="web2")
        self._connection = self
        program = folder / "ssh"
        program.write_text(PROGRAM.format(folder=folder))
        program.chmod(0o755)
        self.does(OPENS.format(address=LOCAL))

    def does(self, script: str) -> None:
        (self.folder / "does").write_text(f"{script}\n")

    def get_option(self, name: str) -> str | None:
        return {"ssh_executable": str(self.folder / "ssh"), "control_path_dir": str(self.folder / "cp")}.get(name)

    def _build_command(self, program: str, subsystem: str, *words: str) -> list[bytes]:
        assert subsystem == "ssh"
        return [os.fsencode(word) for word in (*self.before, program, "-vvv", *words)]

    def _low_level_execute_command(self, script: str, sudoable: bool, executable: str) -> dict[str, Any]:
        """A host's shell, whose /proc shows what listens on the port."""
        if self.lost:
            raise AnsibleConnectionFailure("gone")
        opened = (self.folder / "open").read_text().split() if self.is_open else []
        lines = [f"   {n}: {place} 0:0000 0A 0\n" for n, place in enumerate([*self.taken, *opened, "0100007F:0016"])]
        lines.append(f"   9: {LOCAL}:15B3 0100007F:A1B2 01 0\n")
        table = self.folder / "tcp"
        table.write_text("  sl  local_address rem_address   st tx_queue\n" + "".join(lines))
        here = script.replace("/proc/net/tcp6", "/nowhere").replace("/proc/net/tcp", str(table))
        done = subprocess.run([executable, "-c", here], capture_output=True, text=True, check=False)
        return {"rc": done.returncode, "stdout": f"Welcome to web2!\n{done.stdout}", "stderr": done.stderr}

    @property
    def is_open(self) -> bool:
        return (self.folder / "open").exists()

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines() if (self.folder / "asked").exists() else []

    @property
    def markers(self) -> list[str]:
        return os.listdir(self.folder / "cp") if (self.folder / "cp").exists() else []

    def tunnel(self) -> Tunnel:
        return Tunnel(self, PORT)  # type: ignore[arg-type]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def reason(host: Host) -> str:
    with pytest.raises(NoTunnel) as told, host.tunnel().opened():
        pytest.fail("it was opened")
    return str(told.value)


@pytest.mark.parametrize("address", [LOCAL, LOCAL_V6, MAPPED], ids=["IPv4", "IPv6", "mapped"])
def test_it_is_open_for_as_long_as_it_is_needed(host: Host, address: str) -> None:
    host.does(OPENS.format(address=address))
    with host.tunnel().opened():
        assert host.is_open and host.asked == [FORWARD]
    assert not host.is_open and host.asked == [FORWARD, CANCEL] and host.markers == []


@pytest.mark.parametrize(
    ("script", "taken", "told"),
    [
        (f"{REFUSES}; exit 255", [], REFUSED),
        (f"{REFUSES}; exit 255", [f"{LOCAL}:15B3"], "something else listens on its port 5555"),
        (f"{REFUSES}; exit 255", [f"{ANYWHERE_V6}:15B3"], "something else listens on its port 5555"),
        ("echo 'Control socket connect(/a/b): No such file or directory' >&2; exit 255", [], NO_SOCKET),
        ("echo 'No ControlPath specified for \"-O\" command' >&2; exit 255", [], NO_SOCKET),
        (OPENS.format(address=ANYWHERE), [], PUBLIC),
        (OPENS.format(address=ANYWHERE_V6), [], PUBLIC),
        ("echo 'Warning: old'; echo 'Bad configuration option' >&2; exit 255", [], "ssh says Bad configuration option"),
        ("exit 255", [], "ssh says nothing"),
    ],
    ids=["refused", "taken", "taken everywhere", "no socket", "no path", "public", "public IPv6", "other", "silent"],
)
def test_what_keeps_it_from_being_is_told_and_nothing_stays_open(
    host: Host, script: str, taken: list[str], told: str
) -> None:
    host.does(script)
    host.taken = taken
    assert reason(host) == told
    assert host.asked == [FORWARD, CANCEL]
    assert not host.is_open and host.markers == []


def test_an_address_that_another_program_listens_on_makes_it_no_public_one(host: Host) -> None:
    host.taken = ["0A00000A:15B3"]
    with host.tunnel().opened():
        assert host.is_open


def test_an_ssh_that_hangs_is_waited_for_no_longer_than_that(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "PATIENCE", 0.3)
    host.does("exec sleep 60")
    assert reason(host) == "ssh did not answer within 0 s"
    assert host.asked == [FORWARD, CANCEL]


@pytest.mark.parametrize("kind", ["local", "docker", "paramiko"])
def test_another_kind_of_connection_is_named_and_nothing_is_asked(host: Host, kind: str) -> None:
    host.transport = kind
    assert reason(host).startswith(f"its connection is of the kind {kind}, ")
    host.tunnel().end_leftover()
    assert host.asked == [] and host.markers == []


def test_a_lost_host_is_told_as_one(host: Host) -> None:
    host.lost = True
    with pytest.raises(AnsibleConnectionFailure), host.tunnel().opened():
        pytest.fail("it was opened")
    assert host.asked == []


@pytest.mark.parametrize("error", [AnsibleConnectionFailure("gone"), KeyboardInterrupt(), SystemExit(1)])
def test_it_is_closed_whatever_happens_meanwhile(host: Host, error: BaseException) -> None:
    with pytest.raises(type(error)), host.tunnel().opened():
        raise error
    assert host.asked == [FORWARD, CANCEL] and host.markers == []


def test_a_host_that_is_lost_after_it_was_opened_closes_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.does(f"{OPENS.format(address=LOCAL)}; touch lost")
    look = host._low_level_execute_command

    def lost(*arguments: Any, **named: Any) -> Any:
        host.lost = (host.folder / "lost").exists()
        return look(*arguments, **named)

    monkeypatch.setattr(host, "_low_level_execute_command", lost)
    with pytest.raises(AnsibleConnectionFailure), host.tunnel().opened():
        pytest.fail("it was opened")
    assert host.asked == [FORWARD, CANCEL]


def test_of_two_runs_the_last_one_closes_it(host: Host) -> None:
    with host.tunnel().opened():
        with host.tunnel().opened():
            pass
        assert host.is_open and host.asked == [FORWARD, FORWARD]
    assert not host.is_open and host.asked == [FORWARD, FORWARD, CANCEL] and host.markers == []


def test_the_first_one_to_come_may_be_the_first_one_to_go(host: Host) -> None:
    with ExitStack() as second:
        with host.tunnel().opened():
            second.enter_context(host.tunnel().opened())
        assert host.is_open and host.asked == [FORWARD, FORWARD]
    assert not host.is_open and host.markers == []


KILLED = """\
import os, subprocess, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {above!r}]
import conftest
from test_tunnel import Host
with Host(Path({folder!r})).tunnel().opened():
    if {twice}:
        subprocess.Popen(["sh", "-c", f"sleep 0.2; kill {{os.getpid()}}"])
    os.kill(os.getpid(), {number})
    print("it went on")
"""


def killed(folder: Path, number: int = signal.SIGKILL, twice: bool = False) -> None:
    """By a signal, in another process, while the way is open."""
    here = Path(__file__).parent
    names = {"tests": str(here), "above": str(here.parents[1]), "folder": str(folder), "number": int(number)}
    program = KILLED.format(**names, twice=twice)
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    died = done.returncode == -number or "KeyboardInterrupt" in done.stderr
    assert died and done.stdout == "", done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_run_that_is_asked_to_end_closes_it_first(host: Host, tmp_path: Path, number: int) -> None:
    killed(tmp_path, number)
    assert not host.is_open and host.asked == [FORWARD, CANCEL] and host.markers == []


def test_a_second_signal_does_not_keep_it_open(host: Host, tmp_path: Path) -> None:
    """Ansible sends SIGTERM to its processes right after the SIGINT of Ctrl-C."""
    (tmp_path / "slow").touch()
    killed(tmp_path, signal.SIGINT, twice=True)
    assert not host.is_open and host.asked == [FORWARD, CANCEL] and host.markers == []


def test_what_a_killed_run_has_left_is_used_and_closed_by_the_next(host: Host, tmp_path: Path) -> None:
    killed(tmp_path)
    assert host.is_open and len(host.markers) == 1
    host.taken = [f"{LOCAL}:15B3"]
    with host.tunnel().opened():
        pass
    assert not host.is_open and host.markers == []


def test_what_a_killed_run_has_left_is_closed_where_nothing_is_to_be_pulled(host: Host, tmp_path: Path) -> None:
    killed(tmp_path)
    host.tunnel().end_leftover()
    assert not host.is_open and host.markers == [] and host.asked == [FORWARD, CANCEL]
    host.tunnel().end_leftover()
    assert host.asked == [FORWARD, CANCEL]


def test_what_another_run_uses_is_no_leftover(host: Host) -> None:
    with host.tunnel().opened():
        host.tunnel().end_leftover()
        assert host.is_open and len(host.markers) == 1


def test_where_ssh_does_not_answer_the_next_run_closes_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with host.tunnel().opened():
        ssh = (host.folder / "ssh").read_text()
        (host.folder / "ssh").write_text("#!/bin/sh\nexec sleep 60\n")
        monkeypatch.setattr(tunnel, "PATIENCE", 0.3)
    assert host.is_open and len(host.markers) == 1
    (host.folder / "ssh").write_text(ssh)
    monkeypatch.setattr(tunnel, "PATIENCE", 30)
    host.tunnel().end_leftover()
    assert not host.is_open and host.markers == []


def test_a_marker_that_was_removed_while_it_was_waited_for_is_made_anew(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run before ends it between the opening of the file and the lock on it."""
    lock: Callable[..., Any] = tunnel.fcntl.flock
    removed = []

    def slow(descriptor: int, kind: int) -> None:
        if not removed and kind == tunnel.fcntl.LOCK_SH:
            removed.extend(host.markers)
            os.unlink(host.folder / "cp" / removed[0])
        lock(descriptor, kind)

    monkeypatch.setattr(tunnel.fcntl, "flock", slow)
    with host.tunnel().opened():
        assert host.markers == removed
    assert host.markers == []


def test_a_password_is_not_needed_for_a_connection_that_is_there(host: Host) -> None:
    host.before, host.sshpass_pipe = ["sshpass", "-d4"], os.pipe()
    descriptors = host.sshpass_pipe
    host.tunnel()._command()
    for descriptor in descriptors:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(descriptor)
