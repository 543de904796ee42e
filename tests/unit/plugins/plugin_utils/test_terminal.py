# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one command that opens a terminal on a host, and the file of what a command wrote."""

from __future__ import annotations

import base64
import io
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils import answers, terminal
from ansible_collections.caravan.kamal.plugins.plugin_utils.display import report

BY_KEY = {"port": 2222, "remote_user": "sam", "private_key_file": "/k y", "ssh_common_args": "-F 'a b'"}


def action(options: dict[str, Any], transport: str = "ssh", become: Any = None, **arguments: Any) -> Any:
    options = {"host": "10.0.0.1", **options}
    connection = SimpleNamespace(transport=transport, become=become, get_option=options.get)
    return SimpleNamespace(_connection=connection, _task=SimpleNamespace(args=arguments))


@pytest.mark.parametrize(
    ("arranged", "line"),
    [
        (action({}), "ssh -t 10.0.0.1 'docker exec -it a sh'"),
        (action(BY_KEY), "ssh -t -p 2222 -l sam -i '/k y' -F 'a b' 10.0.0.1 'docker exec -it a sh'"),
        (action({"ssh_executable": "/bin/ssh"}, become="sudo"), "/bin/ssh -t 10.0.0.1 'sudo docker exec -it a sh'"),
        (
            action(
                {"ssh_args": "-C -o ControlMaster=auto -oControlPersist=60s -oProxyJump=b", "host_key_checking": False}
            ),
            "ssh -t -C -oProxyJump=b -o StrictHostKeyChecking=no 10.0.0.1 'docker exec -it a sh'",
        ),
        (action({}, "local"), "sh -c 'docker exec -it a sh'"),
        (
            action({"ssh_extra_args": "-o IdentityAgent=/tmp/x/ssh-agent -C"}),
            "ssh -t -C 10.0.0.1 'docker exec -it a sh'",
        ),
        (action({"ssh_args": "-oIdentityAgent=/mine"}), "ssh -t -oIdentityAgent=/mine 10.0.0.1 'docker exec -it a sh'"),
    ],
)
def test_a_terminal_is_opened_as_ansible_connects(arranged: Any, line: str) -> None:
    result = {"logs": {"web": {"lines": [], "terminal": "docker exec -it a sh"}}}
    assert answers.finished(arranged, result)["terminal"] == line


def test_a_file_gets_the_bytes_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "dump"
    file.write_text("something longer than that")
    result = {"logs": {"web": {"lines": ["?"], "stdout": base64.b64encode(b"\xff\n").decode()}}}
    logs = answers.finished(action({}, raw=str(file)), result)["logs"]
    assert logs == {"web": {"lines": [f"2 bytes are in {file}"]}}
    assert file.read_bytes() == b"\xff\n" and file.stat().st_mode & 0o777 == 0o600


def test_a_failure_is_handed_on_as_it_is() -> None:
    assert answers.finished(action({}), {"failed": True, "msg": "no"})["msg"] == "no"


def test_a_key_that_ends_with_the_run_is_told() -> None:
    result = {"logs": {"web": {"lines": [], "terminal": "docker exec -it a sh"}}}
    of_run, own = ({"ssh_extra_args": f"-o IdentityAgent=/tmp/{name}"} for name in ("ssh-agent", "mine"))
    answers_of = {name: answers.finished(action(each), dict(result)) for name, each in (("run", of_run), ("own", own))}
    assert [answer["key_ends"] for answer in answers_of.values()] == [True, False]
    assert "This opens it:\n\nssh -t 10.0.0.1" in report.output({"h": answers_of["run"]})
    assert report.KEY_ENDS in report.output({"h": answers_of["run"]})
    assert report.KEY_ENDS not in report.output({"h": answers_of["own"]})


class Stream(io.StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.mark.parametrize(
    ("environ", "stdin", "stdout", "there"),
    [
        ({"TERM": "xterm"}, True, True, True),
        ({"TERM": "xterm"}, False, True, False),
        ({"TERM": "xterm"}, True, False, False),
        ({"TERM": "dumb"}, True, True, False),
        ({}, True, True, False),
        ({"TERM": "xterm", "CI": "true"}, True, True, False),
        ({"TERM": "xterm", "GITHUB_ACTIONS": "true"}, True, True, False),
        ({"TERM": "xterm", "AWX_ISOLATED_DATA_DIR": "/runner"}, True, True, False),
    ],
)
def test_a_terminal_is_there_where_a_person_can_sit_at_it(
    environ: dict[str, str], stdin: bool, stdout: bool, there: bool
) -> None:
    assert terminal.is_there(environ, Stream(stdin), Stream(stdout)) is there


def test_what_was_made_ready_is_opened_once_and_its_code_counts(tmp_path: Path) -> None:
    (tmp_path / "ssh-agent").touch()
    line = shlex.join(["sh", "-c", f"echo $SSH_AUTH_SOCK >> {tmp_path}/opened; exit 3"])
    known = {"hostvars": {"h1": {}, "h2": {"answered": {"results": [{"skipped": True}, {"terminal": line}]}}}}
    assert terminal.made_ready(known, "answered") == line
    assert terminal.made_ready(known, "nothing") == ""
    assert [terminal.opened(line, str(tmp_path)) for _time in range(2)] == [3, 3]
    assert (tmp_path / "opened").read_text() == f"{tmp_path}/ssh-agent\n"


@pytest.mark.parametrize(
    ("options", "transport", "kept"),
    [
        ({"ssh_args": "-o ControlMaster=auto -o ControlPersist=60s"}, "ssh", True),
        ({"ssh_args": "-C", "ssh_common_args": "-oControlPersist=yes"}, "ssh", True),
        ({"ssh_args": "-o ControlMaster=auto -o ControlPersist=no"}, "ssh", False),
        ({"ssh_args": "-C"}, "ssh", False),
        ({}, "local", True),
    ],
)
def test_which_connections_are_kept_open(options: dict[str, Any], transport: str, kept: bool) -> None:
    assert terminal.is_kept_open(action(options, transport)._connection) is kept
