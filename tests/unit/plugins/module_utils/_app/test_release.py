# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release does to a host: found state and wanted version against actions, and the way back from a failure."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils import _records
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._errors import (
    CaravanError,
    HealthError,
    ImageError,
    ProxyError,
)
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Container
from ansible_collections.caravan.kamal.plugins.module_utils._shares import Built, HostShare
from fakes import FakeEngine
from faults import fail_once

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

SECRET = "s3cr3t-value"
Share = Callable[..., HostShare]


def release(
    engine: FakeEngine,
    share: HostShare,
    check: bool = False,
    token: str = SECRET,
    force: bool = False,
    built: Any = None,
) -> Changes:
    """Stage and go live, as the two tasks of a rollout do. The image was brought here just before."""
    told = []
    reference = f"hello:{share.version}"
    if reference not in engine.pictures and share.version != "v9":
        engine.add_image(reference, f"image of {share.version}")
    image_id = None
    for step in ("stage", "live"):
        changes = Changes(check_mode=check)
        told.append(changes)
        host = Release(engine, changes, share, {"TOKEN": token}, Built.of(built or {}), None, force, image_id=image_id)
        image_id = getattr(host, step)(None)["image_id"] or ""
    together = Changes(check_mode=check)
    together.actions = [action for changes in told for action in changes.actions]
    together.notices = [notice for changes in told for notice in changes.notices]
    together._before, together._after = told[0]._before, told[0]._after
    return together


def calm(actions: list[str]) -> list[str]:
    """Actions without what is random in names."""
    return [re.sub(r"_(replaced|failed)_[0-9a-f]{16}", r"_\1", action) for action in actions]


@pytest.fixture
def host(engine: FakeEngine) -> FakeEngine:
    """A fresh host that has the proxy's image."""
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    return engine


FIRST = [
    "create network kamal",
    "boot kamal-proxy",
    "create container hello-web-v1",
    "create container hello-worker-v1",
    "start container hello-web-v1",
    "route hello-web to hello-web-v1",
    "record v1 as live of web",
    "start container hello-worker-v1",
    "record v1 as live of worker",
    "tag hello:v1 as latest",
]


def test_a_first_release_boots_everything(host: FakeEngine, share_of: Share, home: Path) -> None:
    changes = release(host, share_of("v1"))
    assert changes.actions == FIRST
    assert {"kamal-proxy", "hello-web-v1", "hello-worker-v1"} == host.running
    assert host.target("hello-web") == "hello-web-v1"
    assert host.pictures["hello:latest"].id == "image of v1"
    history = [json.loads(line) for line in (home / ".kamal/apps/hello/history.jsonl").read_text().splitlines()]
    assert [(record["version"], record["roles"]) for record in history] == [
        ("v1", ["web"]),
        ("v1", ["worker"]),
    ]
    assert (home / ".kamal/apps/hello/env/roles/web.env").read_text() == f"TOKEN={SECRET}\n"
    assert (home / ".kamal/apps/hello/env/roles/web.env").stat().st_mode & 0o777 == 0o600
    assert "[sam] [web] Booted app version v1" in (home / ".kamal/hello-audit.log").read_text()


@pytest.mark.parametrize("server", ["docker.io", "index.docker.io"])
def test_docker_hub_may_be_named_as_the_registry(host: FakeEngine, share_of: Share, server: str) -> None:
    share = share_of("v1", registry={"server": server})
    host.add_image(share.image.reference, "i1")
    assert (
        release(host, share, built={"digest": None, "image_id": "i1"}).actions[-1] == f"tag {server}/hello:v1 as latest"
    )
    assert host.here["hello-web-v1"]["Config"]["Image"] == f"{server}/hello:v1"
    assert release(host, share).actions == []


@pytest.fixture
def with_two_others(host: FakeEngine, share_of: Share) -> FakeEngine:
    """Beside what is live two containers run that an operator has started again."""
    for version in ("v1", "v2", "v3"):
        release(host, share_of(version, servers={"web": ["host1"]}))
    for version in ("v1", "v2"):
        host.start(f"hello-web-{version}")
    host.calls.clear()
    return host


def test_one_that_cannot_be_stopped_keeps_no_other_from_being_stopped(
    with_two_others: FakeEngine, share_of: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = with_two_others
    fail_once(monkeypatch, host, "stop")
    with pytest.raises(CaravanError, match="Docker did not answer"):
        release(host, share_of("v3", servers={"web": ["host1"]}))
    assert len(host.running & {"hello-web-v1", "hello-web-v2"}) == 1


def test_one_that_is_removed_meanwhile_is_stopped_enough(
    with_two_others: FakeEngine, share_of: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = with_two_others
    stop = host.stop

    def removed_before(name: str, timeout: int | None) -> None:
        host.remove(name)
        stop(name, timeout)

    monkeypatch.setattr(host, "stop", removed_before)
    release(host, share_of("v3", servers={"web": ["host1"]}))
    assert host.running == {"kamal-proxy", "hello-web-v3"}


def test_check_mode_predicts_a_first_release_and_does_nothing(host: FakeEngine, share_of: Share, home: Path) -> None:
    predicted = release(host, share_of("v1"), check=True)
    assert host.calls == []
    assert list(home.iterdir()) == []
    done = release(host, share_of("v1"))
    assert predicted.actions == done.actions == FIRST


@pytest.mark.parametrize(
    ("check", "foretold", "listed"),
    [
        (True, FIRST[:2], False),
        (True, [], True),
        (True, FIRST[:1], True),
        (False, FIRST[:2], True),
    ],
    ids=["all of it", "nothing", "not all of it", "it is not there"],
)
def test_what_an_earlier_task_has_listed_for_kamal_proxy_is_not_listed_again(
    host: FakeEngine, share_of: Share, check: bool, foretold: list[str], listed: bool
) -> None:
    host.add_image("hello:v1", "i1")
    changes = Changes(check_mode=check)
    Release(host, changes, share_of("v1"), {"TOKEN": SECRET}, foretold=foretold).stage(None)
    assert changes.actions == FIRST[0 if listed else 2 : 4]
    assert ("kamal-proxy/" in changes.result()["diff"]["after"]) == listed


def test_pruning_after_a_deploy_leaves_the_images_that_another_destination_may_go_back_to(
    host: FakeEngine, share_of: Share, home: Path
) -> None:
    for version in ("w1", "w2"):
        host.add_image(f"hello:{version}", f"image of {version}")
    staging = home / ".kamal/apps/hello-staging"
    staging.mkdir(parents=True)
    (staging / "history.jsonl").write_text(json.dumps({"version": "w2", "image_id": "image of w2"}))
    removed = [action for action in release(host, share_of("v1")).actions if action.startswith("remove")]
    assert removed == ["remove image hello:w1"]


def test_pruning_counts_what_has_just_been_stopped_though_docker_lists_it_as_running_for_a_moment(
    host: FakeEngine, share_of: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = share_of("v3", retain_containers=1)
    for version in ("v1", "v2"):
        release(host, share_of(version, retain_containers=1))
    listed = host.containers
    late = [
        replace(one, state="running") for one in listed("service") if one.name in ("hello-web-v2", "hello-worker-v2")
    ]

    def containers(*labels: str) -> list[Container]:
        known = {one.id: one for one in late}
        return [known.get(one.id, one) for one in listed(*labels)]

    monkeypatch.setattr(host, "containers", containers)
    assert "remove container hello-web-v1" in release(host, share).actions


def test_the_same_release_again_changes_nothing(host: FakeEngine, share_of: Share, home: Path) -> None:
    release(host, share_of("v1"))
    files = [home / ".kamal/apps/hello/history.jsonl", home / ".kamal/hello-audit.log"]
    before = [file.read_text() for file in files]
    host.calls.clear()
    changes = release(host, share_of("v1"))
    assert (changes.actions, host.calls) == ([], [])
    assert [file.read_text() for file in files] == before


def test_containers_that_were_cut_off_from_their_network_are_replaced(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    for name in ("kamal-proxy", "hello-web-v1", "hello-worker-v1"):
        host.disconnect(name)
    host.networks.clear()
    predicted = release(host, share_of("v1"), check=True)
    done = release(host, share_of("v1"))
    assert "create network kamal" in done.actions and "connect kamal-proxy to network kamal" in done.actions
    assert {"start container hello-web-v1", "start container hello-worker-v1"} <= set(done.actions)
    assert predicted.actions[:6] == done.actions[:6]
    assert release(host, share_of("v1")).actions == []


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("check", [True, False])
def test_a_route_that_somebody_stopped_stays_so_and_is_told(
    host: FakeEngine, share_of: Share, version: str, check: bool
) -> None:
    release(host, share_of("v1"))
    host.execute("kamal-proxy", ["kamal-proxy", "stop", "hello-web"])
    assert any("hello-web is stopped" in notice for notice in release(host, share_of(version), check=check).notices)
    assert host.routes["hello-web"]["pause_controller"]["state"] == 2


def test_a_broken_state_of_kamal_proxy_keeps_no_release_from_going_live(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    host.state_file = b"[{"
    changes = release(host, share_of("v2"))
    assert host.target("hello-web") == "hello-web-v2"
    assert any("written it anew" in notice for notice in changes.notices)


def test_routes_that_kamal_proxy_forgot_are_made_again(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    host.state_file = b"[{"
    host.stop("kamal-proxy", None)
    changes = release(host, share_of("v1"))
    assert changes.actions[0] == "start kamal-proxy" and changes.actions[1].startswith("route hello-web to ")
    assert host.target("hello-web") == "hello-web-v1"


def test_files_of_kamal_that_have_no_form_here_stop_no_release_where_kamal_proxy_is_there(
    host: FakeEngine, share_of: Share, home: Path
) -> None:
    release(host, share_of("v1"))
    (home / ".kamal/proxy/run_command").write_text("kamal-proxy run --http-port 3000\n")
    foreseen, done = release(host, share_of("v2"), check=True), release(host, share_of("v2"))
    assert host.target("hello-web") == "hello-web-v2"
    assert foreseen.notices[0] == done.notices[0]
    assert "is passed over" in done.notices[0] and "run_command: found 'kamal-proxy run --http-port" in done.notices[0]


def test_the_next_version_takes_over_and_the_one_before_stops(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    changes = release(host, share_of("v2"))
    assert changes.actions == [
        "create container hello-web-v2",
        "create container hello-worker-v2",
        "start container hello-web-v2",
        "route hello-web to hello-web-v2",
        "record v2 as live of web",
        "stop container hello-web-v1",
        "start container hello-worker-v2",
        "record v2 as live of worker",
        "stop container hello-worker-v1",
        "tag hello:v2 as latest",
    ]
    assert host.target("hello-web") == "hello-web-v2"
    assert host.here["hello-web-v1"]["State"]["Status"] == "exited"
    assert host.stop_timeouts["hello-web-v1"] == 3


@pytest.mark.parametrize(
    ("changed", "arguments"),
    [
        ({"env": {"clear": {"GREETING": "good day"}, "secret": ["TOKEN"]}}, {}),
        ({"env": {"clear": {"GREETING": "hi"}, "secret": ["TOKEN", "OTHER:TOKEN"]}}, {}),
        ({"labels": {"team": "shop"}}, {}),
        ({"volumes": ["data:/data"]}, {}),
        ({}, {"token": "another value"}),
        ({}, {"force": True}),
    ],
    ids=["clear env", "another secret", "label", "volume", "secret value", "forced"],
)
def test_a_version_that_runs_is_replaced_when_something_differs(
    host: FakeEngine, share_of: Share, changed: dict[str, Any], arguments: dict[str, Any]
) -> None:
    release(host, share_of("v1"))
    old = host.here["hello-web-v1"]["Id"]
    changes = release(host, share_of("v1", **changed), **arguments)
    assert "create container hello-web-v1" in changes.actions
    assert host.here["hello-web-v1"]["Id"] != old
    assert calm(sorted(host.here))[:2] == ["hello-web-v1", "hello-web-v1_replaced"]
    assert host.target("hello-web") == "hello-web-v1"
    assert "hello-web-v1" in host.running


def test_another_image_under_the_same_tag_is_another_release(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    host.add_image("hello:v1", "rebuilt")
    changes = release(host, share_of("v1"), built={"image_id": "rebuilt"})
    assert "create container hello-web-v1" in changes.actions
    assert host.here["hello-web-v1"]["Image"] == "rebuilt"


@pytest.mark.parametrize("gone", [False, True])
def test_what_was_staged_goes_live_though_another_destination_took_the_tag(
    host: FakeEngine, share_of: Share, home: Path, gone: bool
) -> None:
    host.add_image("hello:v1", "i1")
    share = share_of("v1")
    staged = Release(host, Changes(False), share, {"TOKEN": SECRET}).stage(None)["image_id"]
    host.add_image("hello:v1", "of another destination")
    if gone:
        host.remove("hello-web-v1_staged")
    Release(host, Changes(False), share, {"TOKEN": SECRET}, image_id=staged).live(None)
    assert [host.container(f"hello-{role}-v1")["Image"] for role in ("web", "worker")] == ["i1", "i1"]
    assert host.pictures["hello:latest"].id == "i1" and host.pictures["hello:v1"].id == "of another destination"
    assert json.loads((home / ".kamal/apps/hello/history.jsonl").read_text().splitlines()[0])["image_id"] == "i1"


def test_an_image_that_is_gone_since_it_was_staged_is_told(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    with pytest.raises(ImageError, match="staged as hello:v2 is gone from host1"):
        Release(host, Changes(False), share_of("v2"), {"TOKEN": SECRET}, image_id="i2").live(None)
    assert host.target("hello-web") == "hello-web-v1"


@pytest.mark.parametrize("here", [True, False])
def test_a_rollback_takes_the_image_that_was_live_and_not_the_one_that_got_its_tag_since(
    host: FakeEngine, share_of: Share, here: bool
) -> None:
    for version in ("v1", "v2"):
        release(host, share_of(version))
    host.add_image("hello:v1", "of another destination")
    if not here:
        host.pictures.pop("image of v1")
    release(host, share_of("v1", command="rollback"))
    image = "image of v1" if here else "of another destination"
    assert host.container("hello-web-v1")["Image"] == image


def test_only_the_route_is_changed_when_only_the_route_differs(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    target = host.routes["hello-web"]["active_targets"][0]
    changes = release(host, share_of("v1", proxy={"host": "other.example.com"}))
    assert changes.actions == [f"route hello-web to {target}"]
    assert host.routes["hello-web"]["options"]["hosts"] == ["other.example.com"]


def test_strays_of_a_role_are_stopped_though_the_version_runs(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    host.add("hello-web-v0", service="hello", role="web", destination="")
    host.add("hello-web-staging-v0", service="hello", role="web", destination="staging")
    assert release(host, share_of("v1")).actions == ["stop container hello-web-v0"]
    assert "hello-web-staging-v0" in host.running


def test_what_an_earlier_run_staged_and_left_is_dropped(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    host.add("hello-web-v0_staged", state="created", service="hello", role="web", destination="")
    release(host, share_of("v2"))
    assert "hello-web-v0_staged" not in host.here


@pytest.mark.parametrize("late", [True, False])
def test_a_container_of_a_killed_run_is_stopped_and_removed_unless_its_switch_comes_through(
    host: FakeEngine, share_of: Share, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    release(host, share_of("v1"))
    left = host.add("hello-web-v0_staged", service="hello", role="web", destination="")["Id"]
    stop = host.stop

    def stop_while_kamal_proxy_switches(name: str, timeout: int | None) -> None:
        stop(name, timeout)
        if late and name == left and host.target("hello-web") == "hello-web-v1":
            host.routes["hello-web"]["active_targets"] = [f"{left[:12]}:80"]

    monkeypatch.setattr(host, "stop", stop_while_kamal_proxy_switches)
    host.add_image("hello:v2", "i2")
    changes = Changes(False)
    Release(host, changes, share_of("v2"), {"TOKEN": SECRET}).stage(None)
    assert "stop hello-web-v0_staged" in host.calls
    assert ("hello-web-v0_staged" in host.running) == late
    assert ("remove container hello-web-v0_staged" in changes.actions) == (not late)
    release(host, share_of("v2"))
    assert host.target("hello-web") == "hello-web-v2" and "hello-web-v0_staged" not in host.here


# Failures


@pytest.mark.parametrize("trouble", ["dying", "sick"])
def test_a_version_that_does_not_come_up_leaves_the_old_one_serving(
    host: FakeEngine, share_of: Share, home: Path, trouble: str
) -> None:
    release(host, share_of("v1"))
    getattr(host, trouble).add("hello:v2")
    host.output["hello-web-v2"] = "panic: no database"
    with pytest.raises(HealthError) as failure:
        release(host, share_of("v2"))
    assert "panic: no database" in failure.value.message
    assert "hello-web-v2" in failure.value.message and "host1" in failure.value.message
    assert host.target("hello-web") == "hello-web-v1"
    assert {"hello-web-v1", "hello-worker-v1"} <= host.running
    assert host.here["hello-web-v2"]["State"]["Status"] == "exited"
    assert host.pictures["hello:latest"].id == "image of v1"
    assert len((home / ".kamal/apps/hello/history.jsonl").read_text().splitlines()) == 2


def test_the_same_version_that_does_not_come_up_again_gives_its_name_back(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    before = host.here["hello-web-v1"]["Id"]
    host.sick.add("hello-web-v1")
    with pytest.raises(HealthError):
        release(host, share_of("v1", labels={"team": "shop"}))
    assert host.here["hello-web-v1"]["Id"] == before
    assert "hello-web-v1" in host.running
    failed = [name for name in host.here if "_failed_" in name]
    assert len(failed) == 1 and failed[0] not in host.running
    assert host.routes["hello-web"]["active_targets"] == [f"{before[:12]}:80"]


def test_a_route_that_was_switched_before_the_failure_is_switched_back(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    host.fails_after_switch = True
    with pytest.raises(HealthError):
        release(host, share_of("v2", proxy={"host": "new.example.com"}))
    assert host.target("hello-web") == "hello-web-v1"
    assert host.routes["hello-web"]["options"]["hosts"] == ["hello.example.com"]


def test_a_route_that_was_made_by_a_first_release_that_failed_is_removed(host: FakeEngine, share_of: Share) -> None:
    host.fails_after_switch = True
    with pytest.raises(HealthError):
        release(host, share_of("v1"))
    assert host.routes == {} and host.running == {"kamal-proxy"}


@pytest.mark.parametrize("recorded", [True, False])
def test_a_route_of_the_same_container_that_fails_gets_its_options_back(
    host: FakeEngine, share_of: Share, home: Path, recorded: bool
) -> None:
    release(host, share_of("v1"))
    if not recorded:
        (home / ".kamal/apps/hello/history.jsonl").unlink()
    host.fails_after_switch = True
    with pytest.raises(HealthError, match="the old target did not drain"):
        release(host, share_of("v1", proxy={"host": "new.example.com", "response_timeout": 5}))
    assert host.target("hello-web") == "hello-web-v1" and "hello-web-v1" in host.running
    assert host.routes["hello-web"]["options"]["hosts"] == ["hello.example.com"]
    assert host.routes["hello-web"]["target_options"]["response_timeout"] == 30 * 10**9


def test_a_worker_is_judged_by_its_own_health_check(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1"))
    host.dying.add("hello-worker-v2")
    with pytest.raises(HealthError, match="exited with code 1"):
        release(host, share_of("v2"))
    assert {"hello-web-v2", "hello-worker-v1"} <= host.running


@pytest.mark.parametrize("side_by_side", [False, True])
def test_roles_that_went_live_before_one_failed_are_on_record(
    host: FakeEngine, share_of: Share, home: Path, side_by_side: bool
) -> None:
    boot = {"boot": {"parallel_roles": side_by_side}}
    release(host, share_of("v1", **boot))
    host.dying.add("hello-worker-v2")
    with pytest.raises(HealthError):
        release(host, share_of("v2", **boot))
    records = _records.parse((home / ".kamal/apps/hello/history.jsonl").read_text())
    last = {role: _records.last_of(records, role) for role in ("web", "worker")}
    assert {role: record and record.version for role, record in last.items()} == {"web": "v2", "worker": "v1"}
    audit = (home / ".kamal/hello-audit.log").read_text()
    assert "[web] Booted app version v2" in audit and "[worker] Booted app version v2" not in audit
    assert host.pictures["hello:latest"].id == "image of v1"


def test_an_image_of_another_service_is_refused_before_anything_is_made(host: FakeEngine, share_of: Share) -> None:
    host.add_image("hello:v9", "i9", service="shop")
    with pytest.raises(ImageError, match="service=shop"):
        release(host, share_of("v9"))
    assert host.calls == []


def test_a_missing_image_without_a_registry_says_so(host: FakeEngine, share_of: Share) -> None:
    with pytest.raises(ImageError, match="hello:v9 is not on this host, and there is no registry to pull it from"):
        release(host, share_of("v9"))


# Other commands


def test_a_redeploy_leaves_the_proxy_alone_and_prunes_nothing(host: FakeEngine, share_of: Share) -> None:
    release(host, share_of("v1", retain_containers=1))
    host.add_image("hello:unused", "i7")
    actions = release(host, share_of("v2", command="redeploy", retain_containers=1)).actions
    assert not [action for action in actions if "remove" in action or action.endswith("kamal-proxy")]
    assert "hello:unused" in host.pictures


def test_a_redeploy_without_a_proxy_is_refused_before_containers_are_made(host: FakeEngine, share_of: Share) -> None:
    with pytest.raises(ProxyError, match="absent.*caravan.kamal.proxy.boot, or setup or deploy"):
        release(host, share_of("v1", command="redeploy"))
    assert not [call for call in host.calls if call.startswith("create hello")]


def test_secret_values_reach_the_container_and_nothing_else(host: FakeEngine, share_of: Share, home: Path) -> None:
    release(host, share_of("v1"))
    changes = release(host, share_of("v1"), token="n3w-t0ken")
    assert "TOKEN=n3w-t0ken" in host.here["hello-web-v1"]["Config"]["Env"]
    told = json.dumps(changes.result()) + (home / ".kamal/hello-audit.log").read_text()
    told += (home / ".kamal/apps/hello/history.jsonl").read_text() + json.dumps(
        host.here["hello-web-v1"]["Config"]["Labels"]
    )
    assert SECRET not in told and "n3w-t0ken" not in told
    assert "web/secrets changed: TOKEN" in changes.result()["diff"]["before"]


@pytest.mark.parametrize("server", [None, "r.example.com"])
def test_the_proxys_image_is_pulled_with_the_login_of_its_own_registry(
    engine: FakeEngine, share_of: Share, server: str | None
) -> None:
    share = share_of("v1", registry={"username": "u", "password": "p", **({"server": server} if server else {})})
    engine.registry["basecamp/kamal-proxy:v0.9.2"] = engine.add_image("elsewhere", "ip", service=None)
    engine.add_image(f"{share.image.repository}:v1", "i1")
    login = {"username": "u", "password": "p"}
    Release(engine, Changes(False), share, {"TOKEN": SECRET}, Built(), login).stage(None)
    assert "pull basecamp/kamal-proxy:v0.9.2" in engine.calls
    assert engine.pulled_with == (None if server else login)


def test_folders_below_the_home_are_spelled_out_on_the_host(host: FakeEngine, share_of: Share, home: Path) -> None:
    volumes = ["./storage:/storage:ro", "~/up:/up", "named:/named", "/srv:/srv"]
    release(host, share_of("v1", volumes=volumes))
    assert host.here["hello-web-v1"]["HostConfig"]["Binds"] == [
        f"{home}/storage:/storage:ro",
        f"{home}/up:/up",
        "named:/named",
        "/srv:/srv",
    ]
    assert release(host, share_of("v1", volumes=volumes)).actions == []


def test_folders_of_volumes_are_made_with_mode_and_owner(engine: FakeEngine, share_of: Share, home: Path) -> None:
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    engine.add_image("hello:v1", "image of v1")
    user = f"{os.getuid()}:{os.getgid()}"
    share = share_of("v1", volumes=["aa:/a", {"local": "data/in", "remote": "/in", "mode": "0770", "owner": user}])
    dry, done, again = Changes(True), Changes(False), Changes(False)
    for changes in (dry, done):
        Release(engine, changes, share, {"TOKEN": "t"}).stage(None)
    assert dry.actions == done.actions
    assert [action for action in done.actions if "folder" in action] == ["make folder data/in"]
    assert (home / "data/in").stat().st_mode & 0o777 == 0o770
    binds = engine.container("hello-web-v1_staged")["HostConfig"]["Binds"]
    assert binds == ["aa:/a", f"{home}/data/in:/in"]
    (home / "data/in").chmod(0o700)
    Release(engine, again, share, {"TOKEN": "t"}).stage(None)
    assert "give folder data/in its mode and owner" in again.actions
