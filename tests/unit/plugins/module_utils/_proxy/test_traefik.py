# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""kamal-proxy in the place of Kamal 1's Traefik: one of the two has the ports, whatever fails and wherever it ends."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import (
    CaravanError,
    EngineError,
    PortError,
    ProxyError,
)
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import container as _proxy
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import replacement, traefik
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.flags import deploy_argv, options
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.settings import proxy_container
from fakes import PROXY, FakeEngine
from faults import Killed, KillsAt, fail_once
from kamal1 import TRAEFIK, Ported, add_traefik

pytestmark = pytest.mark.usefixtures("no_waiting", "home")

IMAGE = "basecamp/kamal-proxy:v0.9.2"
PUT, REMOVE = f"put {PROXY} in the place of {TRAEFIK}", f"remove container {TRAEFIK}"


@pytest.fixture
def host() -> Ported:
    """As Kamal 1 leaves one."""
    engine = Ported()
    engine.networks.add("kamal")
    engine.add_image(IMAGE, "ip", service=None)
    add_traefik(engine)
    return engine


def beside(engine: Any, check: bool = False, **run: Any) -> Changes:
    changes = Changes(check_mode=check)
    traefik.boot_beside(engine, changes, proxy_container(run), None)
    return changes


def take_over(engine: Any, check: bool = False, **run: Any) -> Changes:
    changes = Changes(check_mode=check)
    traefik.take_over(engine, changes, proxy_container(run), None)
    return changes


def route(engine: FakeEngine) -> None:
    engine.add("app-1")
    target = f"{engine.here['app-1']['Id'][:12]}:80"
    engine.execute(PROXY, deploy_argv("app", target, options({}, deploy_timeout=1, drain_timeout=1)))
    engine.calls.clear()


@pytest.fixture
def routed(host: Ported) -> Ported:
    """kamal-proxy runs beside Traefik, and routes to the app."""
    beside(host)
    route(host)
    return host


def test_it_first_runs_beside_traefik_without_its_port(host: Ported) -> None:
    assert beside(host, check=True).actions == [f"boot {PROXY}"]
    assert host.calls == []
    assert beside(host).actions == [f"boot {PROXY}"]
    assert host.served == {"80": TRAEFIK, "443": PROXY}
    assert beside(host).actions == []


def test_then_it_has_all_ports_and_traefik_is_gone_with_its_image(routed: Ported) -> None:
    routes = dict(routed.routes)
    assert take_over(routed, check=True).actions == [PUT, REMOVE]
    assert routed.calls == []
    assert take_over(routed).actions == [PUT, REMOVE]
    assert routed.served == {"80": PROXY, "443": PROXY}
    assert set(routed.here) == {PROXY, "app-1"} and routed.routes == routes
    assert "traefik:v2.10" not in routed.pictures
    assert (take_over(routed).actions, beside(routed).actions) == ([], [])


def test_between_the_two_there_is_nothing_but_a_start(routed: Ported) -> None:
    take_over(routed)
    after = routed.calls[routed.calls.index(f"stop {TRAEFIK}") + 1 :]
    assert after[0] == f"start {PROXY}"
    assert (routed.stop_timeouts[TRAEFIK] or 0) > 10


def test_an_image_that_something_else_was_made_from_stays(routed: Ported) -> None:
    routed.add("other", "it")
    take_over(routed)
    assert "traefik:v2.10" in routed.pictures


@pytest.mark.parametrize(
    ("port", "run", "served"),
    [
        ("8080", {"http_port": 8080}, {"8080": TRAEFIK, "443": PROXY}),
        ("8080", {}, {"8080": TRAEFIK, "80": PROXY, "443": PROXY}),
        ("80", {"publish": False}, {"80": TRAEFIK}),
    ],
)
def test_it_leaves_just_what_traefik_has(host: Ported, port: str, run: dict[str, Any], served: dict[str, str]) -> None:
    host.remove(TRAEFIK)
    add_traefik(host, port)
    beside(host, **run)
    assert host.served == served


def test_on_the_network_of_the_host_traefik_has_all_ports(host: Ported) -> None:
    host.remove(TRAEFIK)
    add_traefik(host, HostConfig={"NetworkMode": "host"})
    beside(host)
    assert host.served == {}
    take_over(host)
    assert host.served == {"80": PROXY, "443": PROXY}


@pytest.mark.parametrize(
    "body",
    [{"Cmd": ["--configfile=/traefik.yml"]}, {"Labels": {"service": "traefik"}}],
    ids=["another", "an accessory"],
)
def test_a_traefik_that_is_not_kamals_is_left_alone(host: Ported, body: dict[str, Any]) -> None:
    host.remove(TRAEFIK)
    add_traefik(host, "8080", **body)
    assert take_over(host).actions == [f"boot {PROXY}"]
    assert host.served == {"8080": TRAEFIK, "80": PROXY, "443": PROXY}


def test_where_there_was_none_it_is_booted_with_its_ports(host: Ported) -> None:
    host.remove(TRAEFIK)
    assert beside(host).actions == [f"boot {PROXY}"]
    assert host.served == {"80": PROXY, "443": PROXY}


def test_a_kamal_proxy_that_has_ports_of_its_own_stays_and_traefik_goes(host: Ported) -> None:
    _proxy.ensure(host, Changes(False), proxy_container({"http_port": 81}), None)
    before = host.here[PROXY]["Id"]
    assert beside(host, http_port=81).actions == []
    assert take_over(host, http_port=81).actions == [f"stop container {TRAEFIK}", REMOVE]
    assert host.here[PROXY]["Id"] == before


def test_who_else_is_behind_traefik_is_told(routed: Ported) -> None:
    label = {"traefik.http.routers.x.rule": "PathPrefix(`/`)"}
    routed.add("hello-web-1", service="hello", destination="", **label)
    assert take_over(routed, check=True).notices == []
    routed.add("blog-web-1", service="blog", destination="staging", **label)
    (notice,) = take_over(routed, check=True).notices
    assert "traefik routes blog-staging, hello here" in notice


# What fails


def test_a_port_that_somebody_else_has_is_found_while_traefik_serves(host: Ported) -> None:
    host.foreign.add("443")
    with pytest.raises(PortError, match="ss -ltnp"):
        beside(host)
    assert host.served == {"80": TRAEFIK} and set(host.here) == {TRAEFIK}


@pytest.mark.parametrize("call", ["create", "stop", "rename", "start", "execute", "inspect"])
def test_whichever_call_fails_traefik_serves(routed: Ported, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    fail_once(monkeypatch, routed, call)
    with pytest.raises((EngineError, ProxyError)):
        take_over(routed)
    assert routed.served == {"80": TRAEFIK, "443": PROXY}
    take_over(routed)
    assert routed.served == {"80": PROXY, "443": PROXY}
    assert {name for name in routed.here if name != "app-1"} == {PROXY}


def test_where_kamal_proxy_does_not_start_traefik_serves_as_before_and_this_is_said(routed: Ported) -> None:
    routed.unstartable[PROXY] = PortError("port 80 is taken.")
    with pytest.raises(ProxyError, match=r"(?s)so traefik serves as before: .*port 80 is taken.*upgrade again"):
        take_over(routed)
    assert routed.served["80"] == TRAEFIK


def test_where_the_new_one_can_neither_start_nor_go_traefik_serves_as_before(
    routed: Ported, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_once(monkeypatch, routed, "start")
    remove = routed.remove

    def only_by_name(container: str, volumes: bool = False) -> None:
        if container not in (PROXY, TRAEFIK, f"{PROXY}_staged", f"{PROXY}_replaced"):
            raise EngineError("Docker could not remove it")
        remove(container, volumes)

    monkeypatch.setattr(routed, "remove", only_by_name)
    with pytest.raises(ProxyError, match=r"(?s)so traefik serves as before: .*failed too: Docker could not remove it"):
        take_over(routed)
    assert routed.served == {"80": TRAEFIK, "443": PROXY}
    changes = take_over(routed)
    assert changes.actions == [PUT, REMOVE] and routed.served == {"80": PROXY, "443": PROXY}
    assert any("Docker could not remove it" in notice for notice in changes.notices)


def test_where_neither_starts_this_is_said_and_the_next_run_mends_it(
    routed: Ported, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traefik, "COMES_BACK_WITHIN", 0)
    stop = routed.stop

    def taken(name: str, timeout: int | None) -> None:
        stop(name, timeout)
        routed.foreign |= {"80"} if name == TRAEFIK else set()

    monkeypatch.setattr(routed, "stop", taken)
    with pytest.raises(ProxyError, match=r"traefik could not be started again either \(port 80 is taken.\): nobody"):
        take_over(routed)
    routed.foreign.clear()
    beside(routed)
    assert routed.served == {"80": PROXY, "443": PROXY}
    assert take_over(routed).actions == [REMOVE]


def test_a_route_that_is_lost_on_the_way_keeps_traefik_there(routed: Ported, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = routed.stop

    def break_it(*arguments: Any) -> None:
        stop(*arguments)
        routed.state_file = b"[{"
        routed.here.pop("app-1", None)

    monkeypatch.setattr(routed, "stop", break_it)
    with pytest.raises(ProxyError, match="lost the routes app"):
        take_over(routed)
    assert TRAEFIK in routed.here and routed.served["80"] == PROXY


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after it"])
def test_killed_at_any_step_the_next_run_ends_it(routed: Ported, after: bool) -> None:
    routes = dict(routed.routes)
    for number in itertools.count(1):
        tried = copy.deepcopy(routed)
        try:
            take_over(KillsAt(tried, number, after))
        except Killed:
            pass
        else:
            break
        beside(tried)
        assert "80" in tried.served
        take_over(tried)
        assert tried.served == {"80": PROXY, "443": PROXY}
        assert {name for name in tried.here if name != "app-1"} == {PROXY}
        assert tried.routes == routes
        assert (beside(tried).actions, take_over(tried).actions) == ([], [])
    assert number > 6


# What is not the upgrade


def test_nothing_but_the_upgrade_counts_it_as_there_while_it_waits(routed: Ported) -> None:
    with pytest.raises(ProxyError, match="caravan.kamal.upgrade again"):
        _proxy.ensure(routed, Changes(False), proxy_container({}), None)
    with pytest.raises(ProxyError, match="caravan.kamal.upgrade again"):
        _proxy.require_in_place(routed)
    with pytest.raises(CaravanError):
        replacement.reboot(routed, Changes(False), proxy_container({}), None)
    assert routed.served == {"80": TRAEFIK, "443": PROXY}


def test_settings_that_were_changed_meanwhile_are_those_of_the_one_that_waits(routed: Ported) -> None:
    assert beside(routed, https_port=8443).actions == [f"recreate {PROXY}"]
    assert routed.served == {"80": TRAEFIK, "8443": PROXY}
