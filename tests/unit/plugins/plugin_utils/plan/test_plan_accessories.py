# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs about accessories, and what is told of these before any host is reached."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import from_mapping
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.planner import plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.run import Run


def made(text: str, **run: Any) -> dict[str, Any]:
    config = from_mapping({"service": "app", **yaml.safe_load(text)}, None, "/project")
    return dict(to_data(plan(config, Run(**{"version": "v1", "hosts": ["h1"], **run}))))


TWO = """servers: [h1]
image: a
registry: {server: r.example.com, username: me, password: [P]}
env: {secret: [APP]}
accessories:
  db: {image: mysql, host: h5, env: {secret: [D]}, ready_timeout: 500}
  log: {image: r.example.com/log, hosts: [h1, h6]}
"""


@pytest.mark.parametrize(
    ("accessory", "names", "hosts", "secrets"),
    [("db", ["db"], ["h5"], ["D"]), ("log", ["log"], ["h1", "h6"], ["P"]), ("all", ["db", "log"], None, ["D", "P"])],
)
def test_a_run_about_accessories_covers_those_alone(
    accessory: str, names: list[str], hosts: list[str] | None, secrets: list[str]
) -> None:
    found = made(TWO, command="accessory_boot", accessory=accessory)
    assert (list(found["accessories"]), found["all_hosts"]) == (names, hosts or ["h5", "h1", "h6"])
    assert (found["order"], found["hosts"], found["secrets"], found["build"]) == ([], {}, secrets, None)
    assert found["lock"]["host"] == "h1"


def test_the_lease_covers_what_accessories_may_take() -> None:
    shorter = made(TWO, command="accessory", accessory="db")["lock"]["ttl"]
    assert made(TWO, command="accessory_boot", accessory="db")["lock"]["ttl"] > max(shorter, 500)


@pytest.mark.parametrize(
    ("text", "accessory", "message"),
    [
        (TWO, None, "say which accessory it is about with -e kamal_accessory=NAME; name one of db, log, or all"),
        (TWO, "bd", "kamal_accessory: there is no accessory bd; name one of db, log, or all"),
        ("servers: [h1]", "db", "kamal_accessory: there is no accessory db; the configuration has none"),
        ("servers: [h1]", "all", "kamal_accessory: there is no accessory at all; the configuration has none"),
    ],
)
def test_an_accessory_that_is_not_there_is_told_with_those_that_are(text: str, accessory: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        made(text, command="accessory", accessory=accessory)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ("port: 5432", "publishes port 5432 on every address"),
        ("port: '0.0.0.0:5432:5432'", "in port: 127.0.0.1:5432:5432"),
        ("port: '5433:5432'", "publishes port 5433"),
        ("options: {publish: ['1:1', '2:2/udp']}", "publishes port 1, 2"),
        ("port: '127.0.0.1:5432:5432'", None),
        ("port: '[::1]:5432:5432'", None),
        ("cmd: a", None),
    ],
)
def test_a_port_that_is_open_to_the_world_is_told(keys: str, told: str | None) -> None:
    text = f"servers: [h1]\naccessories: {{db: {{image: a, hosts: [h1, h5], {keys}}}}}"
    for run in ({"command": "setup"}, {"command": "accessory_boot", "accessory": "db"}):
        notices = made(text, **run)["notices"]
        assert len(notices) == (1 if told else 0)
        assert told is None or (told in notices[0] and "as app-db (kamal_config" in notices[0])
    assert made(text)["notices"] == []


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        ("update: start_first", None),
        ("update: start_first, volumes: ['va:/a:ro'], files: ['b:/b:z,ro']", None),
        ("update: start_first, port: 1", "accessories/db/update: found start_first, but two containers cannot publish"),
        ("update: start_first, options: {network: host}", "cannot publish the same port"),
        ("update: start_first, volumes: ['va:/a', 'vb:/b:ro']", "would write to /a (files"),
        ("update: start_first, directories: ['a:/d']", "would write to /d (files"),
        ("update: start_first, options: {mount: 'type=volume,source=x,target=/m'}", "would write to /m (files"),
        ("proxy: {host: a.example.com}", None),
        ("proxy: {host: a.example.com}, network: other", "accessories/db/proxy: kamal-proxy is on the network kamal"),
    ],
)
def test_what_cannot_go_together_is_refused_by_who_would_boot_it(keys: str, wrong: str | None) -> None:
    text = f"servers: [h1]\naccessories: {{db: {{image: a, host: h5, {keys}}}}}"
    made(text)
    made(text, command="accessory", accessory="db")
    if wrong is None:
        made(text, command="accessory_boot", accessory="db")
        return
    for run in ({"command": "setup"}, {"command": "accessory_boot", "accessory": "db"}):
        with pytest.raises(ConfigError, match=re.escape(wrong)):
            made(text, **run)
