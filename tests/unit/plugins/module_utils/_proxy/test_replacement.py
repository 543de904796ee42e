# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A reboot and a restart of kamal-proxy: what it routed before it routes afterwards, wherever it was interrupted."""

from __future__ import annotations

import contextlib
import copy
import itertools
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError, PortError, ProxyError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import container as _proxy
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import replacement
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.flags import deploy_argv, options
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.settings import proxy_container
from fakes import PROXY, FakeEngine
from faults import Killed, KillsAt, fail_once

pytestmark = pytest.mark.usefixtures("no_waiting", "home")

IMAGE = "basecamp/kamal-proxy:v0.9.2"
ROUTE = {"hosts": ["a.example.com"], "response_timeout": 7}


@pytest.fixture
def host(engine: FakeEngine) -> FakeEngine:
    """kamal-proxy with the routes `app`, and `shut`, which is stopped for maintenance."""
    engine.add_image(IMAGE, "ip", service=None)
    _proxy.ensure(engine, Changes(check_mode=False), proxy_container({}), None)
    for name in ("app", "shut"):
        engine.add(f"{name}-1")
        target = f"{engine.here[f'{name}-1']['Id'][:12]}:80"
        wanted = options({**ROUTE, "hosts": [f"{name}.example.com"]}, deploy_timeout=1, drain_timeout=1)
        engine.execute(PROXY, deploy_argv(name, target, wanted))
    engine.execute(PROXY, ["kamal-proxy", "stop", "shut", "--message=back at noon"])
    engine.calls.clear()
    return engine


def reboot(engine: Any, check: bool = False, **run: Any) -> Changes:
    changes = Changes(check_mode=check)
    replacement.reboot(engine, changes, proxy_container(run), None)
    return changes


def restart(engine: Any, check: bool = False) -> Changes:
    changes = Changes(check_mode=check)
    _proxy.restart(engine, changes)
    return changes


class Refuses:
    """An engine that refuses its calls of these numbers, and of each call in `always`."""

    COUNTED = ("inspect", "start", "stop", "rename", "remove")

    def __init__(self, engine: FakeEngine, numbers: set[int], always: tuple[str, ...] = ()) -> None:
        self.engine, self.numbers, self.always = engine, numbers, always
        self.made: list[str] = []
        self.refused: list[str] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.engine, name)
        return self._counted(name, real) if name in self.COUNTED else real

    def _counted(self, name: str, real: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self.made.append(name)
            if len(self.made) in self.numbers or name in self.always:
                self.refused.append(name)
                raise EngineError(f"Docker could not {name}")
            return real(*arguments, **named)

        return call


ACTS = {"reboot": reboot, "restart": restart}


def test_a_reboot_replaces_it_although_nothing_differs(host: FakeEngine) -> None:
    before, routes = host.here[PROXY]["Id"], dict(host.routes)
    assert reboot(host, check=True).actions == [f"reboot {PROXY}"]
    assert host.calls == []
    assert reboot(host).actions == [f"reboot {PROXY}"]
    assert host.here[PROXY]["Id"] != before
    assert {name for name in host.here if name.startswith(PROXY)} == {PROXY}
    assert host.routes == routes


def test_the_new_one_is_made_before_the_old_one_stops(host: FakeEngine) -> None:
    reboot(host)
    assert host.calls.index(f"create {PROXY}_staged") < host.calls.index(f"stop {PROXY}")


def test_the_old_one_has_longer_to_stop_than_it_gives_requests(host: FakeEngine) -> None:
    reboot(host)
    assert (host.stop_timeouts[PROXY] or 0) > 10


def test_what_differs_is_shown_before(host: FakeEngine) -> None:
    diff = reboot(host, check=True, http_port=8080).result()["diff"]
    assert "80/tcp[0]/HostPort: 80\n" in diff["before"] and "80/tcp[0]/HostPort: 8080\n" in diff["after"]


def test_where_there_is_none_a_reboot_boots_it_and_a_restart_is_refused(engine: FakeEngine) -> None:
    engine.add_image(IMAGE, "ip", service=None)
    with pytest.raises(ProxyError, match="caravan.kamal.proxy.boot"):
        restart(engine)
    assert reboot(engine).actions == [f"boot {PROXY}"]


def test_a_restart_of_one_that_has_stopped_starts_it(host: FakeEngine) -> None:
    host.stop(PROXY, None)
    assert restart(host).actions == [f"start {PROXY}"]


@pytest.mark.parametrize("name", ACTS)
def test_routes_are_known_again_although_the_state_file_was_broken(host: FakeEngine, name: str) -> None:
    host.state_file = b"[{"
    ACTS[name](host)
    assert set(host.routes) == {"app", "shut"}


@pytest.mark.parametrize("name", ACTS)
def test_a_route_that_was_lost_on_the_way_is_told_again_with_its_options(
    host: FakeEngine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As when the disk filled up just then: the new process reads half a file and knows nothing."""
    before, stop = dict(host.routes), host.stop

    def break_it(*arguments: Any) -> None:
        stop(*arguments)
        host.state_file = b"[{"

    monkeypatch.setattr(host, "stop", break_it)
    changes = ACTS[name](host)
    assert host.routes == before
    assert sum("had lost the route" in notice for notice in changes.notices) == 2


def test_a_lost_route_whose_target_is_gone_is_told_and_the_others_are_served(
    host: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.remove("shut-1")
    stop = host.stop

    def break_it(*arguments: Any) -> None:
        stop(*arguments)
        host.state_file = b"[{"

    monkeypatch.setattr(host, "stop", break_it)
    changes = reboot(host)
    assert set(host.routes) == {"app"}
    assert any("route shut before" in notice and "Deploy this service again" in notice for notice in changes.notices)


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after it"])
@pytest.mark.parametrize("again", ["reboot", "ensure"])
@pytest.mark.parametrize("name", ACTS)
def test_killed_at_any_step_it_can_be_done_again(host: FakeEngine, name: str, again: str, after: bool) -> None:
    """The next deploy mends it too, and nothing is left over once it was rebooted."""
    routes = dict(host.routes)
    for number in itertools.count(1):
        tried = copy.deepcopy(host)
        killer = KillsAt(tried, number, after)
        try:
            ACTS[name](killer)
        except Killed:
            pass
        else:
            break
        if again == "reboot":
            reboot(tried)
            assert {known for known in tried.here if known.startswith(PROXY)} == {PROXY}
        else:
            _proxy.ensure(tried, Changes(check_mode=False), proxy_container({}), None)
        assert PROXY in tried.running
        assert {known for known in tried.running if known.startswith(PROXY)} == {PROXY}
        assert tried.routes == routes
    assert number > 3


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after it"])
def test_whichever_call_of_a_restart_fails_it_runs_and_has_its_routes(host: FakeEngine, after: bool) -> None:
    routes = dict(host.routes)
    for number in itertools.count(1):
        tried = copy.deepcopy(host)
        failing = KillsAt(tried, number, after, EngineError)
        with contextlib.suppress(EngineError, ProxyError):
            restart(failing)
        if failing.left > 0:
            break
        assert PROXY in tried.running, f"call {number}"
        assert tried.routes == routes
    assert number > 3


def test_a_restart_that_could_not_stop_it_says_so(host: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_once(monkeypatch, host, "stop")
    with pytest.raises(ProxyError, match="kamal-proxy runs, and may not have been restarted: Docker did not answer"):
        restart(host)


def test_a_port_that_is_taken_keeps_a_restart_from_its_end_and_is_told(host: FakeEngine) -> None:
    host.unstartable[PROXY] = PortError("port is already allocated")
    with pytest.raises(PortError, match="cannot listen on this host"):
        restart(host)


@pytest.mark.parametrize("call", ["create", "stop", "rename", "start", "execute"])
def test_whichever_call_of_a_reboot_fails_the_old_one_serves(
    host: FakeEngine, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    before = host.here[PROXY]["Id"]
    fail_once(monkeypatch, host, call)
    with pytest.raises((EngineError, ProxyError)):
        reboot(host)
    assert {known for known in host.here if known.startswith(PROXY)} == {PROXY}
    assert host.here[PROXY]["Id"] == before and PROXY in host.running


def test_a_new_one_that_can_neither_start_nor_go_leaves_its_name_to_the_old_one(
    host: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = host.here[PROXY]["Id"]
    monkeypatch.setattr(_proxy, "clear_away", lambda engine: None)
    counted = Refuses(copy.deepcopy(host), set())
    reboot(counted)
    stuck = Refuses(host, {counted.made.index("start") + 1}, always=("remove",))
    with pytest.raises(ProxyError, match=r"Docker could not start\nOn the way back this failed too: .*not remove"):
        reboot(stuck)
    monkeypatch.undo()
    assert host.here[PROXY]["Id"] == before and PROXY in host.running
    reboot(host)
    assert {known for known in host.here if known.startswith(PROXY)} == {PROXY}


def test_whichever_two_calls_of_the_way_back_fail_the_old_one_runs(host: FakeEngine) -> None:
    counted = Refuses(copy.deepcopy(host), set())
    reboot(counted)
    first = counted.made.index("start") + 1
    counted = Refuses(copy.deepcopy(host), {first})
    with pytest.raises(EngineError):
        reboot(counted)
    for pair in itertools.combinations(range(first + 1, len(counted.made) + 2), 2):
        tried = copy.deepcopy(host)
        refuses = Refuses(tried, {first, *pair})
        with pytest.raises((EngineError, ProxyError)) as error:
            reboot(refuses)
        told = error.value.message.count("On the way back this failed too")
        assert told == len(refuses.refused) - 1, (pair, error.value.message)
        if "start" not in refuses.refused[1:]:
            assert host.here[PROXY]["Id"] in {tried.here[name]["Id"] for name in tried.running}, pair
        reboot(tried)
        assert {known for known in tried.here if known.startswith(PROXY)} == {PROXY}
        assert tried.routes == host.routes
