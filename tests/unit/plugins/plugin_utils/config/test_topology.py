# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every form of `servers` against the roles, hosts and tags in it, and their order."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.topology import Role, Topology

THREE = {"servers": {"zeta": ["h3", "h1"], "web": ["h2", "h1"], "alpha": {"hosts": ["h4"], "proxy": True}}}


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ("[h1, h2]", {"web": {"h1": (), "h2": ()}}),
        ("[{h1: red}, {h2: [red, blue]}, h3]", {"web": {"h1": ("red",), "h2": ("red", "blue"), "h3": ()}}),
        ("{jobs: [h2], web: [h1]}", {"web": {"h1": ()}, "jobs": {"h2": ()}}),
        ("{web: {hosts: [{h1: red}]}}", {"web": {"h1": ("red",)}}),
        ("{web: [h1, h2, {h1: [red]}]}", {"web": {"h1": ("red",), "h2": ()}}),
        ("{web: [{h1: red}, h1]}", {"web": {"h1": ()}}),
        ("{web: [{h1: []}]}", {"web": {"h1": ()}}),
        ("{web: [h1], empty: [], bare: {cmd: x}}", {"web": {"h1": ()}}),
        ("['::1', 192.0.2.1]", {"web": {"::1": (), "192.0.2.1": ()}}),
        # The schema reports these.
        ("{web: [h1, 5, [h2], {h3: 7}], 5: 6, jobs: h4}", {"web": {"h1": (), "h3": ()}}),
        ("word", {}),
        ("{}", {}),
    ],
)
def test_forms(servers: str, expected: dict[str, Any]) -> None:
    roles = Topology({"servers": yaml.safe_load(servers)}).roles
    assert {role.name: role.tags for role in roles} == expected
    assert [role.name for role in roles] == list(expected)


@pytest.mark.parametrize(
    "data", [{}, {"servers": 5, "accessories": [1], "primary_role": {}}, {"accessories": {"a": 1}}]
)
def test_nothing_that_can_be_read(data: dict[str, Any]) -> None:
    topology = Topology(data)
    assert (topology.roles, topology.accessories, topology.all_hosts, topology.primary_role) == ([], [], [], "web")


@pytest.mark.parametrize(
    ("primary", "order", "boot"),
    [
        (None, ["web", "alpha", "zeta"], ["h2", "h1", "h4", "h3"]),
        ("zeta", ["zeta", "alpha", "web"], ["h3", "h1", "h4", "h2"]),
        ("alpha", ["alpha", "web", "zeta"], ["h4", "h2", "h1", "h3"]),
    ],
)
def test_the_primary_role_is_first_then_names_decide(primary: str | None, order: list[str], boot: list[str]) -> None:
    topology = Topology({**THREE, **({"primary_role": primary} if primary else {})})
    assert [role.name for role in topology.roles] == order
    assert topology.boot_order == boot


@pytest.mark.parametrize(
    ("proxy", "as_primary", "as_other"),
    [(None, True, False), (True, True, True), (False, False, False), ({}, True, True), ({"app_port": 3}, True, True)],
)
def test_who_is_behind_the_proxy(proxy: Any, as_primary: bool, as_other: bool) -> None:
    settings = {} if proxy is None else {"proxy": proxy}
    for primary, expected in ((True, as_primary), (False, as_other)):
        assert Role("web", ("servers", "web"), settings, (), primary).proxied is expected


def test_settings_of_a_role_are_all_but_its_hosts() -> None:
    assert {role.name: role.settings for role in Topology(THREE).roles} == {
        "web": {},
        "zeta": {},
        "alpha": {"proxy": True},
    }


@pytest.mark.parametrize(
    ("hosts", "gate"), [(["h1"], "web"), (["h4", "h3"], "alpha"), (["h3"], "zeta"), (["h9"], None), ([], None)]
)
def test_the_gate_is_the_first_role_with_a_host_in_the_run(hosts: list[str], gate: str | None) -> None:
    role = Topology(THREE).gate(hosts)
    assert (role.name if role else None) == gate


@pytest.mark.parametrize(("host", "expected"), [("h1", ["web", "zeta"]), ("h4", ["alpha"]), ("h9", [])])
def test_roles_of_a_host(host: str, expected: list[str]) -> None:
    assert [role.name for role in Topology(THREE).on_host(host)] == expected


TAGGED = {
    "servers": {
        "web": [{"h1": "write"}, {"h2": ["writer", "red"]}, "h3"],
        "jobs": {"hosts": [{"h4": "red"}, "h1"]},
        "twice": [{"h5": "old"}, {"h5": "new"}],
    }
}


@pytest.mark.parametrize(
    ("accessory", "expected"),
    [
        ({"host": "h9"}, ("h9",)),
        ({"hosts": ["h9", "h8", "h9"]}, ("h9", "h8")),
        ({"role": "jobs"}, ("h4", "h1")),
        ({"roles": ["jobs", "web"]}, ("h4", "h1", "h2", "h3")),
        ({"tag": "red"}, ("h4", "h2")),
        ({"tag": "write"}, ("h1",)),
        ({"tags": ["red", "write"]}, ("h4", "h1", "h2")),
        ({"tag": "none"}, ()),
        ({"tag": "old"}, ()),
        ({"tag": "new"}, ("h5",)),
        ({"hosts": 5, "role": ["jobs", 5], "tag": {}}, ("h4", "h1")),
    ],
)
def test_hosts_of_an_accessory(accessory: dict[str, Any], expected: tuple[str, ...]) -> None:
    topology = Topology({**TAGGED, "primary_role": "jobs", "accessories": {"db": accessory}})
    assert [each.hosts for each in topology.accessories] == [expected]
    for host in expected:
        assert [each.name for each in topology.accessories_on(host)] == ["db"]


def test_tags_are_found_in_a_plain_list_of_servers_too() -> None:
    topology = Topology({"servers": [{"h1": ["red"]}, "h2"], "accessories": {"db": {"tag": "red"}}})
    assert topology.accessories[0].hosts == ("h1",)


def test_the_hosts_of_each_tag() -> None:
    assert Topology(TAGGED).tags == {"red": ["h2", "h4"], "new": ["h5"], "write": ["h1"], "writer": ["h2"]}


def test_all_hosts_are_those_of_the_app_then_those_of_accessories() -> None:
    topology = Topology({"servers": ["h2", "h1"], "accessories": {"db": {"host": "h9"}, "log": {"role": "web"}}})
    assert topology.all_hosts == ["h2", "h1", "h9"]
