# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets from every source through a whole setup, at the highest verbosity: where they are seen, and where not."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex

import pytest
from hosts import Host, everywhere
from processes import Sight, watched
from project import REGISTRY_PASSWORD, Project, Run

SOURCES = ("FILE", "COMMAND", "NESTED", "FETCHED", "VARIABLE", "RESORT", "STORE")
SENTINELS = {source: f"S3ntinel-{source}-{token_hex(8)}" for source in SOURCES}
# The adapter for trying things out gives each name backwards.
FETCH = f"$(kamal secrets fetch --adapter test --account me {SENTINELS['FETCHED'][::-1]})"
SECRETS_FILE = f"""\
REGISTRY_PASSWORD=$(cat .kamal/secrets-of/registry)
FILE={SENTINELS["FILE"]}
COMMAND=$(echo what it says >&2; cat .kamal/secrets-of/command)
NESTED=$(printf '%s' "$(cat .kamal/secrets-of/nested)")
ALL={FETCH}
FETCHED=$(kamal secrets extract {SENTINELS["FETCHED"][::-1]} $ALL)
AGAIN=$(printf '%s/%s' $FETCHED "$COMMAND")
STORE={SENTINELS["STORE"]}
"""
STORE = {
    "image": "busybox:1.36",
    "host": "worker1",
    "cmd": "sh -c 'trap exit TERM; while true; do sleep 0.1; done'",
    "env": {"secret": ["STORE"]},
}
CONFIG = {
    "env": {"secret": ["FILE", "COMMAND", "NESTED", "FETCHED", "VARIABLE", "RESORT", "AGAIN"]},
    "accessories": {"store": STORE},
}
LOGGED = (
    "\n[defaults]\nlog_path = ansible.log\nfact_caching = ansible.builtin.jsonfile\nfact_caching_connection = facts\n"
)


@dataclass
class Told:
    run: Run
    sight: Sight
    began: int


@pytest.fixture(scope="module")
def words() -> list[str]:
    return [*SENTINELS.values(), REGISTRY_PASSWORD.read_text().strip()]


@pytest.fixture(scope="module")
def told(project: Project, words: list[str], hosts: list[Host]) -> Told:
    """A setup with all that a person can see of it, and all processes of it."""
    project.write(".gitignore", ".kamal/secrets*\n.env\nvariables.yml\nansible.log\nfacts\n")
    project.write("ansible.cfg", (project.root / "ansible.cfg").read_text().replace("[defaults]\n", LOGGED.lstrip()))
    for name in ("command", "nested"):
        project.write(f".kamal/secrets-of/{name}", SENTINELS[name.upper()] + "\n")
    project.write(".kamal/secrets-of/registry", REGISTRY_PASSWORD.read_text())
    project.write(".kamal/secrets", SECRETS_FILE)
    project.write_executable(".kamal/hooks/pre-deploy", '#!/bin/sh\necho "the hook was given $FILE"; sleep 0.2\n')
    project.write(".env", f"RESORT={SENTINELS['RESORT']}\n")
    project.write("variables.yml", f"kamal_secrets: {{VARIABLE: {SENTINELS['VARIABLE']}}}\n")
    project.withheld = ("LAB_REGISTRY_PASSWORD",)
    project.commit("with secrets")
    began = int(time.time()) - 1
    with watched(words) as sight:
        run = project.play("setup", "-vvvv", "--diff", "-e", "@variables.yml", kamal_version="s1")
    return Told(run, sight, began)


def test_all_secrets_arrive(told: Told, web1: Host, worker1: Host) -> None:
    assert told.run.ok
    environment = web1.environment("hello-web-s1")
    for name in ("FILE", "COMMAND", "NESTED", "FETCHED", "VARIABLE", "RESORT"):
        assert environment[name] == SENTINELS[name]
    assert environment["AGAIN"] == f"{SENTINELS['FETCHED']}/{SENTINELS['COMMAND']}"
    assert worker1.environment("hello-store")["STORE"] == SENTINELS["STORE"]
    assert SENTINELS["FILE"] in web1.file(".kamal/apps/hello/env/roles/web.env").content_string


def test_a_command_runs_once_and_what_it_says_is_shown(told: Told) -> None:
    assert told.run.output.count("what it says") == 1


def test_what_a_hook_says_of_a_secret_is_masked(told: Told) -> None:
    assert "the hook was given ****" in told.run.output


def test_a_value_of_the_env_file_is_told_as_the_last_resort(told: Told) -> None:
    assert ".env, where secrets are looked for last" in " ".join(told.run.output.split())


def test_a_process_that_shows_one_is_seen() -> None:
    """Or else the next test would prove nothing."""
    sleeping = ("sh", "-c", "read -r _line", "in-an-argument")
    environment = {**os.environ, "WORD": "in-the-environment"}
    with watched(("in-an-argument", "in-the-environment")) as sight:
        process = subprocess.Popen(sleeping, stdin=subprocess.PIPE, env=environment)
        began = time.monotonic()
        while len(sight.found) < 2 and time.monotonic() < began + 60:
            time.sleep(0.01)
        process.communicate(b"\n", timeout=60)
    assert len(sight.found) == 2


def test_no_process_shows_a_secret(told: Told) -> None:
    """Those of containers and of hooks have theirs in their environment; the commands of a secrets file have none."""
    assert told.sight.looks > 20
    assert {"ansible-playbook", "ssh", "sshd", "dockerd"} & told.sight.programs
    assert told.sight.found == set()


def test_nothing_that_is_told_has_a_secret(told: Told, words: list[str], project: Project) -> None:
    facts = [file.read_text() for file in (project.root / "facts").glob("*")]
    log = (project.root / "ansible.log").read_text()
    for text in (told.run.output, str(told.run.results), log, *facts):
        assert not [word for word in words if word in text]


def test_no_host_records_a_secret(told: Told, words: list[str], hosts: list[Host]) -> None:
    events = f"docker events --since {told.began} --until {int(time.time()) + 1}"
    records = (
        f"{events}; cat ~/.kamal/*-audit.log ~/.kamal/apps/*/history.jsonl; docker ps -a --no-trunc; docker images"
    )
    for text in everywhere(hosts, lambda host: host.sh(records)):
        assert "hello" in text
        assert not [word for word in words if word in text]


def test_no_file_of_a_host_shows_a_secret_to_others(told: Told, words: list[str], hosts: list[Host]) -> None:
    """Nobody else can read one anywhere, and what the run wrote is for its owner, wherever it lies."""
    patterns = " ".join(f"-e {shlex.quote(word)}" for word in words)
    grep = f"-exec grep -lsF {patterns} {{}} +"
    new = f"-xdev -type f -newermt @{told.began} -size -20M"
    nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups"
    script = f"""
        {nobody} find / /run /tmp /var/lib/docker {new} {grep} 2>/dev/null
        find /root /home /tmp /etc {new} -perm /077 {grep}
    """
    assert everywhere(hosts, lambda host: host.sh(f"{{ {script} }} || true")) == [""] * len(hosts)


def test_the_controller_keeps_no_secret(told: Told, words: list[str], project: Project) -> None:
    """Beside the files that a person wrote them to."""
    kept = (".kamal/secrets", ".env", "variables.yml")
    patterns = [part for word in words for part in ("-e", word)]
    places = [str(project.root), str(Path.home() / ".ansible"), *map(str, Path("/tmp").glob("ansible*"))]
    done = subprocess.run(["grep", "-rlsF", *patterns, *places], capture_output=True, text=True, check=False)
    files = [line.removeprefix(f"{project.root}/") for line in done.stdout.splitlines()]
    assert [file for file in files if not file.startswith(kept)] == []
    assert ".kamal/secrets" in files
