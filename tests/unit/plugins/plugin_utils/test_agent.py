# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ssh-agent of a run, a real one: who has the keys, and how it ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import CaravanError
from ansible_collections.caravan.kamal.plugins.plugin_utils import agent


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "WITH_THE_RUN", agent.WITH_THE_RUN.replace("sleep 2", "sleep 0.1"))


@pytest.fixture
def folder() -> Iterator[str]:
    """With a short path: sockets have 108 characters at most."""
    path = tempfile.mkdtemp()
    yield path
    shutil.rmtree(path, ignore_errors=True)


def key(folder: Path, name: str, passphrase: str = "") -> str:
    file = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", str(file)], check=True)
    return file.read_text()


def known(socket: str) -> list[str]:
    listed = subprocess.run(
        ["ssh-add", "-L"], env={**os.environ, "SSH_AUTH_SOCK": socket}, capture_output=True, text=True, check=False
    )
    return [line.split()[-1] for line in listed.stdout.splitlines()]


def agents(folder: str) -> list[int]:
    """The processes that have the folder of a run among their arguments."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
        except OSError:
            continue
        if any(folder.encode() in argument for argument in arguments):
            found.append(int(entry.name))
    return found


def wait_until_gone(folder: str) -> None:
    end = time.monotonic() + 20
    while agents(folder):
        assert time.monotonic() < end, "the agent is still there"
        time.sleep(0.05)


def refuse() -> Any:
    raise AssertionError("asked for the keys again")


def test_the_keys_are_there_and_on_no_disk(folder: str, tmp_path: Path) -> None:
    keys = {"A": key(tmp_path, "a"), "B": key(tmp_path, "b").rstrip("\n")}
    socket = agent.of_this_run(folder, lambda: keys)
    assert known(socket) == ["a", "b"]
    assert sorted(os.listdir(folder)) == ["ssh-agent", "ssh-agent.lock"]
    assert os.path.getsize(os.path.join(folder, "ssh-agent.lock")) == 0
    assert agent.of_this_run(folder, refuse) == socket


def test_it_ends_with_the_folder_of_the_run(folder: str, tmp_path: Path) -> None:
    keys = {"A": key(tmp_path, "a")}
    agent.of_this_run(folder, lambda: keys)
    shutil.rmtree(folder)
    wait_until_gone(folder)


def test_it_ends_with_a_run_that_is_killed(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, run = {"A": key(tmp_path, "a")}, subprocess.Popen(["sleep", "60"])
    monkeypatch.setattr(agent, "_main_process", lambda: run.pid)
    agent.of_this_run(folder, lambda: keys)
    assert agents(folder)
    run.send_signal(signal.SIGKILL)
    run.wait()
    wait_until_gone(folder)


@pytest.mark.parametrize("text", ["no key", "with a passphrase"])
def test_what_is_no_key_is_named_and_leaves_nothing(folder: str, tmp_path: Path, text: str) -> None:
    bad = key(tmp_path, "c", "hidden words") if "passphrase" in text else "hidden words"
    keys = {"GOOD": key(tmp_path, "a"), "DEPLOY_KEY": bad}
    with pytest.raises(CaravanError, match="ssh/key_data: DEPLOY_KEY is no private key that ssh-add takes: ") as error:
        agent.of_this_run(folder, lambda: keys)
    assert "hidden" not in error.value.message
    wait_until_gone(folder)
    assert not os.path.exists(os.path.join(folder, "ssh-agent"))


def test_without_openssh(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", folder)
    with pytest.raises(CaravanError, match="ssh/key_data needs ssh-agent and ssh-add on the controller"):
        agent.of_this_run(folder, lambda: {"A": "x"})
