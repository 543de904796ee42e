# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What kamal-proxy routes, read while it writes, and after its state file broke."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import StateError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.docker_engine import DockerEngine
from ansible_collections.caravan.kamal.plugins.module_utils._proxy import commands
from ansible_collections.caravan.kamal.plugins.module_utils._proxy.flags import deploy_argv, options
from fakes import PROXY, FakeEngine, tar

pytestmark = pytest.mark.usefixtures("no_waiting")

BROKEN = [b"", b"[{", b"\xff\xfe", b"<html>"]


@pytest.fixture
def host(engine: FakeEngine) -> FakeEngine:
    engine.boot_proxy()
    engine.add("app-1")
    target = f"{engine.here['app-1']['Id'][:12]}:80"
    engine.execute(PROXY, deploy_argv("app", target, options({}, deploy_timeout=1, drain_timeout=1)))
    engine.calls.clear()
    return engine


@pytest.mark.parametrize("content", BROKEN)
def test_a_state_file_that_is_being_written_is_read_once_more(
    host: FakeEngine, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    reads = iter([content])
    read_file = host.read_file
    monkeypatch.setattr(host, "read_file", lambda *place: next(reads, None) or read_file(*place))
    if content:
        assert set(commands.services(host)) == {"app"}


@pytest.mark.parametrize("length", [0, 100, 600, 1500])
def test_a_state_file_that_shrinks_while_the_engine_reads_it_is_read_once_more(host: FakeEngine, length: int) -> None:
    """Docker sends as many bytes as there were when it began, or the archive ends too early."""
    whole = tar({"kamal-proxy.state": host.read_file(PROXY, "") or b""})
    api = Mock()
    api.get_archive.side_effect = [(iter([whole[:length]]), {}), (iter([whole]), {})]
    assert set(commands.services(DockerEngine(api))) == {"app"}


@pytest.mark.parametrize("content", BROKEN)
def test_a_broken_state_file_is_written_anew_from_what_is_routed(host: FakeEngine, content: bytes) -> None:
    host.state_file = content
    with pytest.raises(StateError, match="next deploy to this host has kamal-proxy write it anew"):
        commands.services(host)
    changes = Changes(check_mode=False)
    assert set(commands.look(host, changes)) == {"app"}
    assert "from what it routes: app." in changes.notices[0] and not changes.changed
    assert set(commands.services(host)) == {"app"}


def test_in_check_mode_a_broken_state_file_stays_and_is_told(host: FakeEngine) -> None:
    host.state_file = b"[{"
    changes = Changes(check_mode=True)
    assert commands.look(host, changes) == {}
    assert "broken" in changes.notices[0] and host.calls == []


def test_a_proxy_that_does_not_run_cannot_write_and_routes_nothing(host: FakeEngine) -> None:
    host.state_file = b"[{"
    host.stop(PROXY, None)
    changes = Changes(check_mode=False)
    assert commands.look(host, changes) == {} and "broken" in changes.notices[0]


def test_a_proxy_that_cannot_write_is_told_with_what_to_do(host: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "read_file", lambda *_place: b"[{")
    with pytest.raises(StateError, match="could not write it anew. See that its volume has room"):
        commands.look(host, Changes(check_mode=False))


def test_without_a_proxy_nothing_is_routed(engine: FakeEngine) -> None:
    assert commands.services(engine) == {}
