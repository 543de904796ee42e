# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the actions hand to the modules on the hosts, and what becomes of a host that is lost."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import threading
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import pytest
from ansible.errors import AnsibleConnectionFailure
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.caravan.kamal.plugins.action import (
    accessory,
    accessory_exec,
    app_exec,
    audit,
    env_file,
    image_build,
    proxy,
    proxy_boot_config,
    proxy_info,
    prune,
    registry,
    release,
    server_exec,
    service_info,
    service_logs,
)
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.module_utils._host.module import DOCKER_OPTIONS
from ansible_collections.caravan.kamal.plugins.module_utils._progress import Progress
from ansible_collections.caravan.kamal.plugins.plugin_utils.display import host_line
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks import memory
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks.first_pull import FirstPulls
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import action as planned_action
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import handover
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.action import PlannedAction
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.progress import reader

SECRETS = {"TOKEN": "t", "DB": "d", "UNUSED": "u"}
MakePlan = Callable[..., Plan]


@pytest.fixture
def variables(plan_of: MakePlan) -> dict[str, Any]:
    accessories = {"db": {"image": "postgres", "host": "host1", "env": {"secret": ["PASSWORD:DB"]}}}
    plan = to_data(plan_of("v1", accessories=accessories))
    return {
        "hostvars": {"localhost": {"kamal_plan": plan}, "host1": {}},
        "inventory_hostname": "host1",
        "kamal_secrets": SECRETS,
    }


def act(
    action: Any, arguments: dict[str, Any], variables: dict[str, Any], answer: Any = None, **of_task: Any
) -> dict[str, Any]:
    """Run an action whose module answers with what it was given, or as `answer` does, or fails with that."""
    connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None), _remote_is_local=True, transport="local")
    task = SimpleNamespace(
        args=arguments, async_val=0, check_mode=False, diff=False, environment=None, delegate_to=None, _uuid="t"
    )
    vars(task).update(of_task)
    templar = Templar(loader=DataLoader(), variables=variables)
    made = action.ActionModule.__new__(action.ActionModule)
    made._task, made._connection, made._templar, made._loader = task, connection, templar, DataLoader()
    made._supports_check_mode = made._supports_async = True

    def execute(module: str = "", module_args: Any = None, **_more: Any) -> dict[str, Any]:
        if callable(answer):
            return dict(answer(module_args))
        if answer:
            raise answer
        heard = {name: value for name, value in module_args.items() if name != "progress"}
        return {"module": module, "given": heard, "process": os.getpid()}

    made._execute_module = execute
    return dict(made.run(task_vars=variables))


def test_what_runs_is_asked_for_as_the_plan_has_it_unless_the_task_names_a_service(
    plan_of: MakePlan, variables: dict[str, Any]
) -> None:
    given = act(service_info, {"roles": ["web"]}, variables)["given"]
    assert given == {
        "service": "hello",
        "destination": None,
        "roles": ["web"],
        "accessories": ["hello-db"],
        "balanced": {},
    }
    balanced = to_data(plan_of("v1", "app", loadbalancer={"hosts": ["lb1"]}))
    beside = {**variables, "hostvars": {"localhost": {"kamal_plan": balanced}}, "inventory_hostname": "lb1"}
    targets = {route["name"]: route["targets"] for route in balanced["balancers"]["lb1"]["routes"]}
    assert list(targets) == ["hello-web"]
    assert act(service_info, {}, beside)["given"]["balanced"] == targets
    assert act(service_info, {"service": "other"}, variables)["given"] == {"service": "other"}
    assert act(service_info, {}, variables, async_val=60)["given"]["service"] == "hello"
    assert "There is no plan in this run" in act(service_info, {}, {**variables, "hostvars": {}})["msg"]


@pytest.mark.parametrize(
    ("said", "given", "forced"),
    [({}, {}, None), ({"kamal_force": "yes"}, {}, "yes"), ({"kamal_force": True}, {"force": False}, False)],
)
@pytest.mark.parametrize("state", ["staged", "live"])
def test_containers_are_replaced_where_a_variable_says_it_and_the_task_does_not(
    variables: dict[str, Any], state: str, said: dict[str, Any], given: dict[str, Any], forced: Any
) -> None:
    assert act(release, {"state": state, **given}, {**variables, **said})["given"].get("force") == forced


@pytest.mark.parametrize(
    ("reuse", "is_new"), [(None, True), (False, True), ("false", True), ("no", True), (True, False), ("true", False)]
)
def test_a_new_container_for_a_command_gets_secrets_and_one_that_runs_has_them(
    variables: dict[str, Any], reuse: Any, is_new: bool
) -> None:
    given = act(app_exec, {"command": "x", "reuse": reuse}, variables, no_log=True)["given"]
    assert ("registry" in given) == is_new
    assert given.get("secrets") == ('{"TOKEN": "t"}' if is_new else None)


def test_a_release_is_handed_its_share_and_just_its_secrets(variables: dict[str, Any]) -> None:
    result = act(release, {"state": "live", "roles": ["web"]}, variables)
    assert result["module"] == "caravan.kamal.release"
    given = result["given"]
    assert (given["state"], given["roles"], given["plan"]["host"]) == ("live", ["web"], "host1")
    assert json.loads(given["secrets"]) == {"TOKEN": "t"}
    assert json.loads(given["registry"]) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda page: page.write_text("back soon"), r"the pages in .*/public changed since .*\. Run this again\.$"),
        (lambda page: page.unlink(), r"the pages in .*/public changed since"),
        (lambda page: page.write_bytes(b"\xff"), r"read .*/public/503\.html: it is no UTF-8\. .* Run this again\.$"),
        (lambda page: (page.unlink(), page.symlink_to("away")), r"read .*/503\.html: No such file.* Run this again\.$"),
        (lambda page: shutil.rmtree(page.parent), r"read .*/public: No such file.* Run this again\.$"),
    ],
    ids=["saved", "removed", "no UTF-8", "dangling", "no folder"],
)
@pytest.mark.parametrize("state", ["staged", "live"])
def test_error_pages_that_changed_since_the_plan_are_told(
    plan_of: MakePlan, variables: dict[str, Any], tmp_path: Path, state: str, change: Any, message: str
) -> None:
    page = tmp_path / "public/503.html"
    page.parent.mkdir()
    page.write_text("down")
    plan = plan_of("v1", error_pages_path=str(page.parent))
    variables["hostvars"]["localhost"]["kamal_plan"] = to_data(plan)
    assert act(release, {"state": state}, variables)["given"]["error_pages"] == {"503.html": "down"}
    change(page)
    result = act(release, {"state": state}, variables)
    assert result["failed"] and re.search(f"^error_pages_path: .*{message}", result["msg"])


@pytest.mark.parametrize(("tag", "known"), [("v1", True), ("v2", False)])
def test_a_build_of_another_version_in_the_same_run_is_left_aside(
    variables: dict[str, Any], tag: str, known: bool
) -> None:
    repository = variables["hostvars"]["localhost"]["kamal_plan"]["hosts"]["host1"]["image"]["repository"]
    built = {"repository": repository, "tag": tag, "digest": "sha256:1"}
    given = act(release, {"state": "staged", "built": built}, variables)["given"]
    assert given["built"] == (built if known else {})


@pytest.mark.parametrize(
    ("state", "given"),
    [
        ("pulled", {"registry"}),
        ("staged", {"registry", "secrets"}),
        ("live", {"registry", "secrets"}),
        ("proven", set()),
        ("absent", set()),
    ],
)
def test_what_a_release_is_given_of_secrets(variables: dict[str, Any], state: str, given: set[str]) -> None:
    assert {"registry", "secrets"} & set(act(release, {"state": state}, variables)["given"]) == given


@pytest.mark.parametrize("state", ["stopped", "absent"])
def test_ending_a_service_needs_no_secrets(variables: dict[str, Any], state: str) -> None:
    given = act(release, {"state": state}, {**variables, "kamal_secrets": {}})["given"]
    assert "secrets" not in given


def test_an_accessory_is_handed_its_entry(variables: dict[str, Any]) -> None:
    given = act(accessory, {"name": "db"}, variables)["given"]
    assert (given["plan"]["service"], given["plan"]["host"]) == ("hello-db", "host1")
    assert json.loads(given["secrets"]) == {"DB": "d"}


def test_an_accessory_is_handed_its_files_rendered_and_its_proxy(
    plan_of: MakePlan, variables: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "a.erb").write_text('<%= ENV["PASSWORD"] %>')
    (tmp_path / "b.j2").write_text("{{ kamal_env.PASSWORD }} {{ inventory_hostname }} [1, 2]")
    accessories = {
        "db": {
            "image": "postgres",
            "host": "host1",
            "env": {"secret": ["PASSWORD:DB"]},
            "files": ["a.erb:/a", "b.j2:/b"],
            "proxy": {"host": "db.example.com"},
        }
    }
    plan = replace(plan_of("v1", accessories=accessories), project_root=str(tmp_path))
    variables["hostvars"]["localhost"]["kamal_plan"] = to_data(plan)
    given = act(accessory, {"name": "db"}, variables)["given"]
    contents = {path: base64.b64decode(text).decode() for path, text in json.loads(given["files"]).items()}
    assert contents == {"hello-db/a": "d", "hello-db/b": "d host1 [1, 2]"}
    assert given["plan"]["route"]["host"] == "db.example.com"
    assert given["plan"]["proxy"]["container"]["Image"] == "basecamp/kamal-proxy:v0.9.2"
    assert "files" not in act(accessory, {"name": "db", "state": "stopped"}, variables)["given"]


@pytest.mark.parametrize(
    ("arguments", "secrets"),
    [
        ({"role": "web"}, {"TOKEN": "t"}),
        ({"accessory": "db"}, {"PASSWORD": "d"}),
        ({"role": "web", "service": "other", "secrets": '{"A": "1"}'}, {"A": "1"}),
        ({"role": "web", "service": "other", "state": "absent"}, None),
        ({"state": "absent"}, None),
    ],
)
def test_an_env_file_gets_values_by_variable(variables: dict[str, Any], arguments: Any, secrets: Any) -> None:
    given = act(env_file, arguments, variables)["given"]
    assert given["service"] == arguments.get("service", "hello")
    assert (json.loads(given["secrets"]) if "secrets" in given else None) == secrets


LOGIN = {"username": "me", "password": "d"}
THERE = {"container": {"Image": "a"}, "run": {}, "login": True}


@pytest.mark.parametrize(
    ("arguments", "login"),
    [
        ({"plan": THERE}, LOGIN),
        ({"plan": {**THERE, "login": False}}, None),
        ({"plan": THERE, "registry": '{"username": "you"}'}, {"username": "you"}),
        ({"run": {}}, None),
        ({"state": "absent"}, None),
    ],
    ids=["same registry", "another", "given", "no plan", "absent"],
)
def test_the_proxy_is_pulled_with_the_login_of_its_registry(
    plan_of: MakePlan, variables: dict[str, Any], arguments: Any, login: Any
) -> None:
    registry = {"username": "me", "password": ["DB"]}
    variables["hostvars"]["localhost"]["kamal_plan"] = to_data(plan_of("v1", registry=registry))
    given = act(proxy, arguments, variables)["given"]
    assert (json.loads(given["registry"]) if "registry" in given else None) == login


BY_HAND = {"secrets": '{"TOKEN": "mine"}', "registry": '{"username": "you", "password": "p"}'}


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        (release, {"state": "staged"}),
        (release, {"state": "live"}),
        (accessory, {"name": "db"}),
    ],
)
@pytest.mark.parametrize("options", [["secrets"], ["registry"], ["secrets", "registry"]], ids=" and ".join)
def test_an_option_given_by_hand_wins(
    variables: dict[str, Any], action: Any, arguments: dict[str, Any], options: list[str]
) -> None:
    filled = act(action, arguments, variables)["given"]
    by_hand = {option: BY_HAND[option] for option in options}
    assert act(action, {**arguments, **by_hand}, variables)["given"] == {**filled, **by_hand}


@pytest.mark.parametrize(
    ("action", "arguments", "options"),
    [
        (release, {"state": "live"}, BY_HAND),
        (release, {"state": "absent"}, {}),
        (accessory, {"name": "db"}, BY_HAND),
        (accessory, {"name": "db", "state": "stopped"}, {}),
    ],
)
def test_with_all_options_given_by_hand_no_plan_is_needed(
    variables: dict[str, Any], action: Any, arguments: dict[str, Any], options: dict[str, str]
) -> None:
    share = act(action, arguments, variables)["given"]["plan"]
    bare = {"hostvars": {"host1": {}}, "inventory_hostname": "host1"}
    given = act(action, {**arguments, "plan": share, **options}, bare)["given"]
    assert given == {**arguments, "plan": share, **options, "run": {}, **({"built": {}} if action is release else {})}


@pytest.mark.parametrize(
    ("action", "arguments"),
    [(release, {"state": "live"}), (accessory, {"name": "db"}), (env_file, {"role": "web"})],
    ids=["release", "accessory", "env_file"],
)
def test_plan_and_secrets_are_read_once(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, Any], action: Any, arguments: dict[str, Any]
) -> None:
    reads = []

    def counted(name: str) -> Callable[..., Any]:
        read = getattr(handover, name)
        return lambda *args, **options: (reads.append(name), read(*args, **options))[1]

    for name in ("plan_of", "secrets"):
        monkeypatch.setattr(handover, name, counted(name))
    act(action, arguments, variables)
    assert sorted(reads) == ["plan_of", "secrets"]


@pytest.mark.parametrize(
    ("command", "secrets_from"),
    [("deploy", "hosts"), ("redeploy", "hosts"), ("setup", "hosts"), ("rollback", "release")],
)
@pytest.mark.parametrize("state", ["staged", "live"])
def test_hosts_that_have_their_secrets_are_handed_none_and_none_is_read(
    plan_of: MakePlan,
    variables: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    secrets_from: str,
    state: str,
) -> None:
    def refuse(*_arguments: Any) -> None:
        raise AssertionError("secrets are read")

    monkeypatch.setattr(handover, "secrets", refuse)
    accessories = {"db": {"image": "postgres", "host": "host1", "env": {"secret": ["PASSWORD:DB"]}}}
    plan = plan_of("v1", command=command, secrets_from=secrets_from, accessories=accessories)
    variables["hostvars"]["localhost"]["kamal_plan"] = to_data(plan)
    given = act(release, {"state": state}, variables)["given"]
    assert (given["secrets"], given["registry"]) == ("{}", "null")
    if secrets_from == "hosts":
        assert act(accessory, {"name": "db"}, variables)["given"]["secrets"] == "{}"


@pytest.mark.parametrize(
    ("secrets_from", "secrets", "login"),
    [
        ("hosts", {}, None),
        ("hosts", {"DB": ""}, None),
        ("hosts", {"DB": "d"}, LOGIN),
        ("release", {}, None),
    ],
    ids=["unknown", "empty", "known", "rollback"],
)
def test_a_login_is_handed_over_if_it_is_known(
    plan_of: MakePlan, variables: dict[str, Any], secrets_from: str, secrets: Any, login: Any
) -> None:
    plan = plan_of("v1", secrets_from=secrets_from, registry={"username": "me", "password": ["DB"]})
    # As where nothing is built.
    variables["hostvars"]["localhost"]["kamal_plan"] = to_data(replace(plan, secrets=[]))
    given = act(release, {"state": "live"}, {**variables, "kamal_secrets": secrets})["given"]
    assert json.loads(given["registry"]) == login


def test_an_env_file_keeps_its_destination(variables: dict[str, Any]) -> None:
    given = act(env_file, {"role": "web", "destination": "staging"}, variables)["given"]
    assert (given["service"], given["destination"]) == ("hello", "staging")


LITERAL = "S3ntinel-9"
CONFIGURATION = {
    "service": "hello",
    "servers": {"web": ["host1"]},
    "registry": {"server": "r.example.com", "username": "me", "password": LITERAL},
    "image": "hello",
    "accessories": {
        "db": {"image": "db", "host": "host1", "registry": {"server": "r.io", "username": "you", "password": LITERAL}}
    },
}


@pytest.fixture
def literal(plan_of: MakePlan, variables: dict[str, Any]) -> dict[str, Any]:
    plan = to_data(plan_of("v1", **CONFIGURATION))
    assert LITERAL not in str(plan)
    hostvars = {**variables["hostvars"], "localhost": {"kamal_plan": plan}}
    return {**variables, "hostvars": hostvars, "kamal_config": CONFIGURATION}


@pytest.mark.parametrize(
    ("action", "arguments", "user"),
    [
        (release, {"state": "live"}, "me"),
        (accessory, {"name": "db"}, "you"),
        (image_build, {}, "me"),
    ],
)
def test_a_password_in_the_configuration_is_read_again_and_is_not_in_the_plan(
    literal: dict[str, Any], action: Any, arguments: Any, user: str
) -> None:
    registry = act(action, arguments, literal)["given"]["registry"]
    login = registry if isinstance(registry, dict) else json.loads(registry)
    assert (login["username"], login["password"]) == (user, LITERAL)


def test_the_host_of_an_accessory_need_not_see_the_configuration(literal: dict[str, Any]) -> None:
    del literal["kamal_config"]
    literal["hostvars"]["host1"] = {"kamal_config": CONFIGURATION}
    plan = literal["hostvars"]["localhost"]["kamal_plan"]
    plan["accessories"]["db"]["hosts"] = ["db1"]
    given = act(accessory, {"name": "db"}, {**literal, "inventory_hostname": "db1"})["given"]
    assert json.loads(given["registry"])["password"] == LITERAL


@pytest.mark.parametrize("config", [None, {**CONFIGURATION, "service": "other"}])
def test_a_password_that_cannot_be_read_again_is_told_with_its_key(literal: dict[str, Any], config: Any) -> None:
    result = act(release, {"state": "live"}, {**literal, "kamal_config": config})
    assert result["failed"] and result["msg"].startswith("registry/password: The registry's password could not be")
    assert "password: [NAME]" in result["msg"] and LITERAL not in str(result)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kamal_secrets": {}}, "TOKEN"),
        ({"inventory_hostname": "host9"}, "host9 has no role"),
        ({"hostvars": {"localhost": {}}}, "no plan"),
    ],
)
def test_what_is_missing_fails_before_the_host_is_asked(variables: Any, changed: Any, message: str) -> None:
    result = act(release, {"state": "live"}, {**variables, **changed})
    assert result["failed"] and message in result["msg"]
    assert "module" not in result


def test_a_part_stands_for_its_roles_and_is_passed_over_where_a_host_has_none(variables: dict[str, Any]) -> None:
    given = act(release, {"state": "live", "part": "gate"}, variables)["given"]
    assert (given["roles"], given["part"]) == (["web"], "gate")
    variables["hostvars"]["localhost"]["kamal_plan"]["hosts"]["host1"]["other_roles"] = []
    for arguments in ({"part": "others"}, {"roles": []}):
        passed = act(release, {"state": "live", **arguments}, variables)
        assert passed["skipped"] and "given" not in passed


def test_what_earlier_tasks_answered_is_handed_on(variables: dict[str, Any]) -> None:
    image = variables["hostvars"]["localhost"]["kamal_plan"]["hosts"]["host1"]["image"]
    built = {"repository": image["repository"], "tag": image["tag"], "digest": "sha256:1"}
    answered = {**built, "warnings": object(), "actions": ["build it"]}
    before = {**variables, "_kamal_built": answered, "_kamal_proxy_result": {"actions": ["boot kamal-proxy"]}}
    given = act(release, {"state": "staged"}, before)["given"]
    assert (given["built"], given["foretold"]) == (built, ["boot kamal-proxy"])
    for staged, image_id in (({"image_id": "sha256:2"}, "sha256:2"), ({"image_id": None}, "")):
        live = {**variables, "_kamal_staged": staged}
        assert act(release, {"state": "live"}, live)["given"]["image_id"] == image_id
        assert act(release, {"state": "live", "image_id": "sha256:3"}, live)["given"]["image_id"] == "sha256:3"
    assert "image_id" not in act(release, {"state": "live"}, variables)["given"]


def test_a_build_that_was_begun_is_waited_for_by_the_next_task(variables: dict[str, Any]) -> None:
    """Only by the same one, and once."""
    assert act(image_build, {"wait": False}, variables) == {"changed": False, "actions": []}
    begun = act(image_build, {}, variables)
    assert begun["given"]["service"] == "hello"
    anew = act(image_build, {}, variables)
    assert len({begun["process"], anew["process"], os.getpid()}) == 3, "each ends with the run by itself"


def test_hosts_that_build_the_same_each_get_their_own_answer(variables: dict[str, Any]) -> None:
    other = {**variables, "inventory_hostname": "host2"}
    act(image_build, {"wait": False}, other, lambda given: {"built on": "host2"})
    assert act(image_build, {}, variables, lambda given: {"built on": "host1"})["built on"] == "host1"
    assert act(image_build, {}, other)["built on"] == "host2"


def test_a_build_on_a_host_that_is_lost_fails_where_it_is_waited_for(variables: dict[str, Any]) -> None:
    lost = AnsibleConnectionFailure("No route to host")
    assert not act(image_build, {"wait": False}, variables, lost, delegate_to="host9").get("failed")
    result = act(image_build, {}, variables, delegate_to="host9")
    assert result["failed"]
    assert "The connection to host9 was lost: No route to host" in result["msg"]


def test_in_check_mode_no_build_is_begun(variables: dict[str, Any]) -> None:
    act(image_build, {"wait": False}, variables, check_mode=True)
    assert act(image_build, {}, variables, check_mode=True)["process"] == os.getpid()


def test_a_lost_host_fails_so_that_rescue_sees_it(variables: dict[str, Any]) -> None:
    result = act(release, {"state": "live"}, variables, AnsibleConnectionFailure("No route to host"))
    assert result["failed"] and not result.get("unreachable")
    assert "The connection to host1 was lost: No route to host" in result["msg"]
    assert "may be half done" in result["msg"]


@pytest.mark.parametrize("begun", [{}, {"async_val": 60}], ids=["waited for", "async"])
@pytest.mark.parametrize("action", [audit, proxy_boot_config, proxy_info, service_info, service_logs])
def test_a_host_that_is_lost_while_it_is_looked_at_fails_in_the_same_way(
    variables: dict[str, Any], action: Any, begun: dict[str, Any]
) -> None:
    result = act(action, {}, variables, AnsibleConnectionFailure("No route to host"), **begun)
    assert result["failed"] and not result.get("unreachable")
    again = "See that the host can be reached, then run the same command again."
    assert result["msg"] == f"The connection to host1 was lost: No route to host. {again}"


@pytest.mark.parametrize("action", [accessory_exec, app_exec, server_exec])
def test_a_command_on_a_host_that_is_lost_goes_on_there(variables: dict[str, Any], action: Any) -> None:
    result = act(action, {"command": "x"}, variables, AnsibleConnectionFailure("No route to host"), no_log=True)
    assert result["failed"] and not result.get("unreachable")
    goes_on = "A command that had begun there goes on to its end. See that the host can be reached"
    assert result["msg"].startswith(f"The connection to host1 was lost: No route to host. {goes_on}")


def test_a_dry_run_leaves_nothing_half_done(variables: dict[str, Any]) -> None:
    result = act(release, {"state": "live"}, variables, AnsibleConnectionFailure("No route to host"), check_mode=True)
    assert result["failed"] and "half done" not in result["msg"]


def test_the_lost_host_is_the_one_that_the_task_ran_on(variables: dict[str, Any]) -> None:
    arguments = {"state": "proven", "plan": variables["hostvars"]["localhost"]["kamal_plan"]["hosts"]["host1"]}
    result = act(release, arguments, variables, AnsibleConnectionFailure("No route to host"), delegate_to="host9")
    assert "The connection to host9 was lost" in result["msg"]


def test_what_is_no_loss_of_the_host_is_not_told_as_one(variables: dict[str, Any]) -> None:
    with pytest.raises(ZeroDivisionError):
        act(release, {"state": "live"}, variables, ZeroDivisionError())
    assert issubclass(release.ActionModule, PlannedAction)


@pytest.mark.parametrize(("action", "arguments"), [(release, {"state": "absent"}), (accessory, {"name": "db"})])
def test_a_host_is_told_on_whose_behalf(variables: dict[str, Any], action: Any, arguments: dict[str, Any]) -> None:
    run = {"number": 7, "owner": "laptop:1", "by": "sam", "version": "v1"}
    held = {**variables, "_kamal_lock": {"held": True, "run": run, "name": "hello"}}
    assert act(action, arguments, held)["given"]["run"] == run
    assert act(action, {**arguments, "run": {"number": 8}}, held)["given"]["run"] == {"number": 8}
    assert act(action, arguments, variables)["given"]["run"] == {}
    of_a_service_before = {**variables, "_kamal_lock": {"held": True, "run": run, "name": "shop"}}
    assert act(action, arguments, of_a_service_before)["given"]["run"] == {}


def test_the_proxy_serves_all_services_and_takes_no_turn_of_one(variables: dict[str, Any]) -> None:
    held = {**variables, "_kamal_lock": {"run": {"number": 7}}}
    assert "run" not in act(proxy, {"state": "absent"}, held)["given"]


@pytest.mark.parametrize(("action", "arguments"), [(release, {"state": "live"}), (accessory, {"name": "db"})])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_network_is_made_as_the_variable_says(
    variables: dict[str, Any], action: Any, arguments: dict[str, Any], wanted: bool
) -> None:
    assert "ipv6" not in act(action, arguments, variables)["given"]
    said = {**variables, "kamal_network_ipv6": wanted}
    assert act(action, arguments, said)["given"]["ipv6"] is wanted
    assert act(action, {**arguments, "ipv6": True}, said)["given"]["ipv6"] is True


def test_pruning_needs_no_plan_and_takes_the_turn_of_the_run_that_holds_the_lock() -> None:
    bare = {"hostvars": {"host1": {}}, "inventory_hostname": "host1"}
    assert act(prune, {"service": "a"}, bare)["given"] == {"service": "a", "run": {}}
    held = {**bare, "_kamal_lock": {"run": {"number": 7}}}
    assert act(prune, {"service": "a"}, held)["given"] == {"service": "a", "run": {"number": 7}}


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        (accessory, {"name": "db"}),
        (env_file, {"role": "web"}),
        (image_build, {}),
        (proxy, {"state": "absent"}),
        (prune, {"service": "hello"}),
        (release, {"state": "live"}),
    ],
    ids=lambda value: getattr(value, "__name__", "").rpartition(".")[2],
)
def test_a_module_is_given_only_what_it_takes(
    variables: dict[str, Any], action: Any, arguments: dict[str, Any]
) -> None:
    result = act(action, arguments, {**variables, "_kamal_lock": {"held": True, "run": {"number": 7}}})
    module = import_module(action.__name__.replace(".action.", ".modules."))
    assert set(result["given"]) <= {*module.OPTIONS, *DOCKER_OPTIONS}


@pytest.mark.parametrize(
    ("state", "roles", "last"),
    [
        ("staged", None, False),
        ("live", ["web"], False),
        ("live", ["worker"], True),
        ("live", None, True),
        ("proven", ["web"], False),
    ],
)
def test_the_last_call_of_a_rollout_is_known(
    plan_of: MakePlan, state: str, roles: list[str] | None, last: bool
) -> None:
    """The kept process of the host need not stay long after it."""
    servers = {"web": ["host1"], "worker": {"hosts": ["host1"], "cmd": "work"}}
    share = plan_of("v1", servers=servers).hosts["host1"]
    assert release._is_the_last({"state": state, "roles": roles}, share) is last


def patient(variables: dict[str, Any], answers: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The result, and how long was waited between the calls of the module."""
    pauses: list[float] = []
    monkeypatch.setattr(planned_action.time, "sleep", pauses.append)
    monkeypatch.setattr(release.ActionModule, "execute", lambda *_arguments: answers.pop(0))
    return act(release, {"state": "staged"}, variables), pauses


def test_a_registry_that_does_not_answer_is_asked_again_after_longer_and_longer_pauses(
    variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = {"failed": True, "registry_silent": True, "msg": "it does not answer"}
    answers = [silent, silent, {"changed": True}]
    assert patient(variables, answers, monkeypatch) == ({"changed": True}, [1, 3])
    result, pauses = patient(variables, [silent] * 4, monkeypatch)
    assert (result["msg"], pauses) == ("it does not answer", [1, 3, 9])


def test_what_a_registry_refuses_is_not_asked_again(variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    refused = {"failed": True, "msg": "denied"}
    assert patient(variables, [refused], monkeypatch) == (refused, [])


def test_the_registry_gets_the_login_and_the_version_of_the_plan(plan_of: MakePlan, variables: dict[str, Any]) -> None:
    section = {"server": "r.example.com", "username": "ada", "password": ["TOKEN"]}
    variables["hostvars"]["localhost"]["kamal_plan"] = to_data(plan_of("v1", registry=section))
    given = act(registry, {"image": "r.example.com/a:1"}, variables)["given"]
    assert (given["server"], given["tag"]) == ("r.example.com", "v1")
    assert json.loads(given["registry"]) == {"username": "ada", "password": "t"}
    assert "registry" not in act(registry, {"state": "absent"}, variables)["given"]


def test_where_the_configuration_names_nobody_the_docker_command_of_this_machine_is_asked(
    plan_of: MakePlan, variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.OF_THIS_RUN.forget()
    asked: list[Any] = []
    login = {"username": "ada", "password": "from the helper"}
    monkeypatch.setattr(planned_action.docker_login, "login", lambda server, _environ: asked.append(server) or login)
    plan = to_data(plan_of("v1", registry={"server": "ecr.example.com"}))
    variables["hostvars"]["localhost"]["kamal_plan"] = plan
    for _host in range(2):
        assert json.loads(act(release, {"state": "staged"}, variables)["given"]["registry"]) == login
    assert asked == ["ecr.example.com"]
    memory.OF_THIS_RUN.forget()


MIRROR = "http://mirror:5000"
HUB = {"username": "me", "password": ["DB"]}


class BehindAMirror:
    """The module on a host whose engine has a mirror, and no image yet."""

    def __init__(self, pulls: bool = True) -> None:
        self.pulls, self.asked = pulls, list[str]()

    def __call__(self, given: dict[str, Any]) -> dict[str, Any]:
        first = given.get("refuse_mirror")
        self.asked.append(f"{given['state']}{' unless through a mirror' if first else ''}")
        if first:
            return {"failed": True, "msg": "through a mirror", "mirror": MIRROR}
        if not self.pulls:
            return {"failed": True, "msg": "no such image", "actions": [], "changed": False}
        return {"changed": True, "actions": [f"{given['state']} by host1"], "notices": []}


@pytest.fixture
def several(plan_of: MakePlan, variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A run on two hosts with an image of Docker Hub."""
    monkeypatch.setattr(release, "FIRST_PULLS", FirstPulls(memory.Memory()))
    variables["hostvars"]["localhost"]["kamal_plan"] = to_data(plan_of("v1", registry=HUB))
    return {**variables, "ansible_play_hosts": ["host1", "host2"]}


def test_the_first_of_several_pulls_through_a_mirror_alone_and_the_next_when_it_has(several: dict[str, Any]) -> None:
    module = BehindAMirror()
    first = act(release, {"state": "staged"}, several, module)
    assert module.asked == ["staged unless through a mirror", "pulled", "staged"]
    assert (first["changed"], first["actions"]) == (True, ["pulled by host1", "staged by host1"])
    module.asked.clear()
    assert act(release, {"state": "staged"}, several, module)["actions"] == ["staged by host1"]
    assert module.asked == ["staged unless through a mirror", "staged"]


def test_a_playbook_that_only_pulls_does_so_once_on_each_host(several: dict[str, Any]) -> None:
    module = BehindAMirror()
    for _host in range(2):
        assert act(release, {"state": "pulled"}, several, module)["actions"] == ["pulled by host1"]
        assert module.asked == ["pulled unless through a mirror", "pulled"]
        module.asked.clear()


def test_where_the_first_could_not_pull_the_next_does_not_try(several: dict[str, Any]) -> None:
    module = BehindAMirror(pulls=False)
    assert act(release, {"state": "staged"}, several, module)["msg"] == "no such image"
    module.asked.clear()
    next_one = act(release, {"state": "staged"}, {**several, "inventory_hostname": "host1"}, module)
    assert "host1 was to fetch it through the mirror http://mirror:5000 before the others" in next_one["msg"]
    assert module.asked == ["staged unless through a mirror"]


@pytest.mark.parametrize(
    "change",
    [
        {"ansible_play_hosts": ["host1"]},
        {"registry": {"server": "r.example.com", **HUB}},
        {"state": "live"},
        {"check_mode": True},
        {"refuse_mirror": False},
    ],
    ids=["one host", "not Docker Hub", "nothing to pull", "check mode", "told not to"],
)
def test_nobody_else_is_asked_for_mirrors(plan_of: MakePlan, several: dict[str, Any], change: dict[str, Any]) -> None:
    module = BehindAMirror()
    if "registry" in change:
        several["hostvars"]["localhost"]["kamal_plan"] = to_data(plan_of("v1", registry=change["registry"]))
    hosts = change.get("ansible_play_hosts", several["ansible_play_hosts"])
    arguments = {"state": "staged", **{name: change[name] for name in ("state", "refuse_mirror") if name in change}}
    variables = {**several, "ansible_play_hosts": hosts}
    answer = act(release, arguments, variables, module, check_mode=change.get("check_mode", False))
    assert not answer.get("failed") and module.asked == [arguments["state"]]


@pytest.mark.parametrize(
    ("action", "arguments"),
    [(release, {"state": "live"}), (accessory, {"name": "db"}), (accessory, {"name": "db", "state": "stopped"})],
)
def test_what_a_module_is_at_is_shown_when_it_takes_long(
    variables: dict[str, Any], monkeypatch: pytest.MonkeyPatch, action: Any, arguments: dict[str, Any]
) -> None:
    came = threading.Event()

    def at(host: str, what: str) -> None:
        if (host, what) == ("host1", "stop container a"):
            came.set()

    def module(given: dict[str, Any]) -> dict[str, Any]:
        Progress(given["progress"], {}).at("stop container a")
        assert came.wait(60)
        return {}

    monkeypatch.setattr(reader, "LONG", 0.01)
    monkeypatch.setattr(host_line, "at", at)
    assert not act(action, arguments, variables, module).get("failed")
    given = act(action, arguments, variables, lambda given: {"given": list(given)}, check_mode=True)["given"]
    assert "progress" not in given
