# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The playbook upgrade, run as a user runs it: a configuration for Kamal 1, with no host reached, and a dry run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_here import play
from conftest import ROOT
from docker_socket import ID, engine

FORMER = "# The app.\nservice: hey\nimage: acme/hey\nservers:\n  - 192.0.2.1\nstop_wait_time: 5\n"
NOW = FORMER.replace("stop_wait_time", "drain_timeout") + "proxy:\n  app_port: 3000\n"
BY_HAND = "traefik:\n  args:\n    metrics.prometheus: true\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "ansible.cfg").write_text((ROOT / "playbooks/templates/ansible.cfg.j2").read_text())
    (tmp_path / "config/deploy.yml").write_text(FORMER)
    return tmp_path


def upgrade(folder: Path, *arguments: str, **variables: Any) -> tuple[int, str]:
    return play(folder, "caravan.kamal.upgrade", *arguments, "-e", json.dumps(variables))


def text_of(folder: Path, name: str = "deploy.yml") -> str:
    return (folder / "config" / name).read_text()


EXPLAINED = ("config/deploy.yml:6 stop_wait_time -> drain_timeout\n", "\n-stop_wait_time: 5\n+drain_timeout: 5\n")


def test_a_configuration_for_kamal_1_is_explained_and_stays_as_it_is(folder: Path) -> None:
    code, output = upgrade(folder)
    assert code == 2
    assert [text for text in EXPLAINED if text not in output] == []
    assert "-e kamal_upgrade_write=true" in output
    assert text_of(folder) == FORMER


def test_it_is_written_with_that_of_a_destination_if_asked_and_the_run_ends_well(folder: Path) -> None:
    """Without the inventory that it is, and with it."""
    (folder / "config/deploy.yml").chmod(0o640)
    (folder / "config/deploy.yml.new").write_text("somebody's own")
    code, output = upgrade(folder, "--check", "-i", "config/deploy.yml", kamal_upgrade_write=True)
    assert code == 0, output
    assert [text for text in EXPLAINED if text not in output] == []
    assert "Would write config/deploy.yml." in output and text_of(folder) == FORMER
    (folder / "config/deploy.staging.yml").write_text("healthcheck:\n  path: /health\n")
    code, output = upgrade(folder, kamal_upgrade_write=True, kamal_destination="staging")
    assert code == 0, output
    assert "Wrote config/deploy.yml and config/deploy.staging.yml." in output
    assert "config/deploy.staging.yml:2 healthcheck/path -> proxy/healthcheck/path" in output
    assert text_of(folder) == NOW
    assert text_of(folder, "deploy.staging.yml") == "proxy:\n  healthcheck:\n    path: /health\n"
    assert (folder / "config/deploy.yml").stat().st_mode & 0o777 == 0o640
    names = ["deploy.staging.yml", "deploy.yml", "deploy.yml.new"]
    assert sorted(each.name for each in (folder / "config").iterdir()) == names
    assert text_of(folder, "deploy.yml.new") == "somebody's own"


def test_what_is_to_be_written_by_hand_is_said_last_and_stays(folder: Path) -> None:
    """With another inventory, and without one."""
    (folder / "config/deploy.yml").write_text(FORMER + BY_HAND)
    code, output = upgrade(folder, "-i", "localhost,", kamal_upgrade_write=True)
    assert code == 2
    assert [text for text in EXPLAINED if text not in output] == []
    assert "config/deploy.yml was written." in output
    assert "config/deploy.yml:9 traefik/args/metrics.prometheus -> by hand" in output.partition("by hand before")[2]
    assert text_of(folder) == FORMER.replace("stop_wait_time", "drain_timeout") + BY_HAND + "proxy:\n  app_port: 3000\n"
    code, output = upgrade(folder, kamal_upgrade_write=True)
    assert code == 2 and "was written" not in output


def test_what_else_is_wrong_is_said_as_ever(folder: Path) -> None:
    (folder / "config/deploy.yml").write_text("service: hey\nimage: acme/hey\nservers: [192.0.2.1]\nenvironment: {}\n")
    code, output = upgrade(folder)
    assert code != 0
    assert "config/deploy.yml:4: environment: unknown key" in output


@pytest.mark.parametrize(("playbook", "limit"), [("deploy", ()), ("upgrade", ("--limit", "192.0.2.1"))])
def test_nothing_but_a_whole_upgrade_begins_without_hosts(folder: Path, playbook: str, limit: tuple[str, ...]) -> None:
    code, output = play(folder, f"caravan.kamal.{playbook}", *limit)
    assert code == 4
    assert "stop_wait_time: this is a key of Kamal 1" in output


TRAEFIK = {
    "Id": "t1",
    "Name": "/traefik",
    "Image": "sha256:2",
    "Config": {"Image": "traefik:v2.10", "Cmd": ["--providers.docker"], "Labels": {}},
    "HostConfig": {"PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "80"}]}, "NetworkMode": "default"},
    "State": {"Status": "running"},
    "NetworkSettings": {"Networks": {"bridge": {}}},
}
SHOP = {
    **{"Id": "c1", "Name": "/shop-web-v1", "Image": ID, "Config": {"Image": "acme/shop:v1", "Env": [], "Labels": {}}},
    **{"HostConfig": {"NetworkMode": "default"}, "State": {"Status": "running"}, "NetworkSettings": {"Networks": {}}},
}
IMAGE = {"Id": ID, "RepoTags": ["acme/shop:v1"], "RepoDigests": [], "Config": {"Labels": {"service": "shop"}}}
HOSTS = f"""\
all:
  vars:
    ansible_connection: local
    ansible_python_interpreter: {sys.executable}
    kamal_config: {{service: shop, image: acme/shop, servers: {{web: [h1, h2]}}, proxy: {{host: shop.example.com}}}}
  children:
    app: {{hosts: {{h1: {{}}, h2: {{}}}}}}
"""


@pytest.mark.parametrize("check", [True, False], ids=["--check", "without a confirmation"])
def test_what_would_be_done_to_hosts_is_listed(folder: Path, monkeypatch: pytest.MonkeyPatch, check: bool) -> None:
    (folder / "hosts.yml").write_text(HOSTS)
    monkeypatch.setenv("HOME", str(folder))
    there = {
        "containers/traefik/json": TRAEFIK,
        "containers/c1/json": SHOP,
        "images/acme/shop:v1/json": IMAGE,
        "networks": [],
    }
    with engine(folder, **there) as address:
        monkeypatch.setenv("DOCKER_HOST", address)
        code, output = upgrade(folder, "-i", "hosts.yml", *(["--check"] if check else []))
    assert code == (0 if check else 2), output
    for host in ("h1", "h2"):
        assert f"{host}:\n  put kamal-proxy in the place of traefik\n  remove container traefik\n" in output
        assert (f"{host}            boot kamal-proxy" in output) == check
        assert (f"{host}            start container shop-web-v1" in output) == check
    assert ("run this again with -e kamal_confirm=true" in " ".join(output.split())) != check
    assert output.rstrip().splitlines()[-1].startswith("changed: h1, h2 (" if check else "failed: h1")
    assert not (folder / ".kamal").exists()
