# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The module proxy: each state once and once more, what is said before, and what the app's audit log is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._host import module as _module
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.settings import proxy_container
from ansible_collections.caravan.kamal.plugins.modules import proxy
from fakes import PROXY, FakeEngine
from modules import perform

pytestmark = pytest.mark.usefixtures("no_waiting", "home")

APP = {"name": "hello-staging", "destination": "staging", "performer": "sam", "audit_log": ".kamal/hello-audit.log"}


@pytest.fixture
def host(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    monkeypatch.setattr(_module.DockerEngine, "at", lambda *_arguments: engine)
    run()
    return engine


def run(check: bool = False, **arguments: Any) -> dict[str, Any]:
    result = perform(proxy.main, {"app": APP, **arguments}, check)
    assert not result.get("failed"), result["msg"]
    return result


@pytest.mark.parametrize(
    ("state", "stopped", "actions", "again", "told"),
    [
        ("present", True, [f"start {PROXY}"], [], None),
        ("started", True, [f"start {PROXY}"], [], "Started proxy"),
        ("stopped", False, [f"stop {PROXY}"], [], "Stopped proxy"),
        ("restarted", False, [f"restart {PROXY}"], [f"restart {PROXY}"], "Restarted proxy"),
        ("rebooted", False, [f"reboot {PROXY}"], [f"reboot {PROXY}"], "Rebooted proxy"),
        ("absent", False, [f"remove {PROXY}"], [], "Removed proxy container"),
    ],
)
def test_a_state_is_foreseen_reached_kept_and_told(
    host: FakeEngine, home: Path, state: str, stopped: bool, actions: list[str], again: list[str], told: str | None
) -> None:
    if stopped:
        host.stop(PROXY, None)
    host.calls.clear()
    assert run(check=True, state=state)["actions"] == actions
    assert host.calls == [] and not (home / ".kamal/hello-audit.log").exists()
    assert run(state=state)["actions"] == actions
    log = home / ".kamal/hello-audit.log"
    lines = log.read_text().splitlines() if log.exists() else []
    assert [line.partition("] ")[2] for line in lines] == ([f"[sam] [staging] {told}"] if told else [])
    result = run(state=state)
    assert (result["actions"], result["changed"]) == (again, bool(again))


def test_one_that_still_routes_is_not_removed_and_says_for_whom(host: FakeEngine) -> None:
    host.routes["other-web"] = {"name": "other-web", "active_targets": ["x:80"]}
    assert run(state="absent")["used_by"] == ["other-web"]
    assert PROXY in host.running
    assert run(state="absent", force=True)["actions"] == [f"remove {PROXY}"]


def test_what_an_app_asks_for_is_kept_from_another_one(host: FakeEngine) -> None:
    run(run={"http_port": 8080})
    result = perform(proxy.main, {"app": {"name": "other"}, "run": {"http_port": 8081}})
    assert result["failed"] and "http_port is 8081 for other and 8080 for hello-staging" in result["msg"]
    run(run={"http_port": 8081})


@pytest.mark.parametrize(
    ("arguments", "stops"), [({}, False), ({"recreate": True}, True), ({"state": "rebooted"}, True)]
)
def test_a_new_container_is_not_made_past_files_of_kamal_that_have_no_form_here(
    host: FakeEngine, home: Path, arguments: dict[str, Any], stops: bool
) -> None:
    (home / ".kamal/proxy/run_command").write_text("kamal-proxy run --http-port 3000")
    host.calls.clear()
    plan = {"container": proxy_container({}), "run": {}, "login": False}
    result = perform(proxy.main, {"app": APP, "plan": plan, **arguments})
    assert bool(result.get("failed")) == stops and host.calls == []
    assert f"{home}/.kamal/proxy/run_command: found" in str(result)
