# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A registry at a port of this machine: one that is there is used, else one is started that only this machine sees."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import local_registry
from ansible_collections.caravan.kamal.plugins.module_utils._app.local_registry import LocalRegistry, answers
from ansible_collections.caravan.kamal.plugins.module_utils._app.registry import CONTAINER
from ansible_collections.caravan.kamal.plugins.module_utils._errors import EngineError, ImageError, PortError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Engine
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("no_waiting")

PORT = 5555
PULLS, BOOTS = "pull registry:3", f"boot container {CONTAINER}"


@contextmanager
def web_server(status: int, header: str) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header(header, "registry/2.0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


@pytest.mark.parametrize(
    ("status", "header", "is_one"),
    [
        (200, "Docker-Distribution-Api-Version", True),
        (401, "Docker-Distribution-API-Version", True),
        (200, "Distribution-Api-Version", True),
        (200, "X-Version", False),
        (404, "X-Version", False),
    ],
)
def test_a_registry_is_told_from_other_servers(status: int, header: str, is_one: bool) -> None:
    with web_server(status, header) as port:
        assert answers(port) is is_one
    assert answers(port) is None


def test_what_speaks_no_http_is_no_registry() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def greet() -> None:
            connection, _address = server.accept()
            with connection:
                connection.sendall(b"220 mail ESMTP\r\n")

        threading.Thread(target=greet, daemon=True).start()
        assert answers(server.getsockname()[1]) is False


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """Its registry answers as soon as it runs."""
    engine = FakeEngine()
    engine.registry["registry:3"] = FakeEngine().add_image("registry:3", "ir")
    monkeypatch.setattr(local_registry, "answers", lambda _port: True if CONTAINER in engine.running else None)
    return engine


def ensured(engine: FakeEngine, check: bool = False, port: int = PORT) -> list[str]:
    changes = Changes(check)
    LocalRegistry(lambda: engine, changes, port, "registry:3").ensure()
    return changes.actions


def test_it_is_started_once_and_open_to_this_machine_alone(engine: FakeEngine) -> None:
    assert ensured(engine) == [PULLS, BOOTS]
    bindings = engine.here[CONTAINER]["HostConfig"]["PortBindings"]
    assert bindings == {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5555"}]}
    assert ensured(engine) == []


def test_one_that_was_stopped_goes_on_with_what_it_has(engine: FakeEngine) -> None:
    ensured(engine)
    engine.stop(CONTAINER, 1)
    assert ensured(engine) == [f"start container {CONTAINER}"]
    assert engine.calls.count(f"create {CONTAINER}") == 1


def test_in_check_mode_nothing_is_started(engine: FakeEngine) -> None:
    assert ensured(engine, check=True) == [PULLS, BOOTS]
    assert engine.calls == []


def test_one_that_answers_needs_no_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_registry, "answers", lambda _port: True)

    def no_engine() -> Engine:
        raise EngineError("No Docker engine answers")

    LocalRegistry(no_engine, Changes(False), PORT, "registry:3").ensure()


def test_a_port_that_something_else_has_is_named(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_registry, "answers", lambda _port: False)
    told = f"port 5555 of this machine does not .* If it is {CONTAINER}, .*; else name another port in registry/server"
    with pytest.raises(PortError, match=told):
        ensured(engine)
    assert engine.calls == []


def test_one_that_kamal_started_at_another_port_is_not_lost(engine: FakeEngine) -> None:
    ensured(engine, port=5000)
    engine.stop(CONTAINER, 1)
    with pytest.raises(PortError, match=r"is at port 5000\. Name that port in registry/server, or remove it"):
        ensured(engine)


def test_an_image_that_cannot_be_had_leaves_nothing_behind(engine: FakeEngine) -> None:
    engine.registry.clear()
    with pytest.raises(ImageError, match="registry:3"):
        ensured(engine)
    assert engine.here == {}


def test_one_that_does_not_answer_is_named_with_its_logs(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_registry, "PATIENCE", -1)
    engine.dying.add(CONTAINER)
    with pytest.raises(EngineError, match=f"See docker logs {CONTAINER}"):
        ensured(engine)


def test_two_runs_that_start_it_at_a_time_share_it(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    create = engine.create

    def second(name: str, body: dict[str, object]) -> str:
        create(name, body)
        return create(name, body)

    monkeypatch.setattr(engine, "create", second)
    assert ensured(engine) == [PULLS, BOOTS]
    assert CONTAINER in engine.running
