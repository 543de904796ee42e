# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a module says while it runs: in files of limited length, of which few lie unread."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils import _progress
from ansible_collections.caravan.kamal.plugins.module_utils._progress import NEXT, OVER, Progress


def states(path: Path) -> list[str]:
    return [json.loads(line)["state"] for line in path.read_text().splitlines()]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_progress, "SEGMENT", 10)
    monkeypatch.setattr(_progress, "POLL", 0.01)


def test_a_long_one_goes_on_in_another_file(tmp_path: Path, short: None) -> None:
    progress = Progress(str(tmp_path / "p"), {})
    for text in ("one", "two"):
        progress.wrote("web", text)
    progress.over()
    assert states(tmp_path / "p") == ["wrote", NEXT]
    assert states(tmp_path / "p.1") == ["wrote", NEXT] and states(tmp_path / "p.2") == [OVER]


def test_one_that_is_not_read_is_waited_for_and_then_left(
    tmp_path: Path, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    progress = Progress(str(tmp_path / "p"), {})
    for _number in range(_progress.AHEAD):
        progress.wrote("web", "text")
    reader = threading.Timer(0.1, (tmp_path / "p").unlink)
    reader.start()
    progress.wrote("web", "waits for the reader")
    reader.join()
    assert states(tmp_path / f"p.{_progress.AHEAD}") == ["wrote"]
    monkeypatch.setattr(_progress, "PATIENCE", 0.05)
    for _number in range(3):
        progress.wrote("web", "nobody is there")
    progress.over()
    assert len(list(tmp_path.iterdir())) == _progress.AHEAD
    assert OVER not in "".join(path.read_text() for path in tmp_path.iterdir())


def test_where_it_cannot_be_written_nothing_is_said_and_the_work_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Progress(str(tmp_path / "no" / "p"), {}).wrote("web", "text")
    progress = Progress(str(tmp_path / "p"), {})

    class Full:
        def write(self, _text: str) -> Any:
            raise OSError(28, "No space left on device")

    progress.file = Full()  # type: ignore[assignment]
    progress.wrote("web", "text")
    progress.over()
    assert (tmp_path / "p").read_text() == ""


def test_it_is_written_into_nothing_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("kept")
    (tmp_path / "p").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "fifo")
    for name in ("p", "fifo"):
        Progress(str(tmp_path / name), {}).wrote("web", "text")
    assert (tmp_path / "elsewhere").read_text() == "kept"
