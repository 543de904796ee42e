# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""An accessory: booted where it is missing, replaced where its configuration changed, put back where that fails."""

from __future__ import annotations

import errno
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Callable
from unittest.mock import Mock

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import command_leftovers, replacement
from ansible_collections.caravan.kamal.plugins.module_utils._app.accessory import Accessory
from ansible_collections.caravan.kamal.plugins.module_utils._app.accessory_host import AccessoryHost
from ansible_collections.caravan.kamal.plugins.module_utils._app.accessory_route import AccessoryRoute
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.module_utils._errors import (
    AccessoryError,
    CaravanError,
    ConfigError,
    EngineError,
    HealthError,
    PortError,
)
from ansible_collections.caravan.kamal.plugins.module_utils._host import files
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Executed
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import certificate, commands
from ansible_collections.caravan.kamal.plugins.module_utils._shares import AccessoryShare
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import handover
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan
from fakes import FakeEngine
from faults import Killed, fail_once, failing_os

pytestmark = pytest.mark.usefixtures("no_waiting")

SECTION = {"image": "postgres:16", "host": "host1", "port": 5432, "env": {"secret": ["PASSWORD:DB_PASSWORD"]}}
FILES = {"files": ["config/db.conf:/etc/db.conf:ro"], "directories": ["data:/data"]}
SECRET = "s3cr3t-value"
ENV_FILE = ".kamal/apps/hello/env/accessories/db.env"
CONF = "hello-db/etc/db.conf"
MakePlan = Callable[..., Plan]
Share = Callable[..., AccessoryShare]


@pytest.fixture
def db(plan_of: MakePlan) -> Share:
    def make(destination: str | None = None, **changed: Any) -> AccessoryShare:
        section = {key: value for key, value in {**SECTION, **changed}.items() if value is not None}
        plan = plan_of("v1", command="setup", destination=destination, accessories={"db": section})
        return handover.accessory_share(plan, "db", "host1")

    return make


@pytest.fixture
def host(engine: FakeEngine, home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    monkeypatch.setattr(replacement, "POLL", 0.001)
    for tag in ("16", "17"):
        engine.add_image(f"postgres:{tag}", f"ipg{tag}", service=None)
    engine.networks.add("kamal")
    engine.now = lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return engine


def act(
    engine: FakeEngine,
    share: Any,
    verb: str = "present",
    check: bool = False,
    password: str = SECRET,
    conf: str = "a = 1\n",
    **options: Any,
) -> Changes:
    changes = Changes(check_mode=check)
    login = {"username": "u", "password": "p"}
    contents = {file.path: conf.encode() for file in share.files}
    accessory = Accessory(AccessoryHost(engine, changes, share, {"DB_PASSWORD": password}, login, contents))
    getattr(accessory, verb)(**options)
    return changes


def foreseen_and_done(engine: FakeEngine, share: Any, *arguments: Any, **options: Any) -> Changes:
    """What a run does, after a dry run that listed the same and changed nothing."""
    engine.calls.clear()
    dry = act(engine, share, *arguments, check=True, **options)
    assert engine.calls == []
    done = act(engine, share, *arguments, **options)
    assert dry.actions == done.actions
    return done


def containers(engine: FakeEngine) -> dict[str, str]:
    return {name: container["State"]["Status"] for name, container in engine.here.items()}


def test_one_that_is_missing_is_booted(host: FakeEngine, db: Share, home: Path) -> None:
    predicted = act(host, db(), check=True)
    assert host.calls == [] and list(home.iterdir()) == []
    changes = act(host, db())
    assert predicted.actions == changes.actions == ["boot container hello-db", f"write {ENV_FILE}"]
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
    assert foreseen_and_done(host, db()).actions == expected
    assert act(host, db()).actions == []


def test_one_that_kamal_1_booted_is_replaced_by_an_upgrade_alone(host: FakeEngine, db: Share) -> None:
    outside = host.add("hello-db", "postgres:16", service="hello-db")
    outside["HostConfig"]["NetworkMode"], outside["NetworkSettings"]["Networks"] = "default", {"bridge": {}}
    assert act(host, db()).actions == []
    expected = ["stop container hello-db", "boot container hello-db", "remove container hello-db_before"]
    assert [
        action for action in foreseen_and_done(host, db(), upgrade=True).actions if ENV_FILE not in action
    ] == expected
    assert host.here["hello-db"]["NetworkSettings"]["Networks"] == {"kamal": {"IPAddress": ""}}
    assert act(host, db(), upgrade=True).actions == []


def test_one_that_kamal_2_booted_is_left_alone_by_an_upgrade(host: FakeEngine, db: Share) -> None:
    host.add("hello-db", "postgres:16", service="hello-db")
    assert act(host, db(), upgrade=True).actions == []


def test_it_is_stopped_started_and_restarted_as_it_is(host: FakeEngine, db: Share) -> None:
    act(host, db())
    before, changed = host.here["hello-db"]["Id"], db(image="postgres:17")
    for verb, actions in (
        ("stopped", ["stop container hello-db"]),
        ("stopped", []),
        ("restarted", ["start container hello-db"]),
        ("restarted", ["stop container hello-db", "start container hello-db"]),
        ("stopped", ["stop container hello-db"]),
        ("started", ["start container hello-db"]),
        ("started", []),
    ):
        assert foreseen_and_done(host, changed, verb).actions == actions
    assert host.here["hello-db"]["Id"] == before


@pytest.mark.parametrize("verb", ["started", "restarted"])
def test_one_that_is_not_there_cannot_be_started(host: FakeEngine, db: Share, verb: str) -> None:
    with pytest.raises(AccessoryError, match="never booted there. Boot it with"):
        act(host, db(), verb)


# Convergence


@pytest.mark.parametrize(
    ("changed", "options"),
    [
        ({"image": "postgres:17"}, {}),
        ({"port": 5433}, {}),
        ({"cmd": "postgres -c x=y"}, {}),
        ({"options": {"cpus": 2}}, {}),
        (FILES, {}),
        ({}, {"password": "rotated"}),
        ({}, {"recreate": True}),
    ],
    ids=["image", "port", "command", "option", "files", "secret", "asked for"],
)
def test_one_that_differs_is_replaced(host: FakeEngine, db: Share, changed: Any, options: Any) -> None:
    act(host, db())
    before = host.here["hello-db"]["Id"]
    done = foreseen_and_done(host, db(**changed), **options)
    assert done.actions[0] == "make folder hello-db/data" if changed == FILES else "stop container hello-db"
    for action in ("boot container hello-db", "remove container hello-db_before"):
        assert action in done.actions
    assert containers(host) == {"hello-db": "running"} and host.here["hello-db"]["Id"] != before
    assert host.lost_volumes == []
    options.pop("recreate", None)
    assert act(host, db(**changed), **options).actions == []


def test_what_changes_is_shown(host: FakeEngine, db: Share) -> None:
    act(host, db())
    diff = act(host, db(image="postgres:17"), check=True, password="rotated").result()["diff"]
    assert "db/Image: postgres:16\n" in diff["before"] and "db/Image: postgres:17\n" in diff["after"]
    assert "db/secrets changed: PASSWORD\n" in diff["before"]
    assert SECRET not in str(diff) and "rotated" not in str(diff)


def test_the_old_one_stops_before_the_new_one_starts_or_after(host: FakeEngine, db: Share) -> None:
    act(host, db(port=None))
    host.calls.clear()
    act(host, db(port=None, cmd="a"))
    assert host.calls[:3] == ["create hello-db_staged", "stop hello-db", "start hello-db_staged"]
    host.calls.clear()
    act(host, db(port=None, cmd="b", update="start_first"))
    assert host.calls == [
        "create hello-db_staged",
        "start hello-db_staged",
        "rename hello-db hello-db_before",
        "rename hello-db_staged hello-db",
        "stop hello-db_before",
        "remove hello-db_before",
    ]


def test_data_in_a_volume_without_a_name_goes_on(host: FakeEngine, db: Share) -> None:
    """Also the second time, when the volume has become one of the container's own binds."""
    act(host, db(port=None))
    anonymous = {"Type": "volume", "Name": "f00d", "Destination": "/var/lib/data"}
    host.here["hello-db"]["Mounts"] = [anonymous]
    done = act(host, db(port=None, cmd="a", update="start_first"))
    assert "stopped first this time" in done.notices[0]
    assert host.here["hello-db"]["HostConfig"]["Binds"] == ["f00d:/var/lib/data"]
    host.here["hello-db"]["Mounts"] = [anonymous]
    act(host, db(port=None, cmd="b"))
    assert host.here["hello-db"]["HostConfig"]["Binds"] == ["f00d:/var/lib/data"]
    host.here["hello-db"]["Mounts"] = [anonymous]
    act(host, db(port=None, volumes=["named:/var/lib/data"]))
    assert host.here["hello-db"]["HostConfig"]["Binds"] == ["named:/var/lib/data"]


def test_a_newer_image_under_the_same_tag_is_taken_if_asked_for(host: FakeEngine, db: Share) -> None:
    act(host, db())
    host.registry["postgres:16"] = FakeEngine().add_image("postgres:16", "newer", service=None, digest="sha256:2")
    assert act(host, db()).actions == []
    done = foreseen_and_done(host, db(), pull=True)
    assert done.actions[:2] == ["pull postgres:16", "stop container hello-db"]
    assert host.here["hello-db"]["Image"] == "newer"
    assert act(host, db(), pull=True).actions == []


def test_one_of_kamal_is_taken_as_it_is(host: FakeEngine, db: Share) -> None:
    host.add("hello-db", "postgres:16", service="hello-db")
    changes = act(host, db())
    assert (changes.actions, changes.notices) == ([], [])
    changes = act(host, db(image="postgres:17"))
    assert changes.actions == [] and "caravan.kamal.accessory.reboot" in changes.notices[0]
    assert "boot container hello-db" in foreseen_and_done(host, db(), recreate=True).actions


def test_a_container_of_another_service_is_not_ours(host: FakeEngine, db: Share) -> None:
    host.add("hello-db", "ipg16", service="shop")
    with pytest.raises(AccessoryError, match="belongs to the service shop"):
        act(host, db())


def test_one_of_another_destination_is_not_replaced(host: FakeEngine, db: Share) -> None:
    act(host, db("staging"))
    changes = act(host, db(None))
    assert ([a for a in changes.actions if "container" in a], changes.notices) == ([], [])
    changes = act(host, db(None, port=1))
    assert not changes.changed
    assert "booted for the destination staging" in changes.notices[0]


# Readiness, and the way back

SLOW = {"ready": "check", "ready_timeout": 0}


def assert_told(error: Any, *words: str) -> None:
    for word in words:
        assert word in error.value.message


def test_what_is_not_ready_in_time_is_given_up_and_the_old_comes_back(host: FakeEngine, db: Share, home: Path) -> None:
    act(host, db(**FILES))
    before = host.here["hello-db"]["Id"]
    host.answers["check"] = Executed(1, "no connection\n")
    host.output["hello-db"] = "cannot read my files"
    with pytest.raises(HealthError) as error:
        act(host, db(**FILES, ready="check it", ready_timeout=0), conf="a = 2\n", password="rotated")
    assert_told(
        error, "not get ready on host1: check it still ended with code 1 after ready_timeout (0 s): no connection"
    )
    assert_told(error, "cannot read my files", "The container that was there before runs again.")
    assert containers(host) == {"hello-db": "running", "hello-db_failed": "exited"}
    assert host.here["hello-db"]["Id"] == before
    assert (home / CONF).read_text() == "a = 1\n"
    assert (home / ENV_FILE).read_text() == f"PASSWORD={SECRET}\n"
    assert act(host, db(**FILES)).actions == []
    host.answers.clear()
    act(host, db(**FILES, ready="check it", ready_timeout=0), conf="a = 2\n")
    assert (home / CONF).read_text() == "a = 2\n"
    assert not list(home.rglob(".*.before"))


@pytest.mark.parametrize("kind", ["dying", "crashing", "sick"])
def test_what_ends_or_cannot_start_is_given_up(host: FakeEngine, db: Share, kind: str) -> None:
    act(host, db())
    health = {"options": {"health-cmd": "x"}} if kind == "sick" else {}
    if kind == "crashing":
        host.crashing["postgres:17"] = 3
    else:
        getattr(host, kind).add("postgres:17")
    with pytest.raises(CaravanError) as error:
        act(host, db(image="postgres:17", **health))
    assert_told(error, "hello-db did not get ready")
    assert containers(host) == {"hello-db": "running", "hello-db_failed": "exited"}


def test_the_first_one_that_is_not_ready_in_time_runs_on_and_is_looked_at_again(host: FakeEngine, db: Share) -> None:
    """To stop a database in the middle of its first steps would leave half of one."""
    share = db(ready="check", ready_timeout=0)
    host.answers["check"] = Executed(1, "still copying")
    with pytest.raises(HealthError, match="It runs on as hello-db_staged; the next run looks at it again"):
        act(host, share)
    new = host.here["hello-db_staged"]["Id"]
    host.answers.clear()
    assert foreseen_and_done(host, share).actions == ["boot container hello-db", f"write {ENV_FILE}"]
    assert containers(host) == {"hello-db": "running"} and host.here["hello-db"]["Id"] == new


@pytest.fixture
def first(host: FakeEngine, db: Share) -> str:
    """The first one was not ready in time and runs on, for production; this is its ID."""
    host.answers["check"] = Executed(1, "still copying")
    with pytest.raises(HealthError):
        act(host, db("production", **SLOW))
    host.calls.clear()
    return str(host.here["hello-db_staged"]["Id"])


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("verb", ["started", "restarted"])
def test_what_is_in_its_first_steps_is_not_ended_to_start_it(
    host: FakeEngine, db: Share, first: str, verb: str, check: bool
) -> None:
    with pytest.raises(AccessoryError, match=r"runs on as hello-db_staged\. Boot it again.*accessory\.boot"):
        act(host, db("production", **SLOW), verb, check)
    assert (host.calls, host.here["hello-db_staged"]["Id"]) == ([], first)


def test_what_is_in_its_first_steps_is_not_replaced_by_a_reboot(host: FakeEngine, db: Share, first: str) -> None:
    with pytest.raises(HealthError, match="It runs on as hello-db_staged"):
        act(host, db("production", **SLOW), recreate=True)
    host.answers.clear()
    done = foreseen_and_done(host, db("production", **SLOW), recreate=True)
    assert [action for action in done.actions if "container" in action] == ["boot container hello-db"]
    assert (containers(host), host.here["hello-db"]["Id"]) == ({"hello-db": "running"}, first)


@pytest.mark.parametrize("end", ["stopped", "other settings"])
def test_the_first_one_is_made_anew_where_that_is_asked_for(host: FakeEngine, db: Share, first: str, end: str) -> None:
    """Otherwise one that never gets ready would be there for ever."""
    if end == "stopped":
        act(host, db("production", **SLOW), "stopped")
    host.answers.clear()
    done = foreseen_and_done(host, db("production", **SLOW, cmd=None if end == "stopped" else "mended"))
    assert done.actions[:2] == ["remove container hello-db_staged", "boot container hello-db"]
    assert containers(host) == {"hello-db": "running"} and host.here["hello-db"]["Id"] != first


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("recreate", [True, False])
def test_the_first_steps_of_another_destination_are_left_to_it(
    host: FakeEngine, db: Share, first: str, recreate: bool, check: bool
) -> None:
    with pytest.raises(AccessoryError, match="booted for the destination production runs on as hello-db_staged"):
        act(host, db("staging", **SLOW), check=check, password="another", recreate=recreate)
    assert (host.calls, host.here["hello-db_staged"]["Id"]) == ([], first)


def test_another_destination_that_wants_the_same_goes_on_with_the_first_one(
    host: FakeEngine, db: Share, first: str
) -> None:
    host.answers.clear()
    done = foreseen_and_done(host, db("staging", **SLOW))
    assert [action for action in done.actions if "container" in action] == ["boot container hello-db"]
    assert (containers(host), host.here["hello-db"]["Id"]) == ({"hello-db": "running"}, first)


def test_what_a_killed_run_of_another_destination_has_left_is_left_to_it(
    host: FakeEngine, db: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its own configuration says which files the old container had."""
    act(host, db("production", **FILES))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(host, "rename", Mock(side_effect=Killed))
        act(host, db("production", **FILES, image="postgres:17"))
    host.calls.clear()
    with pytest.raises(AccessoryError, match="booted for the destination production runs on as hello-db_staged"):
        act(host, db("staging", cmd="other"))
    assert host.calls == []
    assert "boot container hello-db" in foreseen_and_done(host, db("production", **FILES, image="postgres:17")).actions


def test_the_first_one_that_cannot_start_is_not_left_half_made(host: FakeEngine, db: Share) -> None:
    host.unstartable["hello-db"] = PortError("Docker could not start it: port is already allocated")
    with pytest.raises(HealthError, match="port is already allocated"):
        act(host, db())
    assert host.here == {}


def test_an_old_one_that_cannot_start_again_is_not_said_to_run(host: FakeEngine, db: Share) -> None:
    act(host, db())
    host.unstartable["hello-db"] = PortError("Docker could not start it: port is already allocated")
    with pytest.raises(HealthError, match="Nothing runs there now"):
        act(host, db(image="postgres:17"))


def test_while_the_new_one_cannot_be_stopped_the_old_one_keeps_off_its_data(
    host: FakeEngine, db: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    act(host, db())
    host.answers["check"] = Executed(1, "no connection")
    stop = host.stop

    def stop_but_not_the_new_one(name: str, timeout: int | None) -> None:
        if name == "hello-db_staged":
            raise EngineError("Docker could not stop it")
        stop(name, timeout)

    monkeypatch.setattr(host, "stop", stop_but_not_the_new_one)
    with pytest.raises(HealthError, match="hello-db was not started beside hello-db_staged, which still runs"):
        act(host, db(image="postgres:17", ready="check", ready_timeout=0))
    assert containers(host) == {"hello-db": "exited", "hello-db_staged": "running"}


def test_a_backup_is_made_before_anything_changes(host: FakeEngine, db: Share) -> None:
    act(host, db())
    done = foreseen_and_done(host, db(image="postgres:17", backup="dump all"))
    assert done.actions[:2] == ["back up hello-db", "stop container hello-db"]
    assert host.calls[0] == "run dump in hello-db"
    assert "back up hello-db" not in act(host, db(backup="dump"), backup=False).actions


@pytest.mark.parametrize("state", ["running", "exited"])
def test_without_its_backup_nothing_changes(host: FakeEngine, db: Share, state: str) -> None:
    act(host, db(**FILES))
    if state == "exited":
        act(host, db(**FILES), "stopped")
    host.answers["dump"] = Executed(2, "disk full")
    with pytest.raises(AccessoryError) as error:
        act(host, db(**FILES, backup="dump"), conf="a = 2\n")
    assert_told(
        error, "failed, so it was not replaced", "It ended with code 2: disk full", "kamal_accessory_backup=false"
    )
    assert containers(host) == {"hello-db": state}
    assert act(host, db(**FILES), check=True).actions == ([] if state == "running" else ["start container hello-db"])


# Behind kamal-proxy

ROUTED = {"port": None, "proxy": {"host": "db.example.com", "app_port": 9200}}


@pytest.fixture
def proxied(host: FakeEngine) -> FakeEngine:
    host.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
    return host


def test_kamal_proxy_is_booted_and_leads_to_it(proxied: FakeEngine, db: Share) -> None:
    proxied.networks.clear()
    done = foreseen_and_done(proxied, db(**ROUTED))
    expected = [
        "create network kamal",
        "boot kamal-proxy",
        "boot container hello-db",
        "route hello-db to hello-db",
        f"write {ENV_FILE}",
    ]
    assert done.actions == expected
    assert proxied.target("hello-db") == "hello-db"
    assert proxied.routes["hello-db"]["active_targets"][0].endswith(":9200")
    assert act(proxied, db(**ROUTED)).actions == []


def test_its_route_goes_when_it_stops_and_comes_back_when_it_starts(proxied: FakeEngine, db: Share) -> None:
    act(proxied, db(**ROUTED))
    assert foreseen_and_done(proxied, db(**ROUTED), "stopped").actions == [
        "remove route hello-db",
        "stop container hello-db",
    ]
    assert foreseen_and_done(proxied, db(**ROUTED), "started").actions == [
        "start container hello-db",
        "route hello-db to hello-db",
    ]
    act(proxied, db(**ROUTED), "restarted")
    assert proxied.target("hello-db") == "hello-db"
    act(proxied, db(**ROUTED), "absent")
    assert proxied.routes == {}


@pytest.mark.parametrize("verb", ["stopped", "absent"])
def test_kamal_proxy_that_has_stopped_runs_again_to_forget_its_route(proxied: FakeEngine, db: Share, verb: str) -> None:
    act(proxied, db(**ROUTED))
    proxied.stop("kamal-proxy", None)
    done = foreseen_and_done(proxied, db(**ROUTED), verb)
    assert done.actions[:3] == ["start kamal-proxy", "remove route hello-db", "stop container hello-db"]
    assert proxied.routes == {} and "hello-db" not in proxied.running


def test_the_route_follows_the_new_container_or_stays(proxied: FakeEngine, db: Share) -> None:
    first = db(**ROUTED)
    act(proxied, first)
    changed = db(**ROUTED, image="postgres:17", update="start_first")
    diff = act(proxied, changed, check=True).result()["diff"]
    assert "db/Image: postgres:17\n" in diff["after"] and "hello-db/target: the new container:9200\n" in diff["after"]
    foreseen_and_done(proxied, changed)
    assert proxied.target("hello-db") == "hello-db"
    before = proxied.routes["hello-db"]["active_targets"]
    proxied.sick.add("postgres:16")
    with pytest.raises(HealthError, match="failed to become healthy"):
        act(proxied, db(**ROUTED, image="postgres:16", update="start_first"))
    assert proxied.routes["hello-db"]["active_targets"] == before
    assert containers(proxied) == {"kamal-proxy": "running", "hello-db": "running", "hello-db_failed": "exited"}


def test_a_route_that_was_switched_all_the_same_is_what_it_was_before(proxied: FakeEngine, db: Share) -> None:
    act(proxied, db(**ROUTED))
    before = dict(proxied.routes["hello-db"])
    proxied.fails_after_switch = True
    elsewhere = {"port": None, "proxy": {"host": "db2.example.com", "app_port": 9300}}
    with pytest.raises(HealthError, match="did not drain"):
        act(proxied, db(**elsewhere, image="postgres:17", update="start_first"))
    assert proxied.routes["hello-db"] == before


def test_a_dry_run_that_fails_changes_nothing(proxied: FakeEngine, db: Share, monkeypatch: pytest.MonkeyPatch) -> None:
    share = db(**ROUTED, ready="check", ready_timeout=0)
    proxied.answers["check"] = Executed(1, "still copying")
    with pytest.raises(HealthError):
        act(proxied, share)
    proxied.calls.clear()
    monkeypatch.setattr(AccessoryRoute, "lead_to", Mock(side_effect=EngineError("Docker did not answer")))
    with pytest.raises(EngineError):
        act(proxied, share, check=True)
    assert proxied.calls == []


def test_requests_wait_while_it_is_replaced_or_restarted(proxied: FakeEngine, db: Share) -> None:
    share = db(**ROUTED)
    act(proxied, share)
    changed = foreseen_and_done(proxied, db(**ROUTED, image="postgres:17")).actions
    held = ["pause route hello-db", "stop container hello-db", "boot container hello-db", "route hello-db to hello-db"]
    assert changed[-6:-1] == [*held, "resume route hello-db"]
    proxied.dying.add("postgres:16")
    with pytest.raises(HealthError):
        act(proxied, share)
    *_before, deployed, resumed, _put_aside = proxied.calls
    assert [deployed, resumed] == ["kamal-proxy deploy hello-db", "kamal-proxy resume hello-db"]
    assert act(proxied, db(**ROUTED, image="postgres:17"), "restarted").actions == [
        "pause route hello-db",
        "stop container hello-db",
        "start container hello-db",
        "route hello-db to hello-db",
        "resume route hello-db",
    ]


@pytest.mark.parametrize(
    ("verb", "before"),
    [("restarted", "running"), ("restarted", "exited"), ("started", "exited"), ("present", "exited")],
)
def test_on_a_full_disk_what_was_stopped_is_started_and_served_all_the_same(
    proxied: FakeEngine, db: Share, monkeypatch: pytest.MonkeyPatch, verb: str, before: str
) -> None:
    act(proxied, db(**ROUTED))
    if before == "exited":  # as an earlier restart was cut short
        proxied.execute("kamal-proxy", ["kamal-proxy", "pause", "hello-db"])
        proxied.stop("hello-db", None)
    with monkeypatch.context() as patch, pytest.raises(AccessoryError) as error:
        patch.setattr(files, "os", failing_os("write", errno.ENOSPC, lasting=True))
        act(proxied, db(**ROUTED), verb)
    assert_told(error, "Not all", "hello-db on host1", "hello-audit.log: No space left on device. Make room there")
    assert "hello-db" in proxied.running and commands.services(proxied)["hello-db"].state == "running"
    assert act(proxied, db(**ROUTED)).actions == []


@pytest.mark.parametrize("call", ["stop", "start"])
def test_what_docker_refuses_of_a_restart_is_told(
    proxied: FakeEngine, db: Share, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    act(proxied, db(**ROUTED))
    fail_once(monkeypatch, proxied, call)
    with pytest.raises(AccessoryError, match="Docker did not answer"):
        act(proxied, db(**ROUTED), "restarted")
    if call == "stop":
        assert commands.services(proxied)["hello-db"].state == "running"
    assert foreseen_and_done(proxied, db(**ROUTED), "started").actions[:1] == (
        ["start container hello-db"] if call == "start" else []
    )
    assert commands.services(proxied)["hello-db"].state == "running"


def test_a_route_that_a_person_has_stopped_stays_stopped(proxied: FakeEngine, db: Share) -> None:
    act(proxied, db(**ROUTED))
    proxied.execute("kamal-proxy", ["kamal-proxy", "stop", "hello-db"])
    act(proxied, db(**ROUTED, image="postgres:17"))
    assert proxied.routes["hello-db"]["pause_controller"]["state"] == 2


def test_another_option_of_the_route_needs_no_new_container(proxied: FakeEngine, db: Share) -> None:
    act(proxied, db(**ROUTED))
    changed = db(port=None, proxy={"host": "other.example.com", "app_port": 9200})
    assert foreseen_and_done(proxied, changed).actions == ["route hello-db to hello-db"]
    assert "remove route hello-db" in foreseen_and_done(proxied, db(port=None)).actions


OTHERWISE = [None, {"host": "db.staging.example.com", "app_port": 9200}]
HELD = [
    "pause route hello-db",
    "stop container hello-db",
    "start container hello-db",
    "route hello-db to hello-db",
    "resume route hello-db",
]


@pytest.mark.parametrize("proxy", OTHERWISE)
@pytest.mark.parametrize(
    ("verb", "state", "actions"),
    [
        ("present", "running", [f"write {ENV_FILE.replace('hello', 'hello-staging')}"]),
        ("started", "exited", ["start container hello-db"]),
        ("restarted", "running", HELD),
    ],
)
def test_the_route_of_another_destination_stays_as_it_is(
    proxied: FakeEngine, db: Share, proxy: Any, verb: str, state: str, actions: list[str]
) -> None:
    act(proxied, db("production", **ROUTED))
    if state == "exited":
        proxied.stop("hello-db", None)
    before = commands.services(proxied)
    done = foreseen_and_done(proxied, db("staging", port=None, proxy=proxy), verb)
    assert (done.actions, commands.services(proxied), "hello-db" in proxied.running) == (actions, before, True)
    notice = "hello-db is routed otherwise than accessories/db says, but it was booted for the destination production."
    assert [each[: len(notice)] for each in done.notices] == ([notice] if verb == "present" else [])


@pytest.mark.parametrize("proxy", OTHERWISE)
def test_a_destination_that_goes_on_for_another_goes_on_with_its_route(
    proxied: FakeEngine, db: Share, monkeypatch: pytest.MonkeyPatch, proxy: Any
) -> None:
    act(proxied, db("production", **ROUTED))
    before = commands.services(proxied)["hello-db"]
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(AccessoryRoute, "lead_to", Mock(side_effect=Killed))
        act(proxied, db("production", **ROUTED, image="postgres:17"))
    foreseen_and_done(proxied, db("staging", port=None, proxy=proxy, image="postgres:17"))
    now = commands.services(proxied)["hello-db"]
    assert (now.options, now.state, proxied.target("hello-db")) == (before.options, "running", "hello-db")
    assert proxied.here["hello-db"]["Image"] == "ipg17"


def test_destinations_that_route_it_alike_serve_it_alike(proxied: FakeEngine, db: Share) -> None:
    act(proxied, db("production", **ROUTED))
    assert act(proxied, db("staging", **ROUTED)).notices == []
    assert foreseen_and_done(proxied, db("staging", **ROUTED), "restarted").actions == HELD
    act(proxied, db("staging", **ROUTED), "stopped")
    assert "route hello-db to hello-db" in foreseen_and_done(proxied, db("staging", **ROUTED), "started").actions


@pytest.mark.parametrize("proxy", OTHERWISE)
def test_a_reboot_for_another_destination_takes_the_route_too(proxied: FakeEngine, db: Share, proxy: Any) -> None:
    act(proxied, db("production", **ROUTED))
    foreseen_and_done(proxied, db("staging", port=None, proxy=proxy), recreate=True)
    hosts = {name: route["options"]["hosts"] for name, route in proxied.routes.items()}
    assert hosts == ({"hello-db": [proxy["host"]]} if proxy else {})


def test_files_of_another_destination_keep_their_mode(host: FakeEngine, db: Share, home: Path) -> None:
    theirs, ours = ({"local": "a", "remote": "/etc/db.conf", "mode": mode} for mode in ("0640", "0600"))
    act(host, db("production", files=[theirs]))
    act(host, db("staging", files=[ours]))
    assert (home / CONF).stat().st_mode & 0o777 == 0o640


# Files and folders


def test_files_and_folders_lie_where_kamal_puts_them(host: FakeEngine, db: Share, home: Path) -> None:
    long = {"local": "a", "remote": "/etc/secret", "mode": "0640", "options": "ro"}
    share = db(files=["config/db.conf:/etc/db.conf", long], directories=["data:/data", f"{home}/srv:/srv:ro"])
    done = foreseen_and_done(host, share)
    assert done.actions == [
        "make folder hello-db/data",
        f"make folder {home}/srv",
        f"write {CONF}",
        "write hello-db/etc/secret",
        "boot container hello-db",
        f"write {ENV_FILE}",
    ]
    assert host.here["hello-db"]["HostConfig"]["Binds"] == [
        f"{home}/{CONF}:/etc/db.conf",
        f"{home}/hello-db/etc/secret:/etc/secret:ro",
        f"{home}/hello-db/data:/data",
        f"{home}/srv:/srv:ro",
    ]
    modes = {path: (home / path).stat().st_mode & 0o777 for path in (CONF, "hello-db/etc/secret", "hello-db/data")}
    assert modes == {CONF: 0o755, "hello-db/etc/secret": 0o640, "hello-db/data": 0o755}
    assert (home / "hello-db").stat().st_mode & 0o777 == 0o700
    assert act(host, share).actions == []


def test_a_file_that_changed_replaces_the_accessory(host: FakeEngine, db: Share, home: Path) -> None:
    act(host, db(**FILES))
    done = foreseen_and_done(host, db(**FILES), conf="a = 2\n")
    assert done.actions[:2] == ["stop container hello-db", f"write {CONF}"]
    diff = done.result()["diff"]
    assert f"{CONF}[0]: a = 1\n" in diff["before"] and f"{CONF}[0]: a = 2\n" in diff["after"]
    assert (home / CONF).read_text() == "a = 2\n"
    assert not list(home.rglob(".*.before"))


@pytest.mark.parametrize(
    ("before", "after"), [("db.conf", "db.conf.erb"), ("db.conf.erb", "db.conf"), ("a.j2", "b.j2")]
)
def test_what_may_hold_a_secret_is_not_shown(host: FakeEngine, db: Share, before: str, after: str) -> None:
    act(host, db(files=[f"{before}:/etc/db.conf"]), conf="old-words")
    diff = act(host, db(files=[f"{after}:/etc/db.conf"]), conf="new-words", check=True).result()["diff"]
    assert f"{CONF}: set\n" in diff["before"] and f"{CONF}: set anew\n" in diff["after"]
    assert "words" not in str(diff)


def test_a_file_with_another_mode_is_mended_without_a_restart(host: FakeEngine, db: Share, home: Path) -> None:
    act(host, db(**FILES))
    (home / CONF).chmod(0o600)
    (home / "hello-db/data").chmod(0o700)  # which a database may do itself
    assert foreseen_and_done(host, db(**FILES)).actions == [f"give {CONF} its mode and owner"]
    assert (home / CONF).stat().st_mode & 0o777 == 0o755
    assert (home / "hello-db/data").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("local", "directory", "mode"),
    [("db.conf.j2", "data", 0o700), ("db.conf", "data", 0o755), ("db.conf.j2", ".", 0o755)],
)
def test_the_folder_around_a_secret_is_for_its_owner_only(
    host: FakeEngine, db: Share, home: Path, local: str, directory: str, mode: int
) -> None:
    """Kamal leaves it open, and so are the files in it. A folder that a container sees is left to that."""
    share = db(files=[f"{local}:/etc/db.conf"], directories=[f"{directory}:/data"])
    act(host, share)
    (home / "hello-db").chmod(0o755)
    done = foreseen_and_done(host, share)
    assert done.actions == (["make hello-db readable by its owner only"] if mode == 0o700 else [])
    assert (home / "hello-db").stat().st_mode & 0o777 == mode
    assert act(host, share).actions == []


def test_a_file_that_its_container_has_not_seen_is_found(host: FakeEngine, db: Share, home: Path) -> None:
    """Written by a run that was killed, or by hand."""
    act(host, db(**FILES))
    host.here["hello-db"]["State"]["StartedAt"] = "2020-01-01T00:00:00Z"
    assert "boot container hello-db" in foreseen_and_done(host, db(**FILES)).actions


# Removal


def test_removing_it_takes_its_secrets_along(host: FakeEngine, db: Share, home: Path) -> None:
    act(host, db())
    assert act(host, db(), "absent").actions == [
        "stop container hello-db",
        "remove container hello-db",
        "remove image postgres:16",
        f"remove {ENV_FILE}",
    ]
    assert host.here == {} and not (home / ENV_FILE).exists()
    assert host.lost_volumes == []
    assert act(host, db(), "absent").actions == []


def test_removing_it_takes_along_what_was_made_ready_for_a_terminal(host: FakeEngine, db: Share) -> None:
    act(host, db())
    image = host.here["hello-db"]["Image"]
    host.add("hello-db_exec-1", image, "created", **{command_leftovers.LABEL: "hello-db"})
    host.add("hello-site_exec-1", image, "created", **{command_leftovers.LABEL: "hello-site"})
    actions = foreseen_and_done(host, db(), "absent").actions
    assert actions[:3] == [
        "stop container hello-db",
        "remove container hello-db",
        "remove container hello-db_exec-1",
    ]
    assert list(host.here) == ["hello-site_exec-1"]
    assert "remove image postgres:16" not in actions


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("foretold", "covers"),
    [(["stop container x", "remove .kamal/apps/hello"], True), (["remove .kamal/apps/hell"], False), ([], False)],
)
def test_secrets_that_go_with_the_folder_of_the_service_are_not_listed_twice(
    host: FakeEngine, db: Share, check: bool, foretold: list[str], covers: bool
) -> None:
    act(host, db())
    actions = act(host, db(), "absent", check=check, foretold=foretold).actions
    assert (f"remove {ENV_FILE}" in actions) is not (check and covers)


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
        host.add("hello-db", "ipg16", service="hello-db")
    else:
        act(host, db(booted))
    for destination in app:
        host.add(f"hello-web-{destination}v1", "i1", "exited", service="hello", role="web", destination=destination)
    changes = foreseen_and_done(host, db(removed), "absent")
    assert ("hello-db" in host.running) is (stays is not None)
    notices = [f"hello-db stays on this host: {stays}. If nothing needs it, remove it there: docker rm -f hello-db"]
    assert changes.notices == (notices if stays else [])


@pytest.mark.parametrize("booted", ["first", "failed", "gone"])
def test_its_data_stays_where_another_destination_may_need_it(
    host: FakeEngine, db: Share, home: Path, booted: str
) -> None:
    """Also where there is no container under its name: one that is not ready yet, or was given up, or is gone."""
    production, staging = db("production", **SLOW, **FILES), db("staging", **SLOW, **FILES)
    host.answers["check"] = Executed(1, "still copying")
    if booted == "failed":
        host.dying.add("postgres:16")
    with pytest.raises(HealthError):
        act(host, production)
    if booted == "gone":
        host.remove("hello-db_staged")
        host.add("hello-web-v1", "i1", service="hello", role="web", destination="production")
    before = containers(host)
    changes = foreseen_and_done(host, staging, "absent", with_data=True)
    assert changes.actions == [] and (home / "hello-db/data").is_dir() and containers(host) == before
    (notice,) = changes.notices
    if booted == "gone":
        assert notice == (
            f"The data of hello-db stays on host1: {home}/hello-db. hello is also here for the destination production. "
            "If nothing needs it, remove it there."
        )
    else:
        name = {"first": "hello-db_staged", "failed": "hello-db_failed"}[booted]
        assert notice.startswith(f"{name} stays on this host: it was booted for the destination production. ")
        assert notice.endswith(f"docker rm -f {name}")


def test_an_image_that_something_else_needs_stays(host: FakeEngine, db: Share) -> None:
    act(host, db())
    host.add("other", "postgres:16", "exited")
    assert "remove image postgres:16" not in foreseen_and_done(host, db(), "absent").actions


@pytest.mark.parametrize("with_data", [False, True])
def test_its_data_stays_unless_it_is_to_go(host: FakeEngine, db: Share, home: Path, with_data: bool) -> None:
    volumes = ["named:/named", "shared:/shared"]
    share = db(directories=["data:/data", f"{home}/srv:/srv"], volumes=volumes, files=["a:/a"])
    act(host, share)
    host.volumes |= {"named", "shared", "f00d", "others"}
    host.here["hello-db"]["Mounts"] = [{"Type": "volume", "Name": "f00d", "Destination": "/var"}]
    host.add("other", "i1")["Mounts"] = [{"Type": "volume", "Name": "shared"}]
    done = act(host, share, "absent", with_data=with_data)
    assert host.here.keys() == {"other"}
    if with_data:
        assert {"remove volume named", "remove volume f00d", "remove folder hello-db"} <= set(done.actions)
        assert host.volumes == {"shared", "others"} and not (home / "hello-db").exists() and (home / "srv").exists()
        assert "The volume shared stays on host1" in done.notices[0] and f"{home}/srv" in done.notices[1]
    else:
        assert host.volumes == {"named", "shared", "f00d", "others"} and (home / "hello-db/data").is_dir()
        (notice,) = done.notices
        for place in (f"{home}/hello-db", f"{home}/srv", "volume f00d", "volume named", "kamal_accessory_data=delete"):
            assert place in notice


# On the controller


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
    plan = plan_of("v1", command="setup", accessories={"db": section}, **({"registry": root} if root else {}))
    registry = plan.accessories["db"].registry
    assert to_data(registry and registry.password) == login
    assert "DB_PASSWORD" in plan.secrets
    assert login is None or login["secret"] in plan.secrets


def test_it_is_served_under_a_certificate_of_its_own(
    proxied: FakeEngine, db: Share, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "_load", lambda *_parts: None)
    ssl = {"certificate_pem": "DB_PASSWORD", "private_key_pem": "DB_PASSWORD"}
    share = db(port=None, proxy={"host": "db.example.com", "app_port": 9200, "ssl": ssl})
    assert share.certificate is not None
    booted = foreseen_and_done(proxied, share)
    assert "write certificate of db" in booted.actions
    directory = home / share.certificate.directory
    first = [path.name for path in directory.iterdir()]
    renewed = foreseen_and_done(proxied, share, password="another certificate")
    assert f"remove {share.certificate.directory}/{first[0]}" in renewed.actions
    assert act(proxied, share, password="another certificate").actions == []
    (folder,) = directory.iterdir()
    assert proxied.routes["hello-db"]["options"]["tls_certificate_path"].endswith(f"{folder.name}/cert.pem")
    assert (folder / "cert.pem").read_text() == "another certificate\n"
    for verb in ("stopped", "started", "restarted"):
        act(proxied, share, verb, password="another certificate")
    assert proxied.routes["hello-db"]["options"]["tls_certificate_path"].endswith(f"{folder.name}/cert.pem")
    act(proxied, share, "absent")
    assert not directory.exists()


def test_a_former_certificate_that_another_route_names_stays(
    proxied: FakeEngine, db: Share, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kamal-proxy would forget every route when it starts again."""
    monkeypatch.setattr(certificate, "_load", lambda *_parts: None)
    ssl = {"certificate_pem": "DB_PASSWORD", "private_key_pem": "DB_PASSWORD"}
    share = db(port=None, proxy={"host": "db.example.com", "app_port": 9200, "ssl": ssl})
    act(proxied, share)
    proxied.routes["other"] = {**proxied.routes["hello-db"], "name": "other"}
    act(proxied, share, password="another certificate")
    assert share.certificate is not None
    assert len(list((home / share.certificate.directory).iterdir())) == 2


def test_its_certificate_is_among_the_secrets_of_a_plan(plan_of: MakePlan) -> None:
    ssl = {"certificate_pem": "C", "private_key_pem": "K"}
    plan = plan_of("v1", command="setup", accessories={"db": {**SECTION, "proxy": {"host": "a", "ssl": ssl}}})
    assert {"C", "K"} <= set(plan.secrets)
