# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hooks of a playbook over hosts that are this machine and have no engine: where tasks run, and a run that fails."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.rules_sections import HOOKS
from ansible_collections.caravan.kamal.plugins.plugin_utils.hooks import OF_A_HOOK
from test_playbooks_locally import CONFIG, HOSTS, play

ROOT = Path(__file__).resolve().parents[2]
TELL = """\
- name: Say it
  ansible.builtin.raw: >-
    echo {{ inventory_hostname }} is told {{ kamal_hook.name }} of {{ kamal_hook.service_version }}
    for {{ kamal_hook.hosts | join('+') }}
  register: said

- name: Show it
  ansible.builtin.debug:
    msg: "{{ said.stdout | trim }}"
"""
BROKEN = """\
- name: Tell it badly
  ansible.builtin.fail:
    msg: "{{ kamal_hook.failed_hosts | join('+') }} failed, and so do I"
"""
# What of a setup needs an engine.
ENGINES = "engine,build,proxy,rollout"
# kamal-proxy of the first host has been replaced by a run before; where it is due, nothing is.
REBOOT = """\
- hosts: shop
  gather_facts: false
  vars: {kamal_command: proxy, kamal_hooks: {pre-proxy-reboot: {file: tell.yml, "on": ON}}}
  tasks:
    - ansible.builtin.import_role: {name: caravan.kamal.plan}
    - ansible.builtin.set_fact:
        _kamal_proxy_rebooted: {changed: "{{ inventory_hostname == 'h2' }}"}
        _kamal_proxy: {}
    - ansible.builtin.import_role: {name: caravan.kamal.proxy, tasks_from: reboot}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.yml").write_text(HOSTS)
    (tmp_path / "group_vars" / "shop.yml").write_text(CONFIG.format(service="shop", hosts="[h1, h2]"))
    (tmp_path / "tell.yml").write_text(TELL)
    (tmp_path / "broken.yml").write_text(BROKEN)
    return tmp_path


def deploy(folder: Path, hooks: dict[str, object], *arguments: str) -> tuple[int, str]:
    given = {"kamal_hosts": "shop", "kamal_version": "v1", "kamal_build": False, "kamal_hooks": hooks}
    no_engine = f"unix://{folder}/none.sock"
    return play(folder, "caravan.kamal.deploy", "-e", json.dumps(given), *arguments, DOCKER_HOST=no_engine)


def test_tasks_run_where_they_are_asked_for_and_a_failing_one_tells_nothing_else(folder: Path) -> None:
    """The tag leaves nothing of a hook out; the failure of on-failure hides nothing."""
    hooks = {
        "pre-connect": "tell.yml",
        "pre-deploy": {"file": "tell.yml", "on": "hosts"},
        "on-failure": {"file": "broken.yml", "on": "once"},
    }
    code, output = deploy(folder, hooks, "--tags", "rollout")
    assert code == 2
    assert "the controller  h1 is told pre-connect of shop@v1 for h1+h2" in output
    for host in ("h1", "h2"):
        assert f"{host}            {host} is told pre-deploy of shop@v1 for h1+h2" in output
    assert output.count("is told") == 3
    assert "none.sock" in output.partition("h1+h2 failed, and so do I")[0]
    assert "stopped here, for the reason above." in output
    assert "failed: h1, h2 (" in output
    assert not (folder / ".kamal" / "lock-shop").exists()


def test_the_hook_of_a_reboot_runs_where_any_host_of_the_batch_is_due(folder: Path) -> None:
    told = {"once": ["h1"], "hosts": ["h2"]}
    (folder / "reboot.yml").write_text("".join(REBOOT.replace("ON", on) for on in told))
    code, output = play(folder, "reboot.yml", "-e", "kamal_hosts=shop")
    assert code == 0, output
    assert re.findall(r"(h\d) is told pre-proxy-reboot", output) == [host for hosts in told.values() for host in hosts]


def test_a_broadcast_is_in_the_audit_log_and_told(folder: Path) -> None:
    script = folder / ".kamal" / "hooks" / "broadcast"
    script.parent.mkdir(parents=True)
    script.write_text("#!/bin/sh\necho $KAMAL_SERVICE on $KAMAL_HOSTS: $KAMAL_MESSAGE > told\n")
    script.chmod(0o755)
    asked = ("caravan.kamal.broadcast", "-e", "kamal_hosts=shop")
    code, output = play(folder, *asked)
    assert code == 2 and "kamal_broadcast: say what is to be told" in output
    code, output = play(folder, *asked, "-e", "kamal_broadcast='Backup is done'")
    assert code == 0, output
    assert (folder / "told").read_text() == "shop on h1,h2: Backup is done\n"
    assert (folder / ".kamal" / "shop-audit.log").read_text().count("] Backup is done\n") == 2


def test_in_check_mode_they_are_listed(folder: Path) -> None:
    code, output = deploy(folder, {"pre-connect": {"file": "tell.yml", "on": "once"}}, "--check")
    assert code == 2
    assert "the controller  run the tasks of tell.yml for pre-connect" in output
    assert "is told" not in output


# A play that stops, after which the run goes on with the next. Each has a service of its own.
SCENE = """\
- hosts: shop
  gather_facts: false
  any_errors_fatal: true
  vars:
    kamal_command: rollback
    kamal_version: v1
    kamal_hooks: {{on-failure: {{file: tell.yml, "on": once}}}}
    kamal_config: {{service: {service}, image: acme/it, servers: {{web: [h1, h2]}}, proxy: {{host: it.example.com}}}}
  tasks:
    - block:
        - name: Change it, or stop
          block:
            - ansible.builtin.import_role: {{name: caravan.kamal.plan, rolespec_validate: false}}
{tasks}
          rescue:
            - ansible.builtin.import_role: {{name: caravan.kamal.app, tasks_from: stop, rolespec_validate: false}}
              vars: {{_kamal_lock_host: {released_at}}}
      rescue:
        - ansible.builtin.debug: {{msg: the scene is over}}
          run_once: true
"""
TAKE = """\
            - ansible.builtin.import_role: {name: caravan.kamal.app, tasks_from: take_lock, rolespec_validate: false}
"""
LOSE = """\
            - caravan.kamal.lock: {state: held, owner: another, force: true}
              run_once: true
              delegate_to: h1
"""
RENEW = """\
            - caravan.kamal.lock: {state: held, renew: true}
              run_once: true
              delegate_to: RENEWED_AT
              register: _kamal_lock
"""


def scenes(folder: Path, tasks: dict[str, str], released_at: list[str]) -> list[str]:
    """What each of them told, by the service whose tasks they are; all of them fail."""
    each = zip(tasks.items(), released_at, strict=True)
    plays = [SCENE.format(service=service, tasks=text, released_at=host) for (service, text), host in each]
    (folder / "site.yml").write_text("".join(plays))
    _code, output = play(folder, "site.yml", "-e", "kamal_hosts=shop")
    *told, _end = output.split("the scene is over")
    assert len(told) == len(tasks), output
    return told


def test_a_lock_that_could_not_be_renewed_is_released_and_the_failure_told(folder: Path) -> None:
    away = "    elsewhere: {hosts: {away: {ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}}}\n"
    (folder / "hosts.yml").write_text(HOSTS + away)
    lost, kept = TAKE + RENEW.replace("RENEWED_AT", "away"), TAKE + LOSE + RENEW.replace("RENEWED_AT", "h1")
    tasks = {"came-back": lost, "is-lost": lost, "of-another": kept}
    told = dict(zip(tasks, scenes(folder, tasks, ["h1", "away", "h1"]), strict=True))
    is_told = {service: f"is told on-failure of {service}@v1" in text for service, text in told.items()}
    assert is_told == {"came-back": True, "is-lost": True, "of-another": False}, told
    stays = {service: (folder / ".kamal" / f"lock-{service}").exists() for service in tasks}
    assert stays == {"came-back": False, "is-lost": True, "of-another": True}
    assert [text.count("cannot be reached") for text in told.values()] == [1, 2, 0]
    assert [text for text in told.values() if "The run stopped here, for the reason above" not in text] == []


def test_the_lock_of_a_service_that_was_deployed_before_is_not_that_of_the_one_that_failed(folder: Path) -> None:
    failing = """\
            - ansible.builtin.fail: {msg: it is not to be}
          vars: {_kamal_lock: {name: LOCKED, held: true}}
"""
    tasks = {service: failing.replace("LOCKED", locked) for service, locked in (("shop", "blog"), ("cafe", "cafe"))}
    told = scenes(folder, tasks, ["h1", "h1"])
    assert [text.count("it is not to be") for text in told] == [1, 1]
    is_told = [f"is told on-failure of {service}@v1" in text for service, text in zip(tasks, told, strict=True)]
    assert is_told == [False, True], told


@pytest.mark.parametrize(
    "before",
    [{"_kamal_staged": {"changed": True}, "_kamal_unlocked": {"name": "blog"}}, {"_kamal_unlocked": {"name": "shop"}}],
    ids=["another service was rolled out", "another playbook had the lock"],
)
def test_setup_releases_its_lock_where_it_rolls_nothing_out(folder: Path, before: dict[str, object]) -> None:
    site = "- hosts: shop\n  gather_facts: false\n  tasks:\n    - ansible.builtin.set_fact: {before}\n"
    again = "- import_playbook: caravan.kamal.setup\n"
    (folder / "site.yml").write_text(site.format(before=json.dumps(before)) + again)
    given = {"kamal_hosts": "shop", "kamal_version": "v1"}
    code, output = play(folder, "site.yml", "-e", json.dumps(given), "--skip-tags", ENGINES)
    assert code == 0 and "Take the deploy lock" in output, output
    assert not (folder / ".kamal" / "lock-shop").exists()


# Where they stand


PLACES = {
    "roles/plan/tasks/main.yml": ["pre-connect"],
    "roles/image/tasks/begin.yml": ["pre-build"],
    "roles/image/tasks/build.yml": ["pre-build"],
    "roles/image/tasks/finish.yml": ["post-push"],
    "playbooks/setup.yml": ["docker-setup", "pre-deploy"],
    "playbooks/server/bootstrap.yml": ["docker-setup"],
    "playbooks/broadcast.yml": ["broadcast"],
    "playbooks/rollback.yml": ["pre-deploy"],
    "playbooks/switch.yml": ["post-deploy"],
    "roles/app/tasks/after_batch.yml": ["post-app-boot"],
    "roles/app/tasks/before_batch.yml": ["pre-app-boot"],
    "roles/app/tasks/before_staging.yml": ["pre-deploy"],
    "roles/app/tasks/stop.yml": ["on-failure"],
    "roles/proxy/tasks/main.yml": ["pre-proxy-reboot", "post-proxy-reboot"],
    "roles/proxy/tasks/reboot.yml": ["pre-proxy-reboot", "post-proxy-reboot"],
}


def test_every_hook_has_its_place() -> None:
    files = [*ROOT.glob("playbooks/**/*.yml"), *ROOT.glob("roles/*/tasks/*.yml")]
    found = {str(file.relative_to(ROOT)): re.findall(r"kamal_hook_name: ([\w-]+)", file.read_text()) for file in files}
    assert {file: names for file, names in found.items() if names} == PLACES
    assert {name for names in PLACES.values() for name in names} == set(HOOKS)


def test_the_guide_names_every_hook_and_every_variable() -> None:
    guide = (ROOT / "docs" / "hooks.md").read_text()
    assert [name for name in (*HOOKS, *OF_A_HOOK) if f"`{name}`" not in guide] == []
