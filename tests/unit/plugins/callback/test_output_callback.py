# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What of a run is recorded, and when its record begins and ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.callback import output

PLAN = {
    "service": "hello",
    "destination": None,
    "version": "v2",
    "performer": "ada",
    "command": "deploy",
    "all_hosts": ["web1", "web2"],
    "project_root": "/project",
    "output": {"file": "log", "otel": None},
}
WELL, BADLY = {"failures": 0, "unreachable": 0}, {"failures": 1, "unreachable": 0}


class Recorder:
    version = ""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def begin(self, run: Any) -> None:
        self.version = run.version
        self.told.append(("begin", run.service, run.command, list(run.hosts)))

    def line(self, text: str, host: str | None, severity: str) -> None:
        self.told.append((severity, host, text))

    def end(self, failure: str | None, seconds: float) -> str | None:
        self.told.append(("end", failure))
        return None


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder()
    monkeypatch.setattr(output, "_recorders", lambda _output, _root: [made])
    monkeypatch.setattr(output.context, "CLIARGS", {"args": ["caravan.kamal.deploy"]})
    return made


class Callback(output.CallbackModule):
    def host_label(self, result: Any) -> str:
        return str(result.label)


def result(name: str, host: str, label: str = "", /, action: str = "x", check_mode: bool = False, **answer: Any) -> Any:
    task = SimpleNamespace(get_name=lambda: name, action=action, check_mode=check_mode, args={"state": "held"})
    return SimpleNamespace(
        task=task, host=SimpleNamespace(get_name=lambda: host), label=label or host, result=dict(answer)
    )


def planned(callback: Callback, **changes: Any) -> None:
    callback.v2_runner_on_ok(result("Plan", "web1", action=output.PLAN, plan={**PLAN, **changes}))


def ended(callback: Callback, **counts: Any) -> None:
    callback.v2_playbook_on_stats(SimpleNamespace(processed=counts, summarize=counts.get))


def test_a_run_from_its_plan_to_its_end(recorder: Recorder) -> None:
    callback = Callback()
    callback.v2_playbook_on_task_start(SimpleNamespace(get_name=lambda: "plan : Plan", action="x"), False)
    planned(callback)
    for name, action in (("app : Skip it", "x"), ("app : Keep it", "set_fact"), ("app : Stage it", "x")):
        task = SimpleNamespace(get_name=lambda name=name: name, action=action)
        callback.v2_playbook_on_task_start(task, False)
    callback.v2_runner_on_ok(result("Stage it", "web1", "web1 -> web2", changed=True, actions=["pull it", "create it"]))
    planned(callback)
    ended(callback, web1=WELL)
    assert recorder.told == [
        ("begin", "hello", "deploy", ["web1", "web2"]),
        ("INFO", None, "Plan"),
        ("INFO", None, "Stage it"),
        ("INFO", "web2", "pull it"),
        ("INFO", "web2", "create it"),
        ("end", None),
    ]


def test_a_run_that_failed_says_what_failed_first(recorder: Recorder) -> None:
    callback = Callback()
    planned(callback)
    callback.v2_runner_on_failed(result("Try", "web1", msg="Not found."), ignore_errors=True)
    callback.v2_runner_on_failed(result("Go", "web2", msg="It exited.\nWhy?", actions=["start it"]))
    callback.v2_runner_on_failed(result("Stop", "web1", msg="It stopped."))
    ended(callback, web1=BADLY, web2=BADLY)
    assert recorder.told[2:5] == [
        ("INFO", "web2", "start it"),
        ("ERROR", "web2", "It exited."),
        ("ERROR", "web2", "Why?"),
    ]
    assert recorder.told[-1] == ("end", "web2: It exited. Why?")


@pytest.mark.parametrize("actions", [[{"what": "container", "status": "Creating"}], True], ids=str)
def test_what_other_modules_call_actions_is_not_recorded(recorder: Recorder, actions: Any) -> None:
    callback = Callback()
    planned(callback)
    callback.v2_runner_on_ok(result("Start it", "web1", changed=True, actions=actions))
    callback.v2_runner_on_failed(result("Start it", "web2", msg="port is already allocated", actions=actions))
    ended(callback, web2=BADLY)
    assert recorder.told[1:] == [
        ("INFO", "web1", "changed"),
        ("ERROR", "web2", "port is already allocated"),
        ("end", "web2: port is already allocated"),
    ]


def test_a_failure_that_was_rescued_is_none(recorder: Recorder) -> None:
    callback = Callback()
    planned(callback)
    callback.v2_runner_on_failed(result("Go", "web2", msg="It exited."))
    ended(callback, web2=WELL)
    assert recorder.told[-1] == ("end", None)


def test_what_a_task_would_do_that_looks_ahead_is_done_by_a_later_one(recorder: Recorder) -> None:
    callback = Callback()
    planned(callback)
    callback.v2_runner_on_ok(result("Look", "web1", check_mode=True, changed=True, actions=["remove it"]))
    callback.v2_runner_on_ok(result("Do", "web1", changed=True, actions=["remove it"]))
    assert [told[2] for told in recorder.told[1:]] == ["remove it"]


@pytest.mark.parametrize("command", output.LOOKING)
def test_a_run_that_only_looks_is_not_recorded(recorder: Recorder, command: str) -> None:
    callback = Callback()
    planned(callback, command=command)
    ended(callback, web1=WELL)
    assert recorder.told == []


def test_one_that_takes_the_lock_is_recorded_from_there(recorder: Recorder) -> None:
    """As caravan.kamal.app.stop does, whose plan is that of a run that looks."""
    callback = Callback()
    planned(callback, command="inspect")
    callback.v2_runner_on_ok(result("Reach it", "web1", changed=True, actions=["nothing"]))
    for _renewed in range(2):
        callback.v2_runner_on_ok(result("Lock", "web1", action=output.LOCK, held=True))
    callback.v2_runner_on_ok(result("Stop", "web1", changed=True, actions=["stop it"]))
    ended(callback, web1=WELL)
    assert [told[0] for told in recorder.told] == ["begin", "INFO", "end"]
    assert recorder.told[1] == ("INFO", "web1", "stop it")


@pytest.mark.parametrize("asked", ["previous", "live"])
def test_a_version_that_is_found_under_the_lock_is_the_one_that_is_recorded(recorder: Recorder, asked: str) -> None:
    callback = Callback()
    planned(callback, version=asked)
    callback.v2_runner_on_ok(result("Lock", "web1", action=output.LOCK, held=True, actions=["take over the lock"]))
    assert recorder.told == []
    planned(callback, version="v1")
    callback.v2_runner_on_ok(result("Go", "web2", changed=True, actions=["start it"]))
    ended(callback, web1=WELL, web2=WELL)
    assert recorder.version == "v1"
    assert recorder.told == [
        ("begin", "hello", "deploy", ["web1", "web2"]),
        ("INFO", "web1", "take over the lock"),
        ("INFO", "web2", "start it"),
        ("end", None),
    ]


@pytest.mark.parametrize("end", ["failed", "cut off", "another service"])
def test_a_run_that_ends_before_its_version_is_found_is_recorded_too(recorder: Recorder, end: str) -> None:
    callback = Callback()
    planned(callback, version="previous")
    callback.v2_runner_on_failed(result("Look", "web2", msg="There is nothing to go back to."))
    if end == "another service":
        planned(callback, service="other")
    else:
        callback._cut_off() if end == "cut off" else ended(callback, web2=BADLY)
    told = "web2: There is nothing to go back to."
    ending = {"failed": told, "cut off": output.CUT_OFF, "another service": None}[end]
    assert [line[:2] for line in recorder.told[:3]] == [("begin", "hello"), ("ERROR", "web2"), ("end", ending)]


def test_a_dry_run_is_not_recorded(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output.context, "CLIARGS", {"check": True})
    callback = Callback()
    planned(callback)
    assert recorder.told == []


def test_two_services_of_a_run_have_two_records(recorder: Recorder) -> None:
    callback = Callback()
    planned(callback)
    planned(callback, service="other")
    ended(callback, web1=WELL)
    assert [told[:2] for told in recorder.told if told[0] in ("begin", "end")] == [
        ("begin", "hello"),
        ("end", None),
        ("begin", "other"),
        ("end", None),
    ]


def test_a_record_on_a_full_disk_ends_alone_and_is_told_of_once(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    full, told = Recorder(), []

    def refuse(*_what: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(full, "line", refuse)
    monkeypatch.setattr(output, "_recorders", lambda _output, _root: [full, recorder])
    callback = Callback()
    monkeypatch.setattr(callback._display, "warning", told.append)
    planned(callback)
    callback.v2_runner_on_failed(result("Go", "web2", msg="It exited.\nWhy?"))
    ended(callback, web2=BADLY)
    assert [line for _severity, _host, line in recorder.told[1:3]] == ["It exited.", "Why?"]
    assert recorder.told[-1] == ("end", "web2: It exited. Why?")
    assert len(told) == 1 and "not recorded in a file: [Errno 28] No space left" in told[0]
