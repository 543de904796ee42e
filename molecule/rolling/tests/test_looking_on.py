# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person sees of a deploy that takes long, and how often hosts are connected to for it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from hosts import Host, everywhere, load
from project import Project, Run

COUNTED = "-p tcp --dport 22 --syn"


@dataclass
class Seen:
    """Of two deploys, one after the other: each with the connections to each host since before the first."""

    on_a_terminal: Run
    failed_requests: int
    counts: list[list[int]]


@pytest.fixture(scope="module")
def seen(project: Project, hosts: list[Host], live: str) -> Seen:
    """The first is watched on a terminal, and no run before has left a connection to it."""
    project.withheld = ("GITHUB_ACTIONS", "GITLAB_CI")
    deploy = (
        "ansible-playbook",
        "-i",
        "config/deploy.yml",
        "caravan.kamal.deploy",
        "-e",
        json.dumps({"kamal_version": "w1"}),
    )
    for socket in Path("~/.ansible/cp").expanduser().glob("*"):
        socket.unlink()
    everywhere(hosts, lambda host: host.sh(f"iptables -I INPUT {COUNTED}"))
    try:
        with load(path="/cgi-bin/slow?seconds=8", rate=4) as requests:
            run = project.run("env", "TERM=xterm", "COLUMNS=160", "script", "-qec", shlex.join(deploy), "/dev/null")
        counts = [everywhere(hosts, _connections)]
        assert project.deploy("w2").ok
        counts.append(everywhere(hosts, _connections))
    finally:
        everywhere(hosts, lambda host: host.sh(f"iptables -D INPUT {COUNTED}"))
    assert run.ok, run.output
    return Seen(run, requests.result["failed"], counts)


def _connections(host: Host) -> int:
    lines = host.sh("iptables -nvxL INPUT").splitlines()
    return next(int(line.split()[0]) for line in lines if "dpt:22" in line)


def test_a_terminal_says_which_hosts_drain(seen: Seen) -> None:
    output = seen.on_a_terminal.output
    assert seen.failed_requests == 0
    assert "draining what served before, for up to " in output
    assert "; worker1: waiting for the barrier" in output


def test_a_deploy_connects_to_each_host_once(seen: Seen) -> None:
    """And to none that the run before has left a connection to."""
    assert seen.counts == [[1, 1, 1], [1, 1, 1]]
