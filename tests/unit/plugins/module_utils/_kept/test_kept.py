# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kept process, as real processes of this machine: what a module finds, and what is left of what breaks."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import marshal
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.kept import sources

# That of the host; another one, of version 3.8 or later, with HOST_PYTHON.
PYTHON = os.environ.get("HOST_PYTHON", sys.executable)
SAY_TAG = "import sys; print(sys.implementation.cache_tag)"
TAG = subprocess.run([PYTHON, "-c", SAY_TAG], check=True, capture_output=True, text=True).stdout.strip()
PREFIX = "ansible_collections.caravan.kamal.plugins."
SECRET = "correct horse battery staple"
# What Ansible's part does here: read the arguments where the controller put them.
BASIC = "_ANSIBLE_ARGS = _ANSIBLE_PROFILE = None\n"
PROBE = """
import fcntl, json, os, signal, sys, time
from pathlib import Path
from ansible.module_utils import basic

def main():
    asked = json.loads(basic._ANSIBLE_ARGS)["ANSIBLE_MODULE_ARGS"]
    if "begun" in asked:
        Path(asked["begun"]).write_text(str(os.getpid()))
    if "lock" in asked:
        fcntl.flock(os.open(asked["lock"], os.O_RDWR | os.O_CREAT), fcntl.LOCK_EX)
    while "until" in asked and not os.path.exists(asked["until"]):
        time.sleep(0.01)
    if "die" in asked:
        os.kill(os.getpid(), asked["die"])
    if "crash" in asked:
        raise ValueError(asked["crash"])
    mask = os.umask(0)
    print("noise")
    print("trouble", file=sys.stderr)
    print(json.dumps({"asked": asked, "cwd": os.getcwd(), "mask": mask, "colour": os.environ.get("COLOUR"),
                      "asked_by": os.environ.get("CARAVAN_KAMAL_ASKED_BY"),
                      "rest": sys.stdin.read(), "profile": basic._ANSIBLE_PROFILE,
                      "called": Path("/proc/self/comm").read_text()}))
    sys.exit(asked.get("exit", 0))
"""


def code(probe: str = PROBE) -> sources.Sources:
    """The room itself, with one module of a few lines."""
    words = sources.PLUGINS / "module_utils"
    files = {
        f"{PREFIX}module_utils._kept.{path.stem}": (False, path.read_text()) for path in (words / "_kept").glob("*.py")
    }
    files[f"{PREFIX}module_utils._asked_by"] = (False, (words / "_asked_by.py").read_text())
    files |= {"ansible.module_utils.basic": (False, BASIC), f"{PREFIX}modules.probe": (False, probe)}
    packages = {package: (True, "") for name in files for package in sources._above(name)}
    text = json.dumps({**packages, **files}).encode()
    return sources.Sources(hashlib.sha256(text).hexdigest()[:32], text)


CODE = code()


def wait(condition: Callable[[], Any], what: str) -> Any:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come")


class Host:
    """A home, the programs that a controller sends there, and the processes that they left."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / ".cache" / "caravan.kamal"

    def command(self, program: str, *arguments: str) -> list[str]:
        return [PYTHON, "-S", "-c", sources.program(program), *arguments]

    def start(self, run: str = "run", code: sources.Sources = CODE, send: bool = True, **options: Any) -> str:
        content = code.packed if send else b"\n"
        command = self.command("start", f"{run}.socket", code.name)
        done = subprocess.run(
            command, input=content, env=self.environment(), check=True, capture_output=True, **options
        )
        return done.stdout.decode().strip()

    def ask(self, run: str = "run", stays: int = 60, name: str = CODE.name, **asked: Any) -> subprocess.Popen[bytes]:
        command = self.command("ask", f"{run}.socket", name, f"{PREFIX}modules.probe", str(stays))
        pipe = subprocess.PIPE
        asking = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            cwd=self.home,
            env=self.environment(COLOUR="blue"),
            umask=0o027,
        )
        assert asking.stdin
        asking.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": asked}).encode())
        asking.stdin.close()
        asking.stdin = None
        return asking

    def call(self, run: str = "run", **asked: Any) -> dict[str, Any]:
        asking = self.ask(run, **asked)
        output, errors = asking.communicate(timeout=60)
        lines = output.decode().splitlines()
        answer = json.loads(lines[-1]) if lines else {}
        return {"status": asking.returncode, "errors": errors.decode(), "lines": lines, **answer}

    def environment(self, **more: str) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": os.environ["PATH"], **more}

    def processes(self, run: str = "run") -> list[int]:
        """Those that know the socket of a run: the kept one, and its children while a module runs."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
                home = (path.parent / "environ").read_bytes()
            except OSError:
                continue
            if (
                f"{run}.socket".encode() in words
                and b"listening(" in b"".join(words)
                and str(self.home).encode() in home
            ):
                found.append(int(path.parent.name))
        return sorted(found)

    def kept(self) -> int:
        return min(self.processes())


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    yield made
    for process in [*made.processes(), *made.processes("other")]:
        os.kill(process, signal.SIGKILL)


@pytest.fixture
def started(host: Host) -> Host:
    assert host.start() == "kept"
    return host


def test_a_module_finds_what_it_would_find_by_itself(started: Host) -> None:
    found = started.call(word="é", secret=SECRET)
    assert found["lines"][0] == "noise"
    assert found["errors"] == "trouble\n"
    assert (found["status"], found["asked"]) == (0, {"word": "é", "secret": SECRET})
    assert (found["cwd"], found["mask"], found["colour"]) == (str(started.home), 0o027, "blue")
    assert (found["rest"], found["profile"]) == ("", "legacy")
    assert found["called"] == "python3\n"
    assert Path(f"/proc/{started.kept()}/comm").read_text() == "kamal-modules\n"


def test_a_module_finds_who_asked_for_it(started: Host) -> None:
    asking = started.ask()
    output, _errors = asking.communicate(timeout=60)
    assert json.loads(output.splitlines()[-1])["asked_by"] == str(asking.pid)


def test_its_exit_status_is_its_own(started: Host) -> None:
    assert started.call(exit=3)["status"] == 3


def test_a_crash_shows_its_trace(started: Host) -> None:
    found = started.call(crash="in the middle")
    assert found["status"] == 1
    assert "ValueError: in the middle" in found["errors"]
    assert "modules/probe.py" in found["errors"]


def test_a_killed_module_says_nothing_and_ends_no_other(started: Host) -> None:
    assert started.call(die=int(signal.SIGKILL)) == {"status": 137, "errors": "", "lines": []}
    assert started.call()["status"] == 0


def test_modules_run_side_by_side(started: Host, tmp_path: Path) -> None:
    first = started.ask(begun=str(tmp_path / "begun"), until=str(tmp_path / "go"))
    wait((tmp_path / "begun").exists, "the first")
    assert started.call()["status"] == 0
    (tmp_path / "go").touch()
    assert first.wait(timeout=60) == 0


def test_a_lock_is_free_as_soon_as_its_module_ends(started: Host, tmp_path: Path) -> None:
    """Though the kept process, and modules that began meanwhile, go on."""
    locked = tmp_path / "lock"
    first = started.ask(begun=str(tmp_path / "first"), lock=str(locked), until=str(tmp_path / "never"))
    process = int(wait(lambda: (tmp_path / "first").exists() and (tmp_path / "first").read_text(), "the first"))
    second = started.ask(begun=str(tmp_path / "second"), until=str(tmp_path / "go"))
    wait((tmp_path / "second").exists, "the second")
    os.kill(process, signal.SIGKILL)
    assert first.wait(timeout=60) == 137
    with locked.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    (tmp_path / "go").touch()
    assert second.wait(timeout=60) == 0


def test_a_module_outlives_the_kept_process(started: Host, tmp_path: Path) -> None:
    asking = started.ask(begun=str(tmp_path / "begun"), until=str(tmp_path / "go"))
    wait((tmp_path / "begun").exists, "the module")
    for process in started.processes():
        if process != int((tmp_path / "begun").read_text()):
            os.kill(process, signal.SIGKILL)
    (tmp_path / "go").touch()
    output, _errors = asking.communicate(timeout=60)
    assert json.loads(output.splitlines()[-1])["asked"]["until"] == str(tmp_path / "go")


def test_a_module_outlives_a_connection_that_is_cut(started: Host, tmp_path: Path) -> None:
    asking = started.ask(begun=str(tmp_path / "begun"), until=str(tmp_path / "go"), lock=str(tmp_path / "lock"))
    module = int(wait(lambda: (tmp_path / "begun").exists() and (tmp_path / "begun").read_text(), "the module"))
    asking.kill()
    for pipe in (asking.stdout, asking.stderr):
        assert pipe
        pipe.close()
    asking.wait(timeout=60)
    os.kill(module, 0)
    (tmp_path / "go").touch()
    wait(lambda: not Path(f"/proc/{module}").exists(), "its end")
    assert started.call()["status"] == 0


def test_nothing_begins_that_nobody_waits_for(started: Host, tmp_path: Path) -> None:
    """What asked for it gave up, or was killed, before the process was ready: it may be run in another way by now."""
    asked = json.dumps({"ANSIBLE_MODULE_ARGS": {"begun": str(tmp_path / "begun")}}).encode()
    (tmp_path / "asked").write_bytes(asked)
    request = marshal.dumps((f"{PREFIX}modules.probe", 60, {}, 0o022))
    with socket.socket(socket.AF_UNIX) as asking, open(tmp_path / "asked", "r+b") as file:
        asking.connect(str(started.folder / "run.socket"))
        assert asking.recv(1) == b"+"
        handle = file.fileno()
        socket.send_fds(
            asking, [len(request).to_bytes(4, "big") + request], [handle, handle, handle, os.open("/", os.O_PATH)]
        )
        assert asking.recv(1) == b"?"
    wait(lambda: len(started.processes()) == 1, "the end of what was made ready")
    assert not (tmp_path / "begun").exists()
    assert started.call()["status"] == 0


def test_without_the_process_the_code_that_was_kept_is_run(started: Host) -> None:
    wait(lambda: list(started.folder.glob(f"*.{TAG}")), "the code")
    kept = started.kept()
    os.kill(kept, signal.SIGKILL)
    wait(lambda: not started.processes(), "its end")
    found = started.call(exit=3)
    assert (found["status"], found["cwd"], found["mask"], found["rest"]) == (3, str(started.home), 0o027, "")


def test_code_that_runs_use_is_kept_and_other_code_goes(started: Host) -> None:
    used = wait(lambda: list(started.folder.glob(f"*.{TAG}")), "the code")[0]
    unused = used.with_name(f"other{used.suffix}")
    unused.write_bytes(b"")
    for path in (used, unused):
        os.utime(path, (time.time(), time.time() - 8 * 86400))
    started.start("second", send=False)
    started.start("third", code=code(f"{PROBE}\n# of another version\n"))
    wait(lambda: not unused.exists(), "the end of what is not used")
    assert used.exists()


@pytest.mark.parametrize("broken", ["nothing", "damaged", "open", "another"])
def test_what_cannot_be_trusted_begins_nothing(started: Host, tmp_path: Path, broken: str) -> None:
    stored = wait(lambda: list(started.folder.glob(f"*.{TAG}")), "the code")[0]
    name = CODE.name
    if broken == "nothing":
        shutil.rmtree(started.folder)
    elif broken == "damaged":
        stored.write_bytes(stored.read_bytes()[:-1] + b"?")
        os.kill(started.kept(), signal.SIGKILL)
        wait(lambda: not started.processes(), "its end")
    elif broken == "open":
        started.folder.chmod(0o750)
    else:
        name = "0" * 32
    found = started.call("another" if broken == "another" else "run", name=name, begun=str(tmp_path / "begun"))
    assert list(found) == ["status", "errors", "lines", "kept_not_begun", "failed", "msg"]
    assert found["kept_not_begun"] in found["msg"]
    assert found["failed"]
    assert not (tmp_path / "begun").exists()


def test_a_folder_that_others_can_look_into_starts_nothing(host: Host) -> None:
    host.folder.mkdir(parents=True, mode=0o755)
    assert "is not this user's alone" in host.start()
    assert not host.processes()


@pytest.mark.skipif(os.geteuid() != 0, reason="another user's home takes root")
def test_nothing_is_put_into_the_home_of_another_user(host: Host) -> None:
    """Where sudo leaves HOME as it was: that user could not write to its own .cache any more."""
    os.chown(host.home, 12345, 12345)
    assert "is not this user's" in host.start()
    assert not list(host.home.iterdir())


def test_the_socket_and_the_code_are_the_users_alone(started: Host) -> None:
    wait(lambda: list(started.folder.glob(f"*.{TAG}")), "the code")
    assert started.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in started.folder.iterdir()} == {0}


def test_the_code_is_sent_once(host: Host) -> None:
    assert host.start(send=False) == "the code of the modules is not here"
    assert host.start() == "kept"
    wait(lambda: list(host.folder.glob(f"*.{TAG}")), "the code")
    assert host.start("other", send=False) == "kept"
    assert host.call("other")["status"] == 0


def test_a_run_has_one_process(started: Host) -> None:
    wait(lambda: list(started.folder.glob(f"*.{TAG}")), "the code")
    first = started.processes()
    assert started.start(send=False) == "kept"
    assert started.processes() == first


def test_what_arrives_damaged_is_not_run(host: Host) -> None:
    damaged = sources.Sources(CODE.name, CODE.text + b" ")
    assert host.start(code=damaged) == "what arrived is not what was sent"
    assert not host.processes()


def test_it_ends_when_it_was_not_asked_for_long(started: Host) -> None:
    assert started.call(stays=1)["status"] == 0
    wait(lambda: not started.processes(), "its end")
    assert not list(started.folder.glob("*.socket"))


def test_it_stays_while_a_module_runs(started: Host, tmp_path: Path) -> None:
    asking = started.ask(stays=1, begun=str(tmp_path / "begun"), until=str(tmp_path / "go"))
    wait((tmp_path / "begun").exists, "the module")
    time.sleep(2.5)
    assert started.processes()
    (tmp_path / "go").touch()
    assert asking.wait(timeout=60) == 0
    wait(lambda: not started.processes(), "its end")


def test_the_socket_of_a_killed_one_is_removed_by_the_next(started: Host) -> None:
    wait(lambda: list(started.folder.glob(f"*.{TAG}")), "the code")
    os.kill(started.kept(), signal.SIGKILL)
    wait(lambda: not started.processes(), "its end")
    assert started.start("other", send=False) == "kept"
    assert [path.name for path in started.folder.glob("*.socket")] == ["other.socket"]


def test_one_that_stands_still_keeps_one_call_waiting(started: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    wait(lambda: list(started.folder.glob(f"*.{TAG}")), "the code")
    whole = sources.program
    monkeypatch.setattr(sources, "program", lambda name: whole(name).replace("PATIENCE = 20", "PATIENCE = 1"))
    os.kill(started.kept(), signal.SIGSTOP)
    assert started.call()["status"] == 0
    assert not list(started.folder.glob("*.socket"))
    assert started.call()["status"] == 0


def test_one_that_stands_still_keeps_no_other_run_waiting(started: Host) -> None:
    wait(lambda: list(started.folder.glob(f"*.{TAG}")), "the code")
    os.kill(started.kept(), signal.SIGSTOP)
    waiting = []
    with contextlib.suppress(BlockingIOError):
        while True:
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].setblocking(False)
            waiting[-1].connect(str(started.folder / "run.socket"))
    assert started.start("other", send=False, timeout=60) == "kept"
    assert len(list(started.folder.glob("*.socket"))) == 2


def test_on_a_full_disk_it_works_from_memory(host: Host) -> None:
    full = (0, resource.RLIM_INFINITY)
    assert host.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, full)) == "kept"
    assert host.call()["status"] == 0
    assert [path.name for path in host.folder.iterdir()] == ["run.socket"]


def test_no_secret_is_seen_by_others(started: Host, tmp_path: Path) -> None:
    asking = started.ask(secret=SECRET, begun=str(tmp_path / "begun"), until=str(tmp_path / "go"))
    wait((tmp_path / "begun").exists, "the module")
    for process in [asking.pid, *started.processes()]:
        for name in ("cmdline", "environ"):
            assert SECRET.encode() not in Path(f"/proc/{process}/{name}").read_bytes()
    files = [path for path in started.home.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    (tmp_path / "go").touch()
    assert asking.wait(timeout=60) == 0


def test_code_that_no_run_has_used_for_long_is_removed(host: Host) -> None:
    host.folder.mkdir(parents=True, mode=0o700)
    for name, age in (("old", 30 * 86400), ("new", 60)):
        (host.folder / name).touch()
        os.utime(host.folder / name, (time.time() - age, time.time() - age))
    host.start()
    wait(lambda: list(host.folder.glob(f"*.{TAG}")), "the code")
    wait(lambda: not (host.folder / "old").exists(), "the end of what is old")
    assert (host.folder / "new").exists()
