# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What one process of a run begins, another one gets the answer of."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks import background as rules
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks.background import LOST, Background
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks.memory import Memory

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def background() -> Background:
    return Background(Memory())


def in_a_process(act: Callable[[], Any]) -> None:
    worker = FORK.Process(target=act)
    worker.start()
    worker.join()


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.01)


def has_ended(process: Path) -> bool:
    """Also where nobody has asked yet how it ended."""
    try:
        return "\nState:\tZ" in (process / "status").read_text()
    except OSError:
        return True


def test_it_goes_on_after_the_process_that_began_it(background: Background, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"

    def act() -> dict[str, Any]:
        wait_for(go_on.exists)
        return {"changed": True, "image": "ä", "from": str(Path("/proc/self").resolve())}

    in_a_process(lambda: background.begin("build", act))
    go_on.touch()
    answer = background.answer("build")
    assert answer is not None
    assert (answer["changed"], answer["image"]) == (True, "ä")
    assert answer["from"] != str(Path("/proc/self").resolve())


def test_what_has_another_name_is_done_at_the_same_time(background: Background, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"

    def act() -> dict[str, Any]:
        wait_for(go_on.exists)
        return {"by": "the first"}

    in_a_process(lambda: background.begin("on host1", act))
    assert background.done("on host2", lambda: {"by": "the second"}) == {"by": "the second"}
    go_on.touch()
    assert background.answer("on host1") == {"by": "the first"}


def test_an_answer_is_given_once_and_to_nobody_else(background: Background) -> None:
    in_a_process(lambda: background.begin("build", lambda: {"changed": True}))
    assert background.answer("another") is None
    assert background.answer("build") == {"changed": True}
    assert background.answer("build") is None


@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: 1 / 0], ids=["killed", "broken"])
def test_what_ends_without_an_answer_has_failed(background: Background, end: Callable[[], Any]) -> None:
    in_a_process(lambda: background.begin("build", lambda: {"never": end()}))
    assert background.answer("build") == LOST


def test_what_nobody_has_begun_is_begun_by_who_wants_it(background: Background) -> None:
    in_a_process(lambda: background.begin("build", lambda: {"by": "the first"}))
    assert background.done("build", lambda: {"by": "the second"}) == {"by": "the first"}
    by_another = background.done("build", lambda: {"by": os.getpid()})
    assert by_another["by"] != os.getpid()


@pytest.mark.parametrize("own_session", [False, True])
def test_it_ends_with_the_run_and_with_all_that_it_started(
    background: Background, tmp_path: Path, own_session: bool
) -> None:
    started = tmp_path / "started"

    def act() -> dict[str, Any]:
        script = f"echo $$ > {started}.new; mv {started}.new {started}; exec sleep 600"
        subprocess.run(["sh", "-c", script], check=False, start_new_session=own_session)
        return {}

    def run() -> None:
        in_a_process(lambda: background.begin("build", act))
        wait_for(started.exists)

    in_a_process(run)
    sleeper = Path("/proc") / started.read_text().strip()
    wait_for(lambda: has_ended(sleeper))
    assert own_session or background.answer("build") == LOST


def ended_with_its_run(background: Background, begun: Path, act: Callable[[], dict[str, Any]]) -> None:
    """The run ends as soon as the act has begun; the act has ended afterwards."""

    def run() -> None:
        in_a_process(lambda: background.begin("build", act))
        wait_for(begun.exists)

    in_a_process(run)
    assert background.answer("build") == LOST


def test_when_the_run_ends_it_leaves_no_files(background: Background, tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    def act() -> dict[str, Any]:
        with tempfile.NamedTemporaryFile(dir=tmp_path), tempfile.TemporaryDirectory(dir=tmp_path):
            begun.touch()
            time.sleep(600)
        return {}

    ended_with_its_run(background, begun, act)
    assert list(tmp_path.iterdir()) == [begun]


def test_a_second_signal_does_not_disturb_its_leaving(background: Background, tmp_path: Path) -> None:
    begun, left = tmp_path / "begun", tmp_path / "left"

    def act() -> dict[str, Any]:
        try:
            begun.touch()
            time.sleep(600)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            left.touch()
        return {}

    ended_with_its_run(background, begun, act)
    assert left.exists()


def test_what_does_not_leave_is_made_to(
    background: Background, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "GRACE", 0.1)
    begun = tmp_path / "begun"

    def act() -> dict[str, Any]:
        try:
            begun.touch()
            time.sleep(600)
        finally:
            time.sleep(600)
        return {}

    ended_with_its_run(background, begun, act)
