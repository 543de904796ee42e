# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one command that opens a terminal on a host, and the file of what a command wrote."""

from __future__ import annotations

import base64
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils import answers

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
