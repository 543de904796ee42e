# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is told of kamal-proxy: its state, where it is not as it should be, and the routes of every app."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import container as _proxy
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.flags import deploy_argv, options
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.look import look
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.settings import proxy_container
from ansible_collections.caravan.kamal.plugins.plugin_utils.display import report
from fakes import PROXY, FakeEngine

pytestmark = pytest.mark.usefixtures("no_waiting", "home")

IMAGE = "basecamp/kamal-proxy:v0.9.2"


def told(engine: FakeEngine, **run: Any) -> dict[str, Any]:
    notices: list[str] = []
    return {**look(engine, proxy_container(run), notices.append), "notices": notices}


@pytest.fixture
def host(engine: FakeEngine) -> FakeEngine:
    engine.add_image(IMAGE, "ip", service=None)
    _proxy.ensure(engine, Changes(check_mode=False), proxy_container({}), None)
    engine.add("other-web-1")
    target = f"{engine.here['other-web-1']['Id'][:12]}:80"
    wanted = options({"host": "other.example.com"}, deploy_timeout=1, drain_timeout=1)
    engine.execute(PROXY, deploy_argv("other-web", target, wanted))
    engine.execute(PROXY, ["kamal-proxy", "stop", "other-web", "--message=back soon"])
    return engine


def test_where_there_is_none(engine: FakeEngine) -> None:
    assert (told(engine)["state"], told(engine)["routes"]) == ("absent", {})


def test_routes_of_every_app_with_the_names_of_containers(host: FakeEngine) -> None:
    assert told(host)["routes"] == {
        "other-web": {
            "targets": ["other-web-1:80"],
            "hosts": ["other.example.com"],
            "path_prefixes": ["/"],
            "tls": False,
            "state": "stopped",
            "message": "back soon",
        }
    }


def test_what_differs_is_told_with_both_values(host: FakeEngine) -> None:
    assert told(host)["differs"] == []
    assert told(host, http_port=8080, version="v0.9.3")["differs"] == [
        "HostConfig/PortBindings/80/tcp[0]/HostPort is 80, not 8080",
        "Image is basecamp/kamal-proxy:v0.9.2, not basecamp/kamal-proxy:v0.9.3",
    ]


def test_of_one_that_kamal_made_only_the_image_is_compared(engine: FakeEngine) -> None:
    engine.boot_proxy()
    assert told(engine, http_port=8080)["differs"] == []
    assert len(told(engine, version="v1.0.0")["differs"]) == 1


def test_a_broken_state_file_is_a_notice(host: FakeEngine) -> None:
    host.state_file = b"[{"
    answer = told(host)
    assert answer["routes"] == {} and "broken" in answer["notices"][0]


def test_it_is_shown_as_tables(host: FakeEngine) -> None:
    text = report.proxy({"web1": told(host, http_port=8080), "web2": None})
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert f"web1 running {IMAGE} 2026-01-01T00:00:00.25Z" in lines
    assert "web2 no answer - -" in lines
    assert "web1 other-web other.example.com - stopped: back soon other-web-1:80" in lines
    assert "HostConfig/PortBindings/80/tcp[0]/HostPort is 80, not 8080" in lines
