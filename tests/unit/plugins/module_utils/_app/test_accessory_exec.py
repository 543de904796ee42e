# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command for an accessory: in its container or in a new one like it, and what it wrote."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import accessory_exec, logs
from ansible_collections.caravan.kamal.plugins.module_utils._app import command as _command
from ansible_collections.caravan.kamal.plugins.module_utils._app import command_leftovers as leftovers
from ansible_collections.caravan.kamal.plugins.module_utils._errors import (
    AccessoryError,
    CommandError,
    ConfigError,
    EngineError,
)
from ansible_collections.caravan.kamal.plugins.module_utils._host import files
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Executed
from ansible_collections.caravan.kamal.plugins.module_utils._names import exec_lock
from ansible_collections.caravan.kamal.plugins.plugin_utils.display import report
from fakes import FakeEngine

pytestmark = pytest.mark.usefixtures("home")


class Ending(FakeEngine):
    """What is started ends at once, with this code and these words."""

    code = 0

    def start(self, name: str) -> None:
        known, container = self._find(name)
        self.started = known, container
        self.output[known] = "a\nb\n"
        container["State"].update(Status="exited", ExitCode=self.code)


@pytest.fixture
def engine() -> Ending:
    engine = Ending()
    body = {"Env": ["A=1"], "Labels": {"service": "hello-db"}, "Image": "i0", "User": "7"}
    engine.create("hello-db", {**body, "HostConfig": {"Binds": ["data:/data"], "PortBindings": {"1/tcp": []}}})
    engine.here["hello-db"]["State"]["Status"] = "running"
    engine.calls.clear()
    return engine


def run(engine: FakeEngine, command: str = "dump 'a b'", reuse: bool = False, check: bool = False) -> Any:
    changes = Changes(check)
    wanted = _command.Command(_command.words(command), {"B": "2"})
    return accessory_exec.run(engine, changes, "hello-db", wanted, reuse), changes.actions


def test_in_a_new_container_like_it(engine: Ending) -> None:
    answer, actions = run(engine)
    assert answer == {"container": "a container like hello-db", "state": "exit code 0", "lines": ["a", "b"]}
    assert actions == ["run dump in a container like hello-db"]
    name, new = engine.started
    config, host_config = new["Config"], new["HostConfig"]
    assert (config["Cmd"], config["Env"], config["User"]) == (["dump", "a b"], ["A=1", "B=2"], "7")
    assert host_config["Binds"] == ["data:/data"] and "PortBindings" not in host_config
    assert "service" not in config["Labels"] and name.startswith("hello-db_exec-")
    assert list(engine.here) == ["hello-db"]


def test_in_the_container_itself(engine: Ending) -> None:
    engine.answers["dump"] = Executed(0, "done\n")
    answer, _actions = run(engine, reuse=True)
    assert (answer["container"], answer["lines"]) == ("hello-db", ["done"])
    assert engine.calls == ["run dump in hello-db"]


@pytest.mark.parametrize("reuse", [True, False])
def test_a_command_that_fails_is_an_error_with_what_it_wrote(engine: Ending, reuse: bool) -> None:
    engine.code = 3
    engine.answers["dump"] = Executed(3, "a\nb\n")
    with pytest.raises(CommandError, match=r"dump ended with code 3 in .*hello-db.\na\nb"):
        run(engine, reuse=reuse)
    assert list(engine.here) == ["hello-db"]


@pytest.mark.parametrize("reuse", [True, False])
def test_a_dry_run_runs_nothing(engine: Ending, reuse: bool) -> None:
    answer, actions = run(engine, reuse=reuse, check=True)
    assert engine.calls == [] and (answer["state"], len(actions)) == ("not run", 1)


@pytest.mark.parametrize("state", ["created", "running", "exited"])
def test_what_a_killed_run_left_goes_with_the_next(engine: Ending, home: Path, state: str) -> None:
    engine.add("hello-db_exec-1", "i0", state, **{leftovers.LABEL: "hello-db"})
    with files.kept_open(exec_lock("hello-db_exec-1")):
        pass
    actions = ["remove container hello-db_exec-1", "run dump in a container like hello-db"]
    assert run(engine, check=True)[1] == actions
    assert run(engine)[1] == actions
    assert list(engine.here) == ["hello-db"]
    assert not list((home / ".kamal/exec").iterdir())


@pytest.mark.parametrize("state", ["created", "running", "exited"])
def test_what_another_run_is_at_work_with_stays(engine: Ending, state: str) -> None:
    engine.add("hello-db_exec-1", "i0", state, **{leftovers.LABEL: "hello-db"})
    with leftovers._held("hello-db_exec-1"):
        run(engine)
    assert list(engine.here) == ["hello-db", "hello-db_exec-1"]


@pytest.mark.parametrize(
    ("state", "seconds", "stays"),
    [("created", 0, True), ("created", 4000, False), ("exited", 4000, False), ("running", 4000, True)],
)
def test_what_waits_for_a_terminal_stays_for_an_hour(engine: Ending, state: str, seconds: int, stays: bool) -> None:
    engine.add("hello-db_exec-1", "i0", state, **{leftovers.LABEL: "hello-db"})
    engine._created[engine.here["hello-db_exec-1"]["Id"]] = int(time.time()) - seconds
    run(engine)
    assert ("hello-db_exec-1" in engine.here) is stays


def test_what_cannot_be_run_is_told(engine: Ending) -> None:
    for command in ("", "a 'b"):
        with pytest.raises(ConfigError, match="command: it"):
            run(engine, command)
    engine.here["hello-db"]["State"]["Status"] = "exited"
    with pytest.raises(AccessoryError, match="does not run. Start it"):
        run(engine, reuse=True)
    engine.here.clear()
    with pytest.raises((AccessoryError, EngineError), match="no container hello-db here. Boot it first"):
        run(engine)


def test_logs_of_accessories_are_read_by_name(engine: Ending) -> None:
    engine.output["hello-db"] = "one\ntwo\nthree"
    assert logs.read_named(engine, ["hello-db", "hello-x"], logs.Limits.of(1, None, "t")) == {
        "hello-db": {"container": "hello-db", "state": "running", "lines": ["three"]},
        "hello-x": {"container": "hello-x", "state": "absent", "lines": []},
    }


def test_logs_of_what_was_never_booted_say_what_boots_it() -> None:
    absent = {"container": "x", "state": "absent", "lines": []}
    text = report.logs({"web1": {"logs": {"hello-x": absent, "kamal-proxy": absent}}})
    assert "not on this host; caravan.kamal.accessory.boot boots it" in text
    assert "not on this host; caravan.kamal.proxy.boot boots it" in text
