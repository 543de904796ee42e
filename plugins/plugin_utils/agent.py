# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An ssh-agent with a run's private keys: they are handed to it by a pipe, and on no disk, and it ends with the run."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from typing import Callable, Iterator, List, Mapping

from ..module_utils._errors import CaravanError

SOCKET = "ssh-agent"
SECONDS = 10
# The command that the agent is started with. It ends with the run, whose folder goes with it; a run that was killed
# leaves the folder and has no process. If it is killed itself, the agent notices.
WITH_THE_RUN = 'while [ -d "$1" ] && kill -0 "$2" 2>/dev/null; do sleep 2; done; kill "$SSH_AGENT_PID"'
NO_AGENT = "ssh/key_data needs ssh-agent and ssh-add on the controller, of OpenSSH: {}. Install its client."


def of_this_run(folder: str, keys: Callable[[], Mapping[str, str]]) -> str:
    """The socket, in a folder of the run. The first who asks starts the agent with the `keys`, the others wait."""
    socket = os.path.join(folder, SOCKET)
    with _locked(folder):
        if not os.path.exists(socket):
            _start(folder, keys(), socket)
    return socket


def _start(folder: str, keys: Mapping[str, str], socket: str) -> None:
    """It has its name when it has all keys."""
    new = f"{socket}.new"
    process = _run(["ssh-agent", "-a", new, "sh", "-c", WITH_THE_RUN, "sh", folder, str(_main_process())])
    try:
        _wait_for(new)
        for name, key in keys.items():
            _add(name, key, new)
        os.rename(new, socket)
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise


def _run(command: List[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise CaravanError(NO_AGENT.format(error)) from error


def _add(name: str, key: str, socket: str) -> None:
    """A key with a passphrase is refused: nobody could be asked for it."""
    asks_nobody = {"SSH_AUTH_SOCK": socket, "SSH_ASKPASS_REQUIRE": "never", "PATH": os.environ.get("PATH", os.defpath)}
    try:
        done = subprocess.run(
            ["ssh-add", "-q", "-"],
            input=key.rstrip("\n") + "\n",
            env=asks_nobody,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            start_new_session=True,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CaravanError(NO_AGENT.format(error)) from error
    if done.returncode:
        reason = done.stderr.strip() or f"exit status {done.returncode}"
        raise CaravanError(
            f"ssh/key_data: {name} is no private key that ssh-add takes: {reason}. It has to be the whole file, "
            "with its line breaks and without a passphrase."
        )


def _wait_for(socket: str) -> None:
    end = time.monotonic() + SECONDS
    while not os.path.exists(socket):
        if time.monotonic() > end:
            raise CaravanError(f"ssh-agent did not begin within {SECONDS} s, for ssh/key_data.")
        time.sleep(0.01)


def _main_process() -> int:
    """Ansible's, of which tasks are forks."""
    parent = multiprocessing.parent_process()
    return os.getpid() if parent is None or parent.pid is None else parent.pid


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    with open(os.path.join(folder, f"{SOCKET}.lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
