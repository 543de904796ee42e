# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Docker engine as an `Engine`: the same verbs as the fake, and whatever goes wrong as one kind of error."""

from __future__ import annotations

import inspect
import io
import ipaddress
import signal
import subprocess
import tarfile
from contextlib import contextmanager
from typing import Any, Callable, Iterator
from unittest.mock import MagicMock, Mock

import docker.errors
import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import (
    EngineError,
    ImageError,
    LoginError,
    PortError,
)
from ansible_collections.caravan.kamal.plugins.module_utils._host import docker_streams
from ansible_collections.caravan.kamal.plugins.module_utils._host.docker_answers import UNLIMITED
from ansible_collections.caravan.kamal.plugins.module_utils._host.docker_engine import DockerEngine
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Engine
from fakes import FakeEngine
from faults import FAULTS, VERBS, refused


class Ear(bytearray):
    """Hears; `over` is what ends what is heard."""

    def __call__(self, piece: bytes) -> None:
        self.extend(piece)

    @contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        self.over = end
        yield


# Each verb that asks the engine, as a call.
CALLS: dict[str, Callable[[Engine], Any]] = {
    "containers": lambda engine: engine.containers("service=a"),
    "inspect": lambda engine: engine.inspect("c"),
    "create": lambda engine: engine.create("c", {"Image": "i"}),
    "start": lambda engine: engine.start("c"),
    "stop": lambda engine: engine.stop("c", 3),
    "rename": lambda engine: engine.rename("c", "d"),
    "remove": lambda engine: engine.remove("c"),
    "execute": lambda engine: engine.execute("c", ["ls"]),
    "execute_streamed": lambda engine: engine.execute_streamed("c", ["ls"], {}, Ear()),
    "read_file": lambda engine: engine.read_file("c", "/f"),
    "archive": lambda engine: engine.archive("c", "/f/."),
    "put": lambda engine: engine.put("c", "/f", b""),
    "logs": lambda engine: engine.logs("c", 3),
    "stdout": lambda engine: engine.stdout("c"),
    "follow": lambda engine: list(engine.follow("c")),
    "exit_codes": lambda engine: engine.exit_codes("c"),
    "image": lambda engine: engine.image("i"),
    "images": lambda engine: engine.images("service=a"),
    "images_in": lambda engine: engine.images_in("i"),
    "pull": lambda engine: engine.pull("i:1", None),
    "registry_digest": lambda engine: engine.registry_digest("i:1", None),
    "mirrors": lambda engine: engine.mirrors(),
    "log_in": lambda engine: engine.log_in("r:1", {"username": "u", "password": "p"}),
    "tag": lambda engine: engine.tag("i:1", "i", "2"),
    "remove_image": lambda engine: engine.remove_image("i"),
    "build": lambda engine: list(engine.build("i:1", "/folder", None)),
    "push": lambda engine: list(engine.push("i", "1", None)),
    "layers": lambda engine: engine.layers(),
    "save": lambda engine: list(engine.save("i")),
    "load": lambda engine: engine.load(iter([b""])),
    "has_volume": lambda engine: engine.has_volume("v"),
    "remove_volume": lambda engine: engine.remove_volume("v"),
    "has_network": lambda engine: engine.has_network("n"),
    "create_network": lambda engine: engine.create_network("n"),
    "attach": lambda engine: engine.attach("n", "c"),
    "id": lambda engine: engine.id(),
    "architecture": lambda engine: engine.architecture(),
}


class Broken:
    """An API of which every call fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __getattr__(self, _name: str) -> Callable[..., Any]:
        def fail(*_arguments: Any, **_named: Any) -> Any:
            raise self.error

        return fail


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_streams, "SETTLES_WITHIN", 0)


def test_every_verb_is_called_here() -> None:
    assert set(CALLS) == set(VERBS)


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize("engine", [DockerEngine, FakeEngine])
def test_engines_have_the_verbs_of_the_protocol(engine: type[Engine], name: str) -> None:
    wanted, present = (
        [(p.kind, p.default) for p in s.parameters.values()]
        for s in (VERBS[name], inspect.signature(getattr(engine, name)))
    )
    assert present == wanted


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", CALLS)
def test_whatever_goes_wrong_is_one_message_that_says_what_was_asked(verb: str, fault: str) -> None:
    with pytest.raises(EngineError) as caught:
        CALLS[verb](DockerEngine(Broken(FAULTS[fault])))
    message = caught.value.message
    assert "\n" not in message and len(message) > 30
    words = {"timeout": "too long", "refused": "driver failed"}.get(fault, str(FAULTS[fault]))
    assert words in message


@pytest.mark.parametrize("answer", [None, {}, [], [{}], b"", "x"])
@pytest.mark.parametrize("verb", ["containers", "create", "read_file", "exit_codes", "image", "images", "id"])
def test_an_unreadable_answer_is_an_error_too(verb: str, answer: Any) -> None:
    api = Mock()
    for method in ("containers", "create_container_from_config", "events", "inspect_image", "images", "info"):
        getattr(api, method).return_value = answer
    api.get_archive.return_value = ([b"no tar"], {})
    try:
        CALLS[verb](DockerEngine(api))
    except EngineError as error:
        assert "unreadable" in error.message or "Docker" in error.message


@pytest.mark.parametrize(
    ("explanation", "kind"),
    [
        ("driver failed: Bind for 0.0.0.0:80 failed: port is already allocated", PortError),
        ("listen tcp 0.0.0.0:80: bind: address already in use", PortError),
        ("no such container", EngineError),
    ],
)
def test_a_taken_port_is_told_from_other_refusals(explanation: str, kind: type[EngineError]) -> None:
    with pytest.raises(EngineError, match="could not start container c") as caught:
        DockerEngine(Broken(refused(500, explanation))).start("c")
    assert caught.type is kind


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (docker.errors.NotFound("x"), "The registry has no image i:1"),
        (refused(500, "unauthorized: authentication required"), "refused to hand out i:1"),
        (docker.errors.DockerException("no basic auth credentials"), "refused to hand out i:1"),
        (refused(500, "write /var/lib/docker/tmp: no space left on device"), "no space left on device"),
    ],
)
def test_a_pull_that_fails_says_why(error: Exception, part: str) -> None:
    with pytest.raises(ImageError, match=part):
        DockerEngine(Broken(error)).pull("i:1", None)


@pytest.mark.parametrize(
    ("login", "remedy"),
    [(None, "docker login"), ({"username": "u", "password": "p"}, "Check registry/username")],
    ids=["none", "a wrong one"],
)
def test_who_is_not_let_in_is_told_what_to_do(login: Any, remedy: str) -> None:
    broken = DockerEngine(Broken(refused(401, "unauthorized: authentication required")))
    with pytest.raises(LoginError, match=remedy):
        broken.pull("i:1", login)
    with pytest.raises(LoginError, match="refused to tell of i:1"):
        broken.registry_digest("i:1", login)


def test_a_file_is_read_out_of_a_container_as_it_is() -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        entry = tarfile.TarInfo("f")
        entry.size = 2
        tar.addfile(entry, io.BytesIO(b"\xff\n"))
    api = Mock()
    api.get_archive.return_value = (iter([archive.getvalue()]), {})
    assert DockerEngine(api).read_file("c", "/f") == b"\xff\n"
    api.get_archive.side_effect = docker.errors.NotFound("no such file")
    assert DockerEngine(api).read_file("c", "/f") is None


@pytest.mark.parametrize(
    ("config", "waits"),
    [({"StopTimeout": 300}, 300), ({"StopTimeout": -1}, UNLIMITED), ({"StopTimeout": None}, None), ({}, None)],
)
def test_a_container_is_waited_for_as_long_as_it_may_take_to_stop(config: dict[str, Any], waits: int | None) -> None:
    """The SDK waits as long as it is told, and ten seconds where it is told nothing."""
    api = Mock()
    api.inspect_container.return_value = {"Config": config}
    DockerEngine(api).stop("db", None)
    DockerEngine(api).stop("db", 7)
    assert [call.kwargs["timeout"] for call in api.stop.call_args_list] == [waits, 7]


PROXY_ID = "db01" * 16


@pytest.mark.parametrize(
    ("name", "is_it"),
    [("kamal-proxy", True), (PROXY_ID, True), (PROXY_ID[:12], True), ("db", False), (PROXY_ID[:11], False)],
)
def test_a_name_is_not_taken_for_the_beginning_of_an_id(name: str, is_it: bool) -> None:
    """As Docker does it where no container has the name; 12 characters are what it shows of an ID."""
    api = Mock()
    api.inspect_container.return_value = {"Id": PROXY_ID, "Name": "/kamal-proxy"}
    assert (DockerEngine(api).inspect(name) is not None) is is_it


def test_nor_where_several_begin_so() -> None:
    api = Mock()
    api.inspect_container.side_effect = refused(400, "multiple IDs found with provided prefix: db")
    assert DockerEngine(api).inspect("db") is None


@pytest.mark.parametrize(
    ("tags", "is_it"),
    [
        (["postgres:16"], False),
        (["mydb:latest"], False),
        (["db:latest"], True),
        (["docker.io/library/db:latest"], True),
    ],
)
def test_nor_is_that_of_an_image(tags: list[str], is_it: bool) -> None:
    api = Mock()
    api.inspect_image.return_value = {"Id": f"sha256:{PROXY_ID}", "RepoTags": tags}
    engine = DockerEngine(api)
    assert (engine.image("db") is not None) is is_it
    assert engine.image(f"sha256:{PROXY_ID}") and engine.image(PROXY_ID[:12]) and engine.image("other:1")


def test_a_container_that_is_gone_has_stopped() -> None:
    api = Mock()
    api.stop.side_effect = docker.errors.NotFound("No such container: web")
    DockerEngine(api).stop("web", 3)


def test_only_app_containers_lose_their_anonymous_volumes() -> None:
    api = Mock()
    DockerEngine(api).remove("db")
    DockerEngine(api).remove("web", volumes=True)
    assert [call.kwargs["v"] for call in api.remove_container.call_args_list] == [False, True]


def test_exit_codes_come_from_the_engines_events() -> None:
    api = Mock()
    api.events.return_value = iter([{"Actor": {"Attributes": {"exitCode": code}}} for code in ("64", "0")])
    assert DockerEngine(api).exit_codes("c") == [64, 0]
    assert api.events.call_args.kwargs["filters"] == {"container": ["c"], "event": ["die"]}


@pytest.mark.parametrize(
    "first", [refused(409, "container is not running"), [(b"OCI runtime exec failed: exec failed", None)]]
)
def test_a_command_that_is_refused_right_after_a_start_is_tried_once_more(first: Any) -> None:
    api = MagicMock()
    api.exec_start.side_effect = [first, [(b"done", None)]]
    api.exec_inspect.return_value = {"ExitCode": 0}
    assert DockerEngine(api).execute("c", ["ls"]).output == "done"
    api.exec_start.side_effect = refused(409, "container is not running")
    with pytest.raises(EngineError, match="not running"):
        DockerEngine(api).execute("c", ["ls"])


@pytest.mark.parametrize("first", [refused(409, "container is not running"), [b"OCI runtime exec failed: exec failed"]])
def test_what_is_heard_of_a_command_is_nothing_of_one_that_was_refused_at_first(first: Any) -> None:
    api, ear = MagicMock(), Ear()
    api.exec_start.side_effect = [first, [b"do", b"ne"]]
    api.exec_inspect.return_value = {"ExitCode": 3}
    assert DockerEngine(api).execute_streamed("c", ["ls"], {"A": "1"}, ear) == 3
    assert ear == b"done" and api.exec_create.call_args.kwargs["environment"] == {"A": "1"}


def test_a_command_that_is_refused_twice_says_why() -> None:
    api, ear = MagicMock(), Ear()
    api.exec_start.side_effect = [[b"OCI runtime exec failed: no ls"], [b"OCI runtime exec failed: no ls"]]
    api.exec_inspect.return_value = {"ExitCode": 126}
    assert DockerEngine(api).execute_streamed("c", ["ls"], {}, ear) == 126
    assert ear == b"OCI runtime exec failed: no ls"


@pytest.mark.parametrize("fails", ["exec_start", "exec_inspect"])
@pytest.mark.parametrize("verb", ["execute", "execute_streamed"])
def test_a_command_that_may_have_run_is_not_run_twice(verb: str, fails: str) -> None:
    api = MagicMock()
    getattr(api, fails).side_effect = FAULTS["timeout" if fails == "exec_start" else "refused"]
    with pytest.raises(EngineError, match="too long|driver failed"):
        CALLS[verb](DockerEngine(api))
    assert api.exec_start.call_count == 1


@pytest.mark.parametrize("verb", ["execute", "execute_streamed"])
def test_a_command_that_has_not_ended_has_not_ended_well(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker_streams, "POLL", 0)
    api = MagicMock()
    api.exec_start.side_effect = lambda *_what, **_how: iter(())
    api.exec_inspect.side_effect = [{"ExitCode": None, "Running": True}, {"ExitCode": 3, "Running": False}]
    ended = CALLS[verb](DockerEngine(api))
    assert getattr(ended, "code", ended) == 3
    monkeypatch.setattr(docker_streams, "ENDS_WITHIN", 0)
    api.exec_inspect.side_effect = [{"ExitCode": None, "Running": True}]
    with pytest.raises(EngineError, match=r"does not say how a command ended.*docker ps"):
        CALLS[verb](DockerEngine(api))


def test_a_command_that_is_to_end_is_ended_with_what_it_started() -> None:
    api, ear = MagicMock(), Ear()
    api.exec_inspect.return_value = {"ExitCode": 143, "Pid": 0}
    with subprocess.Popen(["sh", "-c", "sleep 600 & wait"], start_new_session=True) as process:
        api.exec_inspect.return_value["Pid"] = process.pid
        api.exec_start.side_effect = lambda *_what, **_how: (ear.over() or each for each in [b"begun", b"more"])
        assert DockerEngine(api).execute_streamed("c", ["ls"], {}, ear) == 143
        assert process.wait(60) == -signal.SIGTERM


def test_a_file_that_cannot_be_given_to_the_engine_is_no_fault_of_the_engine() -> None:
    def build(**_arguments: Any) -> Iterator[Any]:
        raise PermissionError(13, "Permission denied", "/folder/secret")

    api = Mock(build=build)
    with pytest.raises(PermissionError):
        list(DockerEngine(api).build("i:1", "/folder", None))


def test_a_network_has_ipv6_where_that_is_asked_for() -> None:
    api = Mock()
    DockerEngine(api).create_network("n")
    assert api.create_network.call_args.kwargs == {"driver": "bridge", "check_duplicate": True}
    subnets = set()
    for _time in range(2):
        DockerEngine(api, ipv6=True).create_network("n")
        asked = api.create_network.call_args.kwargs
        assert asked["enable_ipv6"] is True
        subnets.add(ipaddress.ip_network(asked["ipam"]["Config"][0]["Subnet"]))
    assert len(subnets) == 2 and all(subnet.is_private and subnet.prefixlen == 64 for subnet in subnets)


def test_a_network_that_another_run_creates_meanwhile_is_there() -> None:
    api = Mock()
    api.create_network.side_effect = refused(409, "network with name n already exists")
    DockerEngine(api).create_network("n")
    api.create_network.side_effect = refused(500, "no room")
    with pytest.raises(EngineError, match="no room"):
        DockerEngine(api).create_network("n")
