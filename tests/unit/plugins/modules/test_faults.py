# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each module on a host where something fails: one clear message with the place, and no claim of what was not done."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping
from unittest.mock import Mock

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import local_registry, turn
from ansible_collections.caravan.kamal.plugins.module_utils._app.registry import CONTAINER
from ansible_collections.caravan.kamal.plugins.module_utils._balancing import BalancedRoute, LoadBalancerShare
from ansible_collections.caravan.kamal.plugins.module_utils._build import client
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.module_utils._host import docker_engine, files, placed, trees, unfinished
from ansible_collections.caravan.kamal.plugins.module_utils._host import module as _module
from ansible_collections.caravan.kamal.plugins.module_utils._host.docker_engine import DockerEngine
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Executed
from ansible_collections.caravan.kamal.plugins.module_utils._names import PROXY_STATE, short_id
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import handover
from fakes import PROXY, FakeEngine, add_layered, configuration
from faults import FAULTS, VERBS, Counting, failing_engine, failing_os
from kamal1 import add_traefik
from modules import perform

pytestmark = pytest.mark.usefixtures("no_waiting")

CONNECT = DockerEngine.at
MODULES = sorted(path.stem for path in Path(_module.__file__).parents[2].joinpath("modules").glob("*.py"))
SERVICE = {"service": "hello"}
RUN = {"number": 7, "owner": "laptop:1", "by": "sam", "version": "v1"}
SECRETS = json.dumps({"TOKEN": "s3cr3t", "DB_PASSWORD": "s3cr3t"})
DB = {
    "image": "postgres:16",
    "host": "host1",
    "env": {"secret": ["DB_PASSWORD"]},
    "files": ["db.conf:/etc/db.conf"],
    "directories": ["data:/data"],
    "backup": "dump",
    "ready": "check",
}
FILES = json.dumps({"hello-db/etc/db.conf": "YSA9IDEK"})
# By the first words of an action: how the call of the engine begins that did it.
DONE_BY = {
    "create network": "create network {0}",
    "create container": "create {0}_staged",
    "start container": "start {0}",
    "boot container": "start {0}",
    "stop container": "stop {0}",
    "remove container": "remove {0}",
    "pause route": "kamal-proxy pause {0}",
    "stop route": "kamal-proxy stop {0}",
    "remove route": "kamal-proxy remove {0}",
    "start": "start {0}",
    "stop": "stop {0}",
    "recreate": "create {0}",
    "reboot": "create {0}",
    "restart": "start {0}",
    "put kamal-proxy in the place of": "stop {0}",
    "boot": "start {0}",
    "pull": "pull {0}",
}


# Of the module os.
CHANGING = ("open", "mkdir", "write", "pwrite", "fsync", "replace", "rename", "link", "unlink", "stat")
# What may come of a command in the container of kamal-proxy.
ANSWERS = (
    Executed(0, "\x00\ufffd\x1b[2J"),
    Executed(1, "\x00\ufffd\x1b[2J"),
    Executed(2, "Error: " + "goroutine 1 [running]\n" * 5000),
    Executed(126, ""),
    Executed(137, ""),
    Executed(-1, "{"),
)
WITHOUT_DOCKER = ("audit", "env_file", "proxy_boot_config", "server_exec")


LOGIN = {"username": "ada", "password": "s3cr3t"}
LAYER = b"a layer"
PACKED = gzip.compress(LAYER, mtime=0)
IMAGE = add_layered(FakeEngine(), "hello:d", LAYER)
DELIVERED = {
    "reference": "hello:d",
    "image_id": IMAGE.id,
    "created": IMAGE.created,
    "layers": list(IMAGE.layers),
    "settings": IMAGE.settings,
}
NAME = hashlib.sha256(PACKED).hexdigest()
SENT = {
    "config": configuration(IMAGE).decode(),
    "files": [{"layer": IMAGE.layers[0], "name": NAME, "size": len(PACKED)}],
}


@dataclass(frozen=True)
class Case:
    """A call of a module, and how the host was before: `arguments` are made from the share of a version."""

    module: str
    arguments: Callable[[Callable[[str], HostShare], Any], dict[str, Any]]
    before: tuple[str, ...] = ()


def release(version: str, state: str) -> Callable[..., dict[str, Any]]:
    return lambda share, _db: {"state": state, "plan": to_data(share(version)), "secrets": SECRETS}


def found(version: str, where: str, state: str) -> Callable[..., dict[str, Any]]:
    """With secrets that lie on the host: in the files of today, or those of the release."""
    path = {"hosts": "env_file", "release": "kept_env_file"}[where]

    def arguments(share: Callable[[str], HostShare], _db: Any) -> dict[str, Any]:
        roles = [replace(role, secrets_file=getattr(role, path)) for role in share(version).roles]
        return {"state": state, "plan": to_data(replace(share(version), roles=roles))}

    return arguments


def accessory(state: str, **options: Any) -> Callable[..., dict[str, Any]]:
    fixed = {"name": "db", "state": state, "secrets": SECRETS, "files": FILES, **options}
    return lambda _share, db: {**fixed, "plan": to_data(db)}


def balancer(state: str) -> Callable[..., dict[str, Any]]:
    """Before a container of this host, which takes the part of others."""

    def arguments(share: Callable[[str], HostShare], _db: Any) -> dict[str, Any]:
        route = BalancedRoute("hello-lb", {"host": "lb.example.com"}, {"host1": "hello-web-v1:80"})
        host = share("v1")
        assert host.proxy
        plan = LoadBalancerShare("lb", "hello", None, "deploy", "sam", [route], None, True, host.proxy, 30, 30)
        return {"state": state, "plan": to_data(plan), "hosts": ["host1"]}

    return arguments


def plain(**arguments: Any) -> Callable[..., dict[str, Any]]:
    return lambda _share, _db: arguments


CASES = {
    "release staged": Case("release", release("v1", "staged")),
    "release live": Case("release", release("v1", "live"), ("release staged",)),
    "release staged anew": Case("release", release("v2", "staged"), ("release staged", "release live")),
    "release live anew": Case(
        "release", release("v2", "live"), ("release staged", "release live", "release staged anew")
    ),
    "release staged, found": Case("release", found("v2", "hosts", "staged"), ("release staged", "release live")),
    "release live, found of then": Case(
        "release", found("v1", "release", "live"), ("release staged", "release live", "release live anew")
    ),
    "release stopped": Case("release", release("v1", "stopped"), ("release staged", "release live")),
    "release started": Case("release", release("v1", "started"), ("release staged", "release live", "release stopped")),
    "release current": Case("release", release("v1", "current"), ("release staged", "release live")),
    "release maintenance": Case("release", release("v1", "maintenance"), ("release staged", "release live")),
    "release paused": Case("release", release("v1", "paused"), ("release staged", "release live")),
    "release resumed": Case(
        "release", release("v1", "resumed"), ("release staged", "release live", "release maintenance")
    ),
    "release absent": Case("release", release("v1", "absent"), ("release staged", "release live")),
    "accessory present": Case("accessory", accessory("present")),
    "accessory replaced": Case("accessory", accessory("present", recreate=True), ("accessory present",)),
    "accessory restarted": Case("accessory", accessory("restarted"), ("accessory present",)),
    "accessory started": Case("accessory", accessory("started"), ("accessory present", "accessory stopped")),
    "accessory_exec": Case(
        "accessory_exec", plain(name="db", service="hello-db", command="dump all", reuse=True), ("accessory present",)
    ),
    "app_exec": Case(
        "app_exec",
        lambda share, _db: {"plan": to_data(share("v1")), "command": "dump all", "reuse": True, "roles": ["web"]},
        ("release staged", "release live"),
    ),
    "app_exec, streamed": Case(
        "app_exec",
        lambda share, _db: {
            **{"plan": to_data(share("v1")), "command": "dump all", "reuse": True, "roles": ["web"]},
            "progress": "progress",
        },
        ("release staged", "release live"),
    ),
    "app_exec, detached": Case(
        "app_exec",
        lambda share, _db: {"plan": to_data(share("v1")), "command": "dump all", "detached": True, "secrets": SECRETS},
        ("release staged", "release live"),
    ),
    "accessory stopped": Case("accessory", accessory("stopped"), ("accessory present",)),
    "accessory absent": Case("accessory", accessory("absent"), ("accessory present",)),
    "loadbalancer present": Case("loadbalancer", balancer("present"), ("release staged", "release live")),
    "loadbalancer drained": Case(
        "loadbalancer", balancer("drained"), ("release staged", "release live", "loadbalancer present")
    ),
    "loadbalancer absent": Case(
        "loadbalancer", balancer("absent"), ("release staged", "release live", "loadbalancer present")
    ),
    "proxy present": Case("proxy", plain()),
    "proxy recreated": Case("proxy", plain(recreate=True, run={"http_port": 8080}), ("release staged", "release live")),
    "proxy stopped": Case("proxy", plain(state="stopped"), ("proxy present",)),
    "proxy restarted": Case("proxy", plain(state="restarted"), ("release staged", "release live")),
    "proxy rebooted": Case("proxy", plain(state="rebooted"), ("release staged", "release live")),
    "proxy upgraded": Case("proxy", plain(state="upgraded")),
    "proxy_info": Case("proxy_info", plain(), ("release staged", "release live")),
    "proxy_boot_config": Case("proxy_boot_config", plain(state="absent")),
    "proxy absent": Case("proxy", plain(state="absent"), ("proxy present",)),
    "proxy_service deployed": Case(
        "proxy_service", plain(name="x", target="hello-web-v1", proxy={"host": "x"}), ("release staged", "release live")
    ),
    "proxy_service stopped": Case(
        "proxy_service", plain(name="hello-web", state="stopped"), ("release staged", "release live")
    ),
    "proxy_service absent": Case(
        "proxy_service", plain(name="hello-web", state="absent"), ("release staged", "release live")
    ),
    "prune": Case("prune", plain(**SERVICE, retain=1), ("release staged", "release live")),
    "server_exec": Case("server_exec", plain(**SERVICE, command="true", host="host1")),
    "audit": Case("audit", plain(**SERVICE, text="Looked")),
    "env_file present": Case("env_file", plain(**SERVICE, role="web", secrets=SECRETS)),
    "env_file absent": Case("env_file", plain(**SERVICE, role="web", state="absent"), ("env_file present",)),
    "env_file all absent": Case("env_file", plain(**SERVICE, state="absent"), ("env_file present",)),
    "service_info": Case("service_info", plain(**SERVICE), ("release staged", "release live")),
    "service_logs": Case("service_logs", plain(**SERVICE), ("release staged", "release live")),
    "image_delivery listed": Case("image_delivery", plain(state="listed", reference="hello:v1")),
    "image_delivery listed, fetched": Case("image_delivery", plain(state="listed", reference="hello:d", fetch=True)),
    "image_delivery lacking": Case("image_delivery", plain(state="lacking", image=DELIVERED)),
    "image_delivery pushed": Case("image_delivery", plain(state="pushed", image=DELIVERED)),
    "image_delivery pulled": Case("image_delivery", plain(state="pulled", image=DELIVERED, digest="sha256:d")),
    "image_delivery saved": Case("image_delivery", plain(state="saved", image=DELIVERED, layers=DELIVERED["layers"])),
    "image_delivery loaded": Case("image_delivery", plain(state="loaded", image=DELIVERED, saved=SENT)),
    "registry checked": Case("registry", plain(server="r.example.com", registry=json.dumps(LOGIN))),
    "registry checked, an image": Case("registry", plain(image="r.example.com/a@sha256:1", tag="v1")),
    "registry present": Case("registry", plain(state="present", server="localhost:5555")),
    "registry present, stopped": Case(
        "registry", plain(state="present", server="localhost:5555"), ("registry present",)
    ),
    "registry absent": Case("registry", plain(state="absent", server="r.example.com", container=True)),
    "builder": Case("builder", plain(arch=["amd64"], driver="docker")),
    "builder_info": Case("builder_info", plain(arch=["amd64"], driver="docker")),
    "image_build": Case("image_build", plain(**SERVICE, repository="hello", version="v1", push=False)),
}


def module_of(name: str) -> Any:
    return import_module(f"ansible_collections.caravan.kamal.plugins.modules.{CASES[name].module}")


def takes_turn(module: Any) -> bool:
    """Whether a run makes itself known to it, so that a later one is not overtaken."""
    return getattr(module, "OPTIONS", {}).get("run") is turn.OPTION


class Hosts:
    """Makes hosts for cases, each as the case wants it before."""

    def __init__(self, share_of: Any, plan_of: Any, tmp_path: Path, patch: pytest.MonkeyPatch) -> None:
        self.shares = {version: share_of(version, asset_path="/public") for version in ("v1", "v2")}
        self.db = handover.accessory_share(plan_of("v1", command="setup", accessories={"db": DB}), "db", "host1")
        self.tmp_path, self.patch, self.number = tmp_path, patch, 0

    def make(self, name: str) -> FakeEngine:
        """A new host with a home of its own, in the state before a case."""
        self.number += 1
        home = self.tmp_path / str(self.number)
        home.mkdir()
        self.patch.setenv("HOME", str(home))
        engine = FakeEngine()
        engine.add_image("basecamp/kamal-proxy:v0.9.2", "ip", service=None)
        engine.add_image("postgres:16", "ipg", service=None)
        engine.contents = {f"image of {version}": {"/public/a/b": b"css"} for version in self.shares}
        self.bring_images(engine)
        engine.registry["registry:3"] = FakeEngine().add_image("registry:3", "ir")
        self.patch.setattr(local_registry, "answers", lambda _port: True if CONTAINER in engine.running else None)
        for before in CASES[name].before:
            result = self.run(before, engine)
            assert not result.get("failed"), result
            self.bring_images(engine)
        if name == "registry present, stopped":
            engine.stop(CONTAINER, 1)
        self._prepare_delivery(name, engine, home)
        if name == "proxy upgraded":
            add_traefik(engine)
        engine.calls.clear()
        return engine

    @staticmethod
    def _prepare_delivery(name: str, engine: FakeEngine, home: Path) -> None:
        """An engine that has the image, or a host that has been sent its layer."""
        if name in ("image_delivery pushed", "image_delivery saved"):
            add_layered(engine, "hello:d", LAYER)
        if name == "image_delivery listed, fetched":
            engine.registry["hello:d"] = replace(IMAGE, digests=["hello@sha256:d"])
        if name == "image_delivery pulled":
            engine.registry["hello@sha256:d"] = IMAGE
        if name == "image_delivery loaded":
            place = home / ".kamal/layers" / short_id(IMAGE.id)
            place.mkdir(parents=True)
            (place / NAME).write_bytes(PACKED)

    def bring_images(self, engine: FakeEngine) -> None:
        """A release prunes the images of versions that are still to come."""
        for version in self.shares:
            if f"hello:{version}" not in engine.pictures:
                engine.add_image(f"hello:{version}", f"image of {version}")

    def run(self, name: str, engine: Any, check: bool = False) -> dict[str, Any]:
        case = CASES[name]
        arguments = case.arguments(self.shares.__getitem__, self.db)
        if case.module == "image_build":
            (self.tmp_path / "Dockerfile").write_text("FROM scratch\n")
            arguments.update(project_root=str(self.tmp_path), context=".", clone_dir=str(self.tmp_path / "clones"))
        connect = CONNECT if engine is None else lambda *_arguments: engine
        self.patch.setattr(_module.DockerEngine, "at", connect)
        module = module_of(name)
        if takes_turn(module):
            arguments = {**arguments, "run": RUN}
        return perform(module.main, arguments, check)


@pytest.fixture
def hosts(share_of: Any, plan_of: Any, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hosts]:
    monkeypatch.setattr(client, "means", lambda: client.ENGINE)
    monkeypatch.chdir(tmp_path)
    yield Hosts(share_of, plan_of, tmp_path, monkeypatch)


def assert_clear(result: Mapping[str, Any], *places: str) -> None:
    """One message for people, with one of these places in it."""
    message = result["msg"]
    assert "Traceback" not in message and "mistake in caravan.kamal" not in message, message
    assert any(place in message for place in places), message
    assert "s3cr3t" not in str({key: value for key, value in result.items() if key != "invocation"})


def assert_honest(result: Mapping[str, Any], engine: FakeEngine) -> None:
    """What is said to be done was done."""
    for action in result["actions"]:
        for words, call in sorted(DONE_BY.items(), key=lambda item: -len(item[0])):
            if action.startswith(f"{words} "):
                wanted = call.format(action[len(words) + 1 :])
                assert any(made.startswith(wanted) for made in engine.calls), (action, engine.calls)
                break


def test_every_module_that_does_something_is_tried() -> None:
    modules = {name: import_module(f"ansible_collections.caravan.kamal.plugins.modules.{name}") for name in MODULES}
    assert {name for name, module in modules.items() if hasattr(module, "main")} == {
        case.module for case in CASES.values()
    }


@pytest.mark.parametrize("name", CASES)
def test_a_failing_engine_is_one_message_and_nothing_is_claimed(hosts: Hosts, name: str) -> None:
    healthy = Counting(hosts.make(name))
    hosts.run(name, healthy)
    for verb in VERBS:
        for after in range(min(20, healthy.made[verb])):
            fault = list(FAULTS.values())[after % len(FAULTS)]
            engine = failing_engine(hosts.make(name), verb, fault, after)
            result = hosts.run(name, engine)
            if not engine.failed:
                break
            if result.get("failed"):
                assert_clear(result, "something", "Docker", PROXY)
            assert_honest(result, engine.real)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.module not in WITHOUT_DOCKER])
def test_an_engine_that_cannot_be_reached_is_one_message(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    hosts.make(name)
    for fault in FAULTS.values():
        monkeypatch.setattr(docker_engine.docker, "APIClient", Mock(side_effect=fault))
        result = hosts.run(name, None)
        assert result["failed"] and result["actions"] == []
        assert_clear(result, "No Docker engine answers at unix:///var/run/docker.sock")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
@pytest.mark.parametrize("name", CASES)
def test_a_failing_file_system_is_one_message_and_nothing_is_claimed(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    def run(system: Any, engine: FakeEngine) -> dict[str, Any]:
        with monkeypatch.context() as patch:
            for user in (files, trees, placed, turn, unfinished):
                patch.setattr(user, "os", system)
            return hosts.run(name, engine)

    healthy = Counting(os)
    run(healthy, hosts.make(name))
    for call in CHANGING:
        for after in (each for each in (0, 1, 2, 4, 8, 16, 32) if each < healthy.made[call]):
            engine = hosts.make(name)
            faulty = failing_os(call, number, after)
            result = run(faulty, engine)
            if not faulty.failed:
                break
            if result.get("failed"):
                assert_clear(result, os.environ["HOME"])
                assert os.strerror(number) in result["msg"] and "run this again" in result["msg"]
            assert_honest(result, engine)
            assert not [path for path in Path(os.environ["HOME"]).rglob(".*.????????????????") if path.is_file()]


@pytest.mark.parametrize("name", [name for name in CASES if takes_turn(module_of(name))])
def test_a_turn_that_cannot_be_written_down_is_one_message_and_nothing_is_done(
    hosts: Hosts, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    engine = hosts.make(name)
    monkeypatch.setattr(turn, "os", failing_os("pwrite", errno.ENOSPC))
    result = hosts.run(name, engine)
    assert result["failed"]
    assert_clear(result, f"{os.environ['HOME']}/.kamal/turn-hello: No space left on device. Make room there")
    assert (result["actions"], engine.calls) == ([], [])


@pytest.mark.parametrize(
    "content",
    [b"", b"[{", b'[{"name": "hello-web", "opti', b"\xff\xfe\x00", b"<html>", b'{"a": 1}', b'[{"name": null}]'],
)
@pytest.mark.parametrize("name", CASES)
def test_garbage_from_kamal_proxy_stops_nothing_or_is_one_message(hosts: Hosts, name: str, content: bytes) -> None:
    engine = hosts.make(name)
    engine.state_file = content
    result = hosts.run(name, engine)
    assert not result.get("failed"), result["msg"]
    assert_honest(result, engine)
    if PROXY in engine.here and CASES[name].module in ("service_info", "proxy_service"):
        assert any("kamal-proxy" in notice for notice in result["notices"])


@pytest.mark.parametrize("name", CASES)
def test_kamal_proxy_with_a_full_disk_is_one_message(hosts: Hosts, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = hosts.make(name)
    monkeypatch.setattr(engine, "read_file", lambda *_place: b"[{")
    result = hosts.run(name, engine)
    if result.get("failed"):
        assert_clear(result, PROXY_STATE)
    assert_honest(result, engine)


def answering(engine: FakeEngine, answer: Executed, patch: pytest.MonkeyPatch) -> list[Any]:
    """From now on every command in the container of kamal-proxy ends with this; the commands."""
    asked, real = [], engine.execute

    def execute(container: str, *command: Any) -> Executed:
        if container != PROXY:
            return real(container, *command)
        asked.append(command)
        return answer

    patch.setattr(engine, "execute", execute)
    return asked


@pytest.mark.parametrize("name", CASES)
def test_whatever_kamal_proxy_answers_a_command_is_at_most_one_message(
    hosts: Hosts, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for answer in ANSWERS:
        engine = hosts.make(name)
        asked = answering(engine, answer, monkeypatch)
        result = hosts.run(name, engine)
        if result.get("failed"):
            assert_clear(result, PROXY)
            assert result["msg"].replace("\n", "").isprintable() and len(result["msg"]) < 3000
        if not asked:
            return


@pytest.mark.parametrize("state", [{"state": 7}, {"state": 0, "later": True}])
@pytest.mark.parametrize("name", CASES)
def test_what_a_later_kamal_proxy_writes_stops_nothing(hosts: Hosts, name: str, state: dict[str, Any]) -> None:
    engine = hosts.make(name)
    for route in engine.routes.values():
        route.update(pause_controller=state, later={"a": 1})
    assert not hosts.run(name, engine).get("failed")


@pytest.mark.parametrize("garbage", [b"\xff\xfe", b"{", b"[" * 100000, b'{"version": {}}\n[1]\nnull\n'])
@pytest.mark.parametrize("name", CASES)
def test_garbage_in_our_own_files_stops_nothing(hosts: Hosts, name: str, garbage: bytes) -> None:
    engine = hosts.make(name)
    for path in (
        ".kamal/apps/hello/history.jsonl",
        ".kamal/apps/hello/env/roles/web.env",
        ".kamal/hello-audit.log",
        ".kamal/turn-hello",
    ):
        file = Path(os.environ["HOME"]) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(garbage)
    result = hosts.run(name, engine)
    if name.endswith("found"):  # secrets are the one thing that cannot be done without
        return assert_clear(result, "web.env has no value for TOKEN")
    assert not result.get("failed"), result["msg"]
