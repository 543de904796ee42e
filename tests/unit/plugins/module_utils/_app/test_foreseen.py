# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A dry run changes nothing and lists just what the run then does."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import found_secrets
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._app.retirement import Retirement
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ProxyError
from ansible_collections.caravan.kamal.plugins.module_utils._host import files
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

Share = Callable[..., HostShare]
ASSETS: dict[str, Any] = {"asset_path": "/public", "retain_containers": 1}
STEPS = (("stage", None), ("live", "gate_roles"), ("live", "other_roles"))


def rollout(engine: FakeEngine, share: HostShare, check: bool, token: str = "one") -> list[str]:
    """The three tasks of a rollout on one host."""
    actions, image_id = [], None
    for step, roles in STEPS:
        changes = Changes(check)
        names = list(getattr(share, roles)) if roles else None
        found = found_secrets.of_roles(share)
        release = Release(engine, changes, share, {"TOKEN": token}, image_id=image_id, found=found)
        answer = getattr(release, step)(names)
        image_id = answer["image_id"] or "" if step == "stage" else image_id
        actions += changes.actions
    return actions


def deployed(engine: FakeEngine, share: HostShare) -> None:
    engine.add_image(share.image.reference, f"image of {share.version}")
    rollout(engine, share, check=False)


@pytest.fixture
def host(engine: FakeEngine, share_of: Share) -> FakeEngine:
    """Three versions after each other; then the image of a fourth was brought here."""
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    engine.contents = {f"image of {version}": {f"/public/{version}": b"css"} for version in ("v1", "v2", "v3", "v4")}
    for version in ("v1", "v2", "v3"):
        deployed(engine, share_of(version))
    engine.add_image("hello:v4", "image of v4")
    return engine


def proxy_stopped(engine: FakeEngine, _share_of: Share) -> None:
    engine.stop("kamal-proxy", None)


def network_gone(engine: FakeEngine, _share_of: Share) -> None:
    for name in list(engine.here):
        engine.disconnect(name)
    engine.networks.clear()


def interrupted(engine: FakeEngine, _share_of: Share) -> None:
    """As a kill before the successor got its name leaves it: running, routed, not on record."""
    engine.rename("hello-web-v3", "hello-web-v3_staged")


def with_assets(engine: FakeEngine, share_of: Share) -> None:
    deployed(engine, share_of("v3", **ASSETS))
    engine.add_image("hello:v4", "image of v4")


def pushed_anew(_engine: FakeEngine, _share_of: Share) -> None:
    files.write(".kamal/apps/hello/env/roles/worker.env", "TOKEN=another\n")


def from_before(_engine: FakeEngine, _share_of: Share) -> None:
    files.remove(".kamal/apps/hello/env/releases")


def unchanged(_engine: FakeEngine, _share_of: Share) -> None:
    pass


Arrange = Callable[[FakeEngine, Share], None]


@pytest.mark.parametrize(
    ("arrange", "version", "keys", "token"),
    [
        (unchanged, "v4", {}, "one"),
        (unchanged, "v3", {}, "one"),
        (unchanged, "v3", {"env": {"clear": {"GREETING": "ho"}, "secret": ["TOKEN"]}}, "one"),
        (unchanged, "v3", {"proxy": {"host": "other.example.com"}}, "one"),
        (unchanged, "v3", {}, "two"),
        (unchanged, "v4", {"retain_containers": 1}, "one"),
        (unchanged, "v3", {"retain_containers": 1}, "one"),
        (proxy_stopped, "v4", {}, "one"),
        (network_gone, "v3", {}, "one"),
        (interrupted, "v3", {}, "one"),
        (interrupted, "v4", {}, "one"),
        (unchanged, "v2", {"command": "rollback"}, "one"),
        (unchanged, "v4", {"command": "redeploy"}, "one"),
        (unchanged, "v4", ASSETS, "one"),
        (with_assets, "v4", ASSETS, "one"),
        (with_assets, "v4", {}, "one"),
        (unchanged, "v2", {"command": "rollback", "secrets_from": "release"}, ""),
        (unchanged, "v4", {"secrets_from": "hosts"}, ""),
        (unchanged, "v3", {"secrets_from": "hosts"}, ""),
        (pushed_anew, "v3", {"secrets_from": "hosts"}, ""),
        (from_before, "v3", {}, "one"),
    ],
    ids=[
        "new version",
        "same version",
        "changed env",
        "changed proxy option",
        "changed secret",
        "pruning due",
        "only pruning due",
        "proxy stopped",
        "network gone",
        "name not taken",
        "name not taken and a new version",
        "rollback",
        "redeploy",
        "first assets",
        "assets",
        "no assets any more",
        "rollback with its secrets",
        "secrets on the host",
        "secrets on the host and the same version",
        "a secret pushed anew",
        "made before releases kept their secrets",
    ],
)
def test_the_run_does_what_the_dry_run_listed(
    host: FakeEngine, share_of: Share, home: Path, arrange: Arrange, version: str, keys: dict[str, Any], token: str
) -> None:
    arrange(host, share_of)
    host.calls.clear()
    share = share_of(version, **keys)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    foreseen = rollout(host, share, check=True, token=token)
    assert host.calls == []
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert rollout(host, share, check=False, token=token) == foreseen
    assert rollout(host, share, check=False, token=token) == []


def test_a_version_that_was_pushed_anew(engine: FakeEngine, share_of: Share) -> None:
    share, reference = share_of("v3", registry={"server": "r.example.com"}), "r.example.com/hello:v3"
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    deployed(engine, share)
    engine.registry[reference] = FakeEngine().add_image(reference, "image anew", digest="sha256:3")
    foreseen = rollout(engine, share, check=True)
    assert "start container hello-web-v3" in foreseen
    assert rollout(engine, share, check=False) == foreseen
    assert engine.container("hello-web-v3")["Image"] == "image anew"


def test_a_blank_host(engine: FakeEngine, share_of: Share) -> None:
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    engine.add_image("hello:v1", "image of v1")
    foreseen = rollout(engine, share_of("v1"), check=True)
    assert rollout(engine, share_of("v1"), check=False) == foreseen


def test_remove(host: FakeEngine, share_of: Share) -> None:
    foreseen, done = Changes(True), Changes(False)
    Retirement(copy.deepcopy(host), foreseen, share_of("v3")).remove()
    Retirement(host, done, share_of("v3")).remove()
    assert done.actions == foreseen.actions != []


@pytest.mark.parametrize("check", [True, False], ids=["dry run", "run"])
def test_a_redeploy_without_a_running_proxy_fails(host: FakeEngine, share_of: Share, check: bool) -> None:
    proxy_stopped(host, share_of)
    with pytest.raises(ProxyError, match="does not run"):
        rollout(host, share_of("v4", command="redeploy"), check)
