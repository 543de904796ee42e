# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logs that are followed on hosts that are this machine: which places are listened to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_playbooks_locally import CONFIG, HOSTS, play

ACCESSORY = "  accessories: {db: {image: mysql, host: h2}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose hosts have a docker command that refuses everything, so that nothing is followed for long."""
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.yml").write_text(HOSTS)
    config = CONFIG.format(service="shop", hosts="[h1, h2]")
    (tmp_path / "group_vars" / "shop.yml").write_text(config.replace("  proxy:", f"{ACCESSORY}  proxy:"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "docker").write_text("#!/bin/sh\necho nobody is here >&2; exit 1\n")
    (tmp_path / "bin" / "docker").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "variables", "places"),
    [
        ("app.logs", {}, ["h1 web", "h2 web"]),
        ("app.logs", {"kamal_primary": "true"}, ["h1 web"]),
        ("app.logs", {"kamal_logs_container": "shop-x"}, ["h1 shop-x", "h2 shop-x"]),
        ("proxy.logs", {}, ["h1 kamal-proxy", "h2 kamal-proxy"]),
        ("accessory.logs", {"kamal_accessory": "db"}, ["h2 shop-db"]),
    ],
)
def test_each_place_is_followed(folder: Path, name: str, variables: dict[str, str], places: list[str]) -> None:
    given = {"kamal_hosts": "shop", "kamal_logs_follow": "true", **variables}
    asked = [word for variable, value in given.items() for word in ("-e", f"{variable}={value}")]
    path = f"{folder}/bin:{os.environ['PATH']}"
    code, output = play(folder, f"caravan.kamal.{name}", *asked, PATH=path)
    assert code == 0, output
    assert sorted(line for line in output.splitlines() if " | " in line) == [
        f"{place} | ended with code 1: nobody is here" for place in places
    ]
