# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The load balancer on a host: hosts put in and taken out, those that do not answer, and what a killed run left."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.load_balancer import LoadBalancer
from ansible_collections.caravan.kamal.plugins.module_utils._balancing import BalancedRoute, LoadBalancerShare
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ProxyError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import certificate
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.pool import Pool
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("no_waiting")

TARGETS = {"host1": "10.0.0.1:80", "host2": "10.0.0.2:80", "host3": "10.0.0.3:80"}


MakeShare = Callable[..., LoadBalancerShare]


@pytest.fixture
def share_with(plan_of: Callable[..., Plan]) -> MakeShare:
    """With some keys of `loadbalancer/proxy`."""

    def make(**proxy: Any) -> LoadBalancerShare:
        targets = {host: target.partition(":")[0] for host, target in TARGETS.items()}
        section = {"host": "lb", "targets": targets, "proxy": proxy}
        servers = {"web": list(TARGETS)}
        plan = plan_of("v1", servers=servers, proxy={"host": "hello.example.com"}, loadbalancer=section)
        return plan.balancers["lb"]

    return make


@pytest.fixture
def share(share_with: MakeShare) -> LoadBalancerShare:
    return share_with()


@pytest.fixture
def secured(share_with: MakeShare, monkeypatch: pytest.MonkeyPatch) -> LoadBalancerShare:
    """With a certificate of its own, which may be any text."""
    monkeypatch.setattr(certificate, "_load", lambda *_parts: None)
    return share_with(ssl={"certificate_pem": "CERT", "private_key_pem": "KEY"})


@pytest.fixture
def lb(engine: FakeEngine, home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Its host; the targets that answer are in `elsewhere`."""
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "iproxy", service=None)
    engine.elsewhere |= set(TARGETS.values())

    def reason(_pool: Pool, target: str) -> str | None:
        return None if target in engine.elsewhere else f"{target} gave no answer"

    monkeypatch.setattr(Pool, "_reason", reason)
    return engine


def act(
    engine: FakeEngine,
    share: LoadBalancerShare,
    verb: str,
    *arguments: Any,
    check: bool = False,
    pem: str = "",
    **more: Any,
) -> Any:
    changes = Changes(check_mode=check)
    answer = getattr(LoadBalancer(engine, changes, share, {"CERT": pem, "KEY": pem}), verb)(*arguments, **more)
    return changes if answer is None else (answer, changes)


def targets(engine: FakeEngine) -> list[str]:
    route = engine.routes.get("hello-web", {})
    return [host for host, target in TARGETS.items() if target in route.get("active_targets", ())]


def with_option(share: LoadBalancerShare, **proxy: Any) -> BalancedRoute:
    return replace(share.routes[0], proxy={**share.routes[0].proxy, **proxy})


def file(engine: FakeEngine) -> Path:
    """The certificate that the route names, as the host has it."""
    return engine.seen(engine.routes["hello-web"]["options"]["tls_certificate_path"])


def test_the_first_batch_boots_it_and_later_ones_join(lb: FakeEngine, share: LoadBalancerShare) -> None:
    first = act(lb, share, "put_in", ["host1"])
    assert first.actions == ["create network kamal", "boot kamal-proxy", "route hello-web to host1"]
    assert act(lb, share, "put_in", ["host2", "host3"]).actions == ["route hello-web to host1, host2, host3"]
    assert act(lb, share, "put_in", ["host1", "host2", "host3"]).actions == []


def test_a_batch_is_out_while_it_is_deployed(lb: FakeEngine, share: LoadBalancerShare, home: Path) -> None:
    act(lb, share, "put_in", list(TARGETS))
    drained, changes = act(lb, share, "take_out", ["host2"])
    assert (drained, changes.actions, targets(lb)) == (
        ["host2"],
        ["route hello-web to host1, host3"],
        ["host1", "host3"],
    )
    assert act(lb, share, "put_in", ["host2"]).actions == ["route hello-web to host1, host2, host3"]
    log = (home / ".kamal/hello-audit.log").read_text()
    assert "Took host2 out of the load balancer" in log
    assert "Put host2 into the load balancer" in log


def test_what_a_killed_run_took_out_the_next_one_puts_back(lb: FakeEngine, share: LoadBalancerShare) -> None:
    act(lb, share, "put_in", list(TARGETS))
    act(lb, share, "take_out", ["host1"])
    assert act(lb, share, "take_out", ["host1"])[0] == []
    act(lb, share, "put_in", ["host1"])
    assert targets(lb) == list(TARGETS)


def test_nothing_is_taken_out_of_one_that_has_stopped_and_the_next_that_is_put_in_starts_it(
    lb: FakeEngine, share: LoadBalancerShare
) -> None:
    act(lb, share, "put_in", list(TARGETS))
    lb.stop("kamal-proxy", None)
    foretold: list[str] = []
    for number, host in enumerate(TARGETS):
        earlier = list(TARGETS)[:number]
        out, changes = act(lb, share, "take_out", [host], earlier, check=True)
        back = act(lb, share, "put_in", [host], check=True, taken_out=out, earlier=earlier)
        foretold += [*changes.actions, *back.actions]
    lb.calls.clear()
    done: list[str] = []
    for number, host in enumerate(TARGETS):
        out, changes = act(lb, share, "take_out", [host], list(TARGETS)[:number])
        assert out == ([host] if number else [])
        done += [*changes.actions, *act(lb, share, "put_in", [host]).actions]
    assert done[:2] == ["start kamal-proxy", "route hello-web to host1, host3"]
    assert foretold == done
    assert targets(lb) == list(TARGETS)


def test_one_that_another_task_would_start_is_taken_for_running(lb: FakeEngine, share: LoadBalancerShare) -> None:
    act(lb, share, "put_in", list(TARGETS))
    lb.stop("kamal-proxy", None)
    changes = Changes(check_mode=True)
    assert LoadBalancer(lb, changes, share, {}, foretold=["start kamal-proxy"]).take_out(["host1"]) == ["host1"]
    assert changes.actions == ["route hello-web to host2, host3"]


@pytest.mark.parametrize("check", [True, False])
def test_a_redeploy_that_finds_it_stopped_touches_nothing(
    lb: FakeEngine, share: LoadBalancerShare, check: bool
) -> None:
    act(lb, share, "put_in", list(TARGETS))
    lb.stop("kamal-proxy", None)
    with pytest.raises(ProxyError, match="it is exited"):
        act(lb, replace(share, command="redeploy"), "take_out", ["host1"], check=check)


def test_the_last_hosts_that_answer_stay_in(lb: FakeEngine, share: LoadBalancerShare) -> None:
    act(lb, share, "put_in", list(TARGETS))
    assert act(lb, share, "take_out", list(TARGETS))[0] == []
    lb.elsewhere.remove(TARGETS["host3"])
    drained, changes = act(lb, share, "take_out", ["host1", "host2"])
    assert (drained, changes.actions, targets(lb)) == ([], [], list(TARGETS))
    assert "host1, host2: kept in the load balancer, as no other host answers it" in changes.notices[-1]


def test_a_host_that_died_keeps_no_other_from_being_taken_out_and_put_back(
    lb: FakeEngine, share: LoadBalancerShare
) -> None:
    act(lb, share, "put_in", list(TARGETS))
    lb.elsewhere.remove(TARGETS["host2"])
    _drained, changes = act(lb, share, "take_out", ["host1"])
    assert targets(lb) == ["host3"]
    assert (
        "host2 gets no requests for hello-web from the load balancer: 10.0.0.2:80 gave no answer" in changes.notices[0]
    )
    act(lb, share, "put_in", ["host1"])
    assert targets(lb) == ["host1", "host3"]


def test_a_host_that_it_does_not_reach_fails_and_the_others_go_on(lb: FakeEngine, share: LoadBalancerShare) -> None:
    act(lb, share, "put_in", ["host1"])
    lb.elsewhere.remove(TARGETS["host2"])
    with pytest.raises(
        ProxyError, match="gets no answer for hello-web from host2: 10.0.0.2:80 .* go on to host1 alone"
    ):
        act(lb, share, "put_in", ["host2"])
    changes = act(lb, share, "put_in", ["host2", "host3"], if_they_answer=True)
    assert (changes.actions, targets(lb)) == (["route hello-web to host1, host3"], ["host1", "host3"])


def test_a_host_that_left_the_configuration_gets_no_requests(lb: FakeEngine, share: LoadBalancerShare) -> None:
    act(lb, share, "put_in", list(TARGETS))
    route = replace(share.routes[0], targets={"host1": TARGETS["host1"], "host2": TARGETS["host2"]})
    assert act(lb, replace(share, routes=[route]), "put_in", ["host1"]).actions == ["route hello-web to host1, host2"]


@pytest.mark.parametrize("before", ["an older certificate", None])
def test_to_be_taken_out_changes_nothing_but_that(
    lb: FakeEngine, share: LoadBalancerShare, secured: LoadBalancerShare, before: str | None
) -> None:
    """The certificate comes with the hosts that are put in: until then kamal-proxy has no file of it."""
    act(lb, secured if before else share, "put_in", list(TARGETS), pem=before or "")
    options = lb.routes["hello-web"]["options"]
    wanted = replace(secured, routes=[with_option(secured, healthcheck={"path": "/other"})])
    assert act(lb, wanted, "take_out", ["host2"], pem="renewed")[0] == ["host2"]
    assert (targets(lb), lb.routes["hello-web"]["options"]) == (["host1", "host3"], options)
    assert act(lb, wanted, "take_out", ["host1"], check=True, pem="renewed")[0] == ["host1"]
    act(lb, wanted, "put_in", ["host2"], pem="renewed")
    assert targets(lb) == list(TARGETS)
    assert file(lb).read_text() == "renewed\n"


def test_a_certificate_stays_while_the_route_names_it(lb: FakeEngine, secured: LoadBalancerShare) -> None:
    """During app.maintenance no host answers, and the route cannot get the renewed one."""
    act(lb, secured, "put_in", list(TARGETS), pem="first")
    first = file(lb)
    lb.elsewhere.clear()
    act(lb, secured, "put_in", list(TARGETS), if_they_answer=True, pem="renewed")
    assert file(lb) == first and first.read_text() == "first\n"
    lb.elsewhere |= set(TARGETS.values())
    act(lb, secured, "put_in", list(TARGETS), pem="renewed")
    assert file(lb).read_text() == "renewed\n" and not first.exists()


def test_another_setting_is_told_without_taking_anything_out(lb: FakeEngine, share: LoadBalancerShare) -> None:
    act(lb, share, "put_in", list(TARGETS))
    other = replace(share, routes=[with_option(share, response_timeout=7)])
    changes = act(lb, other, "put_in", ["host1"])
    assert changes.actions == ["route hello-web to host1, host2, host3"]
    assert lb.routes["hello-web"]["target_options"]["response_timeout"] == 7 * 10**9


def test_a_dry_run_lists_what_the_run_does(lb: FakeEngine, share: LoadBalancerShare) -> None:
    foretold = [
        act(lb, share, "put_in", ["host1"], check=True).actions,
        act(lb, share, "put_in", ["host2"], check=True, earlier=["host1"]).actions,
    ]
    assert foretold == [act(lb, share, "put_in", [host]).actions for host in ("host1", "host2")]
    drained, changes = act(lb, share, "take_out", ["host1"], check=True)
    back = act(lb, share, "put_in", ["host1"], check=True, taken_out=drained)
    assert [*changes.actions, *back.actions] == ["route hello-web to host2", "route hello-web to host1, host2"]
    assert targets(lb) == ["host1", "host2"]


def test_what_another_task_has_listed_for_kamal_proxy_is_not_listed_again(
    lb: FakeEngine, share: LoadBalancerShare
) -> None:
    changes = Changes(check_mode=True)
    foretold = ["create network kamal", "boot kamal-proxy"]
    LoadBalancer(lb, changes, share, {}, foretold=foretold).put_in(["host1"])
    assert changes.actions == ["route hello-web to host1"]


def test_a_redeploy_boots_nothing(lb: FakeEngine, share: LoadBalancerShare) -> None:
    with pytest.raises(ProxyError, match="kamal-proxy does not run on this host"):
        act(lb, replace(share, command="redeploy"), "put_in", ["host1"])


def test_it_goes_with_its_files(lb: FakeEngine, share: LoadBalancerShare, home: Path) -> None:
    act(lb, share, "put_in", list(TARGETS))
    (home / ".kamal/proxy/apps-config/hello/tls/loadbalancer").mkdir(parents=True)
    routes, changes = act(lb, share, "remove")
    assert (routes, lb.routes) == (["hello-web"], {})
    assert changes.actions == ["remove route hello-web", "remove .kamal/proxy/apps-config/hello"]
    assert act(lb, share, "remove")[1].actions == []


# The health check


@pytest.fixture
def served() -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if (self.headers["Host"], self.path) == ("hello.example.com", "/up") else 404)
            self.end_headers()

        def log_message(self, *_arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    ("check", "reason"),
    [
        ({"host": "hello.example.com"}, None),
        ({"host": "other.example.com"}, "/up answered 404"),
        ({"host": "hello.example.com", "path": "/other"}, "/other answered 404"),
        ({"host": "hello.example.com", "port": 1}, "gave no answer ("),
    ],
)
def test_a_host_is_asked_as_kamal_proxy_asks_it(
    engine: FakeEngine, share: LoadBalancerShare, served: str, check: Any, reason: str | None
) -> None:
    route = replace(share.routes[0], proxy={"healthcheck": check}, targets={"host1": served})
    pool = LoadBalancer(engine, Changes(False), replace(share, routes=[route]), {})._pools()[0]
    assert pool.answering(["host1"]) == ([] if reason else ["host1"])
    assert (reason or "") in "".join(pool.route.changes.notices)
