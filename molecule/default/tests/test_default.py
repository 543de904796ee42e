# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The first deploy to blank hosts; then a second run, and dry runs before both."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hosts import Host, ask
from project import REGISTRY_PASSWORD, Project, Run

SECRET = 'line one\nline "two"\n\ttab, back\\slash, \\n, $HOME, %s, 日本語\n'
# Each is what a command of the secrets file prints.
ODD = {
    "ODD_DOLLAR": "pa$word $HOME ${HOME} $(echo no) `echo no`",
    "ODD_QUOTES": "it's \"so\" 'and' so",
    "ODD_SIGNS": "# a \\ b\\n ; & | > * ~ = % !",
    "ODD_LINES": "-----BEGIN KEY-----\n  a\tb\n\n-----END KEY-----",
    "ODD_SPACE": "  around  ",
    "ODD_UNICODE": "日本語 ä 🦦",
    "ODD_LENGTH": "x" * 65536,
}
# What a password manager has, at kv/hello.
STORED = {"TOKEN": '文中_DETALOPRETNI (and "so")', "CALLBACK": "1TERCES)_DETALOPRETNI"}
CONFIG = {
    "servers": {"web": ["web1", {"web2": "canary"}]},
    "env": {
        "clear": {"GREETING": "Good 'morning' $USER ${HOME} 你好", "EMPTY": ""},
        "secret": ["DATABASE_URL", "API_KEY:OTHER_NAME", *ODD, *STORED],
        "tags": {"canary": {"clear": {"OF_THE_TAG": "tagged"}, "secret": ["SECRET_OF_THE_TAG:OTHER_NAME"]}},
    },
    "labels": {"team": "sea otters"},
}


@pytest.fixture(scope="module", autouse=True)
def _secrets(project: Project) -> Iterator[None]:
    project.write(".kamal/secrets-of/kv.json", json.dumps({"data": STORED}))
    project.write_executable(".kamal/secrets-of/bin/vault", VAULT)
    for name, value in ODD.items():
        project.write(f".kamal/secrets-of/{name}", value + "\n")
    project.secrets(REGISTRY_PASSWORD="$LAB_REGISTRY_PASSWORD", OTHER_NAME='"a #value"', **COMMANDS)
    project.write("secrets.yml", "kamal_secrets:\n  DATABASE_URL: !unsafe " + repr_yaml(SECRET) + "\n")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PATH", f"{project.root}/.kamal/secrets-of/bin:{os.environ['PATH']}")
        yield


VAULT = """\
#!/bin/sh
[ "$VAULT_NAMESPACE $*" = "team kv get -format=json kv/hello" ] && cat .kamal/secrets-of/kv.json
"""
COMMANDS = {
    **{name: f"$(cat .kamal/secrets-of/{name})" for name in ODD},
    "FETCHED": f"$(kamal secrets fetch --adapter vault --account team --from kv/hello {' '.join(STORED)})",
    **{name: f"$(kamal secrets extract {name} $FETCHED)" for name in STORED},
}


def repr_yaml(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


SECRETS_FILE = ("-e", "@secrets.yml")


@pytest.fixture(scope="module")
def foreseen(project: Project) -> Run:
    """The dry run on blank hosts."""
    return project.check("v1", *SECRETS_FILE)


@pytest.fixture(scope="module")
def deployed(project: Project, foreseen: Run) -> Run:
    """The first deploy."""
    return project.deploy("v1", *SECRETS_FILE)


def test_nothing_is_served_before() -> None:
    assert ask().status == 502


def test_a_dry_run_on_blank_hosts_changes_nothing(foreseen: Run, hosts: list[Host]) -> None:
    assert foreseen.ok
    for host in hosts:
        assert host.containers == {}
        assert not host.file(".kamal").exists
        assert "stories/hello" not in host.sh("docker images")


def test_the_first_deploy_is_served_through_the_load_balancer(deployed: Run) -> None:
    assert deployed.ok
    answers = [ask() for _number in range(4)]
    assert {(answer.status, answer.version) for answer in answers} == {(200, "v1")}
    assert {answer.body.split(" on ")[1].strip() for answer in answers} == {"web1", "web2"}


def test_hosts_are_reached_while_the_image_is_built(deployed: Run) -> None:
    told = ["Begin to build the image", "Reach every host", "Build the image once and push it", "Take the deploy lock"]
    places = [deployed.output.index(f"  {task}\n") for task in told]
    assert places == sorted(places)


def test_the_dry_run_foresaw_it(foreseen: Run, deployed: Run) -> None:
    assert without_digests(foreseen, "v1") == without_digests(deployed, "v1")


def without_digests(run: Run, version: str) -> dict[str, list[str]]:
    """What has no digest yet, because it is not built yet, is pulled by its tag in a dry run."""
    return {
        host: [action.partition("@")[0].removesuffix(f":{version}") for action in done]
        for host, done in run.actions.items()
    }


def test_every_role_runs_on_its_hosts(web1: Host, web2: Host, worker1: Host, deployed: Run) -> None:
    assert web1.containers == web2.containers == {"hello-web-v1": "running"}
    assert worker1.containers == {"hello-workers-v1": "running"}


def test_values_arrive_byte_for_byte(web1: Host, worker1: Host) -> None:
    for host, container in ((web1, "hello-web-v1"), (worker1, "hello-workers-v1")):
        environment = host.environment(container)
        assert environment["DATABASE_URL"] == SECRET
        assert environment["API_KEY"] == "a #value"
        assert {name: environment[name] for name in (*ODD, *STORED)} == {**ODD, **STORED}
        assert environment["GREETING"] == CONFIG["env"]["clear"]["GREETING"]
        assert environment["EMPTY"] == ""
        assert environment["KAMAL_VERSION"] == "v1"
        assert environment["KAMAL_CONTAINER_NAME"] == container
        assert environment["KAMAL_HOST"] == host.name


def test_what_a_tag_gives_only_its_host_has(web1: Host, web2: Host, worker1: Host) -> None:
    names = {"OF_THE_TAG", "SECRET_OF_THE_TAG"}
    assert names.isdisjoint(web1.environment("hello-web-v1"))
    assert names.isdisjoint(worker1.environment("hello-workers-v1"))
    tagged = web2.environment("hello-web-v1")
    assert (tagged["OF_THE_TAG"], tagged["SECRET_OF_THE_TAG"]) == ("tagged", "a #value")


def test_a_password_manager_has_what_the_deploy_took(project: Project) -> None:
    store = {"kamal_secrets_adapter": "vault", "kamal_secrets_account": "team", "kamal_secrets_from": "kv/hello"}
    fetched = project.play("secrets.fetch", inventory="", kamal_secrets_names=list(STORED), **store)
    assert fetched.ok and all(f'"kv/hello/{name}": "[REDACTED]"' in fetched.output for name in STORED)
    shown = project.play("secrets.extract", inventory="", kamal_secrets_names="TOKEN", kamal_secrets_show=True, **store)
    assert shown.ok and STORED["TOKEN"] in shown.output.splitlines()


def test_containers_are_labelled_as_kamal_does(web1: Host) -> None:
    labels = web1.inspect("hello-web-v1")["Config"]["Labels"]
    expected = {"service": "hello", "role": "web", "destination": "", "team": "sea otters"}
    assert {name: labels[name] for name in expected} == expected


def test_the_env_file_is_for_its_owner_only(web1: Host) -> None:
    file = web1.file(".kamal/apps/hello/env/roles/web.env")
    assert (file.mode, file.user) == (0o600, "root")
    assert "DATABASE_URL" in file.content_string


def test_the_deploy_is_on_record(hosts: list[Host]) -> None:
    for host in hosts:
        assert "Booted app version v1" in host.audit()[-1]
        assert "ada@example.com" in host.audit()[-1]
        assert [(entry["version"], entry["command"]) for entry in host.history()] == [("v1", "deploy")]


def test_the_image_is_pulled_by_digest_and_kept_under_its_version(web1: Host, deployed: Run) -> None:
    pulls = [action for action in deployed.actions["web1"] if action.startswith("pull")]
    assert len(pulls) == 1
    assert pulls[0].startswith("pull registry:4443/stories/hello@sha256:")
    tags = web1.sh("docker images registry:4443/stories/hello --format '{{.Tag}}'").split()
    assert {"v1", "latest"} <= set(tags)


def test_no_host_keeps_the_registry_login(hosts: list[Host], deployed: Run) -> None:
    password = REGISTRY_PASSWORD.read_text().strip()
    assert password not in deployed.output
    for host in hosts:
        assert not host.file(".docker/config.json").exists
        places = "/root /home /etc /tmp /var/tmp /var/lib/docker/containers"
        assert host.sh(f"grep -rlF -e '{password}' {places} || true") == ""


def test_no_secret_is_shown(deployed: Run, foreseen: Run, web1: Host) -> None:
    labels = str(web1.inspect("hello-web-v1")["Config"]["Labels"])
    for told in (deployed.output, foreseen.output, str(deployed.results), labels, "\n".join(web1.audit())):
        assert [value for value in ("a #value", "日本語", "DETALOPRETNI") if value in told] == []


def test_the_lock_is_free(hosts: list[Host]) -> None:
    assert not any(host.locked() for host in hosts)


def test_a_second_run_changes_nothing(project: Project, hosts: list[Host]) -> None:
    before = [host.traces for host in hosts]
    again = project.deploy("v1", *SECRETS_FILE)
    assert again.ok
    assert set(again.changed) >= {"web1", "web2", "worker1"}
    assert set(again.changed.values()) == {0}
    assert again.actions == {}
    assert [host.traces for host in hosts] == before


def test_nor_does_it_with_a_python_for_each_module(project: Project, hosts: list[Host]) -> None:
    for host in hosts:
        host.sh("rm -rf /root/.cache/caravan.kamal")
    run = project.deploy("v1", *SECRETS_FILE, kamal_kept_process=False)
    assert (run.ok, run.actions) == (True, {})
    assert not any(host.file("/root/.cache/caravan.kamal").exists for host in hosts)


def test_what_another_user_deploys_with_sudo_is_at_that_users_home_by_either_way(
    project: Project, hosts: list[Host]
) -> None:
    """The kept process is root's, whoever asks it."""
    for host in hosts:
        host.sh("rm -rf /home/deploy/.cache /home/deploy/.kamal")
    before = [host.traces for host in hosts]
    with_sudo: dict[str, Any] = {"ansible_user": "deploy", "ansible_become": True}
    first = project.deploy("v1", *SECRETS_FILE, **with_sudo, kamal_kept_process=True)
    assert first.ok
    assert first.actions["worker1"] == ["prove container hello-workers-v1", "record v1 as live of workers"]
    again = project.deploy("v1", *SECRETS_FILE, **with_sudo, kamal_kept_process=False)
    assert (again.ok, again.actions) == (True, {})
    assert [host.traces for host in hosts] == before
    for host in hosts:
        assert host.file("/home/deploy/.kamal/turn-hello").user == "deploy"
        assert host.file("/root/.cache/caravan.kamal").exists
        assert not host.file("/home/deploy/.cache").exists


def test_a_dry_run_on_a_running_fleet_foresees_the_next_deploy_with_another_secret(
    project: Project, hosts: list[Host], web1: Host
) -> None:
    project.commit("second")
    project.configure({"env": {"clear": {"GREETING": "Good evening"}}})
    project.secrets(REGISTRY_PASSWORD="$LAB_REGISTRY_PASSWORD", OTHER_NAME="another-value", **COMMANDS)
    before = [host.traces for host in hosts]
    foreseen = project.check("v2", *SECRETS_FILE)
    assert foreseen.ok
    assert [host.traces for host in hosts] == before
    assert "GREETING=Good evening" in foreseen.output
    deployed = project.deploy("v2", *SECRETS_FILE)
    assert deployed.ok
    assert without_digests(foreseen, "v2") == without_digests(deployed, "v2")
    assert ask().version == "v2"
    assert web1.environment("hello-web-v2")["API_KEY"] == "another-value"
    assert "another-value" not in foreseen.output + deployed.output
