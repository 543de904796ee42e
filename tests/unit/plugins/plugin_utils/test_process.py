# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command on the controller: what is heard of it, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils import process
from conftest import TREE


def run(folder: Path, script: str, seconds: float = 60, *, apart: bool = True) -> tuple[int | None, bytes, bytes]:
    output, errors = bytearray(), bytearray()
    code = process.run(
        ["/bin/sh", "{script}"],
        str(folder),
        os.environ,
        seconds,
        output.extend,
        errors.extend if apart else None,
        script.encode(),
    )
    return code, bytes(output), bytes(errors)


@pytest.mark.parametrize(
    ("script", "heard"),
    [
        ("echo a; echo b >&2", (0, b"a\n", b"b\n")),
        ("printf 'no end'; exit 3", (3, b"no end", b"")),
        ("cat; echo over", (0, b"over\n", b"")),
        ("kill -9 $$", (-9, b"", b"")),
        ("head -c 300000 /dev/zero | tr '\\0' x; echo", (0, b"x" * 300000 + b"\n", b"")),
        ("#" + "x" * 300000 + "\necho late", (0, b"late\n", b"")),
    ],
    ids=["both", "its code", "nothing to read", "a signal", "much output", "a long script"],
)
def test_what_is_heard_and_how_it_ends(tmp_path: Path, script: str, heard: tuple[int, bytes, bytes]) -> None:
    assert run(tmp_path, script) == heard


def test_where_it_runs(tmp_path: Path) -> None:
    assert run(tmp_path, "pwd; echo $PWD") == (0, f"{tmp_path}\n{tmp_path}\n".encode(), b"")


def test_both_together(tmp_path: Path) -> None:
    assert run(tmp_path, "echo a >&2; echo b", apart=False) == (0, b"a\nb\n", b"")


def test_it_is_heard_while_it_runs(tmp_path: Path) -> None:
    """It goes on only when its first words were heard."""
    heard: list[bytes] = []

    def hear(piece: bytes) -> None:
        heard.append(piece)
        (tmp_path / "heard").touch()

    script = b"echo first; until [ -e heard ]; do sleep 0.02; done; echo second"
    assert process.run(["/bin/sh", "{script}"], str(tmp_path), os.environ, 60, hear, script=script) == 0
    assert b"".join(heard) == b"first\nsecond\n"


def test_the_script_is_in_no_list_of_processes(tmp_path: Path) -> None:
    code, output, _errors = run(tmp_path, "tr '\\0' ' ' < /proc/$$/cmdline; : S3ntinel")
    assert code == 0 and output.startswith(b"/bin/sh /dev/fd/")


def test_when_its_time_is_over_it_ends_with_all_that_it_started(tmp_path: Path) -> None:
    code, output, _errors = run(tmp_path, "(trap '' TERM; echo $$; exec sleep 600) & echo $!; wait", 0.5)
    assert code is None
    inner = int(output.split()[-1])
    assert _ends(inner)


RUNNER = """\
import os, sys
sys.path.insert(0, {tree!r})
from ansible_collections.caravan.kamal.plugins.plugin_utils import process
script = b"echo $$; while true; do sleep 0.05; done"
hear = lambda piece: print(piece.decode(), flush=True)
process.run(["/bin/sh", "{{script}}"], "/", os.environ, 600, hear, script=script)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_with_the_run_that_started_it(number: int) -> None:
    """Also where these tests themselves run in the background, with signals ignored."""
    ours = subprocess.Popen(
        ["env", "--default-signal=TERM,INT,HUP", sys.executable, "-c", RUNNER.format(tree=str(TREE))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert ours.stdout
    inner = int(ours.stdout.readline())
    ours.send_signal(number)
    ours.stdout.close()
    assert ours.wait(60) != 0
    assert _ends(inner)


STARTER = """\
import os, subprocess, sys
sys.path.insert(0, {tree!r})
from ansible_collections.caravan.kamal.plugins.plugin_utils import process

class Popen(subprocess.Popen):
    def _execute_child(self, *arguments):
        super()._execute_child(*arguments)
        print(self.pid, flush=True)
        os.kill(os.getpid(), {number})

subprocess.Popen = Popen
process.run(["sleep", "600"], "/", os.environ, 600, print)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_ends_with_a_run_that_ends_while_it_starts(number: int) -> None:
    """There is a command, and nobody else knows it yet."""
    ours = subprocess.run(
        ["env", "--default-signal=TERM,INT,HUP", sys.executable, "-c", STARTER.format(tree=str(TREE), number=number)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )
    assert ours.returncode == -number
    inner = int(ours.stdout)
    assert _ends(inner)


def test_it_goes_on_where_the_run_goes_on_without_its_terminal() -> None:
    """As with nohup."""
    ours = subprocess.Popen(
        ["nohup", sys.executable, "-c", RUNNER.format(tree=str(TREE))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert ours.stdout
    inner = int(ours.stdout.readline())
    ours.send_signal(signal.SIGHUP)
    ours.send_signal(signal.SIGCONT)
    time.sleep(0.2)
    assert _runs(inner) and ours.poll() is None
    ours.terminate()
    ours.stdout.close()
    ours.wait(60)


def _ends(pid: int) -> bool:
    """In a while; what does not is not left behind."""
    deadline = time.monotonic() + 60
    while _runs(pid):
        if time.monotonic() >= deadline:
            os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.02)
    return True


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_it_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    code, output, _errors = run(tmp_path, "sleep 600 & echo $!; exit 5", 300)
    os.kill(int(output), 9)
    assert code == 5


def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        process.run([str(tmp_path / "none")], str(tmp_path), os.environ, 60, lambda _piece: None)


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        ([b"a\nb", b"c\r\n"], ["a", "bc"]),
        ([b"no end"], ["no end"]),
        ([b"\n\n"], ["", ""]),
        ([b"\xe2\x82", b"\xac\xff\n"], ["€\ufffd"]),
        ([], []),
    ],
)
def test_pieces_as_lines(pieces: list[bytes], lines: list[str]) -> None:
    told: list[str] = []
    hear = process.Lines(told.append)
    for piece in pieces:
        hear(piece)
    hear.close()
    assert told == lines
