# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands on hosts that are this machine: their lines come while they run, and they end when nobody wants them."""

from __future__ import annotations

import json
import os
import resource
import shlex
import signal
import subprocess
import time
from pathlib import Path

import ansible_here
import pytest
from conftest import TREE
from test_playbooks_locally import CONFIG, HOSTS

LIMIT = 120


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "group_vars" / "shop.yml").write_text(CONFIG.format(service="shop", hosts="[h1, h2]"))
    return tmp_path


class Running:
    """The playbook server.exec under way, in a session of its own."""

    def __init__(self, folder: Path, command: str, *more: str, kept: bool | str = True, **environment: str) -> None:
        variables = {
            "kamal_hosts": "shop",
            "kamal_cmd": command,
            "ansible_pipelining": True,
            "kamal_kept_process": kept,
        }
        self.output = folder / "output"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [
                    *("env", "--default-signal=INT,HUP", str(ansible_here.BIN / "ansible-playbook")),
                    *("-i", "hosts.yml", "caravan.kamal.server.exec"),
                    *("-e", json.dumps(variables), *more),
                ],
                cwd=folder,
                env=ansible_here.environment(
                    folder, ANSIBLE_STDOUT_CALLBACK="caravan.kamal.rollout", HOME=str(folder), **environment
                ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + LIMIT
        while text not in self.text:
            assert self.process.poll() is None and time.monotonic() < deadline, self.text
            time.sleep(0.02)

    def wait(self) -> tuple[int, str]:
        return self.process.wait(LIMIT), self.text


def wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + LIMIT
    while Path(f"/proc/{process}/cmdline").exists() and Path(f"/proc/{process}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_lines_come_while_the_command_runs_and_not_once_more(folder: Path) -> None:
    running = Running(folder, "echo begun; until [ -e seen ]; do sleep 0.02; done; printf 'no end'", "-l", "h1")
    running.wait_for("\nbegun\n")
    (folder / "seen").touch()
    code, text = running.wait()
    assert code == 0, text
    assert text.count("begun") == 1
    assert text.index("\nno end\n") < text.index("\nh1 shell (echo, exit code 0)\n")


def test_lines_of_several_hosts_come_behind_their_names_and_at_the_end_by_host(folder: Path) -> None:
    """Without the kept process on one of them."""
    kept = "{{ inventory_hostname == 'h1' }}"
    command = "echo begun; until [ -e seen ]; do sleep 0.02; done; printf 'no end'"
    running = Running(folder, command, kept=kept)
    for host in ("h1", "h2"):
        running.wait_for(f"\n{host} | begun\n")
    (folder / "seen").touch()
    code, text = running.wait()
    assert code == 0, text
    assert text.count("| begun\n") == text.count("\n  begun\n") == 2
    assert "\nh1 | no end\n" in text and "\nh2 | no end\n" in text
    assert "h1 shell (echo, exit code 0):\n  begun\n  no end\n\nh2 shell" in text


def test_what_a_program_reads_is_one_document(folder: Path) -> None:
    more = ("-l", "h1", "-e", "kamal_format=json")
    code, text = Running(folder, "echo one; echo two", *more).wait()
    assert code == 0, text
    document = json.loads(text[text.index("{") : text.rindex("}") + 1])
    assert document["h1"]["logs"]["shell"]["lines"] == ["one", "two"]
    assert text.count("two") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL], ids=lambda number: number.name)
def test_a_command_that_never_ends_does_when_the_run_has_ended(folder: Path, number: signal.Signals) -> None:
    running = Running(folder, "echo $$ > pid; (trap '' TERM; sleep 600)& echo $! > child; echo begun; wait", "-l", "h1")
    running.wait_for("\nbegun\n")
    os.kill(running.process.pid, number)
    running.wait()
    for name in ("pid", "child"):
        wait_until_gone(int((folder / name).read_text()))


def test_its_code_decides_and_what_it_wrote_is_in_the_failure(folder: Path) -> None:
    code, text = Running(folder, "printf 'oh \\377'; exit 3", "-l", "h1").wait()
    assert code == 2
    assert "\noh �\n" in text and "FAILED: printf ended with code 3 on h1." in text
    assert text.count("oh �") == 2


def test_a_long_output_and_a_long_line_are_shown_whole_and_held_in_no_memory(folder: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    lines = 400_000
    command = f"head -c 300000 /dev/zero | tr '\\0' y; echo; yes {'x' * 99} | head -n {lines}; echo the end"
    code, text = Running(folder, command, "-l", "h1").wait()
    assert code == 0
    assert "\n" + "y" * 300000 + "\n" in text
    assert text.count("\n" + "x" * 99) >= lines - 1 and text.index("\nthe end\n") < text.index("exit code 0)")
    grown = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss - max(before, 100_000)
    assert grown < 100_000, "as much as it wrote, and more"


def test_a_person_at_a_terminal_gets_it_and_nobody_else(folder: Path) -> None:
    there = ("-l", "h1", "-e", "kamal_interactive=true")
    code, text = Running(folder, "tty; exit 3", *there).wait()
    assert code == 0 and "This opens it:\n\nsh -c 'tty; exit 3'\n" in text and "not a tty" not in text
    variables = {"kamal_hosts": "shop", "kamal_cmd": "tty; exit 3"}
    asked = ("caravan.kamal.server.exec", "-e", json.dumps(variables), *there)
    words = [str(ansible_here.BIN / "ansible-playbook"), "-i", "hosts.yml", *asked]
    clean = {name: value for name, value in os.environ.items() if name not in ("CI", "GITHUB_ACTIONS", "GITLAB_CI")}
    done = subprocess.run(
        ["script", "-qec", shlex.join(words), "/dev/null"],
        cwd=folder,
        env={**clean, "ANSIBLE_COLLECTIONS_PATH": str(TREE), "HOME": str(folder), "PWD": str(folder), "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert done.returncode == 3 and "\n/dev/pts/" in done.stdout.replace("\r", ""), done.stdout
