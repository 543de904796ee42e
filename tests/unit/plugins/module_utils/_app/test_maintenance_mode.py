# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Maintenance begun and ended: all routes of a service on a host or none, on record, and kept by a deploy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.maintenance import Maintenance
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ProxyError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

SERVERS: dict[str, Any] = {
    "servers": {
        "web": ["host1"],
        "api": {"hosts": ["host1"], "proxy": {"host": "api.example.com"}},
        "worker": {"hosts": ["host1"], "cmd": "hello worker"},
    }
}


@pytest.fixture
def share(share_of: Callable[..., HostShare]) -> HostShare:
    return share_of("v1", **SERVERS)


@pytest.fixture
def host(engine: FakeEngine, share: HostShare) -> FakeEngine:
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    deploy(engine, share)
    return engine


def deploy(engine: FakeEngine, share: HostShare) -> list[str]:
    engine.add_image(share.image.reference, f"image of {share.version}")
    changes = Changes(False)
    for step in ("stage", "live"):
        getattr(Release(engine, changes, share, {"TOKEN": "t"}), step)(None)
    return changes.notices


def states(engine: FakeEngine) -> dict[str, Any]:
    return {name: route["pause_controller"] for name, route in engine.routes.items()}


def test_every_route_shows_the_page_until_it_ends(host: FakeEngine, share: HostShare, home: Path) -> None:
    for check in (True, False):
        begun = Changes(check)
        Maintenance(host, begun, share).begin(None, "Back at noon")
        assert begun.actions == ["stop route hello-api", "stop route hello-web"][::-1]
    stopped = {"state": 2, "stop_message": "Back at noon"}
    assert states(host) == {"hello-web": stopped, "hello-api": stopped}
    assert {"hello-web-v1", "hello-api-v1", "hello-worker-v1"} <= host.running
    again = Changes(False)
    Maintenance(host, again, share).begin(None, "Back at noon")
    assert not again.changed
    for check in (True, False):
        ended = Changes(check)
        Maintenance(host, ended, share).end()
        assert ended.actions == ["resume route hello-web", "resume route hello-api"]
    assert {route["state"] for route in states(host).values()} == {0}
    log = (home / ".kamal/hello-audit.log").read_text().splitlines()
    assert [line.rpartition("] ")[2] for line in log[-2:]] == [
        "Set app to maintenance mode: Back at noon",
        "Set app live",
    ]


def test_requests_are_held_until_it_is_live_again(host: FakeEngine, share: HostShare, home: Path) -> None:
    for check in (True, False):
        begun = Changes(check)
        Maintenance(host, begun, share).pause(5, 60)
        assert begun.actions == ["pause route hello-web", "pause route hello-api"]
    assert {route["state"] for route in states(host).values()} == {1}
    assert any("hello-web is paused in kamal-proxy on host1" in notice for notice in deploy(host, share))
    Maintenance(host, Changes(False), share).end()
    assert {route["state"] for route in states(host).values()} == {0}
    assert "Paused app" in (home / ".kamal/hello-audit.log").read_text()


def test_another_message_is_a_change(host: FakeEngine, share: HostShare) -> None:
    Maintenance(host, Changes(False), share).begin(None, "")
    changes = Changes(False)
    Maintenance(host, changes, share, ["web"]).begin(None, "Later")
    assert changes.actions == ["stop route hello-web"]


@pytest.mark.parametrize(("asked", "seconds"), [(None, "30s"), (5, "5s")])
def test_requests_under_way_have_their_time(
    host: FakeEngine, share: HostShare, monkeypatch: pytest.MonkeyPatch, asked: int | None, seconds: str
) -> None:
    said: list[str] = []
    execute = host.execute
    monkeypatch.setattr(host, "execute", lambda name, argv: (said.extend(argv), execute(name, argv))[1])
    Maintenance(host, Changes(False), share, ["web"]).begin(asked, "")
    assert f"--drain-timeout={seconds}" in said


def test_a_deploy_does_not_end_it_and_says_so(
    host: FakeEngine, share: HostShare, share_of: Callable[..., HostShare]
) -> None:
    Maintenance(host, Changes(False), share).begin(None, "Back at noon")
    notices = deploy(host, share_of("v2", **SERVERS))
    assert host.target("hello-web") == "hello-web-v2"
    assert states(host)["hello-web"] == {"state": 2, "stop_message": "Back at noon"}
    assert any("hello-web is stopped" in notice and "caravan.kamal.app.live" in notice for notice in notices)


def test_a_host_without_the_route_is_told_and_nothing_has_changed(host: FakeEngine, share: HostShare) -> None:
    del host.routes["hello-api"]
    for act in (lambda each: each.begin(None, ""), lambda each: each.end()):
        with pytest.raises(ProxyError, match=r"host1 has no route hello-api: nothing was deployed there\. Deploy"):
            act(Maintenance(host, Changes(False), share))
    assert states(host)["hello-web"]["state"] == 0
