# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A project as a user has it: a git repository with config/deploy.yml and secrets, and commands run in its folder."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import yaml

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = itertools.count(1)
SHARED = ROOT / "molecule" / "shared"
LAB = ROOT / ".cache" / "lab"
STORIES = ROOT / ".cache" / "stories"
REGISTRY_PASSWORD = LAB / "registry_password"
# What the playbook init writes.
ANSIBLE_CFG = ROOT / "playbooks" / "templates" / "ansible.cfg.j2"


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Maps merge deeply, None takes a key away, anything else replaces."""
    result = dict(under)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            value = merged(result[key], value)
        result[key] = value
    return {key: value for key, value in result.items() if value is not None}


@dataclass
class Run:
    """What a command printed, what the tasks that it ran answered, and the number of changed ones by host."""

    code: int
    output: str = field(repr=False)
    results: list[dict[str, Any]] = field(repr=False)
    changed: dict[str, int]
    seconds: float

    @property
    def ok(self) -> bool:
        return self.code == 0

    @property
    def actions(self) -> dict[str, list[str]]:
        """What the modules say they did on each host, in order, or would do in check mode."""
        done: dict[str, list[str]] = {}
        for line in self.results:
            items = [item for item in line["result"].get("results") or () if isinstance(item, dict)]
            for result in items or [line["result"]]:
                done.setdefault(line["host"], []).extend(result.get("actions") or [])
        return {host: actions for host, actions in done.items() if actions}

    @property
    def failures(self) -> dict[str, list[str]]:
        """The messages of failed tasks by host."""
        told: dict[str, list[str]] = {}
        for line in self.results:
            if line["outcome"] != "ok":
                told.setdefault(line["host"], []).append(str(line["result"].get("msg", "")))
        return told

    @property
    def parts(self) -> list[str]:
        """The output of each of several playbooks, without the line that closes it."""
        return re.split(r"^(?:failed|changed|unchanged): .* s\)$", self.output, flags=re.MULTILINE)[:-1]

    def of(self, module: str) -> list[dict[str, Any]]:
        return [line["result"] for line in self.results if line["module"] == f"caravan.kamal.{module}"]


class Project:
    """`changes` is what this project's config/deploy.yml says beside or instead of the shared one."""

    def __init__(self, name: str, changes: Mapping[str, Any] | None = None) -> None:
        self.root = STORIES / name
        # Variables of the lab's environment that its commands do not get.
        self.withheld: tuple[str, ...] = ()
        self.config: dict[str, Any] = yaml.safe_load((SHARED / "deploy.yml").read_text())
        shutil.rmtree(self.root, ignore_errors=True)
        for file in STORIES.glob(f"{name}.*.*"):
            file.unlink()
        shutil.copytree(ROOT / "examples" / "hello", self.root)
        self.write("ansible.cfg", ANSIBLE_CFG.read_text())
        self.write(".gitignore", ".kamal/secrets*\n")
        self.secrets(REGISTRY_PASSWORD="$LAB_REGISTRY_PASSWORD")
        self.configure(changes or {})
        self._git("init", "-q", "-b", "main")
        self._git("config", "user.name", "Ada")
        self._git("config", "user.email", "ada@example.com")
        self.commit("first")
        self._forget_images()

    # Files

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def write_executable(self, path: str, text: str) -> None:
        self.write(path, text)
        (self.root / path).chmod(0o755)

    def configure(self, changes: Mapping[str, Any], destination: str | None = None) -> None:
        """The whole configuration with these changes, or just these changes for a destination."""
        if destination:
            return self.write(f"config/deploy.{destination}.yml", yaml.safe_dump(dict(changes)))
        self.config = merged(self.config, changes)
        return self.write("config/deploy.yml", yaml.safe_dump(self.config, sort_keys=False))

    def secrets(self, **values: str) -> None:
        self.write(".kamal/secrets", "".join(f"{name}={value}\n" for name, value in values.items()))

    # Git

    def commit(self, message: str) -> str:
        """Something new under this message; returns the ID of the commit."""
        self.write("www/assets/release.txt", f"{message}\n")
        self._git("add", "-A")
        self._git("commit", "-q", "--allow-empty", "-m", message)
        return self.head

    @property
    def head(self) -> str:
        return self._git("rev-parse", "HEAD")

    def checkout(self, commit: str) -> None:
        """The project as it was at a commit, its config/deploy.yml too."""
        self._git("checkout", "-q", "--detach", commit)

    def _git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def _forget_images(self) -> None:
        """What earlier runs of the story built only takes room."""
        client = docker.from_env()
        server = self.config.get("registry", {}).get("server")
        image = self.config.get("image") or self.config["service"]
        repository = f"{server}/{image}" if server else image
        for image in client.images.list(repository):
            for tag in image.tags:
                client.images.remove(tag, force=True)

    # Commands

    def deploy(self, version: str, *arguments: str, **variables: Any) -> Run:
        return self.play("deploy", *arguments, kamal_version=version, **variables)

    def check(self, version: str, *arguments: str, **variables: Any) -> Run:
        return self.deploy(version, "--check", "--diff", *arguments, **variables)

    def rollback(self, version: str | None = None, *arguments: str) -> Run:
        return self.play("rollback", *arguments, **({"kamal_version": version} if version else {}))

    def play(self, playbook: str, *arguments: str, **variables: Any) -> Run:
        return self.start(playbook, *arguments, **variables).wait()

    def run(self, *command: str) -> Run:
        return Started(self.root, command, self.withheld).wait()

    def start(
        self,
        playbook: str,
        *arguments: str,
        then: Sequence[str] = (),
        inventory: str = "config/deploy.yml",
        **variables: Any,
    ) -> Started:
        """The playbook as a user runs it, in the project's folder and in a process group of its own. Several may be one
        command: `then` are those after the first."""
        extra = ("-e", json.dumps(variables)) if variables else ()
        where = ("-i", inventory) if inventory else ()
        playbooks = (f"caravan.kamal.{name}" for name in (playbook, *then))
        return Started(self.root, ("ansible-playbook", *where, *playbooks, *extra, *arguments), self.withheld)


class Started:
    """A command under way."""

    def __init__(self, folder: Path, command: tuple[str, ...], withheld: tuple[str, ...] = ()) -> None:
        self.command = (*command, *_without_kept_process(command))
        number = next(NUMBERS)
        self.record = folder.with_name(f"{folder.name}.{number}.results")
        self.output = folder.with_name(f"{folder.name}.{number}.output")
        self.record.write_text("")
        self.began = time.monotonic()
        # A file and no pipe: what a killed command leaves behind may hold it open for long.
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=folder,
                env=self._environment(folder, withheld),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def _environment(self, folder: Path, withheld: tuple[str, ...]) -> dict[str, str]:
        """A user's environment: none of molecule's own settings for Ansible, and where the lab is."""
        not_a_users = ("ANSIBLE_", "MOLECULE_", "VERSION")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(not_a_users)}
        whole = {
            **clean,
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
            "ANSIBLE_CALLBACK_PLUGINS": str(SHARED / "callback"),
            "ANSIBLE_CALLBACKS_ENABLED": "record,caravan.kamal.output",
            "ANSIBLE_NOCOLOR": "1",
            "DOCKER_CONFIG": str(LAB / "docker"),
            "LAB_REGISTRY_PASSWORD": REGISTRY_PASSWORD.read_text(),
            "LAB_SSH_CONFIG": str(LAB / "ssh_config"),
            "PWD": str(folder),
            "STORY_RECORD": str(self.record),
        }
        return {name: value for name, value in whole.items() if name not in withheld}

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """It stands still while the with block lasts: a task that it has begun may end, but no other begins."""
        os.killpg(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self.process.pid, signal.SIGCONT)

    def wait(self) -> Run:
        try:
            self.process.wait()
        except BaseException:
            os.killpg(self.process.pid, signal.SIGTERM)
            raise
        seconds = time.monotonic() - self.began
        output = self.output.read_text(errors="replace")
        print("$", *self.command)
        print(output)
        # A line cut short by a kill holds no result.
        lines = [json.loads(line) for line in self.record.read_text().splitlines() if line.endswith("}")]
        results = [line for line in lines if "outcome" in line]
        changed: dict[str, int] = next((line["changed"] for line in reversed(lines) if "changed" in line), {})
        return Run(self.process.returncode, output, results, changed, seconds)


def _without_kept_process(command: tuple[str, ...]) -> tuple[str, ...]:
    """What makes a run do without the process that runs modules on each host: every story is told either way."""
    is_meant = os.environ.get("KEPT") == "false" and command[0] == "ansible-playbook"
    return ("-e", "kamal_kept_process=false") if is_meant and "kamal_kept_process" not in str(command) else ()


if __name__ == "__main__":
    sys.exit(Project(sys.argv[1]).deploy("v1").code)
