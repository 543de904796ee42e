# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A deploy over hosts that are this machine, ended while it has the lock: what a person and its record are told."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from ansible_here import BIN, environment
from test_playbooks_locally import CONFIG, HOSTS

LIMIT = 120
RECORD = "  output: {file: {path: log}}\n"
HOOK = """\
- name: Wait
  ansible.builtin.raw: touch {folder}/waits; until [ -e {folder}/go ]; do sleep 0.1; done
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_deploy_that_is_ended_tells_of_its_lock_and_ends_its_record(tmp_path: Path, number: int) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "hook.yml").write_text(HOOK.format(folder=tmp_path))
    config = CONFIG.format(service="shop", hosts="[h1, h2]").replace("  proxy:", f"{RECORD}  proxy:")
    (tmp_path / "group_vars" / "shop.yml").write_text(config)
    hooks = {"pre-deploy": {"file": "hook.yml", "on": "once"}}
    given = {"kamal_hosts": "shop", "kamal_version": "v1", "kamal_build": False, "kamal_hooks": hooks}
    command = [str(BIN / "ansible-playbook"), "-i", "hosts.yml", "caravan.kamal.deploy", "-e", json.dumps(given)]
    settings = {
        "ANSIBLE_STDOUT_CALLBACK": "caravan.kamal.rollout",
        "ANSIBLE_CALLBACKS_ENABLED": "caravan.kamal.output",
        "DOCKER_HOST": f"unix://{tmp_path}/none.sock",
        "HOME": str(tmp_path),
    }
    with (tmp_path / "output").open("w") as output:
        run = subprocess.Popen(
            ["env", "--default-signal=TERM,INT", *command],
            cwd=tmp_path,
            env=environment(tmp_path, **settings),
            stdout=output,
            stderr=output,
        )
        until = time.monotonic() + LIMIT
        while not (tmp_path / "waits").exists() and run.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        run.send_signal(number)
        code = run.wait(LIMIT)
    (tmp_path / "go").touch()
    told = (tmp_path / "output").read_text()
    assert code == -number if number == signal.SIGTERM else code > 0, told
    assert told.count("This run still holds the deploy lock of shop on h1.") == 1, told
    assert told.count("Logs written to ") == 1, told
    (record,) = (tmp_path / "log").iterdir()
    assert record.read_text().splitlines()[-1].startswith("# FAILED: the run was cut off (")
