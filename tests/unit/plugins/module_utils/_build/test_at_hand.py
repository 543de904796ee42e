# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The builder alone: looked at, made and removed."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._build import at_hand, client
from ansible_collections.caravan.kamal.plugins.module_utils._errors import BuildError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.docker_engine import DockerEngine
from builds import Api
from docker_command import DockerCommand

LOCAL = "kamal-local-docker-container"
HYBRID = "kamal-hybrid-docker-container-ssh---b"
DEFAULTS = {name: option.get("default") for name, option in at_hand.OPTIONS.items()}


def hand(api: Api, **options: Any) -> at_hand.Hand:
    return at_hand.of(DockerEngine(api), {**DEFAULTS, "docker_host": "unix:///var/run/docker.sock", **options})


@pytest.fixture
def buildx(api: Api, docker_command: DockerCommand, monkeypatch: pytest.MonkeyPatch) -> DockerCommand:
    monkeypatch.setattr(client, "means", lambda: client.BUILDX)
    docker_command.answer("buildx inspect", 1, "no builder found")
    return docker_command


def test_the_engines_own_needs_nothing(api: Api) -> None:
    mine, changes = hand(api), Changes(False)
    assert at_hand.look(mine) == {
        "name": None,
        "driver": "docker",
        "exists": True,
        "means": "engine",
        "nodes": ["here"],
    }
    assert [at_hand.ensure(mine, changes, wanted)["name"] for wanted in (True, False)] == [None, None]
    assert changes.actions == []


def test_one_is_made_and_removed(api: Api, buildx: DockerCommand) -> None:
    mine = hand(api, arch=["amd64", "arm64"])
    dry, made = Changes(True), Changes(False)
    for changes in (dry, made):
        at_hand.ensure(mine, changes, True)
        assert changes.actions == [f"create the builder {LOCAL}"]
        assert (f"buildx create --name {LOCAL} --driver=docker-container" in buildx.commands) is (changes is made)
    buildx.answer("buildx inspect", 0, "Name: it")
    again, removed = Changes(False), Changes(False)
    at_hand.ensure(mine, again, True)
    at_hand.ensure(mine, removed, False)
    assert (again.actions, removed.actions) == ([], [f"remove the builder {LOCAL}"])
    assert buildx.commands[-1] == f"buildx rm {LOCAL}"


def test_what_is_not_there_is_not_removed(api: Api, buildx: DockerCommand) -> None:
    changes = Changes(False)
    at_hand.ensure(hand(api, driver="docker-container"), changes, False)
    assert changes.actions == []


def test_one_that_leads_elsewhere_is_removed_with_its_context(api: Api, buildx: DockerCommand) -> None:
    buildx.answer("buildx inspect", 0, "Endpoint: another")
    mine = hand(api, arch=["amd64", "arm64"], remote="ssh://b")
    assert at_hand.look(mine) == {
        "name": HYBRID,
        "driver": "docker-container",
        "exists": False,
        "means": "buildx",
        "nodes": ["here linux/amd64", "ssh://b linux/arm64"],
    }
    at_hand.ensure(mine, Changes(False), False)
    assert buildx.commands[-2:] == [f"buildx rm {HYBRID}", f"context rm --force {HYBRID}-context"]


def test_without_buildx_none_can_be_made(api: Api) -> None:
    mine = hand(api, beyond_engine=True)
    assert at_hand.look(mine)["exists"] is False
    with pytest.raises(BuildError, match=f"no buildx on this host, which {LOCAL} needs. Install it"):
        at_hand.ensure(mine, Changes(True), True)
