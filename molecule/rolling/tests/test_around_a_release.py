# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hooks around a release: each in its place, and what becomes of a release when one says no."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from collector import Collector, plain
from hosts import Host, ask
from project import Project, Run

CONFIG = {
    "servers": {"workers": None},
    "boot": {"limit": 1},
    "hooks_output": {"pre-deploy": "verbose", "pre-build": "quiet"},
}
HOOKS = (
    "pre-connect",
    "docker-setup",
    "pre-build",
    "post-push",
    "pre-deploy",
    "pre-app-boot",
    "post-app-boot",
    "post-deploy",
    "on-failure",
)
# What each saw is a line of one file: its name, Kamal's variables, and what ran on the hosts by then.
SCRIPT = """\
#!/usr/bin/env python3
import json, os, sys
told = {name[6:].lower(): value for name, value in os.environ.items() if name.startswith("KAMAL_")}
told["secret"] = os.environ.get("TOKEN", "")
name = os.path.basename(sys.argv[0])
with open("seen.jsonl", "a") as seen:
    seen.write(json.dumps({"name": name, **told}) + "\\n")
print("the token is", told["secret"], flush=True)
no = os.environ.get("SAY_NO", "").split("@")
if no[0] == name and (len(no) == 1 or no[1] in told["hosts"].split(",")):
    print("this one says no", flush=True)
    sys.exit(7)
"""
DRAIN = """\
- name: Leave a trace on this host
  ansible.builtin.command: sh -c "echo {{ kamal_hook.name }} {{ kamal_hook.hosts | join(',') }} >> .kamal/drained"
"""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture(scope="module", autouse=True)
def _hooks(project: Project, collector: Collector) -> None:
    project.configure({"output": {"file": {"path": "log"}, "otel": {"endpoint": collector.endpoint}}})
    for name in HOOKS:
        project.write_executable(f".kamal/hooks/{name}", SCRIPT)
    project.write("tasks/drain.yml", DRAIN)
    project.write(".gitignore", ".kamal/secrets*\nseen.jsonl\nlog\n")
    project.secrets(REGISTRY_PASSWORD="$LAB_REGISTRY_PASSWORD", TOKEN="s3ntinel-word")


def seen(project: Project) -> list[dict[str, Any]]:
    """What hooks saw since this was last asked."""
    file = project.root / "seen.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


def deploy(project: Project, version: str, no: str = "", **variables: Any) -> Run:
    project.commit(version)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SAY_NO", no)
        return project.deploy(version, **variables)


def test_a_dry_run_lists_them_and_runs_none(project: Project) -> None:
    project.commit("h1")
    dry = project.check("h1")
    assert dry.ok
    assert seen(project) == []
    listed = [action for result in dry.of("hook") for action in result["actions"]]
    assert listed == [f"run .kamal/hooks/{name}" for name in EXPECTED]


EXPECTED = [
    "pre-connect",
    "pre-build",
    "post-push",
    "pre-deploy",
    "pre-app-boot",
    "post-app-boot",
    "pre-app-boot",
    "post-app-boot",
    "post-deploy",
]


def test_every_hook_runs_in_its_place(project: Project, web1: Host) -> None:
    deployed = deploy(project, "h1")
    assert deployed.ok
    told = seen(project)
    assert [each["name"] for each in told] == EXPECTED
    batches = [each["hosts"] for each in told if each["name"].endswith("app-boot")]
    assert batches == ["web1", "web1", "web2", "web2"]
    locked = {each["name"] for each in told if each["lock"] == "true"}
    assert locked == {"pre-deploy", "pre-app-boot", "post-app-boot"}
    with_secrets = {each["name"] for each in told if each["secret"]}
    assert with_secrets == {"pre-connect", "pre-deploy", "post-deploy"}
    assert {(each["command"], each["service_version"], each["performer"]) for each in told} == {
        ("deploy", "hello@h1", "ada@example.com")
    }
    assert [each["name"] for each in told if "runtime" in each] == ["post-deploy"]
    assert not web1.locked()


def test_only_what_is_asked_for_is_shown_of_a_redeploy_too_and_no_secret(project: Project) -> None:
    project.commit("h2")
    again = project.play("redeploy", kamal_version="h2")
    assert again.ok
    assert again.output.count("pre-deploy    the token is ********") == 1
    assert again.output.count("the token is") == 1
    assert "s3ntinel-word" not in again.output
    assert "Run the hook post-deploy" in again.output and "Run the hook pre-build" not in again.output
    told = seen(project)
    assert [each["name"] for each in told] == EXPECTED
    assert {(each["command"], each["version"]) for each in told} == {("redeploy", "h2")}


def test_a_check_that_fails_leaves_everything_as_it_was(project: Project, web1: Host, web2: Host) -> None:
    before = web1.traces, web2.traces
    run = deploy(project, "h3", no="pre-deploy")
    assert run.code != 0
    assert (web1.traces, web2.traces) == before
    assert not web1.locked()
    told = seen(project)
    assert [each["name"] for each in told][-2:] == ["pre-deploy", "on-failure"]
    assert "pre-deploy ended with exit code 7" in told[-1]["error"]
    assert told[-1]["failed_hosts"] == ""
    assert "The hook .kamal/hooks/pre-deploy ended with exit code 7. Of this version nothing was brought" in run.output
    assert "this one says no" in run.output
    assert "failed: the controller; unchanged: web1, web2 (" in run.output
    assert "Traceback" not in run.output


def test_a_batch_that_is_not_let_in_stays_as_it_was(project: Project, web1: Host, web2: Host) -> None:
    run = deploy(project, "h4", no="pre-app-boot@web2")
    assert run.code != 0
    assert web1.running == ["hello-web-h4"]
    assert web2.running == ["hello-web-h2"]
    assert not web1.locked()
    told = seen(project)
    assert [(each["name"], each["hosts"]) for each in told[-4:]] == [
        ("pre-app-boot", "web1"),
        ("post-app-boot", "web1"),
        ("pre-app-boot", "web2"),
        ("on-failure", "web1,web2"),
    ]
    assert "ended with exit code 7. The version does not go live on web2." in run.output
    assert "failed: the controller; changed: web1, web2 (" in run.output
    assert {ask().status for _number in range(4)} == {200}


def test_what_fails_afterwards_fails_nothing_else(project: Project, web1: Host, web2: Host) -> None:
    run = deploy(project, "h3", no="post-deploy", kamal_build=False)
    assert run.code != 0
    assert web1.running == web2.running == ["hello-web-h3"]
    assert not web1.locked()
    assert [each["name"] for each in seen(project)][-1] == "post-deploy"
    assert "The version is live on every host, and the deploy lock is free." in run.output
    assert "failed: the controller; changed: web1, web2 (" in run.output


def test_tasks_run_on_each_host_of_the_batch_and_a_rollback_has_its_hooks(
    project: Project, web1: Host, web2: Host
) -> None:
    drain = json.dumps({"kamal_hooks": {"pre-app-boot": {"file": "tasks/drain.yml", "on": "hosts"}}})
    back = project.rollback("h2", "-e", drain)
    assert back.ok
    for host in (web1, web2):
        assert host.running == ["hello-web-h2"]
        assert host.file(".kamal/drained").content_string == f"pre-app-boot {host.name}\n"
    told = seen(project)
    assert [each["name"] for each in told] == [
        "pre-connect",
        "pre-deploy",
        "post-app-boot",
        "post-app-boot",
        "post-deploy",
    ]
    assert {(each["command"], each["version"]) for each in told[1:]} == {("rollback", "h2")}


def test_what_runs_before_the_first_connection_is_told_of_a_command_too(project: Project) -> None:
    assert project.play("app.exec", kamal_cmd="true", kamal_roles="web").ok
    (told,) = seen(project)
    expected = {
        "name": "pre-connect",
        "command": "app",
        "subcommand": "exec",
        "service": "hello",
        "service_version": f"hello@{told['version'][:7]}",
        "hosts": "web1,web2",
        "roles": "web",
        "performer": "ada@example.com",
    }
    assert {name: told[name] for name in expected} == expected
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["recorded_at"])


def test_each_run_is_on_record_in_a_file_and_at_a_collector(project: Project, collector: Collector) -> None:
    files = sorted((project.root / "log").iterdir())
    runs = [file.stem.partition("_")[2] for file in files]
    assert runs == ["deploy", "redeploy", "deploy", "deploy", "deploy", "rollback"]
    whole = [file.read_text() for file in files]
    assert [text.splitlines()[-1].startswith("# Completed in ") for text in whole] == [True] * 2 + [False] * 3 + [True]
    for line in ("build registry:4443/stories/hello:h1", "[web2] start container hello-web-h1", "post-deploy"):
        assert line in whole[0]
    events = [
        (record["body"]["stringValue"], plain(record["attributes"]))
        for record in collector.records
        if record["body"]["stringValue"].startswith("kamal.")
    ]
    ended = ["complete", "complete", "failed", "failed", "failed", "complete"]
    versions = ["h1", "h2", "h3", "h4", "h3", "h2"]
    names = [f"{run} {version}" for run, version in zip(runs, versions, strict=True)]
    assert [(event, told["deployment.name"]) for event, told in events] == [
        each for name, end in zip(names, ended, strict=True) for each in (("kamal.start", name), (f"kamal.{end}", name))
    ]
    assert {told["deployment.status"] for event, told in events if event == "kamal.complete"} == {"succeeded"}
    assert all(told["runtime"] > 0 for event, told in events if event != "kamal.start")
    assert len({told["deployment.id"] for _event, told in events}) == 6
    lines = [plain(record["attributes"]) for record in collector.records]
    assert {"web1", "web2"} <= {line.get("server.address") for line in lines}
