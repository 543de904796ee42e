# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A hook of a run: what it gets, what is shown of it, and what becomes of its failure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.action import hook as action
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.modules import hook as module
from ansible_collections.caravan.kamal.plugins.plugin_utils import hooks
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.rules_sections import HOOKS
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks.memory import Memory
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Hook, Plan
from yaml import safe_load

MakePlan = Callable[..., Plan]
SECRETS = {"TOKEN": "t0ken", "DATABASE_URL": "d4tabase"}
PRINTS = "#!/bin/sh\nenv | grep -E '^KAMAL_|^TOKEN|^DATABASE' | sort\n"


class Display:
    verbosity = 0

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def __call__(self) -> Display:
        return self

    def display(self, text: str) -> None:
        self.lines.append(text)

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Display:
    made = Display()
    monkeypatch.setattr(action, "Display", made)
    memory = Memory()
    monkeypatch.setattr(action, "OF_THIS_RUN", memory)
    monkeypatch.setattr(hooks.began, "__defaults__", (memory,))
    return made


class Project:
    """A project with one hook, and a run that comes to it."""

    def __init__(self, root: Path, plan: Plan) -> None:
        self.root, self.plan = root, replace(plan, project_root=str(root), order=["host1"], all_hosts=["host1", "db1"])

    def has(self, name: str, text: str = PRINTS, **changes: Any) -> Project:
        file = self.root / name
        file.write_text(text)
        file.chmod(0o755)
        made = Hook(file=str(file), kind="script", on="controller", output="verbose", timeout=60, secrets=[])
        self.plan = replace(self.plan, hooks={name: replace(made, **changes)})
        return self

    def run(self, name: str, check: bool = False, hosts: Any = None, **variables: Any) -> dict[str, Any]:
        made = action.ActionModule.__new__(action.ActionModule)
        args = {"name": name, **({"hosts": hosts} if hosts else {})}
        made._task = SimpleNamespace(args=args, check_mode=check, async_val=0, environment=None, delegate_to=None)
        made._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
        made._templar = SimpleNamespace(template=lambda value: value)
        made._supports_async = False
        hostvars = {"localhost": {"kamal_plan": to_data(self.plan)}, "host1": {}, "host2": {}}
        given = {
            "hostvars": hostvars,
            "inventory_hostname": "host1",
            "kamal_secrets": SECRETS,
            "ansible_play_batch": ["host2"],
            "ansible_play_hosts_all": ["host1", "host2"],
            **variables,
        }
        return dict(made.run(None, given))


@pytest.fixture
def project(tmp_path: Path, plan_of: MakePlan) -> Project:
    return Project(tmp_path, plan_of("0123456789"))


def told(display: Display) -> dict[str, str]:
    """The variables that the script printed."""
    lines = [line.split("  ")[-1].strip() for line in display.lines if "=" in line]
    return dict(line.split("=", 1) for line in lines)


COMMON = {
    "KAMAL_PERFORMER": "sam",
    "KAMAL_VERSION": "0123456789",
    "KAMAL_SERVICE_VERSION": "hello@0123456",
    "KAMAL_SERVICE": "hello",
    "KAMAL_COMMAND": "deploy",
}


@pytest.mark.parametrize(
    ("name", "variables", "expected"),
    [
        ("pre-connect", {}, {"KAMAL_HOSTS": "host1,db1", "KAMAL_LOCK": "false"}),
        ("pre-build", {}, {"KAMAL_HOSTS": "host1,db1", "KAMAL_LOCK": "false"}),
        ("pre-deploy", {}, {"KAMAL_HOSTS": "host1,db1", "KAMAL_LOCK": "true"}),
        (
            "pre-deploy",
            {"ansible_limit": "web"},
            {"KAMAL_HOSTS": "host1", "KAMAL_LOCK": "true", "KAMAL_ROLES": "web"},
        ),
        ("pre-deploy", {"ansible_limit": "host1"}, {"KAMAL_HOSTS": "host1", "KAMAL_LOCK": "true"}),
        ("pre-app-boot", {}, {"KAMAL_HOSTS": "host2", "KAMAL_LOCK": "true"}),
        ("post-app-boot", {}, {"KAMAL_HOSTS": "host2", "KAMAL_LOCK": "true"}),
        ("pre-proxy-reboot", {}, {"KAMAL_HOSTS": "host2", "KAMAL_LOCK": "true"}),
        ("post-proxy-reboot", {}, {"KAMAL_HOSTS": "host2", "KAMAL_LOCK": "true"}),
        ("docker-setup", {}, {"KAMAL_HOSTS": "host1,db1", "KAMAL_LOCK": "false"}),
        ("post-push", {}, {"KAMAL_HOSTS": "host1,db1", "KAMAL_LOCK": "false"}),
        ("post-deploy", {}, {"KAMAL_HOSTS": "host1,db1", "KAMAL_LOCK": "false", "KAMAL_RUNTIME": "0"}),
        (
            "broadcast",
            {"kamal_broadcast": "Back up"},
            {"KAMAL_HOSTS": "host1,db1", "KAMAL_LOCK": "false", "KAMAL_MESSAGE": "Back up"},
        ),
        (
            "on-failure",
            {},
            {"KAMAL_HOSTS": "host1,db1", "KAMAL_LOCK": "false", "KAMAL_ERROR": "", "KAMAL_FAILED_HOSTS": ""},
        ),
    ],
)
def test_the_variables_of_each_hook(
    name: str, variables: dict[str, Any], expected: dict[str, str], project: Project, display: Display
) -> None:
    project.has(name).run(name, **variables)
    given = told(display)
    assert given.pop("KAMAL_RECORDED_AT")
    assert given == {**COMMON, **expected}


@pytest.mark.parametrize(
    ("command", "playbooks", "expected"),
    [
        ("deploy", ["caravan.kamal.deploy"], ("deploy", None)),
        ("setup", ["caravan.kamal.setup"], ("setup", None)),
        ("inspect", ["caravan.kamal.app.logs"], ("app", "logs")),
        ("redeploy", ["site.yml"], ("redeploy", None)),
        ("deploy", ["caravan.kamal.setup", "caravan.kamal.deploy"], ("deploy", None)),
    ],
)
def test_the_command_has_kamals_name(
    command: str, playbooks: list[str], expected: Any, project: Project, display: Display, monkeypatch: Any
) -> None:
    monkeypatch.setattr(action.invocation.context, "CLIARGS", {"args": playbooks})
    project.plan = replace(project.plan, command=command)
    facts = project.has("pre-connect").run("pre-connect")["told"]
    assert (facts["command"], facts["subcommand"]) == expected


def test_other_hosts_by_hand(project: Project, display: Display) -> None:
    assert project.has("pre-proxy-reboot").run("pre-proxy-reboot", hosts=["host9"])["told"]["hosts"] == ["host9"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [([], []), (["TOKEN"], ["TOKEN"]), (None, ["DATABASE_URL", "TOKEN"])],
    ids=["none", "one", "all"],
)
def test_a_hook_gets_the_secrets_that_it_is_given_and_they_are_masked(
    given: Any, expected: list[str], project: Project, display: Display
) -> None:
    project.has("pre-deploy", secrets=given).run("pre-deploy")
    assert {name: value for name, value in told(display).items() if name in SECRETS} == dict.fromkeys(
        expected, "********"
    )


def test_a_secret_that_it_has_from_elsewhere_is_masked_too(project: Project, display: Display) -> None:
    result = project.has("pre-deploy", "#!/bin/sh\necho t0ken; exit 1").run("pre-deploy")
    assert "t0ken" not in f"{display.lines} {result}"


@pytest.mark.parametrize(
    ("output", "verbosity", "shown"),
    [
        (None, 0, ["  Run the hook pre-deploy"]),
        ("verbose", 0, ["  Run the hook pre-deploy", "    pre-deploy    hey"]),
        ("quiet", 0, []),
        ("quiet", 1, ["  Run the hook pre-deploy", "    pre-deploy    hey"]),
        (None, 1, ["  Run the hook pre-deploy", "    pre-deploy    hey"]),
    ],
)
def test_what_is_shown(output: Any, verbosity: int, shown: list[str], project: Project, display: Display) -> None:
    display.verbosity = verbosity
    result = project.has("pre-deploy", "#!/bin/sh\necho hey", output=output).run("pre-deploy")
    assert display.lines == shown
    assert result["actions"] == ([] if output == "quiet" else ["run pre-deploy"])
    assert not result["changed"]


@pytest.mark.parametrize("output", [None, "quiet"])
def test_in_check_mode_it_does_not_run_and_is_listed(output: Any, project: Project, display: Display) -> None:
    result = project.has("pre-deploy", "#!/bin/sh\ntouch ran", output=output).run("pre-deploy", check=True)
    assert result["actions"] == ["run pre-deploy"]
    assert not (project.root / "ran").exists()


@pytest.mark.parametrize(
    ("on", "check", "tasks_on", "text"),
    [
        ("controller", False, "controller", "run the tasks of drain.yml for pre-app-boot"),
        ("once", False, "once", "run the tasks of drain.yml for pre-app-boot"),
        ("hosts", False, "hosts", "run the tasks of drain.yml for pre-app-boot on host2"),
        ("hosts", True, None, "run the tasks of drain.yml for pre-app-boot on host2"),
    ],
)
def test_tasks_are_left_to_the_role(
    on: str, check: bool, tasks_on: Any, text: str, project: Project, display: Display
) -> None:
    file = str(project.root / "drain.yml")
    result = project.has("pre-app-boot", kind="tasks", on=on, file=file).run("pre-app-boot", check=check)
    assert (result["tasks_on"], result["file"], result["actions"]) == (tasks_on, file, [text])
    assert result["told"]["hosts"] == ["host2"]


def test_a_failure_says_what_follows_from_it(project: Project, display: Display) -> None:
    result = project.has("pre-app-boot", "#!/bin/sh\necho no; exit 7").run("pre-app-boot")
    assert result["failed"] and result["hook"] == "pre-app-boot"
    assert result["msg"] == (
        "The hook pre-app-boot ended with exit code 7. The version does not go live on host2. It said:\nno"
    )


def test_it_may_take_the_time_that_it_has(project: Project, display: Display) -> None:
    result = project.has("pre-deploy", "#!/bin/sh\nsleep 60", timeout=1).run("pre-deploy")
    assert result["failed"] and "did not end within 1 seconds" in result["msg"]


def test_the_failure_of_on_failure_is_only_told(project: Project, display: Display) -> None:
    result = project.has("on-failure", "#!/bin/sh\nexit 7").run("on-failure")
    assert not result.get("failed")
    assert "It changes nothing: the run has failed for another reason." in display.warnings[0]


def test_why_the_run_has_failed(project: Project, display: Display) -> None:
    hostvars = {
        "localhost": {"kamal_plan": to_data(project.has("on-failure").plan)},
        "host1": {},
        "host2": {"ansible_failed_result": {"msg": "It exited, and said t0ken"}},
    }
    project.run("on-failure", hostvars=hostvars)
    assert (told(display)["KAMAL_ERROR"], told(display)["KAMAL_FAILED_HOSTS"]) == (
        "It exited, and said ********",
        "host2",
    )


def test_the_first_of_all_runs_once_in_a_run(project: Project, display: Display) -> None:
    project.has("pre-connect", "#!/bin/sh\necho x >> ran")
    assert [project.run("pre-connect")["actions"] for _time in range(2)] == [["run pre-connect"], []]
    assert (project.root / "ran").read_text() == "x\n"


@pytest.mark.parametrize(
    ("numbers", "check", "times"),
    [([7, 7], False, 1), ([7, 8], False, 2), ([None, None], False, 2), ([None, None], True, 1)],
    ids=["setup", "two deploys of one run", "without a lock", "a dry run"],
)
def test_before_a_deploy_it_runs_once_while_a_lock_is_held(
    numbers: list[Any], check: bool, times: int, project: Project, display: Display
) -> None:
    project.has("pre-deploy", "#!/bin/sh\n")
    locks = [{"run": {"number": number} if number else {}} for number in numbers]
    done = [project.run("pre-deploy", check=check, _kamal_lock=lock)["actions"] for lock in locks]
    assert done.count(["run pre-deploy"]) == times


def test_a_hook_that_the_project_does_not_have_does_nothing(project: Project, display: Display) -> None:
    result = project.run("pre-deploy")
    assert (result["actions"], result["tasks_on"], result["changed"]) == ([], None, False)
    assert display.lines == []


def test_the_documentation_lists_the_hooks() -> None:
    assert safe_load(module.DOCUMENTATION)["options"]["name"]["choices"] == sorted(HOOKS)
