# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Logs that are followed on hosts that are this machine: which places are listened to."""

from __future__ import annotations

import json
import os
import re
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


FOLLOWED = [
    ("app.logs", {}, ["h1 web", "h2 web"]),
    ("app.logs", {"kamal_primary": "true"}, ["h1 web"]),
    ("app.logs", {"kamal_logs_container": "shop-x"}, ["h1 shop-x", "h2 shop-x"]),
    ("proxy.logs", {}, ["h1 kamal-proxy", "h2 kamal-proxy"]),
    ("accessory.logs", {"kamal_accessory": "db"}, ["h2 shop-db"]),
]


def test_each_place_is_followed(folder: Path) -> None:
    """One after the other, with a line between them."""
    site: list[object] = []
    for name, variables, _places in FOLLOWED:
        site.append({"import_playbook": f"caravan.kamal.{name}", "vars": variables})
        site.append({"hosts": "h1", "gather_facts": False, "tasks": [{"debug": {"msg": "and then"}}]})
    (folder / "site.yml").write_text(json.dumps(site))
    path = f"{folder}/bin:{os.environ['PATH']}"
    code, output = play(folder, "site.yml", "-e", "kamal_hosts=shop", "-e", "kamal_logs_follow=true", PATH=path)
    assert code == 0, output
    told = [re.findall(r"^(.+) \| (.+)$", part, flags=re.MULTILINE) for part in output.split("and then")[:-1]]
    assert [sorted(lines) for lines in told] == [
        [(place, "ended with code 1: nobody is here") for place in places] for _name, _variables, places in FOLLOWED
    ]
