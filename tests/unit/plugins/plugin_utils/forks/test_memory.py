# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all processes of a run know together."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import CaravanError
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks.memory import Memory

FORK = multiprocessing.get_context("fork")


def ask(memory: Memory, log: Path, answers: Path, name: str) -> None:
    def make() -> str:
        with log.open("a") as stream:
            stream.write(f"{name}\n")
        return f"{name} ä\0"

    with answers.open("a") as stream:
        stream.write(f"{memory.once(name, make)!r}\n")


def test_of_all_processes_the_first_makes_it(tmp_path: Path) -> None:
    memory, log, answers = Memory(), tmp_path / "log", tmp_path / "answers"
    workers = [FORK.Process(target=ask, args=(memory, log, answers, name)) for name in ("a", "b") * 4]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(log.read_text().split()) == ["a", "b"]
    assert sorted(answers.read_text().splitlines()) == [repr("a ä\0")] * 4 + [repr("b ä\0")] * 4
    assert memory.once("a", lambda: "another") == "a ä\0"


def test_what_could_not_be_made_is_made_by_the_next() -> None:
    memory = Memory()
    with pytest.raises(ZeroDivisionError):
        memory.once("a", lambda: 1 / 0)
    assert memory.once("a", lambda: 1) == 1


def test_a_process_that_dies_keeps_nobody_waiting() -> None:
    memory = Memory()
    worker = FORK.Process(target=lambda: memory.once("a", lambda: multiprocessing.current_process().kill()))
    worker.start()
    worker.join()
    assert memory.once("a", lambda: 1) == 1


def test_what_is_made_may_need_something_else_that_is_kept() -> None:
    memory = Memory()
    assert memory.once("a", lambda: memory.once("b", lambda: 1) + 1) == 2
    assert (memory.once("a", lambda: 9), memory.once("b", lambda: 9)) == (2, 1)


def test_what_is_taken_is_gone() -> None:
    memory = Memory()
    memory.put("a", None)
    memory.put("b", 2)
    assert (memory.take("b"), memory.take("b"), memory.take("a")) == (2, None, None)


def test_too_much_is_told_and_keeps_what_there_was() -> None:
    memory = Memory(4096)
    memory.once("a", lambda: 1)
    with pytest.raises(CaravanError, match="What this run has to remember"):
        memory.once("b", lambda: "x" * 5000)
    assert memory.once("a", lambda: 2) == 1
