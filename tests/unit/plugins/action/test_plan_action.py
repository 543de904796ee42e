# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan action: which version is meant, which hosts take part, and what is refused before any host is touched."""

from __future__ import annotations

import re
import subprocess
from types import SimpleNamespace

import pytest
from ansible_collections.caravan.kamal.plugins.action import plan

HOSTS = ("h1", "h2")


def git(root, *arguments):
    who = ["-c", "user.name=Sam", "-c", "user.email=sam@example.com"]
    done = subprocess.run(["git", *who, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("VERSION", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    configure(tmp_path, "")
    return tmp_path


@pytest.fixture
def checkout(project):
    git(project, "init", "--quiet")
    git(project, "config", "user.email", "sam@example.com")
    git(project, "add", ".")
    git(project, "commit", "--quiet", "-m", "first")
    return project


def configure(project, extra):
    (project / "config/deploy.yml").write_text(f"service: app\nservers: [{', '.join(HOSTS)}]\n{extra}\n")


def run(project, variables=None, arguments=None, groups=None, present=HOSTS, check=False, strategy="linear"):
    groups = {"all": list(HOSTS), "app": list(HOSTS)} if groups is None else groups
    action = plan.ActionModule.__new__(plan.ActionModule)
    action._task = SimpleNamespace(args=arguments or {}, async_val=0, check_mode=check, environment=None, action="plan")
    action._task.get_play = lambda: SimpleNamespace(strategy=strategy)
    action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
    action._templar = SimpleNamespace(template=lambda value: value)
    action._supports_async = False
    action._loader = None
    return action.run(
        None,
        {
            "kamal_config_file": str(project / "config/deploy.yml"),
            "groups": groups,
            "hostvars": {host: {} for host in groups["all"]},
            "ansible_play_hosts_all": list(present),
            "inventory_hostname": next(iter(present)),
            **(variables or {}),
        },
    )


def planned(*arguments, **named):
    result = run(*arguments, **named)
    assert not result.get("failed"), result
    return result["plan"]


# The version


@pytest.mark.parametrize(
    "argument, variable, environment, expected",
    [
        ("v1", "v2", "v3", "v1"),
        (None, "v2", "v3", "v2"),
        (None, "", "v3", "v3"),
        (None, None, "v3", "v3"),
        (None, 12, None, "12"),
    ],
)
def test_a_version_that_is_named(checkout, monkeypatch, argument, variable, environment, expected):
    if environment:
        monkeypatch.setenv("VERSION", environment)
    variables = {} if variable is None else {"kamal_version": variable}
    assert planned(checkout, variables, {"version": argument} if argument else {})["version"] == expected


def test_else_it_is_the_commit(checkout):
    made = planned(checkout)
    assert made["version"] == git(checkout, "rev-parse", "HEAD")
    assert made["short_version"] == made["version"][:7]
    assert made["performer"] == "sam@example.com"


@pytest.mark.parametrize("extra, suffix", [("", False), ("builder: {context: .}", True)])
def test_changes_without_a_commit_count_where_they_go_into_the_image(checkout, extra, suffix):
    configure(checkout, extra)
    (checkout / "new").touch()
    version = planned(checkout)["version"]
    assert bool(re.fullmatch(r"[0-9a-f]{40}_uncommitted_[0-9a-f]{16}", version)) is suffix
    assert version.startswith(git(checkout, "rev-parse", "HEAD"))


@pytest.mark.parametrize("version", ["a/b", "v 1", "-v1", ".v1", "v1\n", "a:b", "é", "x" * 129])
@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_a_version_that_cannot_be_a_tag_is_refused(project, version, command):
    result = run(project, arguments={"version": version, "command": command})
    assert result["failed"]
    assert result["msg"].startswith(f"kamal_version: {version!r} cannot be the tag of an image")


@pytest.mark.parametrize("version", ["_", "v1.2-rc_3", "x" * 128])
def test_a_version_that_can_be_a_tag_is_taken(project, version):
    assert planned(project, {"kamal_version": version})["version"] == version


def test_without_a_checkout_a_version_must_be_named(project):
    result = run(project)
    assert result["failed"]
    assert f"{project} is not a git checkout" in result["msg"]
    assert "-e kamal_version=VERSION" in result["msg"]
    assert planned(project, {"kamal_version": "v1"})["version"] == "v1"


def test_a_checkout_without_a_commit_has_no_version_either(project):
    git(project, "init", "--quiet")
    result = run(project)
    assert result["failed"]
    assert "no commit yet" in result["msg"]
    assert "-e kamal_version=VERSION" in result["msg"]


@pytest.mark.parametrize("command", ["inspect", "remove"])
def test_looking_and_removing_need_no_version(project, command):
    assert planned(project, arguments={"command": command})["version"] == "none"


def history(*versions, running, containers=("v1", "v2", "v3")):
    return {
        "history": [{"version": version} for version in versions],
        "running": {"web": running},
        "containers": [{"version": version} for version in containers],
    }


@pytest.mark.parametrize(
    "version, histories, expected",
    [
        ("previous", {"h1": history("v1", "v2", running="v2"), "h2": history("v1", "v2", running="v2")}, "v1"),
        ("previous", {"h1": history("v1", "v2", "v3", running="v3")}, "v2"),
        ("v1", {"h1": history("v1", "v2", running="v2")}, "v1"),
        ("previous", {}, "previous"),
    ],
)
def test_going_back(project, version, histories, expected):
    arguments = {"command": "rollback", "version": version, "histories": histories}
    assert planned(project, arguments=arguments)["version"] == expected


@pytest.mark.parametrize(
    "version, histories, said",
    [
        ("previous", {"h1": history("v1", running="v1")}, "nothing to go back to"),
        (
            "previous",
            {"h1": history("v1", "v2", running="v2"), "h2": history("v3", "v2", running="v2")},
            "do not agree",
        ),
        ("v9", {"h1": history("v1", running="v1")}, "no container of version v9 on h1"),
        ("previous", {"h1": history("v1", "v2", running="v2", containers=["v2"])}, "no container of version v1 on h1"),
    ],
)
def test_not_going_back(project, version, histories, said):
    result = run(project, arguments={"command": "rollback", "version": version, "histories": histories})
    assert result["failed"]
    assert said in result["msg"]


# The hosts

V1 = {"kamal_version": "v1"}


def test_all_hosts_take_part(project):
    assert planned(project, V1)["order"] == list(HOSTS)


def test_limit_leaves_some(project):
    made = planned(project, {**V1, "ansible_limit": "h2"}, present=["h2"])
    assert (made["order"], made["lock"]["host"]) == (["h2"], "h1")


@pytest.mark.parametrize("strategy", ["free", "host_pinned", "ansible.builtin.free", "mitogen_host_pinned"])
@pytest.mark.parametrize("command", ["deploy", "rollback", "remove"])
def test_hosts_that_do_not_wait_for_each_other_are_refused(project, strategy, command):
    result = run(project, V1, {"command": command}, strategy=strategy)
    assert result["failed"]
    assert result["msg"].startswith(f"strategy: with {strategy} hosts do not wait for each other")


@pytest.mark.parametrize("strategy", ["linear", "mitogen_linear", "ansible.builtin.linear", "debug"])
def test_hosts_that_go_in_step_take_part(project, strategy):
    assert planned(project, V1, strategy=strategy)["order"] == list(HOSTS)


@pytest.mark.parametrize(
    "named, said",
    [
        ({"groups": {"all": ["h1"], "app": ["h1"]}, "present": ["h1"]}, "h2: not in the inventory"),
        ({"present": ["h1"]}, "h2: not among the hosts of this play"),
    ],
)
def test_a_host_that_is_missing_is_told(project, named, said):
    result = run(project, V1, **named)
    assert result["failed"]
    assert said in result["msg"]


def test_a_build_host_that_is_no_host_is_told_where_something_is_built(project):
    variables = {**V1, "kamal_build_host": "h11"}
    result = run(project, variables)
    assert result["failed"]
    told = "kamal_build_host: h11 is no host of the inventory; did you mean `h1`? Add it there, or correct its name."
    assert result["msg"] == told
    assert planned(project, {**variables, "kamal_build": False})["build"] is None
    assert planned(project, variables, {"command": "rollback"})["build"] is None


@pytest.mark.parametrize("host", ["", "localhost", "127.0.0.1", "h2"])
def test_a_build_host_of_the_inventory_is_taken(project, host):
    assert planned(project, {**V1, "kamal_build_host": host})["build"]


@pytest.mark.parametrize("asked", ["wbe", "web,wbe", ["web", "wbe"]])
@pytest.mark.parametrize("command", ["inspect", "deploy", "exec"])
def test_a_role_that_is_not_there_is_told(project, asked, command):
    result = run(project, {**V1, "kamal_roles": asked}, {"command": command})
    assert result["failed"]
    assert result["msg"] == "kamal_roles: there is no role `wbe`; did you mean `web`? (roles: `web`)"


@pytest.mark.parametrize(
    ("asked", "roles"), [("web", ["web"]), ("web, w*", ["web"]), (["w?b"], ["web"]), ([], []), ("", [])]
)
def test_roles_are_chosen_by_name_or_by_pattern(project, asked, roles):
    assert planned(project, {"kamal_roles": asked}, {"command": "inspect"})["roles"] == roles


@pytest.mark.parametrize(
    ("variables", "place"),
    [({"kamal_roles": "web"}, "kamal_roles"), ({"kamal_primary": True}, "kamal_primary")],
)
@pytest.mark.parametrize("command", ["setup", "remove", "env_push", "prune"])
def test_what_is_about_whole_hosts_takes_no_role(project, variables, place, command):
    result = run(project, {**V1, **variables}, {"command": command})
    assert result["msg"] == f"{place}: this playbook is about whole hosts: choose them with --limit"


@pytest.mark.parametrize("variable", ["kamal_primary", "kamal_interactive"])
def test_the_first_host_alone(project, variable):
    plan = planned(project, {variable: "yes"}, {"command": "exec"})
    assert (plan["order"], plan["all_hosts"], plan["version"]) == (["h1"], ["h1"], "latest")


@pytest.mark.parametrize("variable", ["kamal_primary", "kamal_interactive"])
@pytest.mark.parametrize("command", ["exec", "inspect"])
@pytest.mark.parametrize(("present", "first"), [(["h2"], "h2"), (["h3", "h2"], "h2"), (["h9", "h3"], "h3")])
def test_the_first_host_is_the_first_of_those_that_limit_leaves(project, variable, command, present, first):
    (project / "config/deploy.yml").write_text("service: app\nservers: [h1, h2, h3]\n")
    limited = {variable: "yes", "ansible_limit": ",".join(present)}
    groups = {"all": ["h1", "h2", "h3", "h9"]}
    plan = planned(project, limited, {"command": command}, groups=groups, present=present)
    assert (plan["order"], plan["all_hosts"]) == ([first], [first])


@pytest.mark.parametrize("variable", ["kamal_primary", "kamal_interactive"])
def test_a_limit_that_leaves_no_first_host_is_told(project, variable):
    result = run(project, {variable: "yes", "ansible_limit": "h9"}, {"command": "inspect"}, present=["h9"])
    assert result["failed"]
    assert result["msg"] == "--limit: the first of h1, h2 is to take part, none of which is among the hosts of this run"


def test_a_deploy_is_of_all_hosts_though_a_terminal_was_asked_for(project):
    assert planned(project, {**V1, "kamal_interactive": True, "kamal_build": False})["order"] == ["h1", "h2"]


def test_a_build_host_that_is_like_no_other_is_told_in_whole_sentences(project):
    result = run(project, {**V1, "kamal_build_host": "zzz"})
    assert result["msg"] == "kamal_build_host: zzz is no host of the inventory. Add it there, or correct its name."


@pytest.mark.parametrize(("groups", "present"), [({"all": []}, ["localhost"]), ({"all": ["h1"], "db": ["h1"]}, ["h1"])])
def test_no_inventory_at_all_or_one_without_the_group_app_says_what_to_add(project, groups, present):
    result = run(project, {**V1, "kamal_config_file": None}, groups=groups, present=present)
    assert result["failed"]
    assert all(
        said in result["msg"] for said in ("no app hosts", "enable_plugins = caravan.kamal.deploy", "kamal_hosts")
    )


def test_another_folder_than_the_projects_is_told_with_its_own_remedy(project, monkeypatch):
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / "elsewhere")
    result = run(project, {**V1, "kamal_config_file": None}, groups={"all": []}, present=["localhost"])
    assert f"There is no {project}/elsewhere/config/deploy.yml" in result["msg"]
    assert "enable_plugins" not in result["msg"] and "-e kamal_config_file=PATH" in result["msg"]


def test_this_machine_alone_needs_no_inventory(project):
    (project / "config/deploy.yml").write_text("service: app\nservers: [localhost]\n")
    variables = {**V1, "kamal_config_file": None, "hostvars": {"localhost": {"ansible_connection": "local"}}}
    made = planned(project, variables, groups={"all": []}, present=["localhost"])
    assert (made["order"], made["build"]["push"]) == (["localhost"], False)


# Everything else is decided before a host is touched


@pytest.mark.parametrize(
    "command, wanted, built",
    [("deploy", None, True), ("deploy", False, False), ("redeploy", "yes", True), ("rollback", True, False)],
)
def test_who_builds(project, command, wanted, built):
    variables = {**V1, **({} if wanted is None else {"kamal_build": wanted})}
    assert (planned(project, variables, {"command": command})["build"] is not None) is built


def test_a_missing_secret_is_told_and_looking_and_removing_need_none(project):
    configure(project, "env: {secret: [DATABASE_URL]}")
    result = run(project, V1)
    assert result["failed"]
    assert "No value for the secret DATABASE_URL" in result["msg"]
    assert planned(project, {**V1, "kamal_secrets": {"DATABASE_URL": "x"}})["secrets"] == ["DATABASE_URL"]
    for command in ("inspect", "remove"):
        assert planned(project, V1, {"command": command})["secrets"] == ["DATABASE_URL"]


@pytest.mark.parametrize("command, ran", [("deploy", True), ("rollback", True), ("inspect", False), ("remove", False)])
@pytest.mark.parametrize("check", [False, True])
def test_commands_of_a_secrets_file_run_when_a_run_needs_them(project, command, ran, check):
    configure(project, "env: {secret: [DATABASE_URL]}")
    (project / ".kamal").mkdir()
    (project / ".kamal/secrets").write_text("DATABASE_URL=$(touch ran; echo x)")
    planned(project, V1, {"command": command}, check=check)
    assert (project / "ran").exists() is ran


def test_what_needs_a_command_is_told_where_none_may_run(project):
    configure(project, "env: {secret: [DATABASE_URL, TOKEN]}")
    (project / ".kamal").mkdir()
    (project / ".kamal/secrets").write_text("DATABASE_URL=$(touch ran; echo x)\nTOKEN=t")
    result = run(project, {**V1, "kamal_secrets_commands": "no"})
    assert result["failed"] and "No value for the secret DATABASE_URL" in result["msg"]
    assert "secrets:1: it takes a command $(…), and kamal_secrets_commands is false" in result["msg"]
    assert not (project / "ran").exists()


REGISTRY = "image: a\nregistry: {server: r.io, username: me, password: [P]}\nenv: {secret: [DATABASE_URL]}"


@pytest.mark.parametrize(
    "command, variables, missing",
    [
        ("deploy", {}, "secrets DATABASE_URL, P"),
        ("deploy", {"kamal_env_push": False}, "secret P"),
        ("deploy", {"kamal_env_push": "no", "kamal_build": False}, None),
        ("rollback", {}, "secrets DATABASE_URL, P"),
        ("rollback", {"kamal_env_push": False}, None),
        ("rollback", {"kamal_rollback_secrets": "with_release"}, None),
        ("deploy", {"kamal_rollback_secrets": "with_release", "kamal_build": False}, "secrets DATABASE_URL, P"),
        ("env_push", {"kamal_env_push": False}, "secret DATABASE_URL"),
        ("env_delete", {}, None),
        *((command, {}, None) for command in ("remove", "proxy", "prune", "bootstrap", "broadcast", "inspect")),
        ("boot", {"kamal_version": "v1"}, "secrets DATABASE_URL, P"),
        ("exec", {}, "secrets DATABASE_URL, P"),
        ("build", {}, "secret P"),
        ("dev", {}, None),
        ("builder", {}, None),
    ],
)
def test_which_secrets_a_run_needs_on_the_controller(project, command, variables, missing):
    configure(project, REGISTRY)
    result = run(project, {**V1, **variables}, {"command": command})
    assert bool(result.get("failed")) is bool(missing), result
    assert not missing or f"No value for the {missing}." in result["msg"]


@pytest.mark.parametrize(
    "command, secrets, told",
    [
        ("deploy", {}, "docker login r.io, as the user that Ansible connects as"),
        ("deploy", {"P": ""}, "kamal_secrets: the secret P is empty"),
        ("deploy", {"P": "p"}, None),
        ("rollback", {}, None),
    ],
)
def test_hosts_that_are_not_logged_in_are_told_what_to_do(project, command, secrets, told):
    configure(project, REGISTRY)
    variables = {**V1, "kamal_env_push": False, "kamal_build": False, "kamal_secrets": secrets}
    notices = planned(project, variables, {"command": command})["notices"]
    assert [told in notice for notice in notices] == ([True] if told else [])


def test_secrets_that_are_no_map_are_told(project):
    result = run(project, {"kamal_version": "v1", "kamal_secrets": '{"TOKEN": "hidden"}'})
    assert result["failed"] and result["msg"].startswith("kamal_secrets: expected a map of names to values")
    assert "hidden" not in result["msg"]


def test_a_mistake_in_the_configuration_is_told(project):
    configure(project, "bogus: 1")
    result = run(project, V1)
    assert result["failed"]
    assert "config/deploy.yml:3: bogus" in result["msg"]


# pre-init


def pre_init(project, text):
    (project / ".kamal/hooks").mkdir(parents=True)
    script = project / ".kamal/hooks/pre-init"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)


@pytest.mark.parametrize("command", ["deploy", "rollback", "inspect"])
def test_pre_init_runs_before_the_configuration_and_the_secrets_are_read(project, command):
    (project / "config/deploy.yml").unlink()
    text = "service: app\nservers: [h1, h2]\nenv: {secret: [TOKEN]}"
    pre_init(project, f"echo '{text}' > config/deploy.yml; echo TOKEN=t > .kamal/secrets")
    assert planned(project, V1, {"command": command})["service"] == "app"


def test_a_pre_init_that_fails_ends_the_run_with_what_it_said(project):
    pre_init(project, "echo the store is closed >&2; exit 4")
    result = run(project, V1)
    assert result["failed"]
    assert "pre-init ended with exit code 4. Nothing was touched yet. It said:\nthe store is closed" in result["msg"]
    assert planned(project, {**V1, "kamal_skip_hooks": True})["version"] == "v1"


def test_a_pre_init_that_hangs_ends_the_run(project):
    pre_init(project, "sleep 600")
    result = run(project, {**V1, "kamal_hooks_timeout": 1})
    assert result["failed"] and "did not end within 1 seconds" in result["msg"]


def test_pre_init_knows_the_destination(project):
    (project / "config/deploy.staging.yml").write_text("")
    pre_init(project, 'test "$KAMAL_DESTINATION" = staging')
    assert planned(project, {**V1, "kamal_destination": "staging"})["destination"] == "staging"
    staging = str(project / "config/deploy.staging.yml")
    assert planned(project, {**V1, "kamal_config_file": staging})["destination"] == "staging"


@pytest.mark.parametrize("given", [None, "", " "])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("kamal_cmd", "say what to run, as in -e \"kamal_cmd='bin/rails db:version'\""),
        ("kamal_broadcast", 'say what is to be told, as in -e "kamal_broadcast='),
        ("kamal_lock_message", 'say why the lock is taken, as in -e "kamal_lock_message='),
    ],
)
def test_a_variable_that_a_run_needs_is_asked_for_before_any_host_is_reached(project, given, name, message):
    result = run(project, {name: given, "_kamal_needs": name}, {"command": "inspect"})
    assert result["failed"]
    assert result["msg"].startswith(f"{name}: {message}")
    assert not run(project, {name: "given", "_kamal_needs": name}, {"command": "inspect"}).get("failed")


@pytest.mark.parametrize(
    ("variables", "arguments"), [({"_kamal_looks_at_proxy": True}, {"command": "inspect"}), ({}, {"command": "proxy"})]
)
def test_a_limit_that_leaves_no_kamal_proxy_is_told(project, variables, arguments):
    limited = {**variables, "ansible_limit": "h9"}
    result = run(project, limited, arguments, present=["h9"])
    assert result["failed"]
    assert result["msg"] == "--limit: kamal-proxy is on h1, h2, none of which is among the hosts of this run"
    assert planned(project, {**variables, "ansible_limit": "h2"}, arguments, present=["h2"])
