# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A command for the roles of a host: where it runs, with what, and what is told of it."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._app import command as _command
from ansible_collections.caravan.kamal.plugins.module_utils._app import command_leftovers as leftovers
from ansible_collections.caravan.kamal.plugins.module_utils._app.app_exec import AppExec
from ansible_collections.caravan.kamal.plugins.module_utils._app.context import Context
from ansible_collections.caravan.kamal.plugins.module_utils._errors import CommandError, EngineError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._host.engine import Executed
from ansible_collections.caravan.kamal.plugins.module_utils._progress import Progress
from ansible_collections.caravan.kamal.plugins.module_utils._shares import HostShare
from fakes import FakeEngine

SECRETS = {"TOKEN": "t"}
VOLUMES = {"volumes": ["data:/data"], "asset_path": "/public"}


class Ending(FakeEngine):
    """What is started ends at once, with this code and these words, unless nobody waits for it."""

    code = 0

    def start(self, name: str) -> None:
        known, container = self._find(name)
        self.calls.append(f"start {known.rpartition('-')[0]}")
        self.started = container
        self.output[known] = "a\nb\n"
        container["State"].update(Status="exited", ExitCode=self.code)


@pytest.fixture
def engine(home: Path) -> Ending:
    engine = Ending()
    engine.networks.add("kamal")
    engine.add_image("hello:v1", "i1")
    engine.add_image("hello:latest", "i1")
    for role in ("web", "worker"):
        engine.add(f"hello-{role}-v1", "i1", service="hello", role=role, destination="")
    return engine


@pytest.fixture
def run(engine: Ending, share_of: Callable[..., HostShare]) -> Callable[..., Any]:
    def run(
        line: str = "report 'a b'", version: str = "latest", reuse: bool = False, check: bool = False, **how: Any
    ) -> Any:
        share = share_of(version, command="exec", **VOLUMES)
        context = Context(engine, changes := Changes(check), share, SECRETS)
        roles = how.pop("roles", ["web"])
        command = _command.Command(_command.words(line), **how)
        return AppExec(context, None, command, reuse).run(roles), changes.actions

    return run


def test_in_a_new_container_of_what_runs(engine: Ending, run: Callable[..., Any], home: Path) -> None:
    logs, actions = run(env={"EXTRA": "1", "GREETING": "ho"})
    assert logs == {"web": {"container": "a container like hello-web", "state": "exit code 0", "lines": ["a", "b"]}}
    assert actions == ["run report in a container like hello-web"]
    config, host = engine.started["Config"], engine.started["HostConfig"]
    assert (config["Cmd"], config["Image"]) == (["report", "a b"], "i1")
    env = dict(entry.split("=") for entry in config["Env"])
    assert (env["TOKEN"], env["GREETING"], env["EXTRA"], env["KAMAL_VERSION"]) == ("t", "ho", "1", "v1")
    assert env["KAMAL_CONTAINER_NAME"] == engine.started["Name"][1:]
    assert engine.started["Name"].startswith("/hello-web-exec-v1-")
    assert host["Binds"] == ["data:/data"] and host["RestartPolicy"] == {"Name": "no"}
    assert config["Labels"] == {"service": "hello", "destination": "", leftovers.LABEL: "hello-web"}
    assert list(engine.here) == ["hello-web-v1", "hello-worker-v1"]
    assert "] [web] Executed cmd 'report' on app version v1" in (home / ".kamal/hello-audit.log").read_text()


def test_a_variable_before_the_command_is_shown_nowhere() -> None:
    assert _command.shown(["TOKEN=hush", "report"]) == "report"
    assert _command.shown(["TOKEN=hush"]) == "TOKEN"


def test_a_version_that_is_named_is_pulled_where_it_is_missing(engine: Ending, run: Callable[..., Any]) -> None:
    engine.registry["hello:v2"] = replace(engine.add_image("other:v2", "i2"), tags=["hello:v2"])
    actions = run(version="v1")[1]
    assert actions == ["run report in a container like hello-web"]
    with pytest.raises(CommandError, match="hello:v2 is not on this host, and there is no registry"):
        run(version="v2")


def test_without_anything_that_runs_it_is_the_latest_image(engine: Ending, run: Callable[..., Any]) -> None:
    engine.here.clear()
    run()
    assert engine.started["Config"]["Image"] == "i1"
    assert engine.started["Name"].startswith("/hello-web-exec-latest-")


@pytest.mark.parametrize(("roles", "ran"), [(None, ["web", "worker"]), (["worker"], ["worker"])])
def test_in_the_containers_that_run(
    engine: Ending, run: Callable[..., Any], roles: list[str] | None, ran: list[str]
) -> None:
    engine.answers["report"] = Executed(0, "done\n")
    logs, actions = run(reuse=True, roles=roles)
    assert list(logs) == ran
    assert actions == [f"run report in hello-{role}-v1" for role in ran]


def test_a_failure_in_one_role_keeps_no_other_from_its_turn(engine: Ending, run: Callable[..., Any]) -> None:
    engine.here["hello-web-v1"]["State"]["Status"] = "exited"
    engine.answers["report"] = Executed(0, "done\n")
    with pytest.raises(CommandError, match="No container of the role web runs on host1. Start it") as error:
        run(reuse=True, roles=None)
    assert error.value.details["logs"]["worker"]["lines"] == ["done"]


@pytest.mark.parametrize("reuse", [True, False])
def test_its_code_decides(engine: Ending, run: Callable[..., Any], reuse: bool) -> None:
    engine.code = 3
    engine.answers["report"] = Executed(3, "a\nb\n")
    with pytest.raises(CommandError, match="report ended with code 3 in .*hello-web.*\na\nb"):
        run(reuse=reuse)
    assert list(engine.here) == ["hello-web-v1", "hello-worker-v1"]


@pytest.mark.parametrize("how", [{"reuse": True}, {}, {"how": "detached"}, {"how": "terminal"}])
def test_a_dry_run_runs_nothing(engine: Ending, run: Callable[..., Any], home: Path, how: dict[str, Any]) -> None:
    run(check=True, **how)
    assert engine.calls == [] and not (home / ".kamal").exists()


def test_one_that_nobody_waits_for_stays_with_its_logs(engine: Ending, run: Callable[..., Any]) -> None:
    logs, actions = run(how=_command.DETACHED)
    name = logs["web"]["container"]
    assert (logs["web"]["state"], actions) == ("started", [f"run report in {name}, detached"])
    assert name in engine.here and leftovers.LABEL not in engine.here[name]["Config"]["Labels"]


def test_one_that_cannot_be_started_leaves_nothing(engine: Ending, run: Callable[..., Any]) -> None:
    def refuse(_name: str) -> None:
        raise EngineError("no such command")

    engine.start = refuse  # type: ignore[method-assign]
    with pytest.raises(CommandError, match="no such command"):
        run(how=_command.DETACHED)
    assert list(engine.here) == ["hello-web-v1", "hello-worker-v1"]


def test_a_terminal_is_made_ready(engine: Ending, run: Callable[..., Any]) -> None:
    made = run(how=_command.TERMINAL, roles=None)[0]
    assert list(made) == ["web"]
    name = made["web"]["container"]
    assert made["web"]["terminal"] == f"docker start --attach --interactive {name}"
    container = engine.here[name]
    assert container["Config"]["Tty"] and container["HostConfig"]["AutoRemove"]
    assert container["State"]["Status"] == "created"
    inside = run("sh -c 'a b'", how=_command.TERMINAL, env={"A": "1 2"}, reuse=True)[0]["web"]
    assert inside["terminal"] == "docker exec -it --env 'A=1 2' hello-web-v1 sh -c 'a b'"


@pytest.mark.parametrize("reuse", [True, False])
def test_bytes_are_answered_as_they_are(engine: Ending, run: Callable[..., Any], reuse: bool) -> None:
    engine.answers["report"] = Executed(0, "", b"a\nb")
    assert base64.b64decode(run(reuse=reuse, raw=True)[0]["web"]["stdout"]) == b"a\nb"


@pytest.mark.parametrize("reuse", [True, False])
def test_what_it_writes_is_told_by_role(engine: Ending, run: Callable[..., Any], tmp_path: Path, reuse: bool) -> None:
    engine.answers["report"] = Executed(0, "a\nb\n")
    logs, _actions = run(reuse=reuse, roles=None, progress=Progress(str(tmp_path / "progress"), SECRETS))
    told = [json.loads(line) for line in (tmp_path / "progress").read_text().splitlines()]
    lines = [(event["place"], line) for event in told for line in event["text"].split("\n")]
    assert lines == [("web", "a"), ("web", "b"), ("worker", "a"), ("worker", "b")]
    assert [log["lines"] for log in logs.values()] == [["a", "b"]] * 2
    assert list(engine.here) == ["hello-web-v1", "hello-worker-v1"]


def test_one_that_nobody_wants_any_more_is_ended_and_leaves_nothing(
    engine: Ending, run: Callable[..., Any], tmp_path: Path
) -> None:
    def follow(container: str) -> Any:
        """It runs until its container is gone."""
        yield b"begun\n"
        (tmp_path / "progress.stop").touch()
        while engine.inspect(container):
            time.sleep(0.01)

    engine.follow = follow  # type: ignore[method-assign]
    with pytest.raises(CommandError, match="report ended with code 1"):
        run(progress=Progress(str(tmp_path / "progress"), SECRETS))
    assert list(engine.here) == ["hello-web-v1", "hello-worker-v1"]
