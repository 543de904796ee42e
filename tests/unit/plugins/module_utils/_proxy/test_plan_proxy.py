# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The `proxy/run` section against the body of the kamal-proxy container."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.settings import proxy_container


def body(text: str = "") -> dict[str, Any]:
    return proxy_container(yaml.safe_load(f"{{{text}}}"))


def ports(made: dict[str, Any]) -> dict[str, list[str]]:
    bindings = made["HostConfig"].get("PortBindings", {})
    return {port: [f"{at['HostIp']}:{at['HostPort']}" for at in found] for port, found in bindings.items()}


def test_by_default() -> None:
    made = body()
    assert made["Image"] == "basecamp/kamal-proxy:v0.9.2"
    assert made["Cmd"] == ["kamal-proxy", "run"]
    assert made["HostConfig"]["NetworkMode"] == "kamal"
    assert made["HostConfig"]["RestartPolicy"] == {"Name": "unless-stopped"}
    assert made["HostConfig"]["LogConfig"]["Config"] == {"max-size": "10m"}
    assert made["HostConfig"]["Binds"] == [
        "kamal-proxy-config:/home/kamal-proxy/.config/kamal-proxy",
        ".kamal/proxy/apps-config:/home/kamal-proxy/.apps-config",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"80/tcp": [":80"], "443/tcp": [":443"]}),
        ("http_port: 8080", {"80/tcp": [":8080"], "443/tcp": [":443"]}),
        ("https_port: 8443", {"80/tcp": [":80"], "443/tcp": [":8443"]}),
        ("publish: true", {"80/tcp": [":80"], "443/tcp": [":443"]}),
        ("publish: false", {}),
        (
            "bind_ips: [192.0.2.1, '::1'], http_port: 8080",
            {"80/tcp": ["192.0.2.1:8080", "::1:8080"], "443/tcp": ["192.0.2.1:443", "::1:443"]},
        ),
        ("bind_ips: []", {"80/tcp": [":80"], "443/tcp": [":443"]}),
    ],
)
def test_published_ports(text: str, expected: dict[str, list[str]]) -> None:
    assert ports(body(text)) == expected


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("version: v0.9.3", "basecamp/kamal-proxy:v0.9.3"),
        ("repository: acme/proxy", "acme/proxy:v0.9.2"),
        ("registry: r.example.com:5000", "r.example.com:5000/basecamp/kamal-proxy:v0.9.2"),
        ("registry: r.io, repository: a/b, version: c", "r.io/a/b:c"),
    ],
)
def test_image(text: str, image: str) -> None:
    assert body(text)["Image"] == image


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("debug: true", ["--debug"]),
        ("debug: false", []),
        ("metrics_port: 9090", ["--metrics-port=9090"]),
        ("debug: true, metrics_port: 9090", ["--debug", "--metrics-port=9090"]),
    ],
)
def test_command(text: str, words: list[str]) -> None:
    assert body(text)["Cmd"] == ["kamal-proxy", "run", *words]


def test_the_port_of_the_metrics_is_exposed_and_not_published() -> None:
    made = body("metrics_port: 9090")
    assert "9090/tcp" in made["ExposedPorts"]
    assert "9090/tcp" not in ports(made)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("log_max_size: 20m", {"Type": "", "Config": {"max-size": "20m"}}),
        ("log_max_size: ''", {"Type": "", "Config": {}}),
        ("log_max_size: '', options: {log-driver: journald}", {"Type": "journald", "Config": {}}),
    ],
)
def test_log(text: str, expected: dict[str, Any]) -> None:
    assert body(text)["HostConfig"]["LogConfig"] == expected


def test_options() -> None:
    made = body("options: {label: [a=b, c=d], memory: 512m, publish: '9000:9000', restart: always}")
    assert made["Labels"] == {"a": "b", "c": "d"}
    assert made["HostConfig"]["Memory"] == 512 * 1024**2
    assert made["HostConfig"]["RestartPolicy"]["Name"] == "always"
    assert set(ports(made)) == {"80/tcp", "443/tcp", "9000/tcp"}
