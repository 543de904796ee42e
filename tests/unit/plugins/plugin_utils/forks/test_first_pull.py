# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts whose engines have one mirror: which of them pulls first, and what the others do."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks.first_pull import FirstPulls, Pull
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks.memory import Memory

FORK = multiprocessing.get_context("fork")
MIRROR = "http://mirror:5000"
PULLED = {"changed": True, "actions": ["pull hello:v1"]}
REFUSED = {"failed": True, "msg": "no such image"}


class Hosts:
    """Hosts in one task, each in a process of its own as Ansible has them; `pulls` is told who pulls, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.first_pulls = folder, FirstPulls(Memory())
        self.pulls, self.go_on = folder / "pulls", folder / "go on"
        self.pulls.touch()

    def begin(self, host: str, mirror: str = MIRROR, end: Callable[[], dict[str, Any]] = lambda: PULLED) -> Any:
        process = FORK.Process(target=self._run, args=(host, mirror, end))
        process.start()
        return process

    def _run(self, host: str, mirror: str, end: Callable[[], dict[str, Any]]) -> None:
        def pull() -> dict[str, Any]:
            with self.pulls.open("a") as file:
                file.write(f"{host}\n")
            wait_for(self.go_on.exists)
            return end()

        answer = self.first_pulls.wait(Pull("task", host, "hello:v1", mirror), pull, self._told(host).write_text)
        (self.folder / f"{host}.answer").write_text(json.dumps(answer))

    def _told(self, host: str) -> Path:
        return self.folder / f"{host}.told"

    def wait_until_told(self, host: str) -> str:
        wait_for(lambda: self._told(host).exists() and bool(self._told(host).read_text()))
        return self._told(host).read_text()

    def answer(self, host: str) -> Any:
        return json.loads((self.folder / f"{host}.answer").read_text())

    @property
    def pulling(self) -> list[str]:
        return self.pulls.read_text().split()


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    return Hosts(tmp_path)


def begin_both(hosts: Hosts, **of_the_first: Any) -> list[Any]:
    """web1 pulls, and web2 has begun to wait for it."""
    first = hosts.begin("web1", **of_the_first)
    wait_for(lambda: hosts.pulling == ["web1"])
    second = hosts.begin("web2")
    assert hosts.wait_until_told("web2") == f"waits for web1, which pulls the image through the mirror {MIRROR} first"
    return [first, second]


def end(hosts: Hosts, processes: list[Any]) -> None:
    hosts.go_on.touch()
    for process in processes:
        process.join(30)


def test_one_pulls_while_the_others_wait_and_are_told_for_whom(hosts: Hosts) -> None:
    processes = [*begin_both(hosts), hosts.begin("web3")]
    hosts.wait_until_told("web3")
    assert hosts.pulling == ["web1"]
    end(hosts, processes)
    assert (hosts.pulling, hosts.answer("web1")) == (["web1"], PULLED)
    assert (hosts.answer("web2"), hosts.answer("web3")) == ({}, {}), "they pull by themselves then"


def test_each_mirror_has_a_first_host(hosts: Hosts) -> None:
    processes = [*begin_both(hosts), hosts.begin("db1", "http://other:5000")]
    wait_for(lambda: hosts.pulling == ["web1", "db1"])
    end(hosts, processes)
    assert hosts.answer("db1") == PULLED


def fails() -> dict[str, Any]:
    return REFUSED


def is_lost() -> dict[str, Any]:
    raise ConnectionError


@pytest.mark.parametrize("what", [fails, is_lost])
def test_where_the_first_could_not_nobody_pulls_and_the_message_says_who(
    hosts: Hosts, what: Callable[[], dict[str, Any]]
) -> None:
    end(hosts, begin_both(hosts, end=what))
    assert hosts.pulling == ["web1"]
    told = hosts.answer("web2")
    assert (told["failed"], told["changed"], told["actions"]) == (True, False, [])
    assert told["msg"].startswith(f"hello:v1 was not pulled here: web1 was to fetch it through the mirror {MIRROR}")


def test_a_process_that_is_killed_leaves_its_place_to_the_next(hosts: Hosts) -> None:
    first, second = begin_both(hosts)
    os.kill(first.pid, signal.SIGKILL)
    end(hosts, [first, second])
    assert (hosts.pulling, hosts.answer("web2")) == (["web1", "web2"], PULLED)


def test_who_comes_when_it_is_there_waits_for_nobody(hosts: Hosts) -> None:
    end(hosts, [hosts.begin("web1")])
    end(hosts, [hosts.begin("web2")])
    assert (hosts.pulling, hosts.answer("web2")) == (["web1"], {})
    assert not (hosts.folder / "web2.told").exists()
