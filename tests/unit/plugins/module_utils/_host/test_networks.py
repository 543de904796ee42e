# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A second network: joined when a container is made, looked for afterwards, and joined again by kamal-proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._docker_run import options
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

BACKEND: dict[str, Any] = {"options": {"network": "backend"}}
KEYS: dict[str, Any] = {
    "servers": {"web": {"hosts": ["host1"], **BACKEND}},
    "proxy": {"host": "hello.example.com", "run": BACKEND},
}


@pytest.fixture
def host(engine: FakeEngine) -> FakeEngine:
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    engine.add_image("hello:v1", "image of v1")
    engine.networks.add("backend")
    return engine


def deploy(engine: FakeEngine, share: HostShare, check: bool = False) -> list[str]:
    actions = []
    for step in ("stage", "live"):
        changes = Changes(check)
        getattr(Release(engine, changes, share, {"TOKEN": "t"}), step)(None)
        actions += changes.actions
    return actions


def networks(engine: FakeEngine, container: str) -> set[str]:
    return set(engine.container(container)["NetworkSettings"]["Networks"])


def test_a_role_and_kamal_proxy_are_on_both(host: FakeEngine, share_of: Callable[..., HostShare]) -> None:
    share = share_of("v1", **KEYS)
    deploy(host, share)
    for container in ("hello-web-v1", "kamal-proxy"):
        assert networks(host, container) == {"kamal", "backend"}
        assert host.container(container)["HostConfig"]["NetworkMode"] == "kamal"
    assert deploy(host, share) == []


def test_what_has_left_it_is_joined_or_made_anew(host: FakeEngine, share_of: Callable[..., HostShare]) -> None:
    share = share_of("v1", **KEYS)
    deploy(host, share)
    for container in ("hello-web-v1", "kamal-proxy"):
        del host.container(container)["NetworkSettings"]["Networks"]["backend"]
    foreseen = deploy(host, share, check=True)
    assert deploy(host, share) == foreseen
    assert foreseen[:2] == ["connect kamal-proxy to network backend", "create container hello-web-v1"]
    assert networks(host, "hello-web-v1") == networks(host, "kamal-proxy") == {"kamal", "backend"}


def test_a_network_that_is_not_there_leaves_no_container(
    host: FakeEngine, share_of: Callable[..., HostShare], home: Path
) -> None:
    host.networks.clear()
    with pytest.raises(EngineError, match="network backend not found"):
        deploy(host, share_of("v1", **KEYS))
    assert host.here == {}


@pytest.mark.parametrize(
    ("given", "left", "joined"),
    [
        ({"network": "backend", "init": True}, {"init": True}, ["kamal", "backend"]),
        ({"network": "kamal"}, {"network": "kamal"}, []),
        ({"network": "host"}, {"network": "host"}, []),
        ({"network": "container:db"}, {"network": "container:db"}, []),
        ({"network": False}, {"network": False}, []),
        ({"network": "name=a,alias=b"}, {"network": "name=a,alias=b"}, []),
        ({}, {}, []),
    ],
)
def test_which_network_is_a_second_one(given: dict[str, Any], left: dict[str, Any], joined: list[str]) -> None:
    body: dict[str, Any] = {"HostConfig": {"NetworkMode": "kamal"}}
    assert options.keep_network(given, body) == left
    assert list(body.get("NetworkingConfig", {}).get("EndpointsConfig", {})) == joined
