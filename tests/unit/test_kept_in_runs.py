# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs of Ansible over this machine, with the kept process and without it: they tell the same."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any, Iterator

import ansible_here
import pytest

REACH = {"caravan.kamal.reach": None}
WRITE = {"caravan.kamal.audit": {"service": "shop", "text": "it was here"}, "register": "written"}
READ = {"caravan.kamal.audit": {"service": "shop"}, "register": "read"}
WRONG = {"caravan.kamal.audit": {"service": "shop", "lines": "many"}, "register": "refused", "ignore_errors": True}
ANSWERS = "{{ dict(['written', 'read', 'refused'] | zip([written | d(0), read | d(0), refused | d(0)])) }}"
SAY = {"ansible.builtin.debug": {"var": "answers"}, "vars": {"answers": ANSWERS}}


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()

    def run(self, tasks: list[Any], *arguments: str, kept: bool = True, **variables: Any) -> tuple[dict[str, Any], str]:
        """What the tasks registered, and everything that was printed."""
        known = {
            "ansible_connection": "local",
            "ansible_pipelining": True,
            "ansible_python_interpreter": sys.executable,
            "kamal_kept_process": kept,
            **variables,
        }
        play = {"hosts": "h1", "gather_facts": False, "vars": known, "tasks": [*tasks, SAY]}
        (self.folder / "play.yml").write_text(json.dumps([play]))
        ours = {"ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "HOME": str(self.home)}
        code, output = ansible_here.play(self.folder, "-i", "h1,", "play.yml", *arguments, **ours)
        assert code == 0, output
        said = output[output.rindex('"answers": ') + len('"answers": ') :]
        answers, _end = json.JSONDecoder().raw_decode(said)
        return answers, output

    @property
    def log(self) -> str:
        path = self.home / ".kamal" / "shop-audit.log"
        return path.read_text() if path.exists() else ""

    @property
    def kept(self) -> list[str]:
        return [path.name for path in (self.home / ".cache" / "caravan.kamal").glob("*")]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project(tmp_path)
    yield made
    for path in Path("/proc").glob("[0-9]*/environ"):
        with_home = f"HOME={made.home}\0".encode()
        try:
            if with_home in path.read_bytes() + b"\0":
                os.kill(int(path.parent.name), signal.SIGKILL)
        except OSError:
            continue


@pytest.mark.parametrize("mode", [(), ("--check", "--diff")], ids=["", "check"])
def test_a_module_answers_the_same_with_it(project: Project, mode: tuple[str, ...]) -> None:
    tasks = [REACH, WRITE, READ, WRONG]
    alone, _output = project.run(tasks, *mode, kept=False)
    by_ansible = project.log
    assert not project.kept
    (project.home / ".kamal" / "shop-audit.log").unlink(missing_ok=True)
    asked, output = project.run(tasks, "-vv", *mode)
    assert project.kept
    assert "is sent to" not in output
    assert without_times(asked) == without_times(alone)
    assert without_times(project.log) == without_times(by_ansible)


def without_times(found: Any) -> Any:
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME", json.dumps(found)))


def test_without_it_and_without_code_the_module_is_sent(project: Project) -> None:
    answer, output = project.run([WRITE], "-vv")
    assert answer["written"]["changed"]
    assert "The module is sent to h1: NotBegun('nothing is kept here')" in output
    assert project.log.count("it was here") == 1


@pytest.mark.parametrize("tasks", [[WRITE], [REACH, WRITE]], ids=["not reached", "reached"])
def test_a_host_that_greets_everybody_is_understood(project: Project, tasks: list[Any]) -> None:
    python = project.folder / "python"
    python.write_text(f'#!/bin/sh\necho "Welcome to h1"\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    answer, output = project.run(tasks, "-vv", ansible_python_interpreter=str(python))
    assert answer["written"]["changed"]
    assert project.log.count("it was here") == 1
    assert ("is sent to" in output) == (REACH not in tasks)


def test_the_code_of_an_earlier_run_is_used_without_it(project: Project) -> None:
    project.run([REACH, READ])
    answer, output = project.run([WRITE], "-vv")
    assert answer["written"]["changed"]
    assert "is sent to" not in output


@pytest.mark.parametrize(
    "variables",
    [
        {"ansible_pipelining": False},
        {"kamal_kept_process": False},
        {"ansible_become": True, "ansible_become_method": "su"},
    ],
    ids=["no pipelining", "switched off", "su"],
)
def test_where_it_cannot_be_it_is_not_started(project: Project, variables: dict[str, Any]) -> None:
    project.run([REACH] if "ansible_become" in variables else [REACH, WRITE], **variables)
    assert not project.kept


@pytest.mark.parametrize("mode", ["auto", "auto_silent"])
def test_it_is_started_by_the_python_that_ansible_finds(project: Project, mode: str) -> None:
    found = {"ansible_python_interpreter": mode, "ansible_interpreter_python_fallback": [sys.executable]}
    _answer, output = project.run([REACH, READ], "-vv", **found)
    assert project.kept
    assert "is sent to" not in output


def test_runs_share_nothing_but_the_code(project: Project) -> None:
    for _run in range(2):
        project.run([REACH, READ])
    names = project.kept
    assert len([name for name in names if name.endswith(".socket")]) == 2
    assert len(names) == 3


def test_the_most_that_is_printed_has_no_secret(project: Project) -> None:
    task = {"caravan.kamal.audit": {"service": "shop", "text": "s3ntinel-word"}, "no_log": True}
    _answer, output = project.run([REACH, task, {"ansible.builtin.meta": "noop"}], "-vvvv")
    assert "s3ntinel-word" in project.log
    assert "s3ntinel-word" not in output
