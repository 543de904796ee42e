# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which hooks a run has, what is said of each, and what is wrong with them, before anything is touched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import from_mapping
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.rules_sections import HOOKS
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Hook, Plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.planner import plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.run import Run

FOLDER = ".kamal/hooks"
ANYWHERE = ["pre-connect"]
DEPLOYING = ["pre-deploy", "pre-app-boot", "post-app-boot", "post-deploy"]
AROUND_THE_PROXY = ["pre-proxy-reboot", "post-proxy-reboot"]
BUILDING = ["pre-build", "post-push"]
FAILING = ["on-failure"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with all hooks, as scripts."""
    for name in HOOKS:
        put(tmp_path, f"{FOLDER}/{name}")
    put(tmp_path, f"{FOLDER}/pre-build.sample")
    return tmp_path


def put(root: Path, path: str, mode: int = 0o755) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).touch(mode=mode)


def planned(root: Path, text: str = "", **run: Any) -> Plan:
    data = {"service": "app", "servers": ["h1", "h2"], **(yaml.safe_load(text) or {})}
    return plan(from_mapping(data, None, str(root)), Run(**{"version": "v1", "hosts": ["h1", "h2"], **run}))


def hooks(root: Path, text: str = "", **run: Any) -> dict[str, Hook]:
    return dict(planned(root, text, **run).hooks)


def problems(root: Path, text: str = "", **run: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        planned(root, text, **run)
    return [str(problem).replace(str(root), "") for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("run", "names"),
    [
        ({}, [*ANYWHERE, *BUILDING, *DEPLOYING, *AROUND_THE_PROXY, *FAILING]),
        ({"command": "redeploy"}, [*ANYWHERE, *BUILDING, *DEPLOYING, *AROUND_THE_PROXY, *FAILING]),
        ({"build": False}, [*ANYWHERE, *DEPLOYING, *AROUND_THE_PROXY, *FAILING]),
        ({"command": "bootstrap", "build": False}, [*ANYWHERE, "docker-setup", *AROUND_THE_PROXY, *FAILING]),
        (
            {"command": "boot", "build": False},
            [*ANYWHERE, "pre-app-boot", "post-app-boot", *AROUND_THE_PROXY, *FAILING],
        ),
        ({"command": "broadcast", "build": False}, [*ANYWHERE, "broadcast", *AROUND_THE_PROXY, *FAILING]),
        ({"command": "setup"}, [*ANYWHERE, "docker-setup", *BUILDING, *DEPLOYING, *AROUND_THE_PROXY, *FAILING]),
        ({"command": "rollback", "build": False}, [*ANYWHERE, *DEPLOYING, *AROUND_THE_PROXY, *FAILING]),
        ({"command": "remove", "build": False}, [*ANYWHERE, *AROUND_THE_PROXY, *FAILING]),
        ({"command": "inspect", "build": False}, ANYWHERE),
        ({"skip_hooks": True}, []),
    ],
    ids=[
        "deploy",
        "redeploy",
        "without a build",
        "bootstrap",
        "boot",
        "broadcast",
        "setup",
        "rollback",
        "remove",
        "inspect",
        "skipped",
    ],
)
def test_the_hooks_that_a_run_comes_to(run: dict[str, Any], names: list[str], project: Path) -> None:
    assert set(hooks(project, **run)) == set(names)


def test_every_hook_is_due_at_some_time() -> None:
    everywhere = [*ANYWHERE, "docker-setup", *BUILDING, *DEPLOYING, *AROUND_THE_PROXY, "broadcast", *FAILING]
    assert sorted(everywhere) == sorted(HOOKS)


def test_a_project_without_hooks_has_none(tmp_path: Path) -> None:
    assert hooks(tmp_path) == {}


def test_a_script_in_another_folder(tmp_path: Path) -> None:
    put(tmp_path, "bin/hooks/pre-deploy")
    put(tmp_path, f"{FOLDER}/post-deploy")
    found = hooks(tmp_path, "hooks_path: bin/hooks")
    assert {name: hook.file for name, hook in found.items()} == {"pre-deploy": str(tmp_path / "bin/hooks/pre-deploy")}


@pytest.mark.parametrize(
    ("text", "outputs"),
    [
        ("", [None, None]),
        ("hooks_output: quiet", ["quiet", "quiet"]),
        ("hooks_output: :verbose", ["verbose", "verbose"]),
        ("hooks_output: {pre-build: verbose}", ["verbose", None]),
        ('hooks_output: {pre-build: ":quiet", pre-deploy: verbose}', ["quiet", "verbose"]),
    ],
)
def test_whether_output_is_shown(text: str, outputs: list[Any], project: Path) -> None:
    found = hooks(project, text)
    assert [found["pre-build"].output, found["pre-deploy"].output] == outputs


def test_kamal_hands_all_secrets_to_some_hooks(project: Path) -> None:
    found = hooks(project, command="setup")
    everything = {name for name, hook in found.items() if hook.secrets is None}
    assert everything == {"pre-connect", "pre-deploy", "post-deploy", "on-failure"}
    assert {tuple(hook.secrets) for hook in found.values() if hook.secrets is not None} == {()}


def test_secrets_are_given_by_name_and_then_needed(project: Path) -> None:
    given = {"pre-build": {"secrets": ["TOKEN"]}, "pre-deploy": {"secrets": []}, "post-push": {"secrets": "all"}}
    made = planned(project, hooks=given)
    assert [made.hooks[name].secrets for name in given] == [["TOKEN"], [], None]
    assert made.secrets == ["TOKEN"]
    assert planned(project, hooks=given, build=False).secrets == []


def test_how_long_they_may_take(project: Path) -> None:
    found = hooks(project, hooks={"pre-deploy": {"timeout": "1200"}}, hooks_timeout=60)
    assert [found["pre-deploy"].timeout, found["post-deploy"].timeout] == [1200, 60]


@pytest.mark.parametrize(
    ("setting", "on"),
    [
        ("tasks/drain.yml", "controller"),
        ({"file": "tasks/drain.yml"}, "controller"),
        ({"file": "tasks/drain.yml", "on": "hosts"}, "hosts"),
        ({"file": "ROOT/tasks/drain.yml", "on": "once", "timeout": 5}, "once"),
    ],
    ids=["a file", "an option", "on hosts", "an absolute file"],
)
def test_tasks_run_in_the_place_of_a_script(setting: Any, on: str, project: Path) -> None:
    put(project, "tasks/drain.yml")
    if isinstance(setting, dict):
        setting = {**setting, "file": setting["file"].replace("ROOT", str(project))}
    hook = hooks(project, hooks={"pre-app-boot": setting})["pre-app-boot"]
    assert (hook.file, hook.kind, hook.on) == (str(project / "tasks/drain.yml"), "tasks", on)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"pre-depoly": "a.yml"},
            "kamal_hooks/pre-depoly: there is no such hook; did you mean `pre-deploy`?; they ar",
        ),
        ({"pre-deploy": "none.yml"}, "kamal_hooks/pre-deploy: there is no file /none.yml"),
        ({"pre-deploy": "bin/check"}, "kamal_hooks/pre-deploy/file: expected a file of Ansible tasks, .yml or .yaml"),
        ({"pre-deploy": ["a.yml"]}, "kamal_hooks/pre-deploy: expected a task file, or a map with file, on, secrets"),
        (
            {"pre-deploy": {"fiel": "a.yml"}},
            "kamal_hooks/pre-deploy/fiel: there is no such option; did you mean `file`",
        ),
        (
            {"pre-deploy": {"file": "a.yml", "on": "host"}},
            "kamal_hooks/pre-deploy/on: expected controller or once or",
        ),
        (
            {"pre-deploy": {"on": "hosts"}},
            "kamal_hooks/pre-deploy/on: a script runs on the controller; where",
        ),
        ({"pre-deploy": {"timeout": 0}}, "kamal_hooks/pre-deploy/timeout: expected a number of seconds, not 0"),
        ({"pre-deploy": {"timeout": True}}, "kamal_hooks/pre-deploy/timeout: expected a number of seconds, not True"),
        ({"pre-deploy": {"secrets": "TOKEN"}}, "kamal_hooks/pre-deploy/secrets: expected a list of names of secrets"),
        (["pre-deploy"], "kamal_hooks: expected a map of hooks, such as {pre-app-boot: tasks/drain.yml}"),
    ],
)
def test_what_is_wrong_in_the_variable(given: Any, told: str, project: Path) -> None:
    (problem,) = problems(project, hooks=given)
    assert problem.startswith(told)


def test_all_that_is_wrong_is_told_at_once(project: Path) -> None:
    (project / FOLDER / "pre-deploy").chmod(0o644)
    put(project, f"{FOLDER}/pre-traefik-reboot")
    told = problems(project, hooks={"post-deploy": "none.yml", "oops": "a.yml"})
    assert [problem.partition(":")[0] for problem in told] == [
        "kamal_hooks/oops",
        f"/{FOLDER}/pre-deploy",
        "kamal_hooks/post-deploy",
        f"/{FOLDER}/pre-traefik-reboot",
    ]


def test_a_script_that_is_not_executable_stops_the_runs_that_would_need_it(project: Path) -> None:
    (project / FOLDER / "pre-deploy").chmod(0o644)
    (problem,) = problems(project)
    assert "is not executable" in problem and "chmod +x" in problem and "kamal_skip_hooks=true" in problem
    hooks(project, command="remove")
    hooks(project, skip_hooks=True)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("pre_deploy", "pre-deploy"),
        ("pre-deploy.sh", "pre-deploy"),
        ("post-depoly", "post-deploy"),
        ("PRE_INIT", "pre-init"),
        ("pre-deploy.sample", None),
        ("post-deploy.off", None),
        ("announce.sh", None),
        ("pre-init", None),
    ],
)
def test_a_script_with_nearly_the_name_of_a_hook_is_told(name: str, meant: str | None, tmp_path: Path) -> None:
    put(tmp_path, f"{FOLDER}/{name}")
    put(tmp_path, f"{FOLDER}/notes_pre-deploy", mode=0o644)
    told = f"{tmp_path}/{FOLDER}/{name} is not run: there is no hook of this name; did you mean {meant}?"
    assert planned(tmp_path).notices == ([told] if meant else [])
    assert planned(tmp_path, skip_hooks=True).notices == planned(tmp_path, command="remove").notices == []


def test_what_is_said_of_a_hook_that_is_not_there_is_told(tmp_path: Path) -> None:
    put(tmp_path, f"{FOLDER}/pre-deploy")
    put(tmp_path, "tell.yml")
    said = {"pre-deploy": {"secrets": []}, "post-deploy": {"timeout": 5}, "pre-connect": {"file": "tell.yml"}}
    (notice,) = planned(tmp_path, hooks=said).notices
    assert notice.startswith("kamal_hooks/post-deploy says something of a hook that is not there")
    assert notice.endswith(f"there is no {tmp_path}/{FOLDER}/post-deploy.")


def test_the_lock_outlasts_the_hooks(project: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    without = planned(tmp_path_factory.mktemp("without")).lock.ttl
    assert planned(project, hooks_timeout=100).lock.ttl == without + 100
