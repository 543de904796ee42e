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


def play_of(tasks: list[Any], host: str = "h1", **variables: Any) -> dict[str, Any]:
    known = {"ansible_connection": "local", "ansible_pipelining": True, "ansible_python_interpreter": sys.executable}
    return {"hosts": host, "gather_facts": False, "vars": {**known, **variables}, "tasks": [*tasks, SAY]}


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()

    def run(self, tasks: list[Any], *arguments: str, **variables: Any) -> tuple[dict[str, Any], str]:
        """What the tasks registered, and everything that was printed."""
        (answers,), output = self.run_all([play_of(tasks, **variables)], *arguments)
        return answers, output

    def run_all(self, plays: list[Any], *arguments: str) -> tuple[list[dict[str, Any]], str]:
        """The same of each play."""
        (self.folder / "play.yml").write_text(json.dumps(plays))
        ours = {"ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "HOME": str(self.home)}
        code, output = ansible_here.play(self.folder, "-i", "h1,h2,", "play.yml", *arguments, **ours)
        assert code == 0, output
        said = output.split('"answers": ')[1:]
        return [json.JSONDecoder().raw_decode(text)[0] for text in said], output

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


def test_a_module_answers_the_same_with_it(project: Project) -> None:
    """In check mode first, so that it finds nothing there yet, and then for good."""
    tasks = [WRITE, READ, WRONG]
    alone, _output = project.run_all(in_both_modes(tasks, kamal_kept_process=False))
    by_ansible = project.log
    assert not project.kept
    (project.home / ".kamal" / "shop-audit.log").unlink()
    asked, output = project.run_all(in_both_modes(tasks), "-vv")
    assert project.kept
    assert "is sent to" not in output
    assert len(asked) == 2 and without_times(asked) == without_times(alone)
    assert project.log.count("it was here") == 1 and without_times(project.log) == without_times(by_ansible)


def in_both_modes(tasks: list[Any], **variables: Any) -> list[dict[str, Any]]:
    looking = {"check_mode": True, "diff": True}
    return [{**play_of([REACH, *tasks], **variables), **mode} for mode in (looking, {})]


def without_times(found: Any) -> Any:
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:]+Z", "TIME", json.dumps(found)))


NOWHERE = [
    ([REACH, WRITE], {"ansible_pipelining": False}),
    ([REACH, WRITE], {"kamal_kept_process": False}),
    ([REACH], {"ansible_become": True, "ansible_become_method": "su"}),
]


def test_where_it_cannot_be_it_is_not_started_and_the_module_is_sent(project: Project) -> None:
    nowhere = [play_of(tasks, **variables) for tasks, variables in NOWHERE]
    (*_others, answer), output = project.run_all([*nowhere, play_of([WRITE])], "-vv")
    assert not project.kept
    assert answer["written"]["changed"]
    assert output.count("The module is sent to h1: NotBegun('nothing is kept here')") == 1
    assert project.log.count("it was here") == 3


def test_a_host_that_greets_everybody_is_understood_before_it_is_reached_and_after(project: Project) -> None:
    python = project.folder / "python"
    python.write_text(f'#!/bin/sh\necho "Welcome to h1"\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    plays = [play_of(tasks, ansible_python_interpreter=str(python)) for tasks in ([WRITE], [REACH, WRITE])]
    answers, output = project.run_all(plays, "-vv")
    assert [answer["written"]["changed"] for answer in answers] == [True, True]
    assert project.log.count("it was here") == 2
    before, after = output.split('"answers": ')[:2]
    assert "is sent to" in before and "is sent to" not in after


def test_runs_share_nothing_but_the_code_which_is_used_before_the_host_is_reached_again(project: Project) -> None:
    project.run([REACH, READ])
    answer, output = project.run([WRITE, REACH], "-vv")
    assert answer["written"]["changed"]
    assert "is sent to" not in output
    names = project.kept
    assert len([name for name in names if name.endswith(".socket")]) == 2
    assert len(names) == 3


def test_it_is_started_by_the_python_that_ansible_finds(project: Project) -> None:
    found = {"ansible_interpreter_python_fallback": [sys.executable]}
    modes = {"h1": "auto", "h2": "auto_silent"}
    plays = [play_of([REACH, READ], host, ansible_python_interpreter=mode, **found) for host, mode in modes.items()]
    _answers, output = project.run_all(plays, "-vv")
    assert len([name for name in project.kept if name.endswith(".socket")]) == len(modes)
    assert "is sent to" not in output


def test_the_most_that_is_printed_has_no_secret(project: Project) -> None:
    task = {"caravan.kamal.audit": {"service": "shop", "text": "s3ntinel-word"}, "no_log": True}
    _answer, output = project.run([REACH, task, {"ansible.builtin.meta": "noop"}], "-vvvv")
    assert "s3ntinel-word" in project.log
    assert "s3ntinel-word" not in output
