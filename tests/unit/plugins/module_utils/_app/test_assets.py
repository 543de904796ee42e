# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Assets of two versions on a host: each container finds those of the other, and they go when their version goes."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import prune
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._errors import CaravanError, HealthError, ImageError
from ansible_collections.caravan.kamal.plugins.module_utils._host import files, trees
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._names import Names
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import FakeEngine
from faults import failing_os

pytestmark = pytest.mark.usefixtures("no_waiting")

Share = Callable[..., HostShare]
ASSETS = ".kamal/apps/hello/assets"
WEB: dict[str, Any] = {"servers": {"web": ["host1"]}, "asset_path": "/public"}
BETA: dict[str, Any] = {
    "servers": {"web": ["host1"], "web-beta": {"hosts": ["host1"], "proxy": {"host": "b.example.com"}}},
    "asset_path": "/public",
}


@pytest.fixture
def host(engine: FakeEngine) -> FakeEngine:
    """Each version's image has a page that both have, and assets of its own."""
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    for version in ("v1", "v2", "v3"):
        engine.contents[f"image of {version}"] = {
            f"/public/app-{version}.css": version.encode(),
            "/public/robots.txt": version.encode(),
            f"/public/.well-known/{version}": version.encode(),
            f"/packs/{version}.js": version.encode(),
        }
    return engine


def step(engine: FakeEngine, share: HostShare, name: str, check: bool = False) -> list[str]:
    if share.image.reference not in engine.pictures:
        engine.add_image(share.image.reference, f"image of {share.version}")
    changes = Changes(check)
    getattr(Release(engine, changes, share, {"TOKEN": "s3cr3t"}), name)(None)
    return changes.actions


def test_they_come_from_the_image_that_was_staged_though_its_tag_was_taken_since(
    host: FakeEngine, share_of: Share, home: Path
) -> None:
    share = share_of("v1", **WEB)
    host.add_image(share.image.reference, "image of v1")
    staged = Release(host, Changes(False), share, {"TOKEN": "s3cr3t"}).stage(None)["image_id"]
    host.add_image(share.image.reference, "image of v2")
    host.remove("hello-web-v1_staged")
    Release(host, Changes(False), share, {"TOKEN": "s3cr3t"}, image_id=staged).live(None)
    assert seen(home, "extracted/web-v1") == own("v1")


def deploy(engine: FakeEngine, share: HostShare) -> list[str]:
    return step(engine, share, "stage") + step(engine, share, "live")


def seen(home: Path, folder: str) -> dict[str, str]:
    """The files in a folder of assets and what is in them."""
    top = home / ASSETS / folder
    return {str(path.relative_to(top)): path.read_text() for path in sorted(top.rglob("*")) if path.is_file()}


def own(version: str) -> dict[str, str]:
    return {f".well-known/{version}": version, f"app-{version}.css": version, "robots.txt": version}


def bound(engine: FakeEngine, container: str) -> list[str]:
    return list(engine.container(container)["HostConfig"].get("Binds") or [])


def test_both_versions_have_both_sets_before_anything_is_switched(
    host: FakeEngine, share_of: Share, home: Path
) -> None:
    deploy(host, share_of("v1", **WEB))
    assert seen(home, "volumes/web-v1") == own("v1")
    step(host, share_of("v2", **WEB), "stage")
    assert seen(home, "volumes/web-v1") == {**own("v2"), **own("v1")}
    assert seen(home, "volumes/web-v2") == {**own("v1"), **own("v2")}
    assert seen(home, "extracted/web-v2") == own("v2")
    step(host, share_of("v2", **WEB), "live")
    assert bound(host, "hello-web-v2") == [f"{home}/{ASSETS}/volumes/web-v2:/public:ro"]
    deploy(host, share_of("v3", **WEB))
    assert seen(home, "volumes/web-v3") == {**own("v2"), **own("v3")}, "the last two versions, no more"


def test_a_second_run_changes_nothing(host: FakeEngine, share_of: Share, home: Path) -> None:
    deploy(host, share_of("v1", **WEB))
    before = {path: path.stat().st_ino for path in home.rglob("*")}
    assert deploy(host, share_of("v1", **WEB)) == []
    assert {path: path.stat().st_ino for path in home.rglob("*")} == before


def test_what_is_done_is_told(host: FakeEngine, share_of: Share, home: Path) -> None:
    assert step(host, share_of("v1", **WEB), "stage")[-2:] == [
        "extract assets of web from hello:v1",
        "create container hello-web-v1",
    ]
    step(host, share_of("v1", **WEB), "live")
    assert step(host, share_of("v2", **WEB), "stage") == [
        "extract assets of web from hello:v2",
        "share assets with container hello-web-v1",
        "create container hello-web-v2",
    ]
    assert not [name for name in host.here if "assets" in name]


@pytest.mark.parametrize(
    ("keys", "folders", "binds"),
    [
        ({"asset_path": "/public:z"}, ["web-v1"], ["web-v1:/public:z,ro"]),
        ({"asset_path": "/public/:rw"}, ["web-v1"], ["web-v1:/public:rw"]),
        (
            {"asset_path": ["/public", "/packs:ro"]},
            ["web-v1+packs", "web-v1+public"],
            ["web-v1+public:/public:ro", "web-v1+packs:/packs:ro"],
        ),
    ],
)
def test_options_and_several_paths(
    host: FakeEngine, share_of: Share, home: Path, keys: Any, folders: list[str], binds: list[str]
) -> None:
    deploy(host, share_of("v1", **{**WEB, **keys}))
    assert bound(host, "hello-web-v1") == [f"{home}/{ASSETS}/volumes/{bind}" for bind in binds]
    for kind in ("extracted", "volumes"):
        assert sorted(path.name for path in (home / ASSETS / kind).iterdir()) == folders
    deploy(host, share_of("v2", **{**WEB, **keys}))
    assert {"app-v1.css", "app-v2.css"} <= {
        name for folder in folders for name in seen(home, f"volumes/{folder.replace('v1', 'v2')}")
    }


def test_a_file_that_a_container_may_write_is_its_own(host: FakeEngine, share_of: Share, home: Path) -> None:
    keys = {**WEB, "asset_path": "/public:rw"}
    deploy(host, share_of("v1", **keys))
    (home / ASSETS / "volumes/web-v1/robots.txt").write_text("written")
    deploy(host, share_of("v2", **keys))
    assert seen(home, "extracted/web-v1") == own("v1")
    assert seen(home, "volumes/web-v1")["robots.txt"] == "written"


def test_only_roles_behind_the_proxy_have_assets(host: FakeEngine, share_of: Share, home: Path) -> None:
    deploy(host, share_of("v1", asset_path="/public"))
    assert bound(host, "hello-worker-v1") == []
    assert [path.name for path in (home / ASSETS / "volumes").iterdir()] == ["web-v1"]


def test_a_host_that_kamal_deployed_to_is_taken_over(host: FakeEngine, share_of: Share, home: Path) -> None:
    host.boot_proxy()
    kamals = host.add("hello-web-v0", "image of v0", service="hello", role="web", destination="")
    kamals["HostConfig"]["Binds"] = [f"{home}/{ASSETS}/volumes/web-v0:/public"]
    for kind in ("extracted", "volumes"):
        (home / ASSETS / kind / "web-v0").mkdir(parents=True)
        (home / ASSETS / kind / "web-v0/app-v0.css").write_text("v0")
    step(host, share_of("v1", **WEB), "stage")
    assert seen(home, "volumes/web-v0") == {**own("v1"), "app-v0.css": "v0"}
    assert seen(home, "volumes/web-v1") == {**own("v1"), "app-v0.css": "v0"}


def test_what_ran_before_there_was_an_asset_path_hands_out_its_files(
    host: FakeEngine, share_of: Share, home: Path
) -> None:
    deploy(host, share_of("v1", servers=WEB["servers"]))
    deploy(host, share_of("v2", **WEB))
    assert seen(home, "volumes/web-v2") == {**own("v1"), **own("v2")}
    assert sorted(path.name for path in (home / ASSETS / "extracted").iterdir()) == ["web-v2"]


def test_the_same_version_from_another_image_brings_its_own_files(
    host: FakeEngine, share_of: Share, home: Path
) -> None:
    deploy(host, share_of("v1", **WEB))
    host.add_image("hello:v1", "image of v1 anew")
    host.contents["image of v1 anew"] = {"/public/robots.txt": b"anew"}
    deploy(host, share_of("v1", **WEB))
    assert seen(home, "volumes/web-v1") == {**own("v1"), "robots.txt": "anew"}
    assert seen(home, "extracted/web-v1") == {"robots.txt": "anew"}


# They go with their version


def test_assets_are_kept_as_long_as_a_container_of_their_version(host: FakeEngine, share_of: Share, home: Path) -> None:
    for version in ("v1", "v2", "v3"):
        actions = deploy(host, share_of(version, **BETA, retain_containers=1))
    assert [action for action in actions if action.startswith("remove ")] == [
        "remove container hello-web-beta-v1",
        "remove container hello-web-v1",
        "remove assets web-beta-v1",
        "remove assets web-v1",
        "remove image hello:v1",
        "remove secrets of version v1",
    ]
    for kind in ("extracted", "volumes"):
        left = sorted(path.name for path in (home / ASSETS / kind).iterdir())
        assert left == ["web-beta-v2", "web-beta-v3", "web-v2", "web-v3"]


def test_those_of_a_version_that_was_only_staged_go_with_the_next_deploy(
    host: FakeEngine, share_of: Share, home: Path
) -> None:
    deploy(host, share_of("v1", **WEB))
    step(host, share_of("v2", **WEB), "stage")
    foreseen = step(host, share_of("v3", **WEB), "stage", check=True) + step(
        host, share_of("v3", **WEB), "live", check=True
    )
    assert deploy(host, share_of("v3", **WEB)) == foreseen
    assert "remove assets web-v2" in foreseen
    assert sorted(path.name for path in (home / ASSETS / "volumes").iterdir()) == ["web-v1", "web-v3"]


def test_pruning_by_hand_removes_what_no_container_has(host: FakeEngine, share_of: Share, home: Path) -> None:
    for version in ("v1", "v2", "v3"):
        deploy(host, share_of(version, **WEB))
    for left in (".web-v1.0123abcd", ".web-v1+public.replaced", ".web-v3.0123abcd"):
        (home / ASSETS / "extracted" / left).mkdir()
    changes = Changes(False)
    prune.prune_all(host, changes, Names("hello"), 1, [])
    assert {"remove assets web-v1", "remove assets .web-v1.0123abcd"} <= set(changes.actions)
    assert sorted(path.name for path in (home / ASSETS / "extracted").iterdir()) == [
        ".web-v3.0123abcd",
        "web-v2",
        "web-v3",
    ]
    assert sorted(path.name for path in (home / ASSETS / "volumes").iterdir()) == ["web-v2", "web-v3"]


# It fails


def test_an_image_without_the_folder_is_told_and_nothing_has_changed(
    host: FakeEngine, share_of: Share, home: Path
) -> None:
    deploy(host, share_of("v1", **WEB))
    with pytest.raises(ImageError, match=r"hello:v2 has no folder /nowhere\. Correct asset_path"):
        step(host, share_of("v2", **{**WEB, "asset_path": ["/public", "/nowhere"]}), "stage")
    assert seen(home, "volumes/web-v1") == own("v1")
    assert sorted(path.name for path in (home / ASSETS / "extracted").iterdir()) == ["web-v1"]
    assert set(host.here) == {"kamal-proxy", "hello-web-v1"}


@pytest.mark.parametrize("call", ["open", "mkdir", "link", "rename"])
def test_a_full_disk_is_told_and_what_serves_keeps_its_files(
    host: FakeEngine, share_of: Share, home: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    deploy(host, share_of("v1", **WEB))
    for after in range(30):
        faulty = failing_os(call, errno.ENOSPC, after, lasting=True)
        with monkeypatch.context() as patch:
            patch.setattr(trees, "os", faulty)
            try:
                step(host, share_of("v2", **WEB), "stage")
            except CaravanError as error:
                assert "No space left on device" in error.message and "df -h" in error.message
        assert {**seen(home, "volumes/web-v1"), **own("v1")} == seen(home, "volumes/web-v1")
        assert not [name for name in host.here if "assets" in name]
        if not faulty.failed:
            break
    deploy(host, share_of("v2", **WEB))
    assert seen(home, "volumes/web-v2") == {**own("v1"), **own("v2")}
    assert not [path for path in (home / ASSETS).rglob(".*") if path.name != ".well-known"]


def test_a_version_that_does_not_come_up_leaves_the_old_ones_assets(
    host: FakeEngine, share_of: Share, home: Path
) -> None:
    deploy(host, share_of("v1", **WEB))
    host.sick.add("hello-web-v2")
    with pytest.raises(HealthError):
        deploy(host, share_of("v2", **WEB))
    assert {**seen(home, "volumes/web-v1"), **own("v1")} == seen(home, "volumes/web-v1")
    deploy(host, share_of("v3", **WEB))
    assert seen(home, "volumes/web-v3") == {**own("v1"), **own("v3")}


def test_what_lies_unfinished_is_never_used(host: FakeEngine, share_of: Share, home: Path) -> None:
    half = home / trees.temporary(f"{ASSETS}/extracted/web-v1")
    half.mkdir(parents=True)
    (half / "half.css").write_text("ha")
    files.directory(f"{ASSETS}/volumes/web-v1")
    deploy(host, share_of("v1", **WEB))
    assert seen(home, "volumes/web-v1") == seen(home, "extracted/web-v1") == own("v1")
    assert not half.exists()


def test_assets_that_were_being_replaced_when_a_run_was_killed_are_shared_with_another_version(
    host: FakeEngine, share_of: Share, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(host, share_of("v1", **WEB))
    host.add_image("hello:v1", "image of v1 anew")
    host.contents["image of v1 anew"] = {"/public/robots.txt": b"anew"}
    with monkeypatch.context() as patch:
        patch.setattr(trees, "os", failing_os("rename", errno.EIO, after=1, lasting=True))
        with pytest.raises(CaravanError):
            step(host, share_of("v1", **WEB), "stage")
    assert not (home / ASSETS / "extracted/web-v1").exists()
    deploy(host, share_of("v2", **WEB))
    assert seen(home, "volumes/web-v2") == {**own("v1"), **own("v2")}
