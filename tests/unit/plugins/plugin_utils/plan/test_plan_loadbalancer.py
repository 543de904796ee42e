# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The load balancer in a plan: what it is told of each role, where it finds the hosts, and where it cannot work."""

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

WEB = "servers: [h1, h2]\nproxy: {host: 'app.example.com, www.example.com'}\n"


def made(text: str, **run: Any) -> dict[str, Any]:
    config = from_mapping({"service": "app", **yaml.safe_load(text)}, None, "/project")
    return dict(to_data(plan(config, Run(**{"version": "v1", "hosts": ["h1", "h2"], **run}))))


def route(text: str, **run: Any) -> dict[str, Any]:
    return dict(made(text, **run)["balancers"]["lb"]["routes"][0])


@pytest.mark.parametrize(
    ("section", "addresses", "targets"),
    [
        ("host: lb", {}, {"h1": "h1:80", "h2": "h2:80"}),
        ("host: lb", {"h1": "192.0.2.1"}, {"h1": "192.0.2.1:80", "h2": "h2:80"}),
        ("host: lb, targets: {h1: 10.0.0.1, h2: '10.0.0.2:81'}", {"h1": "192.0.2.1"}, ["10.0.0.1:80", "10.0.0.2:81"]),
        ("host: lb, targets: {h1: '[fd00::1]:81'}", {"h2": "fd00::2"}, ["[fd00::1]:81", "[fd00::2]:80"]),
    ],
)
def test_where_it_finds_the_hosts(section: str, addresses: dict[str, str], targets: Any) -> None:
    found = route(f"{WEB}loadbalancer: {{{section}}}", addresses=addresses)["targets"]
    assert (found if isinstance(targets, dict) else list(found.values())) == targets


def test_the_port_is_that_of_the_hosts_kamal_proxy_and_its_own_settings_are_its_alone() -> None:
    text = "servers: [h1]\nproxy: {run: {http_port: 8080}}\nloadbalancer: {host: lb, proxy: {run: {http_port: 80}}}"
    there = made(text)["balancers"]["lb"]
    assert there["routes"][0]["targets"] == {"h1": "h1:8080"}
    assert there["proxy"]["run"] == {"http_port": 80}


@pytest.mark.parametrize(
    ("proxy", "own", "expected"),
    [
        ("host: a.com", "", {"host": "a.com", "healthcheck": {"host": "a.com", "path": "/up"}}),
        (
            "host: 'a.com,b.com', canonical_host: b.com",
            "",
            {"canonical_host": "b.com", "healthcheck": {"host": "b.com"}},
        ),
        ("hosts: [a.com], response_timeout: 60", "", {"hosts": ["a.com"], "response_timeout": 60}),
        ("host: a.com", "hosts: [b.com]", {"hosts": ["b.com"], "healthcheck": {"host": "b.com"}}),
        ("host: a.com", "ssl: true", {"ssl": True, "host": "a.com"}),
        ("host: a.com, healthcheck: {path: /h, interval: 3}", "", {"healthcheck": {"path": "/h", "interval": 3}}),
        ("host: a.com", "healthcheck: {path: /h, host: c.com}", {"healthcheck": {"path": "/h", "host": "c.com"}}),
        ("path_prefix: /api", "", {"strip_path_prefix": False, "healthcheck": {"path": "/api/up"}}),
        (
            "path_prefix: /api, strip_path_prefix: false, healthcheck: {path: /api/h}",
            "",
            {"strip_path_prefix": False, "healthcheck": {"path": "/api/h"}},
        ),
    ],
)
def test_what_it_is_told(proxy: str, own: str, expected: dict[str, Any]) -> None:
    found = route(f"servers: [h1, h2]\nproxy: {{{proxy}}}\nloadbalancer: {{host: lb, proxy: {{{own}}}}}")["proxy"]
    check = expected.pop("healthcheck", {})
    assert {key: found.get(key) for key in expected} == expected
    assert {key: found["healthcheck"].get(key) for key in check} == check
    assert "app_port" not in found
    assert not ("host" in found and "hosts" in found)


def test_each_role_behind_kamal_proxy_has_a_route() -> None:
    text = """servers: {web: [h1], api: {hosts: [h2], proxy: {host: api.example.com}}, jobs: [h1]}
loadbalancer: {hosts: [lb, lb2]}"""
    found = made(text)
    assert [each["name"] for each in found["balancers"]["lb2"]["routes"]] == ["app-web", "app-api"]
    assert [each["targets"] for each in found["balancers"]["lb"]["routes"]] == [{"h1": "h1:80"}, {"h2": "h2:80"}]
    assert found["all_hosts"] == ["h1", "h2", "lb", "lb2"]
    assert found["order"] == ["h1", "h2"]


def test_its_certificate_is_asked_for_where_a_run_deploys() -> None:
    own = "proxy: {ssl: {certificate_pem: CERT, private_key_pem: KEY}}"
    text = f"{WEB}loadbalancer: {{host: lb, {own}}}"
    assert made(text)["secrets"] == ["CERT", "KEY"]
    assert made(text, command="remove")["secrets"] == []
    assert made(text, secrets_from="hosts")["secrets"] == []


def test_a_run_about_accessories_leaves_it_alone() -> None:
    text = f"{WEB}loadbalancer: {{host: lb}}\naccessories: {{db: {{image: mysql, host: h9}}}}"
    assert made(text, command="accessory", accessory="db")["balancers"] == {}


def test_the_lease_covers_what_it_may_take() -> None:
    alone = made(WEB)["lock"]["ttl"]
    assert made(f"{WEB}deploy_timeout: 300\nloadbalancer: {{host: lb}}")["lock"]["ttl"] > alone + 600


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("servers: [h1]\nloadbalancer: {}", "exactly one of `host` and `hosts` says where it runs; found none"),
        ("servers: [h1]\nloadbalancer: {host: a, hosts: [b]}", "where it runs; found `host`, `hosts`"),
        ("servers: [h1]\nloadbalancer: {hosts: []}", "so it would run nowhere"),
        ("servers: {web: {hosts: [h1], proxy: false}}\nloadbalancer: {host: lb}", "no role is behind kamal-proxy"),
        (
            "servers: [h1, h2]\nloadbalancer: {host: h2}",
            "h2 is a host of the role `web`, whose kamal-proxy has the ports",
        ),
        (
            "servers: [h1]\nproxy: {host: a.com, ssl: true}\nloadbalancer: {host: lb}",
            "proxy/ssl: TLS ends at the load balancer, which asks the hosts behind it in plain HTTP; move this to",
        ),
        (
            "servers: [h1]\nproxy: {host: a.com}\nloadbalancer: {hosts: [a, b], proxy: {ssl: true}}",
            "automatic ssl works on one server only, and `loadbalancer` runs on 2",
        ),
        ("servers: [h1]\nloadbalancer: {host: lb, proxy: {ssl: true}}", "`loadbalancer` has neither"),
        ("servers: [web1]\nloadbalancer: {host: lb, targets: {wbe1: a}}", "has this host; did you mean `web1`?"),
        ("servers: [h1]\nloadbalancer: {host: lb, targets: {h1: 'http://a'}}", "expected an address or ADDRESS:PORT"),
        ("servers: [h1]\nproxy: {run: {publish: false}}\nloadbalancer: {host: lb}", "`web` publishes no port"),
        ("servers: [h1]\nloadbalancer: {host: lb, proxy: {app_port: 80}}", "by the http_port of proxy/run"),
        ("servers: [h1]\nproxy: {host: '*.a.com'}\nloadbalancer: {host: lb}", "no request can be sent for *.a.com"),
        (
            "servers: [h1]\nproxy: {path_prefix: /api, strip_path_prefix: false}\nloadbalancer: {host: lb}",
            "/up is not below /api, which is all that the hosts answer to",
        ),
    ],
)
def test_what_cannot_work_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        made(text)
