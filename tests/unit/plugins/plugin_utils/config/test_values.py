# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Defaults are filled in where nothing else is laid over, and what was written stays apart."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import flags, settings
from ansible_collections.caravan.kamal.plugins.modules import proxy_service
from ansible_collections.caravan.kamal.plugins.plugin_utils.config import schema, topology
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import Config, from_mapping

MISSING = object()


def loaded(text: str) -> Config:
    return from_mapping({"service": "a", "servers": ["h1"], **yaml.safe_load(f"{{{text}}}")}, None, "/p")


def value(data: Any, path: str) -> Any:
    for key in path.split("/"):
        data = data[key] if isinstance(data, dict) and key in data else MISSING
    return data


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("", "primary_role", "web"),
        ("", "deploy_timeout", 30),
        ("", "boot/wait", 0),
        ("boot: {wait: 3}", "boot/wait", 3),
        ("boot: {wait: 3}", "boot/parallel_roles", False),
        ("", "boot/limit", MISSING),
        ("", "builder/dockerfile", "Dockerfile"),
        ("", "builder/context", MISSING),
        ("", "proxy/app_port", 80),
        ("proxy: {ssl: true, host: x}", "proxy/ssl", True),
        ("", "proxy/healthcheck/path", "/up"),
        ("proxy: {healthcheck: {path: /x}}", "proxy/healthcheck", {"path": "/x", "interval": 1, "timeout": 5}),
        ("", "ssh/user", "root"),
        ("", "ssh/port", MISSING),
        ("", "registry", MISSING),
        ("", "logging", MISSING),
        ("", "env", MISSING),
        ("", "accessories", MISSING),
        ("accessories: {db: {image: x, host: h}}", "accessories/db/network", "kamal"),
        ("accessories: {db: {image: x, host: h}}", "accessories/db/proxy", MISSING),
        ("accessories: {db: {image: x, host: h, proxy: {}}}", "accessories/db/proxy/app_port", 80),
        ("accessories: {db: {image: x, host: h, proxy: {run: {}}}}", "accessories/db/proxy/run", {}),
        # These are laid over the root's, or over each other: a default in them would hide what was chosen there.
        ("", "proxy/run", MISSING),
        ("proxy: {run: {http_port: 8}}", "proxy/run", {"http_port": 8}),
        ("servers: {web: {hosts: [h], proxy: {}}}", "servers/web", {"hosts": ["h"], "proxy": {}}),
        ("servers: {web: {hosts: [h], logging: {}, env: {}}}", "servers/web/logging", {}),
    ],
)
def test_defaults(text: str, path: str, expected: Any) -> None:
    assert value(loaded(text).data, path) == expected


def test_what_was_written_stays_apart() -> None:
    data = {"service": "a", "servers": ["h1"], "accessories": {"db": {"image": "x", "host": "h"}}, "proxy": {}}
    before = copy.deepcopy(data)
    config = from_mapping(data, None, "/p")
    assert config.written == before == data


def test_one_configuration_does_not_change_the_defaults_of_the_next() -> None:
    first, second = loaded(""), loaded("")
    first.data["proxy"]["healthcheck"]["path"] = "/other"
    assert second.data["proxy"]["healthcheck"]["path"] == "/up"


def in_the_schema(section: str) -> dict[str, Any]:
    """The defaults of a section, `root` being the whole."""
    whole = json.loads(schema.SCHEMA_FILE.read_text())
    keys = (whole if section == "root" else whole["$defs"][section])["properties"]
    return {name: key["default"] for name, key in keys.items() if "default" in key}


def test_what_hosts_and_raw_configurations_know_agrees_with_the_schema() -> None:
    root = in_the_schema("root")
    assert in_the_schema("run") == settings.DEFAULTS
    assert in_the_schema("proxy")["app_port"] == flags.APP_PORT
    assert root["primary_role"] == topology.DEFAULT_ROLE
    for timeout in ("deploy_timeout", "drain_timeout"):
        assert root[timeout] == proxy_service.OPTIONS[timeout]["default"]
