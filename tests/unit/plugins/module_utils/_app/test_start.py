# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An app that is stopped and started again: in its own containers, proven, and with nothing lost on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._app.retirement import Retirement
from ansible_collections.caravan.kamal.plugins.module_utils._errors import HealthError, ProxyError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

Share = Callable[..., HostShare]
WEB, WORKER = "hello-web-v1", "hello-worker-v1"


@pytest.fixture
def host(engine: FakeEngine, share_of: Share) -> FakeEngine:
    """v1 is live after v0, whose containers are kept."""
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    for version in ("v0", "v1"):
        engine.add_image(f"hello:{version}", f"image of {version}")
        for step in ("stage", "live"):
            getattr(Release(engine, Changes(False), share_of(version), {"TOKEN": "t"}), step)(None)
    engine.calls.clear()
    return engine


@pytest.fixture
def share(share_of: Share) -> HostShare:
    return share_of("none", command="inspect")


def stop(engine: FakeEngine, share: HostShare, roles: Any = None, check: bool = False) -> list[str]:
    Retirement(engine, changes := Changes(check), share, roles).stop()
    return changes.actions


def start(engine: FakeEngine, share: HostShare, roles: Any = None, check: bool = False) -> list[str]:
    Release(engine, changes := Changes(check), share, {}).start(roles)
    return changes.actions


def test_it_is_started_in_the_containers_that_it_had(host: FakeEngine, share: HostShare, home: Path) -> None:
    ids = {name: host.here[name]["Id"] for name in (WEB, WORKER)}
    assert stop(host, share) == ["remove route hello-web", f"stop container {WORKER}", f"stop container {WEB}"]
    wanted = [f"start container {WEB}", f"route hello-web to {WEB}", f"start container {WORKER}"]
    assert start(host, share, check=True) == wanted
    assert host.running == {"kamal-proxy"}
    assert start(host, share) == wanted
    assert {name: host.here[name]["Id"] for name in (WEB, WORKER)} == ids
    assert host.running == {"kamal-proxy", WEB, WORKER} and host.target("hello-web") == WEB
    assert "[web] Started app version v1" in (home / ".kamal/hello-audit.log").read_text()


def test_twice_changes_nothing(host: FakeEngine, share: HostShare, home: Path) -> None:
    for verb in (stop, start):
        verb(host, share)
        log = (home / ".kamal/hello-audit.log").read_text()
        assert verb(host, share) == [] and (home / ".kamal/hello-audit.log").read_text() == log


def test_a_role_alone(host: FakeEngine, share: HostShare) -> None:
    assert stop(host, share, ["worker"]) == [f"stop container {WORKER}"]
    assert host.running == {"kamal-proxy", WEB} and "hello-web" in host.routes
    assert start(host, share, ["web"]) == []
    assert start(host, share, ["worker"]) == [f"start container {WORKER}"]


def test_a_command_in_a_container_of_its_own_goes_on(host: FakeEngine, share: HostShare) -> None:
    host.add("hello-web-exec-v1-1", "i1", service="hello", destination="")
    stop(host, share)
    assert host.running == {"kamal-proxy", "hello-web-exec-v1-1"}


def test_what_runs_and_gets_no_requests_is_routed_to(host: FakeEngine, share: HostShare) -> None:
    """As after a stop that was killed between its two steps."""
    host.routes.clear()
    assert start(host, share) == [f"route hello-web to {WEB}"]


@pytest.mark.parametrize(("role", "name"), [("web", WEB), ("worker", WORKER)])
def test_what_does_not_come_up_is_stopped_again_and_told(
    host: FakeEngine, share: HostShare, role: str, name: str
) -> None:
    stop(host, share)
    host.dying.add(name)
    host.output[name] = "no database"
    with pytest.raises(HealthError, match=rf"{name} did not come up on host1: (?s:.)*exit code 1(?s:.)*no database"):
        start(host, share, [role])
    assert host.running == {"kamal-proxy"} and host.routes == {}
    host.dying.clear()
    assert start(host, share, [role])[0] == f"start container {name}"


def test_after_a_stop_that_only_kamal_knows_it_is_the_newest_of_the_latest_image(
    host: FakeEngine, share: HostShare, home: Path
) -> None:
    stop(host, share)
    (home / ".kamal/apps/hello/history.jsonl").unlink()
    assert start(host, share, ["web"])[0] == f"start container {WEB}"


def test_nothing_to_start_is_told(host: FakeEngine, share: HostShare) -> None:
    host.here.clear()
    with pytest.raises(HealthError, match="Nothing of the role web was live on host1, or it was removed since. Deploy"):
        start(host, share)


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("state", ["exited", "absent"])
def test_without_a_kamal_proxy_nothing_is_started_and_that_is_told(
    host: FakeEngine, share: HostShare, check: bool, state: str
) -> None:
    stop(host, share)
    host.stop("kamal-proxy", None)
    if state == "absent":
        host.remove("kamal-proxy")
    host.calls.clear()
    with pytest.raises(ProxyError, match=f"does not run on this host .it is {state}.. Run caravan.kamal.proxy.boot"):
        start(host, share, check=check)
    assert host.calls == []
    assert start(host, share, ["worker"], check) == [f"start container {WORKER}"]


@pytest.mark.parametrize("check", [True, False])
def test_stale_containers_are_those_beside_what_is_current(
    host: FakeEngine, share: HostShare, home: Path, check: bool
) -> None:
    host.here["hello-worker-v0"]["State"].update(Status="running", Running=True)
    host.add("hello-worker-staging-v0", "i1", service="hello", role="worker", destination="staging")
    for expected in (["stop container hello-worker-v0"], ["stop container hello-worker-v0"] if check else []):
        Release(host, changes := Changes(check), share, {}).stop_stale(None)
        assert changes.actions == expected
    assert ("hello-worker-v0" in host.running) is check
    told = "[worker] Stopped stale containers hello-worker-v0" in (home / ".kamal/hello-audit.log").read_text()
    assert told is not check


def test_what_gets_the_requests_is_not_stale(host: FakeEngine, share: HostShare) -> None:
    """Whatever the image says that is tagged as latest."""
    host.here["hello-web-v0"]["State"].update(Status="running", Running=True)
    host.add_image("hello:latest", "image of v0")
    Release(host, changes := Changes(False), share, {}).stop_stale(None)
    assert changes.actions == [] and host.target("hello-web") == WEB


@pytest.mark.parametrize("role", ["web", "worker"])
def test_what_went_live_last_is_not_stale(host: FakeEngine, share: HostShare, role: str) -> None:
    """A deploy that was cut off before it tagged its image as latest, where no route can be read besides."""
    host.here[f"hello-{role}-v0"]["State"].update(Status="running", Running=True)
    host.add_image("hello:latest", "image of v0")
    host.routes.clear()
    Release(host, changes := Changes(False), share, {}).stop_stale(None)
    assert changes.actions == [] and f"hello-{role}-v1" in host.running
