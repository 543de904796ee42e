# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan action in runs about accessories: what is refused before any host is touched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.action import plan

ACCESSORIES = """\
service: app
accessories:
  db: {image: a, host: h5, files: [db.conf.erb:/db.conf], env: {secret: [PASSWORD]}}
  log: {image: b, hosts: [h5, h6]}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/deploy.yml").write_text(ACCESSORIES)
    (tmp_path / "db.conf.erb").write_text('<%= ENV["PASSWORD"] %>\n')
    return tmp_path


def run(project: Path, command: str, accessory: str | None, present: tuple[str, ...] = ("h5",), **more: Any) -> Any:
    action = plan.ActionModule.__new__(plan.ActionModule)
    arguments = {"command": command}
    action._task = SimpleNamespace(args=arguments, async_val=0, check_mode=False, environment=None, action="plan")
    action._task.get_play = lambda: SimpleNamespace(strategy="linear")
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action._templar = SimpleNamespace(template=lambda value: value)
    action._supports_async, action._loader = False, None
    groups = {"all": ["h5", "h6", "h7"], "accessories": ["h5", "h6"]}
    variables = {
        "kamal_config_file": str(project / "config/deploy.yml"),
        "kamal_accessory": accessory,
        "groups": groups,
        "hostvars": {host: {} for host in groups["all"]},
        "ansible_play_hosts_all": list(present),
        "inventory_hostname": present[0],
        **more,
    }
    return action.run(None, {name: value for name, value in variables.items() if value is not None})


@pytest.mark.parametrize(
    ("command", "accessory", "more", "message"),
    [
        ("accessory", "db", {}, None),
        ("accessory_boot", "log", {}, None),
        ("accessory_boot", "db", {"kamal_secrets": {"PASSWORD": "s"}}, None),
        ("accessory_boot", "db", {}, "No value for the secret PASSWORD"),
        (
            "accessory",
            None,
            {},
            "kamal_accessory: say which accessory it is about with -e kamal_accessory=NAME; name one of ",
        ),
        ("accessory", "all", {"ansible_limit": "h6", "present": ("h6",)}, None),
        (
            "accessory",
            "db",
            {"ansible_limit": "h6", "present": ("h6",)},
            "--limit: db: on h5, none of which is among the hosts of this run",
        ),
    ],
)
def test_what_a_run_about_accessories_needs(
    project: Path, command: str, accessory: str | None, more: dict[str, Any], message: str | None
) -> None:
    result = run(project, command, accessory, **more)
    assert bool(result.get("failed")) is (message is not None), result
    assert message is None or message in result["msg"]


def test_a_file_that_cannot_be_rendered_is_told_before_any_host_is_reached(project: Path) -> None:
    (project / "db.conf.erb").write_text("a\n<%= open %>\n")
    secrets = {"kamal_secrets": {"PASSWORD": "s"}}
    assert "db.conf.erb:2: this Ruby is more" in run(project, "accessory_boot", "db", **secrets)["msg"]
    assert not run(project, "accessory", "db").get("failed")
    (project / "db.conf.erb").unlink()
    assert "db.conf.erb: there is no such file" in run(project, "accessory_boot", "all", **secrets)["msg"]


@pytest.mark.parametrize("command", ["setup", "upgrade", "accessory", "accessory_boot", "env_push", "bootstrap"])
def test_an_accessory_on_a_host_that_the_inventory_does_not_have_is_told(project: Path, command: str) -> None:
    _served_with(project, "db9")
    told = "accessories/db: db9: not in the inventory. Add it there, or correct its name here."
    more = {"kamal_secrets": {"PASSWORD": "s"}, "kamal_build": False, "kamal_version": "v1"}
    result = run(project, command, "db", **more)
    assert told in result.get("msg", ""), result


def test_a_run_that_leaves_that_accessory_alone_goes_on(project: Path) -> None:
    _served_with(project, "db9")
    deployed = run(project, "deploy", None, kamal_build=False, kamal_version="v1")
    assert not deployed.get("failed"), deployed
    assert not run(project, "accessory", "log").get("failed")


def _served_with(project: Path, database: str) -> None:
    config = ACCESSORIES.replace("host: h5, files", f"host: {database}, files")
    served = "image: acme/app\nservers: [h5]\nproxy: {host: app.example.com}\n"
    (project / "config/deploy.yml").write_text(config + served)
