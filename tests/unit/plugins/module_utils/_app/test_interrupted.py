# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cut-over that fails or is killed at each call of the engine and at each change of a file: what served serves, and
the next run finishes."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import found_secrets, history
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._errors import CaravanError, EngineError
from ansible_collections.caravan.kamal.plugins.module_utils._host import files, placed, trees, unfinished
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import certificate
from ansible_collections.caravan.kamal.plugins.module_utils._records import live_container
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import PROXY, FakeEngine
from faults import Disk, Fragile, Killed

pytestmark = pytest.mark.usefixtures("no_waiting")

Share = Callable[..., HostShare]
WEB = {"web": ["host1"]}
ASSETS = {"servers": WEB, "asset_path": "/public"}
TLS = {"servers": WEB, "proxy": {"host": "a.example.com", "ssl": {"certificate_pem": "C", "private_key_pem": "K"}}}
WORKER = {"worker": {"hosts": ["host1"], "cmd": "hello worker", "proxy": False}}
ALONE = {"servers": WORKER, "primary_role": "worker"}
PULLED = {"servers": WEB, "registry": {"server": "r.example.com"}}

SECRETS = {"TOKEN": "s3cr3t", "C": "certificate", "K": "key"}


def run(engine: FakeEngine, share: HostShare) -> list[str]:
    """Stage and go live, as the two tasks of a rollout do."""
    actions = []
    for step in ("stage", "live"):
        changes = Changes(check_mode=False)
        found = found_secrets.of_roles(share)
        getattr(Release(engine, changes, share, SECRETS, found=found), step)(None)
        actions += changes.actions
    return actions


def serving(engine: FakeEngine, share: HostShare) -> dict[str, set[str]]:
    """By role the IDs of what serves: what a route leads to and runs or, for a worker, what runs."""
    serves: dict[str, set[str]] = {}
    for role in share.roles:
        own = [c for c in engine.here.values() if c["Config"]["Labels"].get("role") == role.name]
        ids = {c["Id"] for c in own if c["State"]["Status"] == "running"}
        if role.proxy is not None:
            route = engine.routes.get(role.route or "", {"active_targets": []})
            ids = {each for each in ids if any(t.startswith(each[:12]) for t in route["active_targets"])}
        serves[role.name] = ids
    return serves


SCENES = {
    "first": (None, ("v1", {"servers": WEB})),
    "another version": (("v1", {"servers": WEB}), ("v2", {"servers": WEB})),
    "same version": (("v1", {"servers": WEB}), ("v1", {"servers": WEB, "labels": {"team": "shop"}})),
    "worker": (("v1", {**ALONE}), ("v2", {**ALONE})),
    "same worker": (("v1", {**ALONE}), ("v1", {**ALONE, "labels": {"team": "shop"}})),
    "two roles": (("v1", {"servers": {**WEB, **WORKER}}), ("v2", {"servers": {**WEB, **WORKER}})),
    "assets": (("v1", {**ASSETS}), ("v2", {**ASSETS})),
    "certificate": (("v1", {"servers": WEB}), ("v1", {**TLS})),
    "back": (("v2", {"servers": WEB}), ("v1", {"servers": WEB, "command": "rollback"})),
    "back with its secrets": (
        ("v2", {"servers": WEB}),
        ("v1", {"servers": WEB, "command": "rollback", "secrets_from": "release"}),
    ),
    "pulled": (("v1", {**PULLED}), ("v2", {**PULLED})),
    "pulled before": (("v1", {**PULLED}), ("v1", {**PULLED, "labels": {"team": "shop"}})),
    "kamal-proxy is down": (("v1", {"servers": WEB}), ("v2", {"servers": WEB})),
    "one that crashes": (("v1", {**ALONE}), ("v2", {**ALONE})),
    "secrets on the host": (("v1", {"servers": WEB}), ("v2", {"servers": WEB, "secrets_from": "hosts"})),
}


class Scene:
    """A host with a release, and the next one."""

    def __init__(self, share_of: Share, scene: str) -> None:
        before, after = SCENES[scene]
        self.engine = Fragile()
        self.engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
        self.engine.contents = {f"image of {version}": {f"/public/{version}": b"css"} for version in ("v1", "v2")}
        if scene.startswith("back"):
            self.release(share_of("v1", servers=WEB))
        if before:
            self.release(share_of(before[0], **before[1]))
        self.share = share_of(after[0], **after[1])
        self.offer(self.share)
        if scene == "kamal-proxy is down":
            self.engine.stop(PROXY, 1)
            self.engine.disconnect(PROXY)
        if scene == "one that crashes":
            self.engine.crashing["hello-worker-v2"] = 1
        self.served = serving(self.engine, self.share)

    def offer(self, share: HostShare) -> None:
        """Its image is on the host, or in the registry."""
        wanted, image = share.image, f"image of {share.version}"
        if wanted.pull:
            pushed = FakeEngine().add_image(wanted.reference, image, digest=f"sha256:{share.version}")
            self.engine.registry[wanted.reference] = pushed
        else:
            self.engine.add_image(wanted.reference, image)

    def release(self, share: HostShare) -> None:
        self.offer(share)
        run(self.engine, share)

    def broken_off(self) -> str | None:
        """The message that a run ends with; None where it is killed."""
        try:
            run(self.engine, self.share)
        except Killed:
            return None
        except CaravanError as error:
            return error.message
        return ""

    def assert_serves(self, said: str | None) -> None:
        """What served serves, or another that is proven: it is on record, or people were told that it is live, or
        kamal-proxy had switched to it before the run was killed."""
        now, records = serving(self.engine, self.share), history.read(self.share.history_file, str)
        for role in self.share.roles:
            before = self.served[role.name]
            proven = {*before, live_container(records, role.name)}
            if f"{role.container} is live on" in (said or "") or (said is None and role.proxy is not None):
                proven |= now[role.name]
            assert not before or now[role.name] & proven, f"nothing that is proven serves {role.name} any more"
            if said is not None and "On the way back this failed too" not in said:
                assert now[role.name] <= proven, f"what serves {role.name} is not proven"

    def assert_converges(self, home: Path) -> None:
        self.engine.crashing.clear()
        run(self.engine, self.share)
        now = serving(self.engine, self.share)
        for role in self.share.roles:
            running = [name for name in self.engine.running if name.startswith(f"hello-{role.name}-")]
            assert running == [role.container]
            assert now[role.name] == {self.engine.here[role.container]["Id"]}
            for path in (role.env_file, role.kept_env_file):
                assert (home / path).read_text() == "TOKEN=s3cr3t\n"
            for asset in role.assets:
                assert {path.name for path in (home / asset.volume).iterdir()} == {"v1", "v2"}
        assert not [name for name in self.engine.here if name.endswith("_staged")]
        assert not [path for path in home.rglob(".*") if path.name != ".kamal"]
        told = (home / self.share.audit_log).read_text().count("] Booted app version ")
        assert told >= len(history.read(self.share.history_file, str))
        assert self.share.image.latest_reference in self.engine.pictures
        self.engine.calls.clear()
        assert run(self.engine, self.share) == []
        assert self.engine.calls == []


def cached(share_of: Share) -> Share:
    """Hundreds of hosts get the same few shares."""
    made: dict[str, HostShare] = {}

    def share(version: str, **keys: Any) -> HostShare:
        key = repr((version, keys))
        if key not in made:
            made[key] = share_of(version, **keys)
        return made[key]

    return share


@pytest.fixture
def scene_of(
    share_of: Share, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Scene]:
    """A scene on a host of its own, in an empty home."""
    shares = cached(share_of)
    monkeypatch.setattr(certificate, "_load", lambda *_parts: None)

    def make(scene: str) -> Scene:
        monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        return Scene(shares, scene)

    return make


def assert_survives(broken: Scene, said: str | None, where: str) -> None:
    try:
        broken.assert_serves(said)
        broken.assert_converges(Path.home())
    except (AssertionError, CaravanError) as failure:
        raise AssertionError(f"broken at {where}: {failure}") from failure


@pytest.mark.parametrize("error", [EngineError, Killed], ids=["refused", "killed"])
@pytest.mark.parametrize("scene", SCENES)
def test_wherever_it_breaks_what_served_serves_and_the_next_run_finishes(
    scene_of: Callable[[str], Scene], scene: str, error: type[BaseException]
) -> None:
    counted = scene_of(scene)
    counted.engine.arm(10**6, EngineError)
    counted.broken_off()
    for number in range(1, counted.engine.number + 1):
        broken = scene_of(scene)
        broken.engine.arm(number, error)
        said = broken.broken_off()
        broken.engine.arm(0, error)
        assert_survives(broken, said, f"call {number}")


@pytest.mark.parametrize("error", [errno.ENOSPC, None], ids=["full", "killed"])
@pytest.mark.parametrize("scene", SCENES)
def test_wherever_a_file_cannot_be_written_what_served_serves_and_the_next_run_finishes(
    scene_of: Callable[[str], Scene], scene: str, error: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, disk = 0, None
    while disk is None or disk.broken:
        number += 1
        broken = scene_of(scene)
        disk = Disk(broken.engine, number, error)
        with monkeypatch.context() as patch:
            for user in (files, placed, trees, unfinished):
                patch.setattr(user, "os", disk)
            said = broken.broken_off()
        broken.engine.arm(0, Killed)
        if error and said and disk.broken:
            assert os.strerror(error) in said and str(Path.home()) in said and "run this again" in said
        assert_survives(broken, said, f"change {number}, {disk.broken}")
