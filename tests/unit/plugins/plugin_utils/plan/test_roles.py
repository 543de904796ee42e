# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every form of `servers` against the roles, hosts and tags in it, and their order."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import roles

THREE = {"servers": {"zeta": ["h3", "h1"], "web": ["h2", "h1"], "alpha": {"hosts": ["h4"], "proxy": True}}}


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ("[h1, h2]", {"web": {"h1": [], "h2": []}}),
        ("[{h1: red}, {h2: [red, blue]}, h3]", {"web": {"h1": ["red"], "h2": ["red", "blue"], "h3": []}}),
        ("{jobs: [h2], web: [h1]}", {"web": {"h1": []}, "jobs": {"h2": []}}),
        ("{web: {hosts: [{h1: red}]}}", {"web": {"h1": ["red"]}}),
        ("{web: [h1, h2, {h1: [red]}]}", {"web": {"h1": ["red"], "h2": []}}),
        ("{web: [{h1: red}, h1]}", {"web": {"h1": []}}),
        ("{web: [{h1: []}]}", {"web": {"h1": []}}),
        ("{web: [h1], empty: [], bare: {cmd: x}}", {"web": {"h1": []}}),
        ("['::1', 192.0.2.1]", {"web": {"::1": [], "192.0.2.1": []}}),
    ],
)
def test_forms(servers: str, expected: dict[str, Any]) -> None:
    found = roles.roles({"servers": yaml.safe_load(servers)})
    assert {role.name: dict(role.tags) for role in found} == expected
    assert [role.name for role in found] == list(expected)


def test_no_servers() -> None:
    assert roles.roles({}) == []


@pytest.mark.parametrize(
    ("primary", "order", "boot"),
    [
        (None, ["web", "alpha", "zeta"], ["h2", "h1", "h4", "h3"]),
        ("zeta", ["zeta", "alpha", "web"], ["h3", "h1", "h4", "h2"]),
        ("alpha", ["alpha", "web", "zeta"], ["h4", "h2", "h1", "h3"]),
    ],
)
def test_the_primary_role_is_first_then_names_decide(primary: str | None, order: list[str], boot: list[str]) -> None:
    found = roles.roles({**THREE, **({"primary_role": primary} if primary else {})})
    assert [role.name for role in found] == order
    assert roles.boot_order(found) == boot


@pytest.mark.parametrize(
    ("proxy", "as_primary", "as_other"),
    [(None, True, False), (True, True, True), (False, False, False), ({}, True, True), ({"app_port": 3}, True, True)],
)
def test_who_is_behind_the_proxy(proxy: Any, as_primary: bool, as_other: bool) -> None:
    settings = {} if proxy is None else {"proxy": proxy}
    for primary, expected in ((True, as_primary), (False, as_other)):
        assert roles.Role("web", {}, settings, primary).proxied is expected


def test_settings_of_a_role_are_all_but_its_hosts() -> None:
    found = {role.name: role.settings for role in roles.roles(THREE)}
    assert found == {"web": {}, "zeta": {}, "alpha": {"proxy": True}}


@pytest.mark.parametrize(
    ("hosts", "gate"), [(["h1"], "web"), (["h4", "h3"], "alpha"), (["h3"], "zeta"), (["h9"], None), ([], None)]
)
def test_the_gate_is_the_first_role_with_a_host_in_the_run(hosts: list[str], gate: str | None) -> None:
    found = roles.gate(roles.roles(THREE), hosts)
    assert (found.name if found else None) == gate


@pytest.mark.parametrize(("host", "expected"), [("h1", ["web", "zeta"]), ("h4", ["alpha"]), ("h9", [])])
def test_roles_of_a_host(host: str, expected: list[str]) -> None:
    assert [role.name for role in roles.on_host(roles.roles(THREE), host)] == expected


TAGGED = {
    "servers": {
        "web": [{"h1": "write"}, {"h2": ["writer", "red"]}, "h3"],
        "jobs": {"hosts": [{"h4": "red"}, "h1"]},
    }
}


@pytest.mark.parametrize(
    ("accessory", "expected"),
    [
        ({"host": "h9"}, ["h9"]),
        ({"hosts": ["h9", "h8", "h9"]}, ["h9", "h8"]),
        ({"role": "jobs"}, ["h4", "h1"]),
        ({"roles": ["jobs", "web"]}, ["h1", "h2", "h3", "h4"]),
        ({"tag": "red"}, ["h2", "h4"]),
        ({"tag": "write"}, ["h1"]),
        ({"tags": ["red", "write"]}, ["h1", "h2", "h4"]),
        ({"tag": "none"}, []),
    ],
)
def test_hosts_of_an_accessory(accessory: dict[str, Any], expected: list[str]) -> None:
    assert roles.accessory_hosts(accessory, roles.roles(TAGGED)) == expected


def test_tags_are_found_in_a_plain_list_of_servers_too() -> None:
    found = roles.roles({"servers": [{"h1": ["red"]}, "h2"]})
    assert roles.accessory_hosts({"tag": "red"}, found) == ["h1"]
