# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proxy container: booted, started, left alone, recreated, removed."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError, PortError, ProxyError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import container as _proxy
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import replacement
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.flags import deploy_argv, options
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.settings import proxy_container
from fakes import PROXY, FakeEngine
from faults import Fragile, Killed, fail_once

pytestmark = pytest.mark.usefixtures("no_waiting", "home")

IMAGE = "basecamp/kamal-proxy:v0.9.2"


@pytest.fixture
def host(engine: FakeEngine) -> FakeEngine:
    engine.add_image(IMAGE, "ip", service=None)
    return engine


def ensure(engine: FakeEngine, recreate: bool = False, check: bool = False, **run: Any) -> Changes:
    changes = Changes(check_mode=check)
    act = replacement.recreate if recreate else _proxy.ensure
    act(engine, changes, proxy_container(run), None)
    return changes


def test_it_is_booted_once_with_its_folder_below_the_home(host: FakeEngine, home: Path) -> None:
    assert ensure(host, check=True).actions == [f"boot {PROXY}"]
    assert host.here == {}
    assert ensure(host).actions == [f"boot {PROXY}"]
    assert f"{home}/.kamal/proxy/apps-config:/home/kamal-proxy/.apps-config" in host.here[PROXY]["HostConfig"]["Binds"]
    assert (home / ".kamal/proxy/apps-config").is_dir()
    assert ensure(host).actions == []


def test_one_that_the_run_of_another_app_boots_meanwhile_is_taken_as_it_is(
    host: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = host.create

    def too_late(name: str, body: dict[str, Any]) -> str:
        create(name, body)
        return create(name, body)

    monkeypatch.setattr(host, "create", too_late)
    ensure(host)
    assert PROXY in host.running


def test_a_missing_image_is_pulled(engine: FakeEngine) -> None:
    engine.registry[IMAGE] = FakeEngine().add_image(IMAGE, "ip", service=None)
    assert ensure(engine).actions == [f"pull {IMAGE}", f"boot {PROXY}"]


def test_one_that_was_stopped_is_started(host: FakeEngine) -> None:
    ensure(host)
    host.here[PROXY]["State"]["Status"] = "exited"
    assert ensure(host).actions == [f"start {PROXY}"]
    assert PROXY in host.running


def test_other_settings_are_only_mentioned(host: FakeEngine) -> None:
    ensure(host)
    changes = ensure(host, http_port=8080)
    assert not changes.changed
    assert "caravan.kamal.proxy.upgrade" in changes.notices[0]


def test_one_of_kamal_is_taken_as_it_is(host: FakeEngine) -> None:
    host.boot_proxy()
    changes = ensure(host, http_port=8080)
    assert (changes.actions, changes.notices) == ([], [])


@pytest.mark.parametrize(
    ("image", "refused"),
    [
        ("basecamp/kamal-proxy:v0.8.7", True),
        ("basecamp/kamal-proxy:v0.9.1", True),
        (IMAGE, False),
        ("basecamp/kamal-proxy:v1.0.0", False),
        ("mirror:5000/kamal-proxy:v0.10.0-custom", False),
        ("own:latest", False),
    ],
)
def test_one_that_is_too_old_is_refused(host: FakeEngine, image: str, refused: bool) -> None:
    host.add(PROXY, image)
    if refused:
        with pytest.raises(ProxyError, match="older than v0.9.2"):
            ensure(host)
    else:
        assert not ensure(host).changed


def test_a_taken_port_is_told_and_leaves_no_half_made_container(host: FakeEngine) -> None:
    host.unstartable[PROXY] = PortError("Docker could not start it: port is already allocated")
    with pytest.raises(PortError, match=r"proxy/run/http_port"):
        ensure(host)
    assert host.here == {}


def test_it_is_recreated_when_it_differs_and_only_then(host: FakeEngine) -> None:
    ensure(host)
    before = host.here[PROXY]["Id"]
    assert ensure(host, recreate=True, check=True, http_port=8080).actions == [f"recreate {PROXY}"]
    assert host.here[PROXY]["Id"] == before
    assert ensure(host, recreate=True, http_port=8080).actions == [f"recreate {PROXY}"]
    assert host.here[PROXY]["Id"] != before and list(host.here) == [PROXY]
    assert ensure(host, recreate=True, http_port=8080).actions == []


def test_one_of_kamal_or_with_another_image_is_recreated(host: FakeEngine) -> None:
    host.boot_proxy()
    assert ensure(host, recreate=True).actions == [f"recreate {PROXY}"]
    host.add_image(IMAGE, "rebuilt", service=None)
    assert ensure(host, recreate=True).actions == [f"recreate {PROXY}"]
    assert host.here[PROXY]["Image"] == "rebuilt"


def test_if_the_new_one_does_not_come_up_the_old_one_returns(host: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    ensure(host)
    before = host.here[PROXY]["Id"]
    start = host.start

    def start_only_the_old_one(name: str) -> None:
        if host.container(name)["Id"] != before:
            raise PortError("Docker could not start it: port is already allocated")
        start(name)

    monkeypatch.setattr(host, "start", start_only_the_old_one)
    with pytest.raises(PortError):
        ensure(host, recreate=True, http_port=8080)
    assert list(host.here) == [PROXY]
    assert host.here[PROXY]["Id"] == before and PROXY in host.running


@pytest.mark.parametrize("call", ["stop", "rename", "create", "start"])
def test_whichever_call_of_a_recreation_fails_the_old_one_serves(
    host: FakeEngine, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    ensure(host)
    before = host.here[PROXY]["Id"]
    fail_once(monkeypatch, host, call)
    with pytest.raises(EngineError):
        ensure(host, recreate=True, http_port=8080)
    assert list(host.here) == [PROXY]
    assert host.here[PROXY]["Id"] == before and PROXY in host.running


def test_a_new_one_finds_the_routes_although_the_state_file_was_broken(host: FakeEngine) -> None:
    ensure(host)
    host.add("app")
    route = options({}, deploy_timeout=1, drain_timeout=1)
    host.execute(PROXY, deploy_argv("app", f"{host.here['app']['Id'][:12]}:80", route))
    host.state_file = b"[{"
    changes = ensure(host, recreate=True, http_port=8080)
    assert changes.actions == [f"recreate {PROXY}"] and set(host.routes) == {"app"}


def test_one_that_was_disconnected_from_its_network_is_connected_again(host: FakeEngine) -> None:
    ensure(host)
    host.disconnect(PROXY)
    host.networks.add("kamal")
    assert ensure(host, check=True).actions == ensure(host).actions == [f"connect {PROXY} to network kamal"]
    assert ensure(host).actions == []


def test_one_that_refuses_commands_right_after_its_start_is_asked_again(
    host: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, refusals = host.execute, [EngineError("container is not running")]

    def refuse_once(*arguments: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return execute(*arguments)

    monkeypatch.setattr(host, "execute", refuse_once)
    monkeypatch.setattr(_proxy, "ANSWERS_WITHIN", 60)
    assert ensure(host).actions == [f"boot {PROXY}"]


def test_it_stays_while_a_service_needs_it(host: FakeEngine, home: Path) -> None:
    ensure(host)
    host.add("app")
    route = options({}, deploy_timeout=1, drain_timeout=1)
    host.execute(PROXY, deploy_argv("app", f"{host.here['app']['Id'][:12]}:80", route))
    changes = Changes(check_mode=False)
    _proxy.remove(host, changes, force=False)
    assert (changes.actions, changes.notices) == ([], [f"{PROXY} stays: it still routes app"])
    _proxy.remove(host, changes, force=True)
    assert changes.actions == [f"remove {PROXY}"]
    assert PROXY not in host.here
    assert (home / ".kamal/proxy/apps-config").exists(), "without its files it would forget every route when it is back"


def test_its_files_go_with_it_where_nothing_needs_them(host: FakeEngine, home: Path) -> None:
    ensure(host)
    _proxy.remove(host, Changes(check_mode=False), force=False)
    assert PROXY not in host.here and not (home / ".kamal/proxy").exists()


@pytest.mark.parametrize("path", ["shop/tls/web/1/cert.pem", "shop/error_pages/v1/503.html", ".accessories/a/1/k.pem"])
def test_files_of_a_service_that_is_stopped_stay(host: FakeEngine, home: Path, path: str) -> None:
    """It has no route and gets one again when it is started, which names them."""
    ensure(host)
    file = home / ".kamal/proxy/apps-config" / path
    file.parent.mkdir(parents=True)
    file.write_text("")
    (home / ".kamal/proxy/settings/shop").mkdir(parents=True)
    changes = Changes(check_mode=False)
    _proxy.remove(host, changes, force=False)
    assert changes.actions == [f"remove {PROXY}"] and PROXY not in host.here
    assert file.exists() and (home / ".kamal/proxy/settings/shop").exists()
    ensure(host)
    file.unlink()
    _proxy.remove(host, changes, force=False)
    assert not (home / ".kamal/proxy").exists()


@pytest.mark.parametrize("number", range(1, 10))
def test_a_removal_that_was_killed_is_finished_by_the_next(home: Path, number: int) -> None:
    engine = Fragile()
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    ensure(engine)
    engine.arm(number, Killed)
    with contextlib.suppress(Killed):
        _proxy.remove(engine, Changes(check_mode=False), force=False)
    engine.arm(0, Killed)
    _proxy.remove(engine, Changes(check_mode=False), force=False)
    assert PROXY not in engine.here and not (home / ".kamal/proxy").exists()


@pytest.mark.parametrize(
    ("check", "removed_routes", "goes"),
    [(True, ["app"], True), (True, ["app", "other"], True), (True, ["other"], False), (False, ["app"], False)],
    ids=["the only one", "and more", "another", "it is still there"],
)
def test_in_check_mode_routes_that_an_earlier_task_would_remove_do_not_keep_it(
    host: FakeEngine, check: bool, removed_routes: list[str], goes: bool
) -> None:
    ensure(host)
    host.add("app")
    route = options({}, deploy_timeout=1, drain_timeout=1)
    host.execute(PROXY, deploy_argv("app", f"{host.here['app']['Id'][:12]}:80", route))
    changes = Changes(check_mode=check)
    _proxy.remove(host, changes, force=False, removed_routes=removed_routes)
    assert changes.actions == ([f"remove {PROXY}"] if goes else [])
    assert PROXY in host.here


def test_it_is_stopped_once(host: FakeEngine) -> None:
    ensure(host)
    for expected in ([f"stop {PROXY}"], []):
        changes = Changes(check_mode=False)
        _proxy.stop(host, changes)
        assert changes.actions == expected


@pytest.mark.parametrize(
    ("run", "ports"),
    [
        ({}, {"80/tcp": [("", "80")], "443/tcp": [("", "443")]}),
        ({"http_port": 8080, "https_port": 8443}, {"80/tcp": [("", "8080")], "443/tcp": [("", "8443")]}),
        (
            {"bind_ips": ["127.0.0.1", "::1"]},
            {"80/tcp": [("127.0.0.1", "80"), ("::1", "80")], "443/tcp": [("127.0.0.1", "443"), ("::1", "443")]},
        ),
        ({"publish": False}, {}),
    ],
)
def test_published_ports(run: dict[str, Any], ports: dict[str, Any]) -> None:
    bound = proxy_container(run)["HostConfig"].get("PortBindings") or {}
    assert {port: [(to["HostIp"], to["HostPort"]) for to in to_all] for port, to_all in bound.items()} == ports
