# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Roles of one host side by side: what one does is not held up, nor hidden, by what becomes of another."""

from __future__ import annotations

import threading
from typing import Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._errors import HealthError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

SERVERS = {"web": ["host1"], "alpha": ["host1"], "beta": ["host1"], "gamma": ["host1"]}
OTHERS = ["alpha", "beta", "gamma"]
IN_ORDER = [f"start container hello-{name}-v1" for name in OTHERS]

Share = Callable[..., HostShare]


class Meeting(FakeEngine):
    """Containers that only start once as many others are starting as must be side by side."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.barrier = threading.Barrier(size)

    def start(self, container: str) -> None:
        if "hello" in self._find(container)[0]:
            self.barrier.wait(timeout=5)
        super().start(container)


def staged(engine: FakeEngine, share: HostShare, check: bool = False) -> Release:
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    engine.add_image("hello:v1", "image of v1")
    release = Release(engine, Changes(check), share, {"TOKEN": "x"})
    release.stage(None)
    release.changes = Changes(check)
    return release


@pytest.fixture
def share(share_of: Share) -> HostShare:
    made: HostShare = share_of("v1", servers=SERVERS, boot={"parallel_roles": True})
    return made


def test_roles_start_together_and_are_told_in_their_order(share: HostShare) -> None:
    release = staged(Meeting(len(OTHERS)), share)
    release.live(OTHERS)
    assert [action for action in release.changes.actions if action.startswith("start")] == IN_ORDER


def test_without_the_key_they_take_turns(share_of: Share) -> None:
    engine = Meeting(2)
    release = staged(engine, share_of("v1", servers=SERVERS))
    with pytest.raises(threading.BrokenBarrierError):
        engine.barrier.abort()
        release.live(OTHERS)
    assert release.changes.actions == []


def test_all_run_to_the_end_and_all_that_failed_are_told(share: HostShare) -> None:
    engine = FakeEngine()
    release = staged(engine, share)
    engine.dying |= {"hello-alpha-v1", "hello-beta-v1"}
    with pytest.raises(HealthError) as failure:
        release.live(OTHERS)
    for name in ("hello-alpha-v1", "hello-beta-v1"):
        assert f"{name} did not go live on host1" in failure.value.message
    assert "hello-gamma-v1" in engine.running
    assert [action for action in release.changes.actions if action.startswith("start")] == IN_ORDER[2:]


def test_check_mode_predicts_the_same_actions(share: HostShare) -> None:
    engine = FakeEngine()
    predicted = staged(engine, share, check=True)
    predicted.live(["web"])
    predicted.live(OTHERS)
    assert "hello-alpha-v1" not in engine.here
    done = staged(engine, share)
    done.live(["web"])
    done.live(OTHERS)
    assert predicted.changes.actions == done.changes.actions
