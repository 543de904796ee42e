# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An accessory that is replaced, broken or killed at each call: its volumes stay, and the next run finishes."""

from __future__ import annotations

import contextlib
import errno
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import replacement
from ansible_collections.caravan.kamal.plugins.module_utils._app.accessory import Accessory
from ansible_collections.caravan.kamal.plugins.module_utils._app.accessory_host import AccessoryHost
from ansible_collections.caravan.kamal.plugins.module_utils._errors import CaravanError, EngineError
from ansible_collections.caravan.kamal.plugins.module_utils._host import files, placed, unfinished
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Executed
from ansible_collections.caravan.kamal.plugins.module_utils._shares import AccessoryShare
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import handover
from faults import Failing, Fragile, Killed

pytestmark = pytest.mark.usefixtures("no_waiting")

Share = Callable[..., AccessoryShare]
SECTION = {"image": "postgres:16", "host": "host1", "env": {"secret": ["PASSWORD"]}}
PLACES = {"files": ["a:/etc/a", "b:/etc/b"], "directories": ["data:/data"]}
CHECKED = {"ready": "check", "ready_timeout": 0}
READY = {**CHECKED, "backup": "dump"}
ROUTED = {"proxy": {"host": "db.example.com"}}
SCENES: dict[str, tuple[Any, Any]] = {
    "first": (None, {**PLACES, **READY}),
    "replaced": ({**PLACES, **READY}, {**PLACES, **READY, "image": "postgres:17"}),
    "start first": (READY, {**READY, "image": "postgres:17", "update": "start_first"}),
    "behind kamal-proxy": ({**READY, **ROUTED}, {**READY, **ROUTED, "image": "postgres:17", "update": "start_first"}),
    "held by kamal-proxy": ({**READY, **ROUTED}, {**READY, **ROUTED, "image": "postgres:17"}),
    "files and no check": (PLACES, {**PLACES, "cmd": "other"}),
    "its files": ({**PLACES, **CHECKED}, {**PLACES, **CHECKED}),
}


@pytest.fixture
def shares(plan_of: Any) -> Share:
    def make(changed: dict[str, Any]) -> AccessoryShare:
        return handover.accessory_share(plan_of("v1", accessories={"db": {**SECTION, **changed}}), "db", "host1")

    return make


class Scene:
    """A host with an accessory, and what it is to become; its files are other ones then."""

    def __init__(self, shares: Share, scene: str) -> None:
        before, after = SCENES[scene]
        self.engine = Fragile()
        self.engine.now = lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.engine.networks.add("kamal")
        self.engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
        for tag in ("16", "17"):
            self.engine.add_image(f"postgres:{tag}", f"ipg{tag}", service=None)
        self.before, self.after = before and shares(before), shares(after)
        if self.before:
            self.run(self.before, "old")

    def run(self, share: AccessoryShare, content: str = "new", check: bool = False) -> list[str]:
        contents = {file.path: content.encode() for file in share.files}
        changes = Changes(check)
        host = AccessoryHost(self.engine, changes, share, {"PASSWORD": "s3cr3t"}, contents=contents)
        Accessory(host).present()
        return changes.actions

    def assert_converges(self, home: Path, share: AccessoryShare, content: str) -> None:
        """The dry run tells what is left to do, the run does it, and one more finds nothing."""
        foreseen = self.run(share, content, check=True)
        assert self.run(share, content) == foreseen
        names = {name: container["State"]["Status"] for name, container in self.engine.here.items()}
        names = {name: state for name, state in names.items() if name not in ("hello-db_failed", "kamal-proxy")}
        assert self.engine.target("hello-db") == "hello-db" if share.route else not self.engine.routes
        assert names == {"hello-db": "running"}
        assert {route["pause_controller"]["state"] for route in self.engine.routes.values()} <= {0}
        assert {(home / file.path).read_text() for file in share.files} <= {content}
        assert not list(home.rglob(".*.before"))
        assert self.run(share, content) == []
        assert self.engine.lost_volumes == []

    def never_gets_ready(self) -> None:
        self.engine.answers["check"] = Executed(1, "no connection")

    def fails_to_run(self) -> None:
        with pytest.raises(CaravanError):
            self.run(self.after)

    def assert_is_back(self, home: Path, old: str) -> None:
        assert self.engine.here["hello-db"]["Id"] == old
        assert self.engine.running - {"kamal-proxy"} == {"hello-db"}
        assert {(home / file.path).read_text() for file in self.after.files} <= {"old"}
        assert not list(home.rglob(".*.before"))
        assert all(self.engine.target(route) == "hello-db" for route in self.engine.routes)
        assert {route["pause_controller"]["state"] for route in self.engine.routes.values()} <= {0}


def fresh(shares: Share, scene: str, monkeypatch: pytest.MonkeyPatch, factory: pytest.TempPathFactory) -> Any:
    folder = factory.mktemp("home")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setattr(replacement, "POLL", 0.001)
    return Scene(shares, scene), folder


@pytest.mark.parametrize("back", [False, True], ids=["on", "back"])
@pytest.mark.parametrize("error", [EngineError, Killed], ids=["refused", "killed"])
@pytest.mark.parametrize("scene", SCENES)
def test_wherever_it_breaks_the_next_run_finishes_or_goes_back(
    shares: Share,
    scene: str,
    error: type[BaseException],
    back: bool,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    counted, _folder = fresh(shares, scene, monkeypatch, tmp_path_factory)
    counted.engine.arm(10**6, EngineError)
    counted.run(counted.after)
    for number in range(1, counted.engine.number + 1):
        broken, folder = fresh(shares, scene, monkeypatch, tmp_path_factory)
        if back and broken.before is None:
            return
        broken.engine.arm(number, error)
        with contextlib.suppress(CaravanError, Killed):
            broken.run(broken.after)
        broken.engine.arm(0, error)
        try:
            if error is EngineError and broken.before:
                assert "running" in [each["State"]["Status"] for each in broken.engine.here.values()]
            broken.assert_converges(folder, *((broken.before, "old") if back else (broken.after, "new")))
        except (AssertionError, CaravanError) as failure:
            raise AssertionError(f"{scene}, broken at call {number}: {failure}") from failure


@pytest.mark.parametrize("scene", ["replaced", "start first", "behind kamal-proxy", "held by kamal-proxy", "its files"])
def test_wherever_the_way_back_is_killed_the_old_one_is_back_after_the_next_run(
    shares: Share, scene: str, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    counted, _folder = fresh(shares, scene, monkeypatch, tmp_path_factory)
    counted.never_gets_ready()
    counted.engine.arm(10**6, EngineError)
    counted.fails_to_run()
    for number in range(1, counted.engine.number + 1):
        broken, folder = fresh(shares, scene, monkeypatch, tmp_path_factory)
        old = broken.engine.here["hello-db"]["Id"]
        broken.never_gets_ready()
        broken.engine.arm(number, Killed)
        with contextlib.suppress(CaravanError, Killed):
            broken.run(broken.after)
        broken.engine.arm(0, Killed)
        broken.fails_to_run()
        try:
            broken.assert_is_back(folder, old)
        except AssertionError as failure:
            raise AssertionError(f"{scene}, killed at call {number}: {failure}") from failure


@pytest.mark.parametrize("error", [errno.ENOSPC, None], ids=["full", "killed"])
@pytest.mark.parametrize("call", ["open", "link", "replace", "fsync", "unlink", "mkdir"])
def test_wherever_a_file_cannot_be_written_the_next_run_finishes(
    shares: Share,
    call: str,
    error: int | None,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    def fail() -> None:
        raise OSError(error, os.strerror(error)) if error else Killed()

    for after in (0, 1, 2, 3, 5, 8, 13, 21, 34):
        broken, folder = fresh(shares, "replaced", monkeypatch, tmp_path_factory)
        faulty = Failing(os, call, fail, after, lasting=error is None)
        with monkeypatch.context() as patch, contextlib.suppress(CaravanError, Killed):
            patch.setattr(files, "os", faulty)
            patch.setattr(unfinished, "os", faulty)
            patch.setattr(placed, "os", faulty)
            broken.run(broken.after)
        if error:
            assert "hello-db" in broken.engine.running
        broken.assert_converges(folder, broken.after, "new")
        if not faulty.failed:
            return
