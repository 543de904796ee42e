# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An accessory: booted where it is missing, started where it is stopped, never replaced."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app.accessory import Accessory
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError, EngineError, PortError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._shares import AccessoryShare
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import handover
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan
from fakes import FakeEngine

SECTION = {"image": "postgres:16", "host": "host1", "port": 5432, "env": {"secret": ["PASSWORD:DB_PASSWORD"]}}
SECRET = "s3cr3t-value"
MakePlan = Callable[..., Plan]
Share = Callable[..., AccessoryShare]


@pytest.fixture
def db(plan_of: MakePlan) -> Share:
    def make(destination: str | None = None, **changed: Any) -> AccessoryShare:
        plan = plan_of("v1", command="setup", accessories={"db": {**SECTION, **changed}})
        plan = replace(plan, destination=destination)
        return handover.accessory_share(plan, "db", "host1")

    return make


@pytest.fixture
def host(engine: FakeEngine, home: Path) -> FakeEngine:
    engine.add_image("postgres:16", "ipg", service=None)
    engine.networks.add("kamal")
    return engine


def act(engine: FakeEngine, share: Any, verb: str = "present", check: bool = False, password: str = SECRET) -> Changes:
    changes = Changes(check_mode=check)
    accessory = Accessory(engine, changes, share, {"DB_PASSWORD": password}, {"username": "u", "password": "p"})
    getattr(accessory, verb)()
    return changes


ENV_FILE = ".kamal/apps/hello/env/accessories/db.env"


def test_one_that_is_missing_is_booted(host: FakeEngine, db: Share, home: Path) -> None:
    predicted = act(host, db(), check=True)
    assert host.calls == [] and list(home.iterdir()) == []
    changes = act(host, db())
    assert predicted.actions == changes.actions == [f"write {ENV_FILE}", "boot container hello-db"]
    config = host.here["hello-db"]["Config"]
    assert {f"PASSWORD={SECRET}", "KAMAL_HOST=host1"} <= set(config["Env"])
    assert host.here["hello-db"]["HostConfig"]["PortBindings"]["5432/tcp"][0]["HostPort"] == "5432"
    assert (home / ENV_FILE).read_text() == f"PASSWORD={SECRET}\n"
    assert (home / ".kamal/hello-audit.log").read_text().endswith("[sam] Booted db accessory\n")
    assert SECRET not in json.dumps(changes.result())
    assert act(host, db()).actions == []


def test_what_it_needs_is_brought(engine: FakeEngine, db: Share, home: Path) -> None:
    engine.registry["postgres:16"] = FakeEngine().add_image("postgres:16", "ipg", service=None)
    assert act(engine, db()).actions[:2] == ["pull postgres:16", "create network kamal"]
    assert engine.pulled_with == {"username": "u", "password": "p"}


def test_one_that_was_cut_off_from_its_network_is_connected_again(host: FakeEngine, db: Share) -> None:
    act(host, db())
    host.disconnect("hello-db")
    host.networks.clear()
    expected = ["create network kamal", "connect hello-db to network kamal"]
    assert act(host, db(), check=True).actions == act(host, db()).actions == expected
    assert act(host, db()).actions == []


def test_one_that_was_stopped_is_started(host: FakeEngine, db: Share) -> None:
    act(host, db())
    before = host.here["hello-db"]["Id"]
    assert act(host, db(), "stopped").actions == ["stop container hello-db"]
    assert act(host, db(), "stopped").actions == []
    assert act(host, db()).actions == ["start container hello-db"]
    assert host.here["hello-db"]["Id"] == before


@pytest.mark.parametrize("difference", [{"image": "postgres:17"}, {"port": 5433}, {"cmd": "postgres -c x=y"}])
def test_one_that_differs_is_left_alone_with_a_warning(host: FakeEngine, db: Share, difference: dict[str, Any]) -> None:
    act(host, db())
    changes = act(host, db(**difference))
    assert not changes.changed
    assert "never replaced" in changes.notices[0]


def test_a_changed_secret_is_told_as_well(host: FakeEngine, db: Share) -> None:
    act(host, db())
    assert act(host, db(), password="rotated").notices


def test_one_of_kamal_is_taken_as_it_is(host: FakeEngine, db: Share) -> None:
    host.add("hello-db", "ipg", service="hello-db")
    changes = act(host, db())
    assert (changes.actions, changes.notices) == ([], [])


def test_a_container_of_another_service_is_not_ours(host: FakeEngine, db: Share) -> None:
    host.add("hello-db", "ipg", service="shop")
    with pytest.raises(EngineError, match="belongs to the service shop"):
        act(host, db())


def test_one_that_cannot_start_is_not_left_half_made(host: FakeEngine, db: Share) -> None:
    host.unstartable["hello-db"] = PortError("Docker could not start it: port is already allocated")
    with pytest.raises(PortError):
        act(host, db())
    assert host.here == {}


def test_removing_it_takes_its_secrets_along(host: FakeEngine, db: Share, home: Path) -> None:
    act(host, db())
    assert act(host, db(), "absent").actions == [
        "stop container hello-db",
        "remove container hello-db",
        f"remove {ENV_FILE}",
    ]
    assert host.here == {} and not (home / ENV_FILE).exists()
    assert host.lost_volumes == []
    assert act(host, db(), "absent").actions == []


@pytest.mark.parametrize(
    ("booted", "removed", "app", "stays"),
    [
        (None, "staging", [], "it was booted for no destination"),
        ("staging", None, [], "it was booted for the destination staging"),
        ("staging", "staging", [], None),
        ("staging", "staging", ["staging"], None),
        ("staging", "staging", ["", "qa"], "hello is also here for no destination, the destination qa"),
        ("kamal", "staging", ["staging", ""], "hello is also here for no destination"),
        ("kamal", "staging", ["staging"], None),
    ],
)
def test_one_that_another_destination_may_need_stays(
    host: FakeEngine, db: Share, booted: str | None, removed: str | None, app: list[str], stays: str | None
) -> None:
    if booted == "kamal":
        host.add("hello-db", "ipg", service="hello-db")
    else:
        act(host, db(booted))
    for destination in app:
        host.add(f"hello-web-{destination}v1", "i1", "exited", service="hello", role="web", destination=destination)
    predicted = act(host, db(removed), "absent", check=True)
    changes = act(host, db(removed), "absent")
    assert predicted.actions == changes.actions
    assert ("hello-db" in host.running) is (stays is not None)
    notices = [f"hello-db stays on this host: {stays}. If nothing needs it, remove it there: docker rm -f hello-db"]
    assert changes.notices == (notices if stays else [])


def test_destinations_that_share_one_are_told_of_no_difference(host: FakeEngine, db: Share) -> None:
    act(host, db("staging"))
    changes = act(host, db(None))
    assert ([a for a in changes.actions if "container" in a], changes.notices) == ([], [])


def test_an_accessory_that_is_not_in_the_plan_is_named_with_those_that_are(plan_of: MakePlan) -> None:
    plan = plan_of("v1", accessories={"db": SECTION})
    with pytest.raises(ConfigError, match="no accessory redis; the configuration has db"):
        handover.accessory_share(plan, "redis", "host1")


@pytest.mark.parametrize(
    ("root", "own", "image", "login"),
    [
        (None, None, "postgres:16", None),
        ({"server": "r:1", "username": "u", "password": ["P"]}, None, "postgres:16", None),
        ({"server": "r:1", "username": "u", "password": ["P"]}, None, "r:1/postgres", {"secret": "P"}),
        (
            {"server": "r:1", "username": "u", "password": ["P"]},
            {"server": "r:2", "username": "o", "password": ["Q"]},
            "postgres:16",
            {"secret": "Q"},
        ),
    ],
    ids=["none", "of another server", "the app's", "its own"],
)
def test_which_login_its_image_is_pulled_with(plan_of: MakePlan, root: Any, own: Any, image: str, login: Any) -> None:
    section = {**SECTION, "image": image, **({"registry": own} if own else {})}
    plan = plan_of("v1", accessories={"db": section}, **({"registry": root} if root else {}))
    registry = plan.accessories["db"].registry
    assert to_data(registry and registry.password) == login
    assert "DB_PASSWORD" in plan.secrets
    assert login is None or login["secret"] in plan.secrets


@pytest.mark.parametrize("key", ["files", "directories", "proxy"])
def test_what_is_not_acted_on_yet_stops_a_setup_but_no_deploy(plan_of: MakePlan, key: str) -> None:
    accessories = {"db": {**SECTION, key: {"host": "db.example.com"} if key == "proxy" else ["a:/b"]}}
    plan_of("v1", command="deploy", accessories=accessories)
    with pytest.raises(ConfigError, match=f"accessories/db/{key}"):
        plan_of("v1", command="setup", accessories=accessories)
