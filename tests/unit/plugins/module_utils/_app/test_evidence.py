# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What counts as evidence that a container is live, and the way back when the next one is not."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Callable, Mapping, Sequence

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils import _records
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError, HealthError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Executed
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import container as _proxy
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import deployment
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import PROXY, FakeEngine

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

Share = Callable[..., HostShare]


def act(engine: FakeEngine, share: HostShare, *steps: str, check: bool = False) -> Changes:
    changes = Changes(check)
    for step in steps:
        arguments = (None, None) if step == "proven" else (None,)
        getattr(Release(engine, changes, share, {"TOKEN": "s3cr3t"}), step)(*arguments)
    return changes


def deploy(engine: FakeEngine, share: HostShare) -> Changes:
    engine.add_image(share.image.reference, f"image of {share.version}")
    return act(engine, share, "stage", "live")


def records(home: Path) -> list[_records.Record]:
    return _records.parse((home / ".kamal/apps/hello/history.jsonl").read_text())


@pytest.fixture
def host(engine: FakeEngine, share_of: Share) -> FakeEngine:
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    deploy(engine, share_of("v1"))
    return engine


def is_restarted(engine: FakeEngine) -> None:
    engine.container("hello-web-v1")["RestartCount"] = 1


def test_a_dry_run_of_a_version_that_never_went_live_has_nothing_to_look_at(host: FakeEngine, share_of: Share) -> None:
    assert act(host, share_of("v2"), "proven", check=True).actions == []


def test_a_bad_version_is_replaced_when_it_is_deployed_again(host: FakeEngine, share_of: Share, home: Path) -> None:
    is_restarted(host)
    before = host.container("hello-web-v1")["Id"]
    with pytest.raises(HealthError):
        act(host, share_of("v1"), "proven")
    deploy(host, share_of("v1"))
    assert host.container("hello-web-v1")["Id"] != before
    assert _records.bad_versions(records(home)) == set()


def without_record(home: Path) -> None:
    (home / ".kamal/apps/hello/history.jsonl").unlink()


def test_what_runs_without_record_is_proven_and_recorded(host: FakeEngine, share_of: Share, home: Path) -> None:
    without_record(home)
    foreseen = act(host, share_of("v1"), "stage", "live", check=True).actions
    assert foreseen == [
        "prove container hello-web-v1",
        "route hello-web to hello-web-v1",
        "record v1 as live of web",
        "prove container hello-worker-v1",
        "record v1 as live of worker",
    ]
    assert act(host, share_of("v1"), "stage", "live").actions == foreseen
    assert act(host, share_of("v1"), "stage", "live").actions == []


def test_a_worker_that_was_never_proven_is_not_accepted(host: FakeEngine, share_of: Share, home: Path) -> None:
    without_record(home)
    worker = host.container("hello-worker-v1")
    worker["RestartCount"] = 4
    deploy(host, share_of("v1"))
    assert host.container("hello-worker-v1")["Id"] != worker["Id"]
    assert worker["State"]["Status"] == "exited"


class Late(FakeEngine):
    """kamal-proxy switches to a target only once that was stopped, to act on an answer from before."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = threading.Event()
        self.late = False

    def execute(self, container: str, argv: Sequence[str]) -> Executed:
        if self.late and argv[1] == "deploy":
            self.late = False
            self.is_restarted()
            assert self.stopped.wait(10)
            before = self.container("hello-web-v2_staged")["State"]
            before["Status"] = "running"
            try:
                return super().execute(container, argv)
            finally:
                before["Status"] = "exited"
        return super().execute(container, argv)

    def is_restarted(self) -> None:
        self.container("hello-web-v2_staged")["RestartCount"] = 1

    def stop(self, name: str, timeout: int | None) -> None:
        super().stop(name, timeout)
        self.stopped.set()


def test_a_switch_that_comes_after_the_stop_is_undone(share_of: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deployment, "SETTLES_WITHIN", 10)
    engine = Late()
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    deploy(engine, share_of("v1"))
    engine.stopped.clear()
    engine.late = True
    with pytest.raises(HealthError, match="hello-web-v2 did not go live"):
        deploy(engine, share_of("v2"))
    assert engine.target("hello-web") == "hello-web-v1"
    assert "hello-web-v1" in engine.running


class Mortal(FakeEngine):
    """kamal-proxy is killed while it drains: it has switched and written that down, answers with a code of Docker's and
    refuses so many further commands, until it has been started again."""

    def __init__(self) -> None:
        super().__init__()
        self.is_killed = False
        self.is_away_for = 0

    def execute(self, container: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Executed:
        if container == PROXY and not self.is_killed and self.is_away_for:
            self.is_away_for -= 1
            raise EngineError("Docker could not run it: container kamal-proxy is not running")
        executed = super().execute(container, argv, env)
        if self.is_killed and argv[1] == "deploy":
            self.is_killed = False
            return Executed(137, "")
        return executed

    def kill(self, is_away_for: int) -> None:
        self.is_killed, self.is_away_for = True, is_away_for


@pytest.fixture
def mortal(share_of: Share) -> Mortal:
    """v1 is live."""
    engine = Mortal()
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    deploy(engine, share_of("v1"))
    return engine


def test_a_kamal_proxy_that_is_killed_while_it_drains_is_waited_for_and_switched_back(
    mortal: Mortal, share_of: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_proxy, "ANSWERS_WITHIN", 10)
    mortal.kill(is_away_for=5)
    with pytest.raises(HealthError, match="It was stopped; what served before still serves"):
        deploy(mortal, share_of("v2"))
    assert mortal.target("hello-web") == "hello-web-v1"
    assert mortal.running == {PROXY, "hello-web-v1", "hello-worker-v1"}


@pytest.mark.parametrize("version", ["v2", "v3", "v1"])
@pytest.mark.parametrize("labels", [{}, {"team": "shop"}], ids=["another version", "the same version"])
def test_what_cannot_be_had_out_of_its_route_runs_on_and_the_next_run_finishes(
    mortal: Mortal, share_of: Share, labels: dict[str, str], version: str
) -> None:
    mortal.kill(is_away_for=1000)
    with pytest.raises(HealthError, match=r"does not answer(?s:.)*\nThe new container runs on, since kamal"):
        deploy(mortal, share_of("v1" if labels else "v2", labels=labels))
    mortal.is_away_for = 0
    assert mortal.target("hello-web") in mortal.running - {"hello-web-v1"}
    deploy(mortal, share_of(version, labels=labels))
    assert mortal.target("hello-web") == f"hello-web-{version}"
    assert mortal.running == {PROXY, f"hello-web-{version}", f"hello-worker-{version}"}
    assert not [name for name in mortal.here if name.endswith("_staged")]
    assert deploy(mortal, share_of(version, labels=labels)).actions == []


def test_what_fails_on_the_way_back_is_told(host: FakeEngine, share_of: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    host.sick.add("hello:v2")
    monkeypatch.setattr(host, "rename", lambda *_names: (each for each in ()).throw(HealthError("the disk is full")))
    with pytest.raises(HealthError, match="On the way back this failed too: the disk is full"):
        deploy(host, share_of("v2"))
    assert "hello-web-v1" in host.running
