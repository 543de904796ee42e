# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets that lie on the hosts: pushed, used without any on the controller, rotated, gone back to, deleted."""

from __future__ import annotations

import lab
import pytest
from hosts import Host, everywhere
from project import Project

CONFIG = {"env": {"secret": ["DATABASE_URL"]}, "servers": {"workers": {"env": {"secret": ["TOKEN:JOBS_TOKEN"]}}}}
LOGIN = {"REGISTRY_PASSWORD": "$LAB_REGISTRY_PASSWORD"}
SECRETS = {"DATABASE_URL": "postgres-of-then", "JOBS_TOKEN": "token-of-then"}
ENV = ".kamal/apps/hello/env"
WEB, WORKERS = f"{ENV}/roles/web.env", f"{ENV}/roles/workers.env"


@pytest.fixture(scope="module", autouse=True)
def _blank_hosts() -> None:
    lab.reset()


def env_files(host: Host) -> dict[str, str]:
    found = host.sh(f"cd {host.home}/{ENV} 2>/dev/null && grep -r = . | sort || true")
    return dict(line.removeprefix("./").split(":", 1) for line in found.splitlines())


def words(text: str) -> str:
    return " ".join(text.split())


def test_what_no_host_has_is_told_by_a_dry_run(project: Project, hosts: list[Host]) -> None:
    project.secrets(**LOGIN)
    run = project.check("v1", kamal_env_push=False)
    assert run.code != 0
    for host, role in zip(hosts, ("web", "web", "workers"), strict=True):
        message = run.failures[host.name][0]
        assert f"missing on {host.name}" in message
        assert f"the role {role}: there is no /root/{ENV}/roles/{role}.env, which should have DATABASE_URL" in message
    assert "caravan.kamal.env.push" in words(run.output)
    assert [host.containers for host in hosts] == [{}, {}, {}]


def test_secrets_are_pushed_to_blank_hosts(project: Project, hosts: list[Host], web1: Host, worker1: Host) -> None:
    project.secrets(**SECRETS)
    assert project.play("env.push", "--diff").ok
    assert env_files(web1) == {"roles/web.env": "DATABASE_URL=postgres-of-then"}
    assert worker1.file(WORKERS).content_string == "DATABASE_URL=postgres-of-then\nTOKEN=token-of-then\n"
    assert {(host.file(f"{ENV}/roles").mode, host.locked()) for host in hosts} == {(0o700, False)}
    assert (web1.file(WEB).mode, web1.file(WEB).user) == (0o600, "root")


def test_a_name_that_one_host_lacks_is_told_and_nothing_goes_live(
    project: Project, hosts: list[Host], web2: Host
) -> None:
    web2.sh(f"echo OTHER=1 > /root/{WEB}")
    project.secrets(**LOGIN)
    run = project.deploy("v1", kamal_env_push=False)
    assert run.code != 0
    assert f"the role web: /root/{WEB} has no value for DATABASE_URL." in run.failures["web2"][0]
    assert "failed: web2;" in run.output
    assert [host.running for host in hosts] == [[], [], []]
    assert not any(host.locked() for host in hosts)


def test_only_that_host_is_written_by_the_next_push(project: Project) -> None:
    project.secrets(**SECRETS)
    pushed = project.play("env.push")
    assert pushed.ok
    assert [pushed.changed[host] for host in ("web1", "web2", "worker1")] == [0, 1, 0]
    assert f"web: write {WEB}" in pushed.output


def test_a_deploy_takes_what_lies_there(project: Project, web2: Host, worker1: Host) -> None:
    project.secrets(**LOGIN)
    assert project.deploy("v1", kamal_env_push=False).ok
    assert web2.environment("hello-web-v1")["DATABASE_URL"] == "postgres-of-then"
    assert "TOKEN" not in web2.environment("hello-web-v1")
    assert worker1.environment("hello-workers-v1")["TOKEN"] == "token-of-then"


def test_where_the_image_is_no_login_is_needed_either(project: Project, hosts: list[Host]) -> None:
    (project.root / ".kamal/secrets").unlink()
    before = everywhere(hosts, lambda host: host.traces)
    run = project.deploy("v1", kamal_env_push=False, kamal_build=False)
    assert run.ok
    assert set(run.changed.values()) == {0}
    assert "docker login registry:4443" in words(run.output)
    assert "whether registry:4443/stories/hello:v1 was pushed anew" in words(run.output)
    assert everywhere(hosts, lambda host: host.traces) == before


def test_a_rotated_secret_replaces_only_the_role_that_uses_it(project: Project, web1: Host, worker1: Host) -> None:
    before = web1.started("hello-web-v1")
    project.secrets(**LOGIN, **{**SECRETS, "JOBS_TOKEN": "token-of-today"})
    run = project.deploy("v1", kamal_build=False)
    assert run.ok
    assert (run.changed["web1"], run.changed["web2"], list(run.actions)) == (0, 0, ["worker1"])
    assert web1.started("hello-web-v1") == before
    assert worker1.running == ["hello-workers-v1"]
    assert worker1.environment("hello-workers-v1")["TOKEN"] == "token-of-today"
    kept = worker1.file(f"{ENV}/releases/v1/roles/workers.env")
    assert kept.content_string == "DATABASE_URL=postgres-of-then\nTOKEN=token-of-today\n"


def test_a_rollback_with_the_secrets_of_then_needs_none(project: Project, web2: Host, worker1: Host) -> None:
    project.commit("second")
    project.secrets(**LOGIN, DATABASE_URL="postgres-of-today", JOBS_TOKEN="token-of-today")
    assert project.deploy("v2").ok
    (project.root / ".kamal/secrets").unlink()
    run = project.play("rollback", kamal_rollback_secrets="with_release")
    assert run.ok
    assert "today's configuration and the secrets that it went live with" in words(run.output)
    assert web2.environment("hello-web-v1")["DATABASE_URL"] == "postgres-of-then"
    assert worker1.environment("hello-workers-v1")["TOKEN"] == "token-of-today"
    assert env_files(web2)["roles/web.env"] == "DATABASE_URL=postgres-of-today"


def test_a_version_of_which_a_host_kept_none_is_told(project: Project, hosts: list[Host], web2: Host) -> None:
    web2.sh(f"rm -r /root/{ENV}/releases/v2")
    run = project.play("rollback", kamal_rollback_secrets="with_release", kamal_version="v2")
    assert run.code != 0
    assert f"there is no /root/{ENV}/releases/v2/roles/web.env" in run.failures["web2"][0]
    assert "-e kamal_rollback_secrets=current" in words(run.output)
    assert [host.running for host in hosts] == [["hello-web-v1"], ["hello-web-v1"], ["hello-workers-v1"]]


def test_all_of_them_can_be_deleted_and_what_runs_runs_on(project: Project, hosts: list[Host]) -> None:
    run = project.play("env.delete")
    assert run.ok
    for told in (f"remove {WEB}", f"remove {WORKERS}", f"remove {ENV}/releases/v1/roles/web.env"):
        assert told in run.output
    assert [env_files(host) for host in hosts] == [{}, {}, {}]
    assert [len(host.running) for host in hosts] == [1, 1, 1]


def test_no_output_had_a_value(project: Project) -> None:
    told = "".join(path.read_text(errors="replace") for path in project.root.parent.glob(f"{project.root.name}.*.*"))
    assert [value for value in ("postgres-of-", "token-of-") if value in told] == []
    assert "caravan.kamal" in told
