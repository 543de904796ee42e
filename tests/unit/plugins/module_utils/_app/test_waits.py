# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a release says that it waits for, while it does."""

from __future__ import annotations

import threading
from typing import Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import routing
from ansible_collections.caravan.kamal.plugins.module_utils._app.maintenance import Maintenance
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._app.retirement import Retirement
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Executed
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

DRAINS = "draining what served before, for up to 30 s"


class Draining(FakeEngine):
    """kamal-proxy answers a deploy when what served before has drained: when that was seen."""

    def __init__(self) -> None:
        super().__init__()
        self.drained = threading.Event()
        self.is_unreadable = False

    def _proxy_deploy(self, name: str, *flags: str) -> Executed:
        executed = super()._proxy_deploy(name, *flags)
        self.drained.wait(60)
        return executed

    def read_file(self, container: str, path: str) -> bytes | None:
        if self.is_unreadable:
            self.is_unreadable = False
            raise EngineError("Docker did not answer")
        return super().read_file(container, path)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Draining:
    monkeypatch.setattr(routing, "LOOKS_AFTER", 0)
    made = Draining()
    made.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    return made


def release(engine: Draining, share: HostShare, tell: Callable[[str], object]) -> None:
    engine.add_image(f"hello:{share.version}", f"image of {share.version}")
    for step in ("stage", "live"):
        getattr(Release(engine, Changes(False, tell), share, {"TOKEN": "t"}), step)(None)


@pytest.mark.parametrize("is_unreadable", [False, True])
def test_it_says_what_it_waits_for_and_when_the_old_one_drains(
    engine: Draining, share_of: Callable[..., HostShare], is_unreadable: bool
) -> None:
    told: list[str] = []

    def tell(what: str) -> None:
        told.append(what)
        if what == DRAINS:
            engine.drained.set()
        elif "hello-web-v2 to be healthy" in what:
            engine.is_unreadable = is_unreadable

    engine.drained.set()
    release(engine, share_of("v1"), told.append)
    engine.drained.clear()
    told.clear()
    release(engine, share_of("v2"), tell)
    assert [what for what in told if "record" not in what] == [
        "look for the image hello:v2",
        "create container hello-web-v2",
        "create container hello-worker-v2",
        "start container hello-web-v2",
        "wait for hello-web-v2 to be healthy",
        DRAINS,
        "stop container hello-web-v1",
        "start container hello-worker-v2",
        "wait for hello-worker-v2 to be healthy",
        "stop container hello-worker-v1",
        "tag hello:v2 as latest",
    ]


def test_to_stop_and_to_pause_say_so_too(engine: Draining, share_of: Callable[..., HostShare]) -> None:
    told: list[str] = []
    engine.drained.set()
    release(engine, share_of("v1"), print)
    Maintenance(engine, Changes(False, told.append), share_of("v1")).begin(7, "")
    Maintenance(engine, Changes(False, told.append), share_of("v1")).pause(None, 30)
    Retirement(engine, Changes(False, told.append), share_of("v1")).stop()
    assert told[:4] == [
        "stop route hello-web",
        "draining hello-web, for up to 7 s",
        "pause route hello-web",
        "draining hello-web, for up to 30 s",
    ]
    assert "stop container hello-worker-v1" in told
