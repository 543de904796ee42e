# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module accessory: who waits for whom."""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import turn
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.module_utils._host import module as _module
from ansible_collections.caravan.kamal.plugins.module_utils._names import accessory_turn
from ansible_collections.caravan.kamal.plugins.modules import accessory
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import handover
from fakes import FakeEngine
from modules import perform

pytestmark = pytest.mark.usefixtures("no_waiting", "home")

DB = {"image": "postgres:16", "host": "host1", "env": {"secret": ["PASSWORD"]}}


@pytest.fixture
def host(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    engine.add_image("postgres:16", "ipg", service=None)
    monkeypatch.setattr(_module.DockerEngine, "at", lambda *_arguments: engine)
    monkeypatch.setattr(turn, "PATIENCE", -1000)
    return engine


@contextmanager
def held(path: Path) -> Iterator[None]:
    """By another module that is at work."""
    path.parent.mkdir(parents=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def boot(plan_of: Any, destination: str, number: int, check: bool = False) -> dict[str, Any]:
    plan = plan_of("v1", command="setup", destination=destination, accessories={"db": DB})
    share = to_data(handover.accessory_share(plan, "db", "host1"))
    run = {"number": number, "owner": "laptop:1", "by": "sam"}
    secrets = json.dumps({"PASSWORD": "s3cr3t"})
    return perform(accessory.main, {"name": "db", "plan": share, "secrets": secrets, "run": run}, check)


def test_destinations_that_share_it_take_turns(host: FakeEngine, plan_of: Any, home: Path) -> None:
    with held(home / accessory_turn("hello-db")):
        result = boot(plan_of, "staging", 1)
        assert result["failed"] and "Another run is still at work on hello-db on this host" in result["msg"]
        assert host.calls == []
        assert boot(plan_of, "staging", 1, check=True)["changed"]
    assert boot(plan_of, "production", 7)["changed"]
    assert not boot(plan_of, "staging", 1).get("failed"), "its lock has nothing to do with that of production"


def test_a_destination_that_is_called_like_an_accessory_does_not_wait_for_itself(
    host: FakeEngine, plan_of: Any
) -> None:
    assert not boot(plan_of, "db", 1).get("failed")
