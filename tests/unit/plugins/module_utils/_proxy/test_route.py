# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A route: what is found in kamal-proxy against what is wanted."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import HealthError, ProxyError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import flags
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.route import Route
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture
def host(engine: FakeEngine) -> FakeEngine:
    engine.boot_proxy()
    engine.add("app-1")
    engine.add("app-2")
    return engine


def options(**proxy: Any) -> flags.Options:
    return flags.options(proxy, deploy_timeout=30, drain_timeout=30)


def act(engine: FakeEngine, verb: str, *arguments: Any, check: bool = False) -> list[str]:
    changes = Changes(check_mode=check)
    getattr(Route(engine, changes, "app"), verb)(*arguments)
    return changes.actions


DEPLOY = ("app-1", options(host="a.example.com"), 80)


@pytest.mark.parametrize(
    ("wanted", "actions"),
    [
        (DEPLOY, []),
        (("app-1:80", options(host="a.example.com"), 3000), []),
        (("app-2", options(host="a.example.com"), 80), ["route app to app-2"]),
        (("app-1", options(host="b.example.com"), 80), ["route app to app-1"]),
        (("app-1", options(host="a.example.com", buffering={"requests": False}), 80), ["route app to app-1"]),
        (("app-1", options(host="a.example.com"), 3000), ["route app to app-1"]),
        (("10.0.0.9:8080", options(host="a.example.com"), 80), ["route app to 10.0.0.9:8080"]),
    ],
    ids=["same", "same with a port", "target", "host", "option", "port", "elsewhere"],
)
def test_a_route_is_deployed_when_it_differs(host: FakeEngine, wanted: Any, actions: list[str]) -> None:
    assert act(host, "deploy", *DEPLOY) == ["route app to app-1"]
    host.calls.clear()
    assert act(host, "deploy", *wanted, check=True) == actions
    assert host.calls == []


def test_a_target_that_is_no_container_is_refused(host: FakeEngine) -> None:
    with pytest.raises(ProxyError, match="no container nowhere"):
        act(host, "deploy", "nowhere", options(), 80)
    assert act(host, "deploy", "nowhere", options(), 80, check=True) == ["route app to nowhere"]


def test_a_container_that_is_not_well_is_not_routed_to(host: FakeEngine) -> None:
    act(host, "deploy", *DEPLOY)
    host.sick.add("app-2")
    with pytest.raises((ProxyError, HealthError), match="health check"):
        act(host, "deploy", "app-2", options(host="a.example.com"), 80)
    assert host.target("app") == "app-1"


@pytest.mark.parametrize(
    ("before", "verb", "arguments", "actions"),
    [
        ("running", "live", (), []),
        ("paused", "live", (), ["resume route app"]),
        ("stopped", "live", (), ["resume route app"]),
        ("running", "pause", (30, 30), ["pause route app"]),
        ("paused", "pause", (30, 30), []),
        ("running", "stop", (30, "Back soon"), ["stop route app"]),
        ("stopped", "stop", (30, "Back soon"), []),
        ("stopped", "stop", (30, "Later"), ["stop route app"]),
        ("paused", "stop", (30, ""), ["stop route app"]),
        ("stopped", "remove", (), ["remove route app"]),
    ],
)
def test_states(host: FakeEngine, before: str, verb: str, arguments: Any, actions: list[str]) -> None:
    act(host, "deploy", *DEPLOY)
    {
        "running": lambda: None,
        "paused": lambda: act(host, "pause", 30, 30),
        "stopped": lambda: act(host, "stop", 30, "Back soon"),
    }[before]()
    host.calls.clear()
    assert act(host, verb, *arguments, check=True) == actions
    assert host.calls == []
    assert act(host, verb, *arguments) == actions
    assert act(host, verb, *arguments) == []


def test_a_deploy_does_not_end_maintenance(host: FakeEngine) -> None:
    act(host, "deploy", *DEPLOY)
    act(host, "stop", 30, "Back soon")
    act(host, "deploy", "app-2", options(host="a.example.com"), 80)
    changes = Changes(check_mode=False)
    assert Route(host, changes, "app").current.state == "stopped"


@pytest.mark.parametrize(("verb", "arguments"), [("live", ()), ("pause", (30, 30)), ("stop", (30, ""))])
def test_a_service_that_is_not_there_is_told(host: FakeEngine, verb: str, arguments: Any) -> None:
    with pytest.raises(ProxyError, match="does not know this service"):
        act(host, verb, *arguments)


def test_without_a_proxy_nothing_is_there_to_remove_and_nothing_can_be_routed(engine: FakeEngine) -> None:
    engine.add("app-1")
    assert act(engine, "remove") == []
    with pytest.raises(ProxyError, match="absent"):
        act(engine, "deploy", *DEPLOY)


def test_the_difference_is_shown_option_by_option(host: FakeEngine) -> None:
    act(host, "deploy", *DEPLOY)
    changes = Changes(check_mode=True)
    Route(host, changes, "app").deploy("app-1", options(host="b.example.com"), 80)
    shown = changes.result()["diff"]
    before, after = set(shown["before"].splitlines()), set(shown["after"].splitlines())
    assert (before - after, after - before) == ({"app/host[0]: a.example.com"}, {"app/host[0]: b.example.com"})
