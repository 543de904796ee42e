# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host that Kamal 1 deployed to becomes one of Kamal 2: whatever fails and wherever it ends, somebody is served."""

from __future__ import annotations

import copy
import itertools
import json
import shutil
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._errors import HealthError, ProxyError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import traefik
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import PROXY
from faults import Killed, KillsAt
from kamal1 import TRAEFIK, Ported, add_traefik

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

Share = Callable[..., HostShare]


@pytest.fixture
def host() -> Ported:
    engine = Ported()
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    image = engine.add_image("hello:v1", "i1")
    engine.add_image("hello:latest", "i1")
    add_traefik(engine)
    for role in ("web", "worker"):
        labels = {"service": "hello", "role": role, "destination": ""}
        engine.add(f"hello-{role}-v1", image.id, **labels)["HostConfig"]["NetworkMode"] = "default"
        engine.here[f"hello-{role}-v1"]["Config"]["Labels"]["old"] = role
    return engine


def bring(engine: Any, share: HostShare, check: bool = False) -> list[Changes]:
    """Staged and live, as the two tasks of a rollout do it."""
    told, image_id = [], None
    for step in ("stage", "live"):
        told.append(Changes(check_mode=check))
        release = Release(engine, told[-1], share, {"TOKEN": "secret"}, image_id=image_id)
        image_id = getattr(release, step)(None)["image_id"] or ""
    return told


def upgrade(engine: Any, share: HostShare, check: bool = False) -> list[str]:
    """As the tasks of the playbook do it. Returns the actions."""
    told = [*bring(engine, share, check), Changes(check_mode=check), Changes(check_mode=check)]
    assert share.proxy is not None
    traefik.take_over(engine, told[-2], share.proxy.container, None)
    Release(engine, told[-1], share, {}).stop_stale(None)
    return [action for each in told for action in each.actions]


def old(engine: Ported) -> dict[str, str]:
    """The state of the containers that Kamal 1 made, by role."""
    found = [each for each in engine.here.values() if "old" in each["Config"]["Labels"]]
    return {each["Config"]["Labels"]["old"]: each["State"]["Status"] for each in found}


def is_served(engine: Ported) -> bool:
    """Whether who has the port has something that runs to send requests to."""
    who = engine.served.get("80")
    return (who == TRAEFIK and old(engine)["web"] == "running") or (
        who == PROXY and "hello-web" in engine.routes and engine.target("hello-web") in engine.running
    )


def test_everything_is_in_the_network_kamal_and_behind_kamal_proxy(host: Ported, share_of: Share, home: Path) -> None:
    share = share_of("v1", command="upgrade")
    predicted = upgrade(host, share, check=True)
    assert host.calls == [] and list(home.iterdir()) == []
    done = upgrade(host, share)
    assert sorted(predicted) == sorted(action.partition("_replaced")[0] for action in done)
    assert host.running == {PROXY, "hello-web-v1", "hello-worker-v1"}
    assert host.target("hello-web") == "hello-web-v1"
    assert host.served == {"80": PROXY, "443": PROXY}
    assert old(host) == {"web": "exited", "worker": "exited"}
    assert TRAEFIK not in host.here
    history = [json.loads(line) for line in (home / ".kamal/apps/hello/history.jsonl").read_text().splitlines()]
    assert {record["version"] for record in history} == {"v1"}


def test_a_second_run_changes_nothing(host: Ported, share_of: Share) -> None:
    share = share_of("v1", command="upgrade")
    upgrade(host, share)
    host.calls.clear()
    assert upgrade(host, share) == []
    assert host.calls == []


def test_what_traefik_sends_requests_to_runs_until_its_place_is_taken(host: Ported, share_of: Share) -> None:
    bring(host, share_of("v1", command="upgrade"))
    assert old(host) == {"web": "running", "worker": "exited"}
    assert host.served == {"80": TRAEFIK, "443": PROXY}
    assert host.target("hello-web") == "hello-web-v1"
    bring(host, share_of("v1", command="upgrade"))
    assert old(host)["web"] == "running"


def test_a_deploy_in_between_is_refused_and_changes_nothing(host: Ported, share_of: Share) -> None:
    bring(host, share_of("v1", command="upgrade"))
    before = host.running
    for command in ("deploy", "redeploy", "rollback", "boot"):
        with pytest.raises(ProxyError, match="upgrade again"):
            Release(host, Changes(False), share_of("v1", command=command), {"TOKEN": "secret"}).stage(None)
    assert host.running == before and is_served(host)


@pytest.mark.parametrize("role", ["web", "worker"])
def test_a_container_that_does_not_come_up_there_leaves_traefik_and_what_it_serves(
    host: Ported, share_of: Share, role: str
) -> None:
    host.dying.add(f"hello-{role}-v1")
    share = share_of("v1", command="upgrade")
    with pytest.raises(HealthError):
        upgrade(host, share)
    assert is_served(host) and host.served["80"] == TRAEFIK and old(host)[role] == "running"
    host.dying.clear()
    upgrade(host, share)
    assert is_served(host) and host.served["80"] == PROXY
    assert upgrade(host, share) == []


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after it"])
def test_killed_at_any_step_somebody_is_served_and_the_next_run_ends_it(
    host: Ported, share_of: Share, home: Path, after: bool
) -> None:
    """Nobody is served only where the kill came between the two that have the port; the next run begins with that."""
    share, unserved = share_of("v1", command="upgrade"), 0
    for number in itertools.count(1):
        shutil.rmtree(home / ".kamal", ignore_errors=True)
        tried = copy.deepcopy(host)
        try:
            upgrade(KillsAt(tried, number, after), share)
        except Killed:
            pass
        else:
            break
        unserved += not is_served(tried)
        upgrade(tried, share)
        assert is_served(tried) and tried.served == {"80": PROXY, "443": PROXY}
        assert old(tried) == {"web": "exited", "worker": "exited"}
        assert {PROXY, "hello-web-v1", "hello-worker-v1"} == tried.running
        assert TRAEFIK not in tried.here
        assert upgrade(tried, share) == []
    assert number > 20
    assert unserved <= 2
