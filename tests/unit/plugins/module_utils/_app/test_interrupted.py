# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A cut-over that fails or is killed at each of its calls of the engine: what served serves, the next run finishes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import found_secrets
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._errors import CaravanError, EngineError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import certificate
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import FakeEngine
from faults import Fragile, Killed

pytestmark = pytest.mark.usefixtures("no_waiting")

Share = Callable[..., HostShare]
WEB = {"web": ["host1"]}
ASSETS = {"servers": WEB, "asset_path": "/public"}
TLS = {"servers": WEB, "proxy": {"host": "a.example.com", "ssl": {"certificate_pem": "C", "private_key_pem": "K"}}}
WORKER = {"worker": {"hosts": ["host1"], "cmd": "hello worker"}}
ALONE = {"servers": WORKER, "primary_role": "worker"}


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
        self.engine.add_image(self.share.image.reference, f"image of {self.share.version}")
        self.served = serving(self.engine, self.share)

    def release(self, share: HostShare) -> None:
        self.engine.add_image(share.image.reference, f"image of {share.version}")
        run(self.engine, share)

    def assert_serves(self) -> None:
        """What served serves, or another that went through a proof does; with no predecessor there is none to lose."""
        now = serving(self.engine, self.share)
        for role, ids in self.served.items():
            assert not ids or now[role], f"nothing serves {role} any more"

    def assert_converges(self, home: Path) -> None:
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
        assert not list(home.glob(".kamal/apps/hello/assets/*/.*"))
        assert f"hello:{self.share.image.latest}" in self.engine.pictures
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


def number_of_calls(share_of: Share, scene: str) -> int:
    counted = Scene(share_of, scene)
    counted.engine.arm(10**6, EngineError)
    run(counted.engine, counted.share)
    return counted.engine.number


@pytest.mark.parametrize("error", [EngineError, Killed], ids=["refused", "killed"])
@pytest.mark.parametrize("scene", SCENES)
def test_wherever_it_breaks_what_served_serves_and_the_next_run_finishes(
    share_of: Share,
    scene: str,
    error: type[BaseException],
    tmp_path_factory: pytest.TempPathFactory,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    share_of = cached(share_of)
    monkeypatch.setattr(certificate, "_load", lambda *_parts: None)
    calls = number_of_calls(share_of, scene)
    for number in range(1, calls + 1):
        folder = tmp_path_factory.mktemp("home")
        monkeypatch.setenv("HOME", str(folder))
        broken = Scene(share_of, scene)
        broken.engine.arm(number, error)
        with contextlib.suppress(CaravanError, Killed):
            run(broken.engine, broken.share)
        broken.engine.arm(0, error)
        try:
            broken.assert_serves()
            broken.assert_converges(folder)
        except (AssertionError, CaravanError) as failure:
            raise AssertionError(f"{scene}, broken at call {number}: {failure}") from failure
