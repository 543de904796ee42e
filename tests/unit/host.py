# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A host in memory: an engine, an empty home, and waits that take no time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._host import health, user
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import commands, deployment, traefik
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import container as _proxy
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import from_mapping
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.planner import plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.run import Run
from fakes import FakeEngine

CONFIG: dict[str, Any] = {
    "service": "hello",
    "image": "hello",
    "servers": {"web": ["host1"], "worker": {"hosts": ["host1"], "cmd": "hello worker"}},
    "proxy": {"host": "hello.example.com"},
    "env": {"clear": {"GREETING": "hi"}, "secret": ["TOKEN"]},
    "readiness_delay": 0,
    "stop_timeout": 3,
}


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(user, "_before_become", lambda: None)
    return tmp_path


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "POLL", 0.001)
    monkeypatch.setattr(health, "LISTENING_WITHIN", 0)
    monkeypatch.setattr(_proxy, "POLL", 0.001)
    monkeypatch.setattr(commands, "WRITTEN_WITHIN", 0)
    monkeypatch.setattr(deployment, "POLL", 0.001)
    monkeypatch.setattr(deployment, "SETTLES_WITHIN", 0)
    monkeypatch.setattr(_proxy, "ANSWERS_WITHIN", 0)
    monkeypatch.setattr(_proxy, "AGAIN_AFTER", 0)
    monkeypatch.setattr(traefik, "POLL", 0.001)


@pytest.fixture
def plan_of() -> Callable[..., Plan]:
    """The plan of the example for a version, with some keys of the configuration changed."""

    def make(
        version: str,
        command: str = "deploy",
        destination: str | None = None,
        secrets_from: str = "controller",
        **changed: Any,
    ) -> Plan:
        config = from_mapping({**CONFIG, **changed}, destination, "/project")
        run = Run(version=version, hosts=["host1"], command=command, performer="sam", secrets_from=secrets_from)
        return plan(config, run)

    return make


@pytest.fixture
def share_of(plan_of: Callable[..., Plan]) -> Callable[..., HostShare]:
    """The same for its one host."""

    def make(version: str, **arguments: Any) -> HostShare:
        return plan_of(version, **arguments).hosts["host1"]

    return make
