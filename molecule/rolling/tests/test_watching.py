# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a person sees of a deploy that takes long, and how often hosts are connected to for it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from hosts import Host, everywhere, load
from project import Project

COUNTED = "-p tcp --dport 22 --syn"


@pytest.fixture(scope="module", autouse=True)
def _first(project: Project) -> None:
    assert project.deploy("v1").ok


def test_a_terminal_says_which_hosts_drain(project: Project) -> None:
    project.withheld = ("GITHUB_ACTIONS", "GITLAB_CI")
    deploy = (
        "ansible-playbook",
        "-i",
        "config/deploy.yml",
        "caravan.kamal.deploy",
        "-e",
        json.dumps({"kamal_version": "v2"}),
    )
    with load(path="/cgi-bin/slow?seconds=8", rate=4) as requests:
        run = project.run("env", "TERM=xterm", "COLUMNS=160", "script", "-qec", shlex.join(deploy), "/dev/null")
    assert run.ok, run.output
    assert requests.result["failed"] == 0, requests.result
    assert "draining what served before, for up to " in run.output
    assert "; worker1: waiting for the barrier" in run.output


def test_a_deploy_connects_to_each_host_once(project: Project, hosts: list[Host]) -> None:
    """And to none that the run before has left a connection to."""
    for socket in Path("~/.ansible/cp").expanduser().glob("*"):
        socket.unlink()
    everywhere(hosts, lambda host: host.sh(f"iptables -I INPUT {COUNTED}"))
    try:
        counts = []
        for version in ("v3", "v4"):
            assert project.deploy(version).ok
            counts.append(everywhere(hosts, _connections))
    finally:
        everywhere(hosts, lambda host: host.sh(f"iptables -D INPUT {COUNTED}"))
    assert counts == [[1, 1, 1], [1, 1, 1]]


def _connections(host: Host) -> int:
    lines = host.sh("iptables -nvxL INPUT").splitlines()
    return next(int(line.split()[0]) for line in lines if "dpt:22" in line)
