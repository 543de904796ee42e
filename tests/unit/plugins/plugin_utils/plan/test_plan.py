# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Configurations and runs against the plan that comes of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import from_mapping
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.planner import plan
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.run import Run

SERVERS = "servers: {web: [h1, h2, h3], jobs: [h2, h4]}"
HOSTS = ["h1", "h2", "h3", "h4"]

DB = "accessories: {db: {image: a, host: h5}}"


def made(text: str, hosts: list[str] | None = None, destination: str | None = None, **run: Any) -> dict[str, Any]:
    config = from_mapping({"service": "app", **yaml.safe_load(text)}, destination, "/project")
    return dict(to_data(plan(config, Run(**{"version": "v1", "hosts": HOSTS if hosts is None else hosts, **run}))))


def role(text: str, host: str = "h1", number: int = 0, **arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = made(text, **arguments)["hosts"][host]["roles"][number]
    return found


def env(role: dict[str, Any]) -> dict[str, str]:
    pairs = dict(line.split("=", 1) for line in role["body"]["Env"])
    return {name: value for name, value in pairs.items() if not name.startswith("KAMAL_")}


# Names and images


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        (
            None,
            {
                "container": "app-web-v1",
                "route": "app-web",
                "env_file": ".kamal/apps/app/env/roles/web.env",
                "latest": "latest",
                "audit_log": ".kamal/app-audit.log",
                "history_file": ".kamal/apps/app/history.jsonl",
                "lock": ".kamal/lock-app",
                "accessory": "app-db",
            },
        ),
        (
            "staging",
            {
                "container": "app-web-staging-v1",
                "route": "app-web-staging",
                "env_file": ".kamal/apps/app-staging/env/roles/web.env",
                "latest": "latest-staging",
                "audit_log": ".kamal/app-staging-audit.log",
                "history_file": ".kamal/apps/app-staging/history.jsonl",
                "lock": ".kamal/lock-app-staging",
                "accessory": "app-db",
            },
        ),
    ],
)
def test_names(destination: str | None, expected: dict[str, str]) -> None:
    found = made("servers: [h1]\naccessories: {db: {image: mysql, host: h1}}", destination=destination)
    host = found["hosts"]["h1"]
    assert {
        **{name: host["roles"][0][name] for name in ("container", "route", "env_file")},
        "latest": host["image"]["latest"],
        "audit_log": host["audit_log"],
        "history_file": host["history_file"],
        "lock": found["lock"]["directory"],
        "accessory": found["accessories"]["db"]["service"],
    } == expected


@pytest.mark.parametrize(
    ("text", "repository", "pull"),
    [
        ("", "app", False),
        ("image: acme/app", "acme/app", False),
        ("image: acme/app\nregistry: {username: me, password: [P]}", "acme/app", True),
        ("image: acme/app\nregistry: {server: r.example.com:5000}", "r.example.com:5000/acme/app", True),
    ],
)
def test_images(text: str, repository: str, pull: bool) -> None:
    found = made(f"servers: [h1]\n{text}")
    image = found["hosts"]["h1"]["image"]
    assert image == {"service": "app", "repository": repository, "tag": "v1", "latest": "latest", "pull": pull}
    assert found["hosts"]["h1"]["roles"][0]["body"]["Image"] == f"{repository}:v1"
    assert found["build"]["repository"] == repository


# What a container gets

ENV = """
servers:
  web: [h1, {h2: [red, blue]}, {h3: [blue, red]}]
  jobs: {hosts: [h2, h4], env: {clear: {WHO: jobs, FAST: no}, secret: [TOKEN:JOBS_TOKEN, EXTRA]}}
env:
  clear: {WHO: all, COUNT: 5, EMPTY: '', COLOR: none}
  secret: [TOKEN, PLAIN]
  tags:
    red: {COLOR: red, RED: yes}
    blue: {clear: {COLOR: blue, SEEN: blue}, secret: [TOKEN:BLUE_TOKEN]}
"""


@pytest.mark.parametrize(
    ("host", "number", "clear", "secrets"),
    [
        (
            "h1",
            0,
            {"WHO": "all", "COUNT": "5", "EMPTY": "", "COLOR": "none"},
            {"TOKEN": "TOKEN", "PLAIN": "PLAIN"},
        ),
        (
            "h2",
            0,
            {"WHO": "all", "COUNT": "5", "EMPTY": "", "COLOR": "blue", "RED": "true", "SEEN": "blue"},
            {"TOKEN": "BLUE_TOKEN", "PLAIN": "PLAIN"},
        ),
        (
            "h3",
            0,
            {"WHO": "all", "COUNT": "5", "EMPTY": "", "COLOR": "red", "RED": "true", "SEEN": "blue"},
            {"TOKEN": "BLUE_TOKEN", "PLAIN": "PLAIN"},
        ),
        (
            "h4",
            0,
            {"WHO": "jobs", "COUNT": "5", "EMPTY": "", "COLOR": "none", "FAST": "false"},
            {"TOKEN": "JOBS_TOKEN", "PLAIN": "PLAIN", "EXTRA": "EXTRA"},
        ),
    ],
    ids=["root", "tags in their order", "tags the other way round", "role"],
)
def test_variables(host: str, number: int, clear: dict[str, str], secrets: dict[str, str]) -> None:
    found = role(ENV, host, number)
    assert env(found) == clear
    assert found["secrets"] == secrets


def test_tags_of_a_host_belong_to_the_role_they_stand_in() -> None:
    assert env(role(ENV, "h2", 1)) == {
        "WHO": "jobs",
        "COUNT": "5",
        "EMPTY": "",
        "COLOR": "none",
        "FAST": "false",
    }


@pytest.mark.parametrize("destination", [None, "staging"])
def test_variables_that_are_always_there(destination: str | None) -> None:
    found = role("servers: [h1]\nenv: {KAMAL_VERSION: mine}", destination=destination)
    expected = {
        "KAMAL_CONTAINER_NAME": found["container"],
        "KAMAL_VERSION": "mine",
        "KAMAL_HOST": "h1",
        **({"KAMAL_DESTINATION": destination} if destination else {}),
    }
    assert dict(line.split("=", 1) for line in found["body"]["Env"]) == expected


def test_labels() -> None:
    text = "servers: {web: {hosts: [h1], labels: {team: web, ok: true}}}\nlabels: {team: all, tier: 1}"
    assert role(text, destination="staging")["body"]["Labels"] == {
        "service": "app",
        "role": "web",
        "destination": "staging",
        "caravan.version": "v1",
        "team": "web",
        "tier": "1",
        "ok": "true",
    }


@pytest.mark.parametrize(
    ("root", "own", "expected"),
    [
        ("", "", {"Type": "", "Config": {"max-size": "10m"}}),
        ("driver: local", "", {"Type": "local", "Config": {}}),
        ("options: {max-file: 3}", "", {"Type": "", "Config": {"max-file": "3"}}),
        ("options: {a: 1, b: 2}", "driver: local, options: {b: 3}", {"Type": "local", "Config": {"a": "1", "b": "3"}}),
    ],
)
def test_logging(root: str, own: str, expected: dict[str, Any]) -> None:
    text = f"servers: {{web: {{hosts: [h1], logging: {{{own}}}}}}}\nlogging: {{{root}}}"
    assert role(text)["body"]["HostConfig"]["LogConfig"] == expected


@pytest.mark.parametrize(
    ("volume", "bind"),
    [
        ("storage:/storage", "storage:/storage"),
        ("/srv/data:/data:ro", "/srv/data:/data:ro"),
        ("./data:/data", "./data:/data"),
        ("data/up:/data", "./data/up:/data"),
        (".kamal/x:/data", "./.kamal/x:/data"),
        ("../up:/data", "../up:/data"),
        ("~/data:/data", "./data:/data"),
        ("$PWD/data:/data", "./data:/data"),
        ("${HOME}/data:/data:ro", "./data:/data:ro"),
    ],
)
def test_volumes_may_be_below_the_home(volume: str, bind: str) -> None:
    assert role(f"servers: [h1]\nvolumes: ['{volume}']")["body"]["HostConfig"]["Binds"] == [bind]


@pytest.mark.parametrize(
    ("text", "key_path"),
    [
        ("volumes: ['a/../b']", "volumes"),
        ("accessories: {db: {image: a, host: h1, volumes: ['a:b']}}", "accessories/db/volumes"),
        ("accessories: {db: {image: a, host: h1, port: '70000'}}", "accessories/db/port"),
    ],
)
def test_what_docker_would_refuse_is_named_by_its_key(text: str, key_path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(f"servers: [h1]\n{text}")
    assert [problem.key_path for problem in caught.value.problems] == [key_path]


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ("", {"Name": "unless-stopped"}),
        ("restart: 'no'", {"Name": "no", "MaximumRetryCount": 0}),
        ("restart: 'on-failure:3'", {"Name": "on-failure", "MaximumRetryCount": 3}),
    ],
)
def test_restart_policy(options: str, policy: dict[str, Any]) -> None:
    text = f"servers: {{web: {{hosts: [h1], options: {{{options}}}}}}}"
    assert role(text)["body"]["HostConfig"]["RestartPolicy"] == policy


def test_a_command_is_split_as_a_shell_splits_words() -> None:
    text = """servers: {web: {hosts: [h1], cmd: 'bin/jobs --name "two words"'}}"""
    assert role(text)["body"]["Cmd"] == ["bin/jobs", "--name", "two words"]


@pytest.mark.parametrize(("cmd", "words"), [("true", ["true"]), ("0", ["0"]), ("''", None)])
def test_a_command_that_yaml_reads_as_something_else(cmd: str, words: list[str] | None) -> None:
    assert role(f"servers: {{web: {{hosts: [h1], cmd: {cmd}}}}}")["body"].get("Cmd") == words


# Timeouts

OFF = "proxy: false"


@pytest.mark.parametrize(
    ("root", "own", "seconds"),
    [
        ("", "", None),
        ("", OFF, 30),
        ("drain_timeout: 7", "", None),
        ("drain_timeout: 7", OFF, 7),
        ("drain_timeout: 7\nstop_timeout: 8", "", 8),
        ("drain_timeout: 7\nstop_timeout: 8", OFF, 8),
        ("stop_timeout: 8", "stop_timeout: 9", 9),
        ("stop_timeout: 8", f"{OFF}, stop_timeout: 9", 9),
        ("stop_timeout: 8", "stop_timeout: 0", 0),
    ],
)
def test_seconds_to_stop(root: str, own: str, seconds: int | None) -> None:
    text = f"servers: {{web: {{hosts: [h1]{', ' if own else ''}{own}}}}}\n{root}"
    assert role(text)["stop_timeout"] == seconds


def test_other_timeouts() -> None:
    names = ("deploy_timeout", "drain_timeout", "readiness_delay")
    assert [role("servers: [h1]")[name] for name in names] == [30, 30, 7]
    given = "servers: [h1]\ndeploy_timeout: 1\ndrain_timeout: 2\nreadiness_delay: 0"
    assert [role(given)[name] for name in names] == [1, 2, 0]


@pytest.mark.parametrize(
    ("text", "forks", "seconds"),
    [
        ("servers: [h1]", 5, 120 + 300),
        ("servers: [h1]\nboot: {wait: 5}\ndeploy_timeout: 500\nstop_timeout: 20", 5, 120 + 500 + 30 + 7 + 20 + 60 + 5),
        (SERVERS, 1, 120 + 4 * 300),
        (f"{SERVERS}\ndeploy_timeout: 500", 2, 120 + 2 * ((500 + 30 + 7 + 10) + (500 + 30 + 7 + 30) + 60)),
        (f"{SERVERS}\ndeploy_timeout: 500\nboot: {{limit: 1}}", 2, 120 + (547 + 567 + 60)),
    ],
)
def test_the_lock_outlasts_the_slowest_batch(text: str, forks: int, seconds: int) -> None:
    assert made(text, forks=forks)["lock"]["ttl"] == seconds


# The proxy

ROOT_PROXY = "proxy: {host: a.example.com, app_port: 80, healthcheck: {path: /up, interval: 3}, run: {debug: true}}"


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (
            "true",
            {"host": "a.example.com", "app_port": 80, "healthcheck": {"path": "/up", "interval": 3, "timeout": 5}},
        ),
        ("{}", {"host": "a.example.com", "app_port": 80, "healthcheck": {"path": "/up", "interval": 3, "timeout": 5}}),
        (
            "{host: b.example.com, healthcheck: {path: /ok}}",
            {"host": "b.example.com", "app_port": 80, "healthcheck": {"path": "/ok", "interval": 3, "timeout": 5}},
        ),
        ("false", None),
    ],
)
def test_a_role_lays_its_proxy_over_the_root(own: str, expected: dict[str, Any] | None) -> None:
    found = role(f"servers: {{web: [h1], jobs: {{hosts: [h4], proxy: {own}}}}}\n{ROOT_PROXY}", "h4")
    assert expected == (found["proxy"] and {key: found["proxy"][key] for key in expected or ()})
    assert found["route"] == (None if expected is None else "app-jobs")


def test_a_proxy_runs_only_where_something_is_behind_it() -> None:
    found = made("servers: {web: [h1], jobs: [h4]}")["hosts"]
    assert found["h1"]["proxy"]["container"]["Image"] == "basecamp/kamal-proxy:v0.9.2"
    assert found["h4"]["proxy"] is None


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("proxy: {run: {version: v1}}", "basecamp/kamal-proxy:v1"),
        ("servers: {web: {hosts: [h1], proxy: {run: {version: v2}}}}", "basecamp/kamal-proxy:v2"),
        ("accessories: {db: {image: a, host: h1, proxy: {run: {version: v3}}}}", "basecamp/kamal-proxy:v3"),
        ("accessories: {db: {image: a, host: h9, proxy: {run: {version: v3}}}}", "basecamp/kamal-proxy:v0.9.2"),
    ],
    ids=["root", "role", "accessory beside it", "accessory elsewhere"],
)
def test_all_who_share_a_host_decide_how_its_proxy_runs(text: str, image: str) -> None:
    found = made(f"servers: [h1]\n{text}" if "servers" not in text else text)["hosts"]["h1"]
    assert found["proxy"]["container"]["Image"] == image


@pytest.mark.parametrize(
    ("registry", "run", "login"),
    [
        ("", "", False),
        ("registry: {username: me, password: [P]}", "", True),
        ("registry: {server: docker.io, username: me, password: [P]}", "", True),
        ("registry: {server: r.example.com}", "", False),
        ("registry: {server: r.example.com}", "registry: r.example.com", True),
        ("registry: {server: r.example.com}", "registry: other.example.com", False),
    ],
)
def test_the_login_is_used_for_the_proxys_image_where_it_lies_there_too(registry: str, run: str, login: bool) -> None:
    found = made(f"servers: [h1]\nimage: a\n{registry}\nproxy: {{run: {{{run}}}}}")
    assert found["hosts"]["h1"]["proxy"]["login"] is login


# Batches, order, --limit


@pytest.mark.parametrize(
    ("limit", "hosts", "serial"),
    [
        (None, HOSTS, 4),
        ("3", HOSTS, 3),
        ("'3'", HOSTS, 3),
        ("10", HOSTS, 10),
        ("50%", HOSTS, 2),
        ("99%", HOSTS, 3),
        ("1%", HOSTS, 1),
        ("50%", ["h1"], 1),
        ("50%", ["h1", "h2"], 1),
        ("100%", HOSTS, 4),
        ("150%", HOSTS, 6),
        ("0%", HOSTS, 1),
        ("'50.9%'", HOSTS, 2),
    ],
)
def test_hosts_per_batch(limit: str | None, hosts: list[str], serial: int) -> None:
    boot = f"\nboot: {{limit: {limit}}}" if limit else ""
    text = f"{SERVERS}\naccessories: {{db: {{image: a, hosts: [h5, h6]}}}}{boot}"
    assert made(text, hosts)["serial"] == serial


@pytest.mark.parametrize(
    ("hosts", "order", "gate"),
    [
        (HOSTS, HOSTS, "web"),
        (["h4", "h1"], ["h1", "h4"], "web"),
        (["h4"], ["h4"], "jobs"),
    ],
)
def test_part_of_the_hosts(hosts: list[str], order: list[str], gate: str | None) -> None:
    found = made(SERVERS, hosts)
    assert (found["order"], list(found["hosts"]), found["gate_role"]) == (order, order, gate)
    assert found["lock"]["host"] == "h1"


def test_a_stand_in_for_the_primary_role_is_told_when_something_boots() -> None:
    (notice,) = made(SERVERS, ["h4"])["notices"]
    assert "No host of the primary role web takes part in this run: jobs is the role" in notice
    assert made(SERVERS, ["h4"], command="inspect")["notices"] == []
    assert made(SERVERS)["notices"] == []


@pytest.mark.parametrize(("boot", "side_by_side"), [("", False), ("boot: {parallel_roles: true}", True)])
def test_roles_take_turns_unless_told_otherwise(boot: str, side_by_side: bool) -> None:
    assert made(f"{SERVERS}\n{boot}")["hosts"]["h2"]["parallel_roles"] is side_by_side


def test_the_gate_of_each_host() -> None:
    found = made(SERVERS)["hosts"]
    gates = {name: (host["gate_roles"], host["other_roles"]) for name, host in found.items()}
    assert gates == {
        "h1": (["web"], []),
        "h2": (["web"], ["jobs"]),
        "h3": (["web"], []),
        "h4": ([], ["jobs"]),
    }


def test_hosts_of_accessories_are_those_of_the_full_plan() -> None:
    found = made(f"{SERVERS}\naccessories: {{db: {{image: a, host: h5}}, log: {{image: b, role: jobs}}}}", ["h4"])
    assert {name: accessory["hosts"] for name, accessory in found["accessories"].items()} == {
        "db": ["h5"],
        "log": ["h2", "h4"],
    }
    assert found["all_hosts"] == ["h4", "h5", "h2"]


def test_only_accessories() -> None:
    found = made("accessories: {db: {image: a, host: h5}}", [], command="setup")
    assert (found["order"], found["all_hosts"], found["lock"]["host"]) == ([], ["h5"], "h5")
    assert (found["gate_role"], found["build"]) == (None, None)


@pytest.mark.parametrize(
    ("text", "command", "refused"),
    [
        (SERVERS, "deploy", True),
        (SERVERS, "setup", True),
        (SERVERS, "remove", False),
        (f"{SERVERS}\n{DB}", "deploy", True),
        (f"{SERVERS}\n{DB}", "rollback", True),
        (f"{SERVERS}\n{DB}", "setup", False),
        (DB, "deploy", True),
    ],
)
def test_a_run_without_a_host_of_a_role_deploys_nothing_and_says_so(text: str, command: str, refused: bool) -> None:
    if not refused:
        assert made(text, [], command=command)["order"] == []
        return
    with pytest.raises(ConfigError, match="No host of a role takes part in this run.*--limit.*caravan.kamal.setup"):
        made(text, [], command=command)


@pytest.mark.parametrize(
    ("wanted", "host"), [(None, "h1"), ("h4", "h4"), ("h5", "h5"), ("h9", None)], ids=["", "app", "accessory", "none"]
)
def test_another_host_can_keep_the_lock(wanted: str | None, host: str | None) -> None:
    text = f"{SERVERS}\n{DB}"
    if host:
        assert made(text, ["h2"], lock_host=wanted)["lock"]["host"] == host
        return
    with pytest.raises(ConfigError, match="kamal_lock_host: h9 is no host of this service; name one of h1, h2, h3, h4"):
        made(text, ["h2"], lock_host=wanted)


# Accessories


def test_an_accessory() -> None:
    text = """
    servers: [h1]
    logging: {driver: local}
    accessories:
      db:
        image: mysql:8
        host: h1
        port: 3306
        cmd: --fast
        volumes: [data:/data, ./up:/up]
        labels: {kind: db}
        options: {cpus: 2, restart: always}
        env: {clear: {A: b}, secret: [ROOT:DB_ROOT]}
    """
    db = made(text)["accessories"]["db"]
    assert (db["service"], db["network"], db["secrets"]) == ("app-db", "kamal", {"ROOT": "DB_ROOT"})
    assert db["env_file"] == ".kamal/apps/app/env/accessories/db.env"
    body = db["body"]
    assert (body["Image"], body["Cmd"], body["Env"]) == ("mysql:8", ["--fast"], ["A=b"])
    assert body["Labels"] == {"service": "app-db", "kind": "db"}
    assert body["HostConfig"]["PortBindings"] == {"3306/tcp": [{"HostIp": "", "HostPort": "3306"}]}
    assert body["HostConfig"]["Binds"] == ["data:/data", "./up:/up"]
    assert body["HostConfig"]["LogConfig"]["Type"] == "local"
    assert body["HostConfig"]["RestartPolicy"]["Name"] == "always"


@pytest.mark.parametrize(
    ("registry", "accessory", "image", "server"),
    [
        ("{server: r.example.com}", "image: mysql", "mysql", None),
        ("{server: r.example.com}", "image: r.example.com/mysql", "r.example.com/mysql", "r.example.com"),
        ("{server: r.example.com}", "image: r.example.community/mysql", "r.example.community/mysql", None),
        ("{server: my.ghcr.io}", "image: ghcr.io/db", "ghcr.io/db", None),
        ("{server: ghcr.io/acme}", "image: ghcr.io/acme/db", "ghcr.io/acme/db", "ghcr.io/acme"),
        ("{server: o.example.com}", "image: db, registry: {server: r.io}", "r.io/db", "r.io"),
    ],
)
def test_the_registry_of_an_accessory(registry: str, accessory: str, image: str, server: str | None) -> None:
    text = f"servers: [h1]\nimage: a\nregistry: {registry}\naccessories: {{db: {{host: h1, {accessory}}}}}"
    db = made(text)["accessories"]["db"]
    assert db["body"]["Image"] == image
    assert (db["registry"] or {}).get("server") == server


@pytest.mark.parametrize("server", ["docker.io", "index.docker.io"])
def test_docker_hub_by_name_is_where_docker_keeps_a_login_for_it(server: str) -> None:
    of_its_own = f"{{image: db, host: h1, registry: {{server: {server}, username: me, password: [P]}}}}"
    text = f"registry: {{server: {server}, username: me, password: [P]}}\naccessories: {{db: {of_its_own}}}"
    found = made(f"servers: [h1]\nimage: a/b\n{text}")
    assert found["registry"]["server"] is found["accessories"]["db"]["registry"]["server"] is None
    assert found["build"]["repository"] == f"{server}/a/b"


def test_an_accessory_from_docker_hub_takes_the_apps_login_there() -> None:
    text = (
        "servers: [h1]\nimage: a/b\nregistry: {username: me, password: [P]}\naccessories: {db: {image: a/db, host: h1}}"
    )
    assert made(text)["accessories"]["db"]["registry"] == {
        "server": None,
        "username": "me",
        "password": {"secret": "P"},
    }


# Building, secrets, who


@pytest.mark.parametrize(
    ("builder", "expected"),
    [
        ("{}", {"context": None, "dockerfile": "Dockerfile", "target": None, "args": {}, "arch": []}),
        ("{arch: arm64, context: ., dockerfile: D}", {"arch": ["arm64"], "context": ".", "dockerfile": "D"}),
        ("{arch: [amd64]}", {"arch": ["amd64"]}),
        ("{secrets: [A], ssh: default}", {"secrets": ["A"], "ssh": "default"}),
        ("{}", {"driver": None, "remote": None, "local": True, "cache_from": None, "cache_to": None, "pack": None}),
        ("{provenance: false, sbom: true}", {"provenance": "false", "sbom": "true"}),
        ("{provenance: mode=max}", {"provenance": "mode=max", "sbom": None}),
        ("{cache: {type: gha}}", {"cache_from": "type=gha", "cache_to": "type=gha"}),
        (
            "{cache: {type: gha, options: 'mode=max,scope=s,url_v2=u'}}",
            {"cache_from": "type=gha,scope=s,url_v2=u", "cache_to": "type=gha,mode=max,scope=s,url_v2=u"},
        ),
        (
            "{cache: {type: registry, options: mode=max}}",
            {
                "cache_from": "type=registry,ref=app-build-cache",
                "cache_to": "type=registry,ref=app-build-cache,mode=max",
            },
        ),
        ("{args: {A: 1.5, B: true, C: , D: ''}, target: t}", {"args": {"A": "1.5", "B": "true", "C": None, "D": None}}),
    ],
)
def test_what_is_built(builder: str, expected: dict[str, Any]) -> None:
    found = made(f"servers: [h1]\nbuilder: {builder}")["build"]
    assert {key: found[key] for key in expected} == expected
    assert (found["version"], found["latest"], found["project_root"]) == ("v1", "latest", "/project")


@pytest.mark.parametrize(("image", "ref"), [("", "r.io/a/b-build-cache"), (", image: c/d", "r.io/c/d")])
def test_a_cache_is_in_the_apps_registry(image: str, ref: str) -> None:
    text = f"servers: [h1]\nimage: a/b\nregistry: {{server: r.io}}\nbuilder: {{cache: {{type: registry{image}}}}}"
    assert made(text)["build"]["cache_from"] == f"type=registry,ref={ref}"


@pytest.mark.parametrize(
    ("remote", "host", "address"),
    [
        ("ssh://b", None, "ssh://b"),
        ("builder1", "builder1", None),
        ("tcp://10.0.0.1:2376", None, "tcp://10.0.0.1:2376"),
    ],
)
def test_a_host_of_the_inventory_builds_instead(remote: str, host: str | None, address: str | None) -> None:
    text = f"servers: [h1]\nbuilder: {{remote: '{remote}', local: false}}"
    build = made(text, inventory=["h1", "builder1"])["build"]
    assert (build["host"], build["remote"], build["local"]) == (host, address, bool(host))


def test_a_remote_that_is_neither_address_nor_host() -> None:
    with pytest.raises(ConfigError, match="builder/remote: found builder2, which is neither the address"):
        made("servers: [h1]\nbuilder: {remote: builder2}", inventory=["h1", "builder1"])


def test_the_working_tree_is_built_for_this_machine() -> None:
    builder = "{arch: [amd64, arm64], cache: {type: gha}, secrets: [A], target: t, driver: docker-container}"
    registry = "image: a\nregistry: {username: me, password: [P]}"
    plan = made(f"servers: [h1]\n{registry}\nenv: {{secret: [S]}}\nbuilder: {builder}", command="dev")
    build = plan["build"]
    named = (build["version"], build["latest"], build["latest_here"], build["push"])
    assert named == ("v1-dirty", "latest-dirty", True, False)
    assert (build["context"], build["arch"], build["driver"], build["cache_to"]) == (".", [], "docker", None)
    assert (build["target"], plan["secrets"]) == ("t", ["A"])


@pytest.mark.parametrize(
    ("command", "secrets"), [("build", ["A", "P"]), ("builder", ["A", "P"]), ("deploy", ["A", "P", "S"])]
)
def test_an_image_needs_no_secrets_of_containers(command: str, secrets: list[str]) -> None:
    text = "image: a\nregistry: {username: me, password: [P]}\nenv: {secret: [S]}\nbuilder: {secrets: [A]}"
    plan = made(f"servers: [h1]\n{text}", command=command, local_hosts=["h1"])
    assert (plan["secrets"], plan["build"]["push"]) == (secrets, command == "build")


@pytest.mark.parametrize(("build", "secrets"), [(True, ["A", "B"]), (False, [])])
def test_the_secrets_of_a_build_are_needed_only_where_it_builds(build: bool, secrets: list[str]) -> None:
    assert made("servers: [h1]\nbuilder: {secrets: [B, A]}", build=build)["secrets"] == secrets


@pytest.mark.parametrize(
    ("registry", "local", "push"),
    [("", [], False), ("registry: {server: r.io}", [], True), ("registry: {server: r.io}", ["h1"], False)],
)
def test_an_image_is_pushed_only_where_somebody_pulls_it(registry: str, local: list[str], push: bool) -> None:
    text = f"servers: [h1]\nimage: a\n{registry}"
    assert made(text, ["h1"], local_hosts=local)["build"]["push"] is push


def test_nothing_is_built_when_nobody_wants_it() -> None:
    assert made("servers: [h1]", build=False)["build"] is None


FILES = ".kamal/apps/app/env"


def test_secrets_by_name() -> None:
    text = """
    servers: [h1]
    image: a
    registry: {server: r.io, username: [WHO], password: [P]}
    env: {secret: [A, B:C]}
    accessories: {db: {image: x, host: h1, env: {secret: [D]}, registry: {username: you, password: [E]}}}
    """
    found = made(text)
    assert found["secrets"] == ["A", "C", "P", "WHO"]  # A deploy touches no accessory.
    assert made(text, command="setup")["secrets"] == ["A", "C", "D", "E", "P", "WHO"]
    assert found["registry"] == {"server": "r.io", "username": {"secret": "WHO"}, "password": {"secret": "P"}}
    assert made(text, command="env_push")["secrets"] == ["A", "C", "D"]


@pytest.mark.parametrize(
    ("run", "secrets", "role", "accessory"),
    [
        ({}, ["A", "P"], None, None),
        ({"command": "setup"}, ["A", "D", "P"], None, None),
        ({"secrets_from": "hosts"}, ["P"], f"{FILES}/roles/web.env", f"{FILES}/accessories/db.env"),
        ({"secrets_from": "hosts", "build": False}, [], f"{FILES}/roles/web.env", f"{FILES}/accessories/db.env"),
        (
            {"secrets_from": "release", "build": False, "command": "rollback"},
            [],
            f"{FILES}/releases/v1/roles/web.env",
            None,
        ),
    ],
    ids=["the controller", "the controller, with accessories", "hosts", "hosts and nothing is built", "the release"],
)
def test_who_has_the_secrets(run: dict[str, Any], secrets: list[str], role: str | None, accessory: str | None) -> None:
    """Without them the controller has to know only what it logs in with itself, to push."""
    text = """
    servers: [h1]
    image: a
    registry: {server: r.io, username: me, password: [P]}
    env: {secret: [A]}
    accessories: {db: {image: x, host: h1, env: {secret: [D]}}}
    """
    found = made(text, **run)
    assert found["secrets"] == secrets
    (share,) = found["hosts"]["h1"]["roles"]
    assert (share["secrets_file"], found["accessories"]["db"]["secrets_file"]) == (role, accessory)
    assert share["kept_env_file"] == f"{FILES}/releases/v1/roles/web.env"


@pytest.mark.parametrize(
    ("command", "secrets"), [("setup", ["D"]), ("accessory_boot", ["D"]), ("deploy", []), ("redeploy", [])]
)
def test_what_is_rendered_on_the_controller_needs_its_secrets_there(command: str, secrets: list[str]) -> None:
    text = """
    servers: [h1]
    env: {secret: [A]}
    accessories:
      db: {image: x, host: h1, env: {secret: [D]}, files: ["init.sql.erb:/init.sql"]}
      store: {image: x, host: h1, env: {secret: [E]}, files: ["a.conf:/a.conf"]}
    """
    found = made(text, command=command, secrets_from="hosts", build=False, accessory="all")
    assert found["secrets"] == secrets
    files = {name: accessory["secrets_file"] for name, accessory in found["accessories"].items()}
    assert files == {"db": None, "store": f"{FILES}/accessories/store.env"}


def test_the_run_is_in_the_plan_and_the_plan_is_plain_data() -> None:
    found = made(SERVERS, version="0123456789abcdef", command="redeploy", performer="sam", destination="staging")
    shown = {
        name: found[name] for name in ("service", "destination", "version", "short_version", "command", "performer")
    }
    assert shown == {
        "service": "app",
        "destination": "staging",
        "version": "0123456789abcdef",
        "short_version": "0123456",
        "command": "redeploy",
        "performer": "sam",
    }
    host = found["hosts"]["h1"]
    assert (host["performer"], host["command"], host["version"]) == ("sam", "redeploy", "0123456789abcdef")
    assert json.loads(json.dumps(found)) == found


# Part of the roles and hosts


@pytest.mark.parametrize(
    ("run", "hosts", "gate"),
    [
        ({"roles": ["jobs"]}, {"h2": ["jobs"], "h4": ["jobs"]}, "jobs"),
        ({"roles": ["web"]}, {"h1": ["web"], "h2": ["web"], "h3": ["web"]}, "web"),
        ({"roles": ["web", "jobs"]}, {"h1": ["web"], "h2": ["web", "jobs"], "h3": ["web"], "h4": ["jobs"]}, "web"),
        ({"roles": ["jobs"], "primary": True}, {"h2": ["jobs"]}, "jobs"),
        ({"primary": True}, {"h1": ["web"]}, "web"),
    ],
)
def test_a_run_is_about_the_roles_that_were_chosen(run: dict[str, Any], hosts: dict[str, Any], gate: str) -> None:
    found = made(f"{SERVERS}\n{DB}", build=False, **run)
    assert {host: [role["name"] for role in share["roles"]] for host, share in found["hosts"].items()} == hosts
    assert (found["order"], found["all_hosts"], found["gate_role"]) == (list(hosts), list(hosts), gate)
    assert found["lock"]["host"] == "h1"


@pytest.mark.parametrize(
    ("run", "notice"),
    [
        ({"roles": ["jobs"]}, "Only jobs takes part in this run; web stays as it is."),
        ({"primary": True}, "Only h1 takes part in this run; other hosts stay as they are."),
    ],
)
def test_what_a_deploy_leaves_out_is_told(run: dict[str, Any], notice: str) -> None:
    assert notice in made(SERVERS, build=False, **run)["notices"]
    assert made(SERVERS, command="inspect", build=False, **run)["notices"] == []
