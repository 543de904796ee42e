# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The SSH user, seen from a task that became root."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._asked_by import ASKED_BY
from ansible_collections.caravan.kamal.plugins.module_utils._host import user

DAEMON = pwd.getpwnam("daemon")
# What `ps` shows above the module, from its parent on: the name of a process and whose it is.
CHAINS = {
    "sudo": ([("sh", 0), ("sudo", 0), ("sh", DAEMON.pw_uid), ("sshd", DAEMON.pw_uid), ("sshd", 0)], "daemon"),
    "su": ([("sh", 0), ("su", DAEMON.pw_uid), ("sh", DAEMON.pw_uid)], "daemon"),
    "doas": ([("sh", 0), ("doas", 0), ("sh", DAEMON.pw_uid), ("sshd", DAEMON.pw_uid)], "daemon"),
    "no become": ([("sh", 0), ("sshd", 0), ("sshd", 0)], None),
    "no become in a session that became root": ([("sh", 0), ("ansible-playboo", 0), ("su", DAEMON.pw_uid)], None),
    "the same with an interpreter": ([("sh", 0), ("python3", 0), ("bash", 0), ("su", DAEMON.pw_uid)], None),
    "sudo on this machine": ([("sh", 0), ("sudo", 0), ("sh", DAEMON.pw_uid), ("python3", DAEMON.pw_uid)], "daemon"),
    "a user that is not listed": ([("sh", 0), ("sh", 987654)], None),
    "an init without a parent": ([("sh", 0)], None),
}


def pretend(monkeypatch: pytest.MonkeyPatch, chain: list[tuple[str, int]]) -> None:
    def status(pid: int) -> dict[str, str]:
        name, uid = chain[pid - 100]
        parent = pid + 1 if pid - 99 < len(chain) else 1
        return {"Name": name, "Uid": f"{uid}\t0\t0\t0", "PPid": str(parent)}

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "getppid", lambda: 100)
    monkeypatch.setattr(user, "_status", status)


@pytest.mark.parametrize("case", CHAINS)
def test_who_became_root_is_read_from_the_processes(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, name = CHAINS[case]
    pretend(monkeypatch, chain)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SUDO_USER", "nobody")
    assert user.home() == (DAEMON.pw_dir if name else str(tmp_path))
    assert user.name() == (name or "root")


def test_in_the_kept_process_it_is_read_from_those_above_the_one_that_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the module itself is the kept process, which root started."""
    asked_by = 100
    pretend(monkeypatch, [("python3", 0), *CHAINS["su"][0]])
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert user.name() == "root"
    monkeypatch.setenv(ASKED_BY, str(asked_by))
    assert (user.home(), user.name()) == (DAEMON.pw_dir, "daemon")


@pytest.mark.parametrize("variable", ["SUDO_USER", "DOAS_USER"])
def test_without_processes_to_read_the_environment_tells(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    def status(_pid: int) -> dict[str, str]:
        raise FileNotFoundError("/proc")

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(user, "_status", status)
    monkeypatch.setenv(variable, "daemon")
    assert (user.home(), user.name()) == (DAEMON.pw_dir, "daemon")


def test_without_become_it_is_the_home_of_whoever_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SUDO_USER", "daemon")
    monkeypatch.setattr(os, "geteuid", lambda: DAEMON.pw_uid)
    assert (user.home(), user.name()) == (str(tmp_path), "daemon")


def test_the_processes_above_this_one_can_be_read() -> None:
    assert user._uid_above(os.getpid()) == os.getuid()
