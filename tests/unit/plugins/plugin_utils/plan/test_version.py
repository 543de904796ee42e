# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The version to go back to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.history import entry
from ansible_collections.caravan.kamal.plugins.module_utils._errors import RollbackError, VersionError
from ansible_collections.caravan.kamal.plugins.module_utils._records import parse
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.version import (
    LIVE,
    of_image,
    require_everywhere,
    to_boot,
)
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.way_back import HostInfo, places, previous_good


def host(*lives: str, **running: str) -> HostInfo:
    """What a host answers. Lives are versions of all roles, ROLE=VERSION, or -VERSION for one marked bad."""
    lines = []
    for life in lives:
        role, _equals, version = life.rpartition("=")
        if version.startswith("-"):
            lines.append(json.dumps({"version": version[1:], "bad": "it exited", "at": "2026-11-21T07:00:00Z"}))
        else:
            lines += [entry("deploy", version, one, "c", "i", "sam") for one in ([role] if role else ["web", "jobs"])]
    return HostInfo(running, (), parse("\n".join(lines)))


def way_back(histories: dict[str, HostInfo], *roles: str) -> str:
    return previous_good(places(histories, dict.fromkeys(histories, roles or ("web",))))


@pytest.mark.parametrize(
    ("histories", "expected"),
    [
        ({"a": host("v1", "v2", web="v2")}, "v1"),
        ({"a": host("v1", "v2", "v2", "v2", web="v2")}, "v1"),
        ({"a": host("v1", "v2", "v1", web="v1")}, "v2"),
        ({"a": host("v1")}, "v1"),
        ({"a": host("v1", "v2", web="v3")}, "v2"),
        ({"a": host("v1", "v2", web="v2"), "b": host("v0", "v1", "v2", web="v2")}, "v1"),
        ({"a": host("v1", "v2", web="v2"), "b": host("v1", web="v2")}, "v1"),
        ({"a": host("v1", "v2", web="v2"), "b": host("v1", "v2")}, "v1"),
    ],
    ids=[
        "before",
        "redeployed",
        "rolled back",
        "nothing runs",
        "by hand",
        "two hosts",
        "not on record",
        "dead on one host",
    ],
)
def test_all_hosts_run_the_same(histories: Any, expected: str) -> None:
    assert way_back(histories) == expected


@pytest.mark.parametrize(
    ("histories", "expected"),
    [
        ({"a": host("v0", "v1", "v2", web="v2"), "b": host("v0", "v1", web="v1")}, "v1"),
        ({"a": host("v0", "v1", "v2", "-v2"), "b": host("v0", "v1", web="v1")}, "v1"),
        ({"a": host("v1", "v2", "v3", web="v3"), "b": host("v1", web="v1")}, "v1"),
        ({"a": host("v1", "v2", "v3", web="v3"), "b": host("v1", "v2", "-v2", web="v2")}, "v1"),
    ],
    ids=["by batch", "died in the first batch", "a host that was away", "the others run a bad one"],
)
def test_half_a_rollout_by_host_goes_to_what_the_others_run(histories: Any, expected: str) -> None:
    assert way_back(histories) == expected


@pytest.mark.parametrize(
    ("lives", "running", "expected"),
    [
        (["v0", "v1", "web=v2"], {"web": "v2", "jobs": "v1"}, "v1"),
        (["v0", "v1", "web=v2"], {"web": "v2"}, "v1"),
        (["v0", "v1", "web=v2", "jobs=v2"], {"web": "v2", "jobs": "v2"}, "v1"),
        (["web=v1", "web=v2", "jobs=v2"], {"web": "v2", "jobs": "v2"}, "v1"),
        (["web=v1", "web=v2"], {"web": "v2"}, "v1"),
        (["v1", "v2"], {"web": "v2", "jobs": "v2", "gone": "v1"}, "v1"),
        (["v0", "gone=v0", "v1", "v2"], {"web": "v2", "jobs": "v2", "gone": "v0"}, "v1"),
    ],
    ids=[
        "web live, jobs failed",
        "and jobs died of it",
        "whole, recorded by role",
        "a new role",
        "a new role that failed",
        "a role of former times",
        "and it is older",
    ],
)
def test_half_a_rollout_by_role(lives: list[str], running: dict[str, str], expected: str) -> None:
    assert way_back({"a": host(*lives, **running)}, "jobs", "web") == expected


@pytest.mark.parametrize(
    ("histories", "expected"),
    [
        ({"a": host("v1", "v2", "-v2", "v3", web="v3")}, "v1"),
        ({"a": host("v1", "v2", "-v2", web="v2")}, "v1"),
        ({"a": host("v1", "v2", "-v2", "v2", "v3", web="v3")}, "v2"),
        ({"a": host("v1", "v2", "-v2", "v3", web="v3"), "b": host("v1", "v2", "v3", web="v3")}, "v1"),
    ],
    ids=["passed over", "it runs", "mended and live again", "bad on another host"],
)
def test_it_is_never_one_that_was_marked_bad(histories: Any, expected: str) -> None:
    assert way_back(histories) == expected


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        (
            {"a": host("v1", "v3", web="v3"), "b": host("v2", "v3", web="v3")},
            "do not agree.*\n  host  role  version  before it\n  a     web   v3       v1\n  b     web   v3       v2\n",
        ),
        (
            {"a": host("v1", "v3", web="v3"), "new": host(web="v3")},
            "do not agree.*\n.*\n.*\n  new   web   v3       none\n",
        ),
        ({"a": host("v1", web="v1")}, "nothing to go back to"),
        ({"a": host("v1", "-v1", "v2", web="v2")}, "No other version was live and good"),
        ({"a": host()}, "nothing to go back to"),
    ],
    ids=["different ones", "one host new", "the first", "only a bad one", "nothing"],
)
def test_hosts_that_do_not_agree_are_told(histories: Any, message: str) -> None:
    with pytest.raises(RollbackError, match=message) as error:
        way_back(histories)
    assert "kamal_version" in error.value.message


def test_a_version_must_be_on_every_host() -> None:
    versions: dict[str, list[str]] = {"web1": ["v1", "v2"], "web2": ["v2"], "w": []}
    require_everywhere("v2", {"web1": ["v1", "v2"], "web2": ["v2"]})
    with pytest.raises(RollbackError, match="no container of version v1 on web2, w"):
        require_everywhere("v1", versions)


@pytest.mark.parametrize(
    ("wanted", "histories", "expected"),
    [
        ("v9", {"a": host("v1", web="v1")}, "v9"),
        (None, {"a": host("v1", web="v1"), "b": host("v2", "v1", web="v1")}, "v1"),
        (None, {"a": host("v1", web="v1"), "b": host()}, "v1"),
        (None, {"a": host("v1", "v2"), "b": host("v2")}, "v2"),
        (None, {}, LIVE),
    ],
    ids=["named", "it runs everywhere", "a new host", "it was stopped", "before the hosts were asked"],
)
def test_what_is_live_is_booted(wanted: str | None, histories: dict[str, HostInfo], expected: str) -> None:
    assert to_boot(wanted, histories, dict.fromkeys(histories, ["web"])) == expected


@pytest.mark.parametrize(
    ("histories", "message"),
    [
        (
            {"a": host("v1", web="v1"), "b": host("v2", web="v2")},
            r"do not run one version:\n(?s:.)*b +web +v2(?s:.)*Name the one to boot",
        ),
        ({"a": host()}, "Nothing was live here, so that there is nothing to boot. Deploy first."),
    ],
)
def test_what_cannot_be_booted_is_told(histories: dict[str, HostInfo], message: str) -> None:
    with pytest.raises(RollbackError, match=message):
        to_boot(None, histories, dict.fromkeys(histories, ["web"]))


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("ghcr.io/acme/hello:1.4", "1.4"),
        ("r.example.com:5000/hello:v2", "v2"),
        ("nginx@sha256:" + "0123456789abcdef" * 4, "0123456789ab"),
        ("nginx:1.25@sha256:" + "0" * 64, "1.25"),
    ],
)
def test_the_version_of_an_image_that_was_built_elsewhere(image: str, version: str) -> None:
    assert of_image(image) == version


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("nginx", "names no image: expected REPOSITORY:TAG or REPOSITORY@sha256:DIGEST"),
        ("r.example.com:5000/hello", "names no image"),
        ("nginx@sha256:12", "names no image"),
        ("nginx:latest", "has the tag latest, which is no version. Name the image by another tag or by its digest"),
        ("nginx:latest-staging", "which is no version"),
        ("nginx:a b", "cannot be the tag of an image"),
    ],
)
def test_an_image_whose_name_is_no_version(image: str, message: str) -> None:
    with pytest.raises(VersionError, match=message):
        of_image(image)
