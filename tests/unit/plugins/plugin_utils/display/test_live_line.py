# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts are at: drawn on a terminal, told each minute elsewhere, out of the way of what else is shown."""

from __future__ import annotations

import os
import pickle
from types import SimpleNamespace

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.display.host_line import At
from ansible_collections.caravan.kamal.plugins.plugin_utils.display.live_line import CLEAR, LiveLine, make_room


class Screen:
    def __init__(self, width: int | None) -> None:
        self.written: list[str] = []
        self.now = 0.0
        self.line = LiveLine(self.written.append, width, lambda: self.now)

    def drawn(self) -> list[str]:
        self.line.draw()
        written, self.written[:] = list(self.written), []
        return written


@pytest.fixture
def terminal() -> Screen:
    return Screen(80)


def test_hosts_are_shown_with_their_task_and_time(terminal: Screen) -> None:
    for host in ("web1", "web2"):
        terminal.line.begin(host, "Stage it")
        terminal.now += 2
    assert terminal.drawn() == [f"{CLEAR}  … web1, web2: Stage it, 4 s"]
    terminal.line.end("web1")
    assert terminal.drawn()[-1] == f"{CLEAR}  … web2: Stage it, 2 s"
    terminal.line.end("web2")
    assert terminal.drawn() == [CLEAR]
    assert terminal.drawn() == []


def test_a_host_that_waits_for_the_others_is_shown_as_that(terminal: Screen) -> None:
    for host in ("web1", "worker1"):
        terminal.line.begin(host, "Bring the role that the others wait for live")
    terminal.line.waits("worker1")
    assert terminal.line.text().endswith("wait for live, 0 s; worker1: waiting for the barrier")
    terminal.line.forget()
    terminal.line.begin("worker1", "Bring the other roles live")
    assert "waiting" not in terminal.line.text()


def test_many_hosts_are_counted(terminal: Screen) -> None:
    for number in range(5):
        terminal.line.begin(f"web{number}", "Stage it")
    assert terminal.line.text() == "  … 5 hosts: Stage it, 0 s"


def test_it_fits_the_terminal() -> None:
    narrow = Screen(20)
    narrow.line.begin("web1", "Stage the version beside what runs")
    assert narrow.drawn() == [f"{CLEAR}  … web1: Stage the"]


def test_what_is_shown_meanwhile_has_a_line_of_its_own(terminal: Screen) -> None:
    terminal.line.begin("web1", "Stage it")
    terminal.drawn()
    with terminal.line.aside():
        terminal.written.append("Look!\n")
    assert terminal.written == [CLEAR, "Look!\n"]


def test_without_a_terminal_it_is_told_each_minute_of_silence() -> None:
    plain = Screen(None)
    plain.line.begin("web1", "Build the image")
    told = []
    for _second in range(150):
        plain.now += 1
        told += plain.drawn()
    assert told == [
        "    … web1: Build the image, 60 s\n",
        "    … web1: Build the image, 120 s\n",
    ]


def test_a_fork_neither_waits_nor_draws(terminal: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.line.begin("web1", "Stage it")
    terminal.drawn()
    with terminal.line._lock:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with terminal.line.aside():
            pass
    assert terminal.written == []


def test_a_task_may_run_elsewhere(terminal: Screen) -> None:
    terminal.line.begin("web1", "Plan", "the controller")
    assert terminal.line.text() == "  … the controller: Plan, 0 s"
    terminal.line.begin("web1", "Build", "")
    assert terminal.line.text() == "  … Build, 0 s"


def test_what_a_host_is_at_stands_in_the_place_of_its_task(terminal: Screen) -> None:
    for host in ("web1", "web2"):
        terminal.line.begin(host, "Bring it live")
    terminal.now += 5
    terminal.line.at("web1", "draining what served before")
    terminal.now += 2
    assert terminal.line.text() == "  … web1: draining what served before, 2 s; web2: Bring it live, 7 s"
    terminal.line.end("web1")
    terminal.line.at("web1", "nothing any more")
    assert terminal.line.text() == "  … web2: Bring it live, 7 s"


def test_others_have_room_and_what_a_host_is_at_is_no_line(
    terminal: Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[tuple[str, bool]] = []
    display = SimpleNamespace(display=lambda text, log_only=False: shown.append((text, log_only)))
    make_room(display, lambda: terminal.line)
    terminal.line.begin("web1", "Stage it")
    terminal.drawn()
    line = pickle.loads(pickle.dumps(At.of("web1", "waiting for the image")))
    display.display(line, log_only=True)
    assert terminal.written == [] and "waiting for the image" in terminal.line.text()
    display.display("Look!")
    assert terminal.written == [CLEAR]
    assert shown == [("web1: waiting for the image", True), ("Look!", False)]
