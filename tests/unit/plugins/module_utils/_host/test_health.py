# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whether a new container is well."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import HealthError
from ansible_collections.caravan.kamal.plugins.module_utils._host import health as _health
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("no_waiting")


class Changing(FakeEngine):
    """Its container goes through some states, one for each look."""

    def __init__(self, *states: dict[str, Any] | None) -> None:
        super().__init__()
        self.states = list(states)
        self.looks = 0

    def exit_codes(self, name: str) -> list[int]:
        return list((self.states[0] or {}).get("codes", []))

    def inspect(self, name: str) -> dict[str, Any] | None:
        self.looks += 1
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return state and {"RestartCount": state.get("restarts", 0), "State": {"ExitCode": 0, **state}}


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_health, "time", clock)
    return clock


def health(word: str) -> dict[str, Any]:
    return {"Status": "running", "Health": {"Status": word}}


UP = {"Status": "running"}


@pytest.mark.parametrize(
    "states",
    [[health("healthy")], [health("starting"), health("starting"), health("healthy")], [UP]],
    ids=["healthy", "after a while", "without a health check"],
)
def test_a_container_is_well(states: list[dict[str, Any]]) -> None:
    _health.prove(Changing(*states), "c", deploy_timeout=5, readiness_delay=0)


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ([health("starting"), health("unhealthy")], "health check fails"),
        ([{"Status": "exited", "ExitCode": 3}], "exited with code 3"),
        ([{"Status": "exited", "ExitCode": 137, "OOMKilled": True}], r"code 137 \(out of memory\)"),
        ([{"Status": "running", "restarts": 1, "ExitCode": 0, "codes": [1, 64]}], "exited with code 64"),
        ([{"Status": "running", "restarts": 1, "ExitCode": 0}], "exited and was restarted"),
        ([{"Status": "restarting", "ExitCode": 1}], "exited with code 1"),
        ([health("starting"), None], "gone"),
        ([UP, {"Status": "exited", "ExitCode": 1}], "exited with code 1"),
    ],
)
def test_a_container_is_given_up_at_once(clock: Clock, states: list[Any], message: str) -> None:
    engine = Changing(*states)
    with pytest.raises(HealthError, match=message):
        _health.prove(engine, "c", deploy_timeout=60, readiness_delay=60)
    assert engine.looks == len(states)
    assert clock.now < 1


def test_a_health_check_that_never_ends_is_given_up_after_the_timeout() -> None:
    with pytest.raises(HealthError, match=r"still starting after deploy_timeout \(0 s\)"):
        _health.prove(Changing(health("starting")), "c", deploy_timeout=0, readiness_delay=0)


def test_without_a_health_check_it_is_watched_for_the_delay() -> None:
    engine = Changing(*[UP] * 5, {"Status": "exited", "ExitCode": 9})
    with pytest.raises(HealthError, match="code 9"):
        _health.prove(engine, "c", deploy_timeout=5, readiness_delay=1)


def test_a_failed_container_tells_what_it_left_behind() -> None:
    engine = FakeEngine()
    state = engine.add("c", state="exited")["State"]
    state.update(ExitCode=7, Health={"Log": [{"ExitCode": 1, "Output": f"try {number}\n"} for number in range(5)]})
    engine.output["c"] = "\n".join(f"line {number}" for number in range(30))
    told = _health.report(engine, "c")
    assert (told["state"], told["exit_code"]) == ("exited", 7)
    assert told["health_log"] == ["exit 1: try 2", "exit 1: try 3", "exit 1: try 4"]
    assert told["log"] == [f"line {number}" for number in range(10, 30)]
    assert _health.report(engine, "nowhere") == {"state": "gone", "exit_code": None, "health_log": [], "log": []}


def test_one_that_its_restart_policy_started_again_tells_how_it_died() -> None:
    engine = FakeEngine()
    engine.add("c", state="created")
    engine.crashing["c"] = 64
    engine.start("c")
    report = _health.report(engine, "c")
    assert (report["state"], report["exit_code"]) == ("running, restarted once", 64)
