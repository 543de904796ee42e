# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What its restart policy started again some time ago is as good as any: only what dies now gets no other route."""

from __future__ import annotations

import threading
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.accessory import Accessory
from ansible_collections.caravan.kamal.plugins.module_utils._app.accessory_host import AccessoryHost
from ansible_collections.caravan.kamal.plugins.module_utils._app.release import Release
from ansible_collections.caravan.kamal.plugins.module_utils._errors import HealthError
from ansible_collections.caravan.kamal.plugins.module_utils._host import health
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Executed
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import handover
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("home", "no_waiting")

Share = Callable[..., HostShare]
WEB = "hello-web-v1"


class Watched(FakeEngine):
    """kamal-proxy answers a deploy once its target has been looked at meanwhile, up to the first one during which
    something `happens`."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = threading.Event()
        self.happens: Callable[[], object] | None = None
        self.is_slow = True

    def inspect(self, name: str) -> dict[str, Any] | None:
        inspected = super().inspect(name)
        self.looked.set()
        return inspected

    def _proxy_deploy(self, name: str, *flags: str) -> Executed:
        executed = super()._proxy_deploy(name, *flags)
        if self.is_slow:
            if self.happens:
                self.is_slow = False
                self.happens()
            self.looked.clear()
            self.looked.wait(60)
        return executed


@pytest.fixture
def host(share_of: Share, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """v1 is live; it was killed once since, and started again by its restart policy."""
    monkeypatch.setattr(health, "LISTENING_WITHIN", 0.01)
    engine = Watched()
    engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    engine.add_image("hello:v1", "image of v1")
    deploy(engine, share_of("v1"))
    engine.container(WEB)["RestartCount"] = 1
    return engine


def deploy(engine: FakeEngine, share: HostShare) -> None:
    for step in ("stage", "live"):
        getattr(Release(engine, Changes(False), share, {"TOKEN": "t"}), step)(None)


def other_option(share_of: Share) -> HostShare:
    return share_of("v1", proxy={"host": "hello.example.com", "response_timeout": 5})


def test_its_route_gets_other_options(host: Watched, share_of: Share) -> None:
    before = host.container(WEB)["Id"]
    deploy(host, other_option(share_of))
    assert host.routes["hello-web"]["target_options"]["response_timeout"] == 5 * 10**9
    assert host.container(WEB)["Id"] == before and host.target("hello-web") == WEB


def test_a_route_that_kamal_proxy_lost_is_made_again(host: Watched, share_of: Share) -> None:
    host.routes.clear()
    deploy(host, share_of("v1"))
    assert host.target("hello-web") == WEB


def test_a_start_routes_to_it(host: Watched, share_of: Share) -> None:
    host.routes.clear()
    Release(host, Changes(False), share_of("none", command="inspect"), {}).start(["web"])
    assert host.target("hello-web") == WEB


def test_the_route_of_an_accessory_gets_other_options(host: Watched, plan_of: Callable[..., Plan]) -> None:
    def boot(name: str) -> None:
        section = {"image": "grafana", "host": "host1", "proxy": {"host": name}}
        plan = plan_of("v1", command="setup", accessories={"stats": section})
        share = handover.accessory_share(plan, "stats", "host1")
        Accessory(AccessoryHost(host, Changes(False), share, {})).present()

    host.add_image("grafana", "image of grafana", service=None)
    boot("stats.example.com")
    host.container("hello-stats")["RestartCount"] = 1
    boot("other.example.com")
    assert host.routes["hello-stats"]["options"]["hosts"] == ["other.example.com"]


def test_what_dies_meanwhile_keeps_the_route_that_it_had(host: Watched, share_of: Share) -> None:
    def is_restarted() -> None:
        host.container(WEB)["RestartCount"] = 2
        host.container(WEB)["State"]["StartedAt"] = "2999-01-01T00:00:00Z"

    host.happens = is_restarted
    with pytest.raises(HealthError, match="could not get its new route: it exited and was restarted"):
        deploy(host, other_option(share_of))
    assert host.routes["hello-web"]["target_options"]["response_timeout"] == 30 * 10**9
    assert WEB in host.running
