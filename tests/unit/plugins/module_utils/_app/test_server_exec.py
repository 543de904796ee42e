# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command of the shell on a host: what is told of it, and what the audit log keeps."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.modules import server_exec
from modules import perform


def run(command: str, check: bool = False, **more: Any) -> dict[str, Any]:
    asked = {"service": "hello", "host": "web1", "performer": "sam", "command": command, **more}
    return perform(server_exec.main, asked, check)


def test_what_it_wrote_is_answered_and_its_arguments_are_in_no_log(home: Path) -> None:
    answer = run("echo $HOME secret; pwd; echo oh >&2")
    lines = [f"{home} secret", str(home), "oh"]
    assert answer["logs"] == {"shell": {"container": "echo", "state": "exit code 0", "lines": lines}}
    assert answer["actions"] == ["run echo"]
    log = (home / ".kamal/hello-audit.log").read_text()
    assert log.endswith("[sam] Executed cmd 'echo' on web1\n")


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("TOKEN=hush true", "true"),
        ("TOKEN='hu sh' OTHER=hush true hush", "true"),
        ("(TOKEN=hush; true)", "true)"),
        ("TOKEN=hush", "TOKEN"),
        ("true 'hush", "/bin/sh"),
        ("# hush", "#"),
    ],
)
def test_a_variable_that_is_set_before_it_is_shown_nowhere(home: Path, command: str, shown: str) -> None:
    answer = run(command)
    log = (home / ".kamal/hello-audit.log").read_text()
    assert f"Executed cmd '{shown}'" in log and "hu" not in log
    assert answer["actions"] in ([f"run {shown}"], [])


def test_its_code_decides(home: Path) -> None:
    answer = run("sh -c 'echo no; exit 3'")
    assert answer["failed"] and answer["msg"] == "sh ended with code 3 on web1.\nno"


def test_bytes_are_answered_as_they_are(home: Path) -> None:
    logs = run(r"printf '\377\n'; echo oh >&2", raw="f")["logs"]["shell"]
    assert (base64.b64decode(logs["stdout"]), logs["lines"]) == (b"\xff\n", ["oh"])


@pytest.mark.parametrize("more", [{}, {"terminal": True}])
def test_a_dry_run_and_a_terminal_run_nothing(home: Path, more: dict[str, Any]) -> None:
    assert "logs" in run("touch there", check=True, **more)
    assert list(home.iterdir()) == []
    assert run("touch there", terminal=True)["logs"]["shell"]["terminal"] == "touch there"
    assert not (home / "there").exists()


def test_an_empty_one_is_told(home: Path) -> None:
    assert run(" ")["msg"] == "command: it is empty"


def test_what_it_writes_is_told_while_it_runs(home: Path, tmp_path: Path) -> None:
    """It goes on when its first line was told."""
    progress = tmp_path / "progress"
    answer = run(
        f"echo 'a b'; until grep -q 'a b' {progress}; do sleep 0.02; done; echo oh >&2", progress=str(progress)
    )
    told = [json.loads(line) for line in progress.read_text().splitlines()]
    assert [event.get("text") for event in told] == ["a b", "oh", None]
    assert answer["logs"]["shell"]["lines"] == ["a b", "oh"]


def test_one_that_nobody_wants_any_more_is_ended_with_all_that_it_started(home: Path, tmp_path: Path) -> None:
    answer = run(f"touch {tmp_path}/progress.stop; sleep 600 & sleep 600; echo on", progress=str(tmp_path / "progress"))
    assert answer["failed"] and answer["msg"].startswith("touch ended with code -15 on web1.")
