# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a module says while it runs, as it is read: here and on another host, in one file and several, to its end."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible_collections.caravan.kamal.plugins.module_utils import _progress
from ansible_collections.caravan.kamal.plugins.module_utils._progress import Progress
from ansible_collections.caravan.kamal.plugins.plugin_utils.kept import way
from ansible_collections.caravan.kamal.plugins.plugin_utils.progress import reader


def action(folder: Path, transport: str, says: str = "", lost: bool = False) -> Any:
    """On another host, which is this one, it has this folder."""

    def execute(script: str, **_options: Any) -> dict[str, Any]:
        if lost:
            raise AnsibleConnectionFailure("gone")
        done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=False)
        return {"stdout": says + done.stdout}

    shell = SimpleNamespace(tmpdir=None, join_path=os.path.join)
    connection = SimpleNamespace(transport=transport, _shell=shell)
    return SimpleNamespace(
        _connection=connection, _low_level_execute_command=execute, _make_tmp_path=lambda: str(folder)
    )


def texts(events: list[Any]) -> list[str]:
    return [event["text"] for event in events]


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_it_is_heard_while_the_module_runs_and_to_its_end(
    tmp_path: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress, "SEGMENT", 100)
    told: list[str] = []
    came = threading.Event()

    def hear(events: list[Any]) -> None:
        told.extend(texts(events))
        if "first" in told:
            came.set()

    with reader.heard(action(tmp_path, transport), hear) as reading:
        module = Progress(reading.path, {})
        module.wrote("web", "first")
        assert came.wait(60)
        for number in range(20):
            module.wrote("web", f"é {number}")
        module.over()
    assert told == ["first", *(f"é {number}" for number in range(20))]
    assert reading.is_whole
    assert len(list(tmp_path.iterdir())) <= 1


def test_it_is_heard_in_the_folder_of_the_kept_process_which_only_the_host_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(reader, "LONG", 0.01)
    folder = Path(os.path.expandvars(way.FOLDER))
    folder.mkdir(parents=True)
    came = threading.Event()

    def hear(events: list[Any]) -> None:
        if texts(events) == ["first"]:
            came.set()

    with reader.heard_if_long(action(tmp_path, "ssh"), hear, way.FOLDER) as reading:
        Progress(os.path.expandvars(reading.path), {}).wrote("web", "first")
        assert folder in Path(os.path.expandvars(reading.path)).parents
        assert came.wait(60)


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_one_that_was_killed_is_heard_as_far_as_it_came(tmp_path: Path, transport: str) -> None:
    told: list[str] = []
    with reader.heard(action(tmp_path, transport), lambda events: told.extend(texts(events))) as reading:
        Progress(reading.path, {}).wrote("web", "last")
        with open(reading.path, "a", encoding="utf-8") as file:
            file.write('{"state": "wro')
    assert told == ["last"] and not reading.is_whole


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_one_that_says_nothing_holds_nobody_up(tmp_path: Path, transport: str) -> None:
    with reader.heard(action(tmp_path, transport), print) as reading:
        pass
    assert not reading.is_whole


@pytest.mark.parametrize("trouble", [{"lost": True}, {"says": "Welcome!\n"}], ids=["lost", "greeting"])
def test_a_host_that_cannot_be_heard_is_left_alone(tmp_path: Path, trouble: dict[str, Any]) -> None:
    told: list[Any] = []
    with reader.heard(action(tmp_path, "ssh", **trouble), told.extend) as reading:
        module = Progress(reading.path, {})
        module.wrote("web", "text")
        module.over()
    assert told == [] and not reading.is_whole


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_the_work_is_ended_from_afar_and_leaves_no_file(tmp_path: Path, transport: str) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    with reader.heard(action(folder, transport), lambda _events: None) as reading:
        module = Progress(reading.path, {})
        assert not module.is_to_stop

        def end() -> None:
            while not module.is_to_stop:
                time.sleep(0.01)
            module.over()

        ending = threading.Thread(target=end)
        ending.start()
        reading.stop()
        ending.join()
    assert not Path(reading.path).parent.exists()


def test_one_that_does_not_end_is_not_waited_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "TOLD_WITHIN", 0.2)
    with reader.heard(action(tmp_path, "ssh"), lambda _events: None) as reading:
        Progress(reading.path, {}).wrote("web", "text")
        reading.stop()
        assert Path(reading.path + _progress.STOP).exists()


@pytest.mark.parametrize("transport", ["local", "ssh"])
def test_what_takes_long_is_heard_where_its_user_is_at_home(
    tmp_path: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "LONG", 0.01)
    monkeypatch.setenv("HOME", str(tmp_path / "at home"))
    (tmp_path / "at home").mkdir()
    came = threading.Event()

    def hear(events: list[Any]) -> None:
        if [event["what"] for event in events] == ["stop container a"]:
            came.set()

    with reader.heard_if_long(action(tmp_path, transport), hear, "$HOME") as reading:
        module = Progress(os.path.expandvars(reading.path), {})
        module.at("stop container a")
        assert came.wait(60)
        module.over(removed=True)
    assert list((tmp_path / "at home").iterdir()) == []


def test_what_takes_no_time_is_not_asked_about(tmp_path: Path) -> None:
    asked: list[str] = []
    quick = action(tmp_path, "ssh")
    quick._low_level_execute_command = lambda script, **_options: asked.append(script)
    with reader.heard_if_long(quick, print, "$HOME"):
        pass
    assert asked == []


def test_it_is_read_with_another_connection_than_the_module_runs_with(tmp_path: Path) -> None:
    """Ansible keeps in it where the password of a command lies, and removes that afterwards."""

    class Action:
        def __init__(self) -> None:
            shell = SimpleNamespace(tmpdir=str(tmp_path), join_path=os.path.join)
            self._connection = SimpleNamespace(transport="ssh", _shell=shell, password="that of the module")

        def _low_level_execute_command(self, _script: str, **_options: Any) -> dict[str, Any]:
            self._connection.password = "that of another command"
            return {"stdout": ""}

    asking: Any = Action()
    reader.Far(asking, None).read(0, 0, False)
    assert asking._connection.password == "that of the module"
