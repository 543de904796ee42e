# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes when a service is stopped or removed, and what another destination keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.retirement import Retirement
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.flags import deploy_argv, options
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import FakeEngine

Share = Callable[..., HostShare]


def route(engine: FakeEngine, name: str, container: str, host: str) -> None:
    wanted = options({"host": host}, deploy_timeout=30, drain_timeout=30)
    engine.execute("kamal-proxy", deploy_argv(name, f"{engine.here[container]['Id'][:12]}:80", wanted))
    engine.calls.clear()


@pytest.fixture
def host(engine: FakeEngine, home: Path) -> FakeEngine:
    """Two versions of a service, one of them live, and the same service at another destination."""
    engine.boot_proxy()
    for tag, image in (("v1", "i1"), ("v2", "i2"), ("latest", "i2"), ("v3", "i3"), ("latest-staging", "i3")):
        engine.add_image(f"hello:{tag}", image)
    engine.add("hello-web-v1", "i1", "exited", service="hello", role="web", destination="")
    engine.add("hello-web-v2", "i2", service="hello", role="web", destination="")
    engine.add("hello-old-v1", "i1", service="hello", role="old", destination="")
    engine.add("hello-web-staging-v1", "i1", service="hello", role="web", destination="staging")
    engine.add("shop-web-v1", "i8", service="shop", role="web", destination="")
    route(engine, "hello-web", "hello-web-v2", "hello.example.com")
    route(engine, "odd-name", "hello-old-v1", "old.example.com")
    route(engine, "shop-web", "shop-web-v1", "shop.example.com")
    (home / ".kamal/apps/hello/env").mkdir(parents=True)
    (home / ".kamal/proxy/apps-config/hello").mkdir(parents=True)
    (home / ".kamal/apps/hello-staging").mkdir(parents=True)
    return engine


def test_stopping_takes_it_out_of_the_proxy_first_and_keeps_containers(host: FakeEngine, share_of: Share) -> None:
    changes = Changes(check_mode=False)
    Retirement(host, changes, share_of("none")).stop()
    assert changes.actions == [
        "remove route hello-web",
        "remove route odd-name",
        "stop container hello-old-v1",
        "stop container hello-web-v2",
    ]
    assert host.running == {"kamal-proxy", "hello-web-staging-v1", "shop-web-v1"}
    assert host.stop_timeouts == {"hello-old-v1": None, "hello-web-v2": 3}
    assert set(host.routes) == {"shop-web"}
    assert "hello-web-v2" in host.here


def test_removing_leaves_nothing_but_the_audit_log(host: FakeEngine, share_of: Share, home: Path) -> None:
    changes = Changes(check_mode=False)
    Retirement(host, changes, share_of("none")).remove()
    assert {"kamal-proxy", "hello-web-staging-v1", "shop-web-v1"} == set(host.here)
    assert not (home / ".kamal/apps/hello").exists()
    assert not (home / ".kamal/proxy/apps-config/hello").exists()
    assert "[sam] Removed app" in (home / ".kamal/hello-audit.log").read_text()


@pytest.mark.parametrize("verb", ["stop", "remove"])
def test_what_has_the_services_name_and_is_an_accessory_of_another_stays(
    host: FakeEngine, share_of: Share, verb: str
) -> None:
    """It has neither a role nor a destination, which a command in a container of its own has."""
    host.add("hello", "i9", service="hello")
    host.add("hello_before", "i9", "exited", service="hello", **{"caravan.destination": ""})
    host.add("hello-web-exec-v1-1", "i1", service="hello", destination="")
    route(host, "hello", "hello", "accessory.example.com")
    predicted, done = Changes(check_mode=True), Changes(check_mode=False)
    for changes in (predicted, done):
        getattr(Retirement(host, changes, share_of("none")), verb)()
    assert {"hello", "hello_before"} < set(host.here) and "hello" in host.running and "hello" in host.routes
    assert ("hello-web-exec-v1-1" in host.here) is (verb == "stop")
    assert predicted.actions == done.actions


@pytest.mark.parametrize("verb", ["stop", "remove"])
def test_the_routes_that_went_are_told_also_before_they_go(host: FakeEngine, share_of: Share, verb: str) -> None:
    for check_mode in (True, False):
        retirement = Retirement(host, Changes(check_mode=check_mode), share_of("none"))
        assert getattr(retirement, verb)() == ["hello-web", "odd-name"]
    assert getattr(Retirement(host, Changes(check_mode=False), share_of("none")), verb)() == []


def test_removing_keeps_images_that_another_destination_may_want(host: FakeEngine, share_of: Share, home: Path) -> None:
    Retirement(host, Changes(check_mode=False), share_of("none")).remove()
    assert set(host.pictures) == {"hello:v1", "hello:v3", "hello:latest-staging"}
    assert (home / ".kamal/apps/hello-staging").exists()


def test_removing_keeps_images_that_another_destination_may_go_back_to(
    host: FakeEngine, share_of: Share, home: Path
) -> None:
    for number in range(4, 8):
        host.add_image(f"hello:v{number}", f"i{number}")
    records = [{"version": f"v{number}"} for number in (4, 5, 6)]
    path = home / ".kamal/apps/hello-staging/history.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    Retirement(host, Changes(check_mode=False), share_of("none")).remove()
    assert set(host.pictures) == {"hello:v1", "hello:v3", "hello:latest-staging", "hello:v5", "hello:v6"}


def test_removing_keeps_images_that_something_else_uses_or_another_destination_had_under_a_tag_that_moved(
    host: FakeEngine, share_of: Share, home: Path
) -> None:
    host.add_image("hello:v4", "i4")
    host.add("db", "i4", service="hello-db")
    host.add_image("hello:v5", "i5")
    host.add_image("hello:v5", "another i5")
    path = home / ".kamal/apps/hello-staging/history.jsonl"
    path.write_text(json.dumps({"version": "v5", "image_id": "i5"}) + "\n")
    Retirement(host, Changes(check_mode=False), share_of("none")).remove()
    assert {"hello:v4", "i5"} < set(host.pictures)


def test_removing_twice_changes_nothing_the_second_time(host: FakeEngine, share_of: Share, home: Path) -> None:
    Retirement(host, Changes(check_mode=False), share_of("none")).remove()
    log = (home / ".kamal/hello-audit.log").read_text()
    changes = Changes(check_mode=False)
    Retirement(host, changes, share_of("none")).remove()
    assert changes.actions == []
    assert (home / ".kamal/hello-audit.log").read_text() == log


def test_check_mode_tells_what_removing_would_do(host: FakeEngine, share_of: Share, home: Path) -> None:
    predicted, done = Changes(check_mode=True), Changes(check_mode=False)
    Retirement(host, predicted, share_of("none")).remove()
    assert host.calls == [] and (home / ".kamal/apps/hello").exists()
    Retirement(host, done, share_of("none")).remove()
    assert predicted.actions == done.actions


@pytest.mark.parametrize("verb", ["stop", "remove"])
def test_a_proxy_that_has_stopped_is_started_to_forget_the_routes(
    host: FakeEngine, share_of: Share, home: Path, verb: str
) -> None:
    host.stop("kamal-proxy", None)
    host.calls.clear()
    predicted, done, again = Changes(check_mode=True), Changes(check_mode=False), Changes(check_mode=False)
    getattr(Retirement(host, predicted, share_of("none")), verb)()
    assert host.calls == []
    getattr(Retirement(host, done, share_of("none")), verb)()
    assert done.actions[:3] == ["start kamal-proxy", "remove route hello-web", "remove route odd-name"]
    assert predicted.actions == done.actions
    assert set(host.routes) == {"shop-web"}
    host.stop("kamal-proxy", None)
    getattr(Retirement(host, again, share_of("none")), verb)()
    assert again.actions == []
