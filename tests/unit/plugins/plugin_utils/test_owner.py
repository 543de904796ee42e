# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds a lease, and whether that process has certainly ended."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import Callable

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils import lease, owner


def parts() -> list[str]:
    return owner.this_run().split(":")


def test_it_is_one_word_that_stays_the_same() -> None:
    assert lease.OWNER.fullmatch(owner.this_run())
    assert owner.this_run() == owner.this_run()
    assert not owner.has_ended(owner.this_run())


def dead_process() -> str:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return str(process.pid)


Change = Callable[[list[str]], list[str]]
OWNERS: dict[str, tuple[Change, bool]] = {
    "a process that is gone": (lambda ours: [ours[0], dead_process(), *ours[2:]], True),
    "its number belongs to another now": (lambda ours: [ours[0], ours[1], "1", ours[3]], True),
    "another machine": (lambda ours: ["elsewhere", dead_process(), *ours[2:]], False),
    "another container or user": (lambda ours: [ours[0], dead_process(), ours[2], f"{ours[3]}1"], False),
    "nothing is known of its start": (lambda ours: [ours[0], dead_process(), "0", ours[3]], False),
    "another form": (lambda ours: [ours[0], dead_process(), ours[2]], False),
    "a word": (lambda ours: ["maintenance"], False),
}


@pytest.mark.parametrize(("change", "ended"), OWNERS.values(), ids=OWNERS)
def test_only_of_a_process_of_this_very_place_it_is_certain(change: Change, ended: bool) -> None:
    assert owner.has_ended(":".join(change(parts()))) is ended


def test_where_nothing_tells_of_processes_nothing_is_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = parts()
    monkeypatch.setattr(owner, "_place", lambda: owner.UNKNOWN)
    assert not owner.has_ended(":".join([ours[0], dead_process(), ours[2], owner.UNKNOWN]))
    assert re.fullmatch(r"[^:]+:\d+:\d+:0", owner.this_run())
