# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Assets while one version takes over from another, host by host: whoever answers, both versions' files are there.

Their first run makes the network, with IPv6.
"""

from __future__ import annotations

import pytest
from hosts import Host, ask, everywhere, load
from project import Project

PATH = "/srv/hello/assets"
CONFIG = {"servers": {"workers": None}, "boot": {"limit": 1, "wait": 2}, "asset_path": PATH}
EXTRACTED = ".kamal/apps/hello/assets/extracted"


@pytest.fixture(scope="module", autouse=True)
def _first(project: Project) -> None:
    release(project, "v1")
    assert project.deploy("v1", kamal_network_ipv6=True).ok


def release(project: Project, version: str) -> None:
    """The assets of a version, and none of another."""
    for old in (project.root / "www/assets").glob("v*.css"):
        old.unlink()
    project.write(f"www/assets/{version}.css", f"/* {version} */\n")
    project.write("www/assets/.hidden", f"{version}\n")
    project.commit(version)


def test_the_network_that_the_first_run_made_has_ipv6(web1: Host, web2: Host) -> None:
    for host in (web1, web2):
        for container in ("hello-web-v1", "kamal-proxy"):
            assert host.inspect(container)["NetworkSettings"]["Networks"]["kamal"]["GlobalIPv6Address"].startswith("fd")


def test_no_request_for_an_asset_of_either_version_fails(project: Project, web1: Host) -> None:
    """For the old one never; for the new one from the moment on at which a page may name it."""
    release(project, "v2")
    with load("/assets/v1.css") as old:
        deploying = project.start("deploy", kamal_version="v2")
        web1.wait_for("hello-web-v2")
        with load("/assets/v2.css") as new:
            assert deploying.wait().ok
    for result in (old.result, new.result):
        assert result["failed"] == 0, result
        assert result["requests"] > 0


def test_each_host_has_both_and_a_container_may_only_read_them(web1: Host, web2: Host) -> None:
    for host in (web1, web2):
        assert [host.ask(f"/assets/{version}.css").body for version in ("v1", "v2")] == ["/* v1 */\n", "/* v2 */\n"]
        assert host.ask("/assets/.hidden").body == "v2\n"
        (mount,) = host.inspect("hello-web-v2")["Mounts"]
        assert (mount["Destination"], mount["RW"]) == (PATH, False)
        assert mount["Source"] == "/root/.kamal/apps/hello/assets/volumes/web-v2"


def test_a_second_run_changes_nothing(project: Project, web1: Host, web2: Host) -> None:
    hosts = [web1, web2]
    before = everywhere(hosts, lambda host: host.traces)
    again = project.deploy("v2")
    assert again.ok and again.actions == {}
    assert everywhere(hosts, lambda host: host.traces) == before


def test_a_full_disk_is_told_and_the_next_deploy_does_what_the_dry_run_said(
    project: Project, web1: Host, web2: Host
) -> None:
    release(project, "v3")
    web2.sh(f"mount -t tmpfs -o size=4k tmpfs /root/{EXTRACTED}")
    try:
        full = project.deploy("v3")
    finally:
        web2.sh(f"umount /root/{EXTRACTED}")
    assert not full.ok
    assert set(full.failures) == {"web2"}
    assert f"/root/{EXTRACTED}/" in full.failures["web2"][0]
    assert "No space left on device" in full.failures["web2"][0]
    assert "failed: web2; changed: web1 (" in full.output
    assert [host.running for host in (web1, web2)] == [["hello-web-v2"]] * 2
    assert {ask("/assets/v2.css").status for _number in range(4)} == {200}
    foreseen = project.check("v3", kamal_build=False)
    deployed = project.deploy("v3", kamal_build=False)
    assert deployed.ok
    assert deployed.actions == foreseen.actions
    assert "extract assets of web from registry:4443/stories/hello:v3" in deployed.actions["web2"]


def test_assets_go_with_their_version(project: Project, web1: Host, web2: Host) -> None:
    project.configure({"retain_containers": 1})
    release(project, "v4")
    assert project.deploy("v4").ok
    for host in (web1, web2):
        assert host.file(EXTRACTED).listdir() == sorted(name.removeprefix("hello-") for name in host.containers)
        assert host.ask("/assets/v3.css").status == 200
        assert host.ask("/assets/v1.css").status == 404


def test_a_folder_that_the_image_lacks_is_told(project: Project, web1: Host, web2: Host) -> None:
    project.configure({"asset_path": [PATH, "/srv/hello/packs"]})
    wrong = project.deploy("v4")
    assert not wrong.ok
    for host in ("web1", "web2"):
        assert "has no folder /srv/hello/packs. Correct asset_path" in wrong.failures[host][0]
    assert "failed: web1, web2 (" in wrong.output
    assert [host.running for host in (web1, web2)] == [["hello-web-v4"]] * 2


def test_remove_leaves_none(project: Project, web1: Host, web2: Host) -> None:
    assert project.play("remove", kamal_confirm=True).ok
    for host in (web1, web2):
        assert not host.file(".kamal/apps/hello").exists
        assert host.containers == {}
