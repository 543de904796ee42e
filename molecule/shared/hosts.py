# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be seen on the test hosts and through the load balancer."""

from __future__ import annotations

import json
import re
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import testinfra

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "lab"))
import lab
import lab_settings
from load import Load

LOAD_BALANCER = f"http://{lab_settings.LOAD_BALANCER.ip}"
HOST_NAME = "hello.example.com"
VERSION = re.compile(r"version (\S+)")
# Seconds within which a state comes that a story waits for, on a busy machine too.
LIMIT = 300


Seen = TypeVar("Seen")


@dataclass(frozen=True)
class Answer:
    status: int
    body: str

    @property
    def version(self) -> str:
        found = VERSION.search(self.body)
        return found[1] if found else ""


def ask(path: str = "/", host: str = HOST_NAME, url: str = LOAD_BALANCER) -> Answer:
    request = urllib.request.Request(url + path, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Answer(response.status, response.read().decode())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read().decode())


def moment(text: str) -> int:
    """Docker's form of a time, whose fraction has as many digits as it needs, in nanoseconds."""
    whole, _point, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(fraction.ljust(9, "0"))


def load(path: str = "/", host: str = HOST_NAME, rate: float = 100, url: str = LOAD_BALANCER) -> Load:
    """Constant requests through a load balancer, by default the lab's, while the with block lasts."""
    return Load(url + path, host=host, rate=rate, concurrency=20)


@contextmanager
def kept_processes_killed(hosts: Sequence[Host]) -> Iterator[list[str]]:
    """Again and again while the with block lasts. Afterwards the list has a line for each that was."""
    killed: list[str] = []
    kill = "rm -f /run/over; until [ -e /run/over ]; do pkill -9 -x kamal-modules && echo killed; sleep 0.1; done"
    with ThreadPoolExecutor(len(hosts)) as pool:
        killers = [pool.submit(host.sh, kill) for host in hosts]
        try:
            yield killed
        finally:
            for host, killer in zip(hosts, killers, strict=True):
                host.sh("touch /run/over")
                killed += killer.result().splitlines()


@contextmanager
def lost(name: str) -> Iterator[None]:
    """The host cannot be reached over SSH while the with block lasts; what it serves goes on."""
    lab.lose(name)
    try:
        yield
    finally:
        lab.restore(name)


class Host:
    """A test host, looked at from outside, so that it can be seen when SSH is cut. `home` is the SSH user's."""

    def __init__(self, name: str, home: str = "/root") -> None:
        self.name = name
        self.home = home
        machines = {machine.name: machine for machine in lab_settings.test_hosts(3)}
        self.url = f"http://{machines[name].ip}"
        self.machine = testinfra.get_host(f"docker://{lab_settings.PREFIX}{name}")

    def sh(self, command: str) -> str:
        return str(self.machine.check_output(command))

    def file(self, path: str) -> Any:
        """A path relative to the SSH user's home, or an absolute one."""
        return self.machine.file(str(Path(self.home) / path))

    def ask(self, path: str = "/", host: str = HOST_NAME) -> Answer:
        return ask(path, host, self.url)

    # Containers

    @property
    def containers(self) -> dict[str, str]:
        """The state of every container by name, kamal-proxy aside."""
        listed = self.sh("docker ps -a --format '{{.Names}} {{.State}}'").splitlines()
        states = dict(line.split() for line in listed)
        states.pop("kamal-proxy", None)
        return states

    @property
    def running(self) -> list[str]:
        return sorted(name for name, state in self.containers.items() if state == "running")

    @property
    def serving(self) -> str:
        """The containers that run and the locks that are held."""
        return self.sh(
            f"docker ps --format '{{{{.ID}}}} {{{{.Names}}}}' | sort; ls -d {self.home}/.kamal/lock-* || true"
        )

    def inspect(self, container: str) -> dict[str, Any]:
        return dict(json.loads(self.sh(f"docker inspect --type container {container}"))[0])

    def environment(self, container: str) -> dict[str, str]:
        """What the container's first process was really given."""
        text = self.sh(f"cat /proc/{self.inspect(container)['State']['Pid']}/environ")
        return dict(entry.split("=", 1) for entry in text.split("\0") if entry)

    def started(self, container: str) -> int:
        """When the container last started, in nanoseconds."""
        return moment(self.inspect(container)["State"]["StartedAt"])

    def stopped(self, container: str) -> int:
        """When the container last stopped, in nanoseconds."""
        return moment(self.inspect(container)["State"]["FinishedAt"])

    def wait_for(self, container: str) -> None:
        """Returns as soon as there is a container of this name."""
        self.wait_until(f"docker inspect {container} >/dev/null 2>&1")

    def wait_for_name(self, part: str) -> None:
        """Returns as soon as there is a container with this in its name."""
        self.wait_until(f"docker ps -a --format '{{{{.Names}}}}' | grep -qF -e {shlex.quote(part)}")

    def wait_for_text(self, path: str, text: str) -> None:
        """Returns as soon as a file of the SSH user has this text in it."""
        self.wait_until(f"grep -qsF -e {shlex.quote(text)} {self.home}/{path}")

    def wait_for_turn(self, service: str = "hello") -> None:
        """Returns as soon as no module is at work on the service here."""
        self.wait_until(f"flock -n {self.home}/.kamal/turn-{service} true")

    def wait_for_process(self, command: str) -> None:
        """Returns as soon as this command runs here, or in a container here."""
        self.wait_until(f"pgrep -f '^{command}' >/dev/null")

    def wait_for_no_process(self, *parts: str) -> None:
        """Returns as soon as no command line here, or in a container here, has one of these parts."""
        # The brackets keep this command from finding itself.
        pattern = "|".join(f"[{part[0]}]{part[1:]}" for part in parts)
        self.wait_until(f"! pgrep -f '{pattern}' >/dev/null")

    def wait_until(self, condition: str) -> None:
        """Returns as soon as a command of the shell here ends well."""
        script = f"until {condition}; do sleep 0.02; done"
        self.sh(f"timeout {LIMIT} sh -c {shlex.quote(script)}")

    def crash(self, container: str) -> None:
        """The container's first process is killed, as by the kernel; Docker has noticed when this returns."""
        pid = self.inspect(container)["State"]["Pid"]
        self.sh(f"kill -9 {pid}")
        state = "{{.State.Pid}} {{.State.Running}}"
        self.wait_until(f'[ "$(docker inspect --format "{state}" {container})" != "{pid} true" ]')

    # What the product keeps

    def audit(self, service: str = "hello") -> list[str]:
        return str(self.file(f".kamal/{service}-audit.log").content_string).splitlines()

    def history(self, service: str = "hello") -> list[dict[str, Any]]:
        text = self.file(f".kamal/apps/{service}/history.jsonl").content_string
        return [json.loads(line) for line in text.splitlines()]

    def locked(self, service: str = "hello") -> bool:
        return bool(self.file(f".kamal/lock-{service}").exists)

    def end_lease(self, service: str = "hello") -> None:
        """The lease of the lock that is held here ends at once, whoever has it."""
        self.sh(f"""sed -i 's/"expires_at": [0-9]*/"expires_at": 1/' {self.home}/.kamal/lock-{service}/lease""")

    @property
    def traces(self) -> str:
        """Everything that a run may not change if it changes nothing: containers, their starts, and the files.

        Locks and turns are not among them: they say which run was here last.
        """
        return self.sh(
            "docker ps -aq --no-trunc | sort |"
            " xargs -r docker inspect --format '{{.Id}} {{.Name}} {{.State.StartedAt}}'; "
            f"find {self.home}/.kamal -type f ! -path '*/lock-*' ! -name 'turn-*' 2>/dev/null | sort | xargs -r md5sum"
        )


def everywhere(hosts: Sequence[Host], look: Callable[[Host], Seen]) -> list[Seen]:
    """What is to be seen on each host, looked at on all of them at the same time."""
    with ThreadPoolExecutor(max_workers=len(hosts)) as pool:
        return list(pool.map(look, hosts))
