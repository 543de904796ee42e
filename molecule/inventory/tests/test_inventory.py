# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The other ways in: an inventory of one's own, a playbook of one's own, caravan.yml, and destinations."""

from __future__ import annotations

import re
from pathlib import Path

import docker
import lab_settings
import pytest
import testinfra
from hosts import Host, ask
from project import LAB, REGISTRY_PASSWORD, Project

OWN_HOSTS = """\
webservers:
  hosts:
    first:
      ansible_host: web1
    second:
      ansible_host: web2
workers:
  hosts:
    third:
      ansible_host: worker1
all:
  vars:
    ansible_user: root
    ansible_ssh_common_args: -F {{ lookup('env', 'LAB_SSH_CONFIG') }}
"""
OWN_CONFIG = """\
app_name: hello
kamal_config:
  service: "{{ app_name }}"
  image: stories/{{ app_name }}
  servers:
    web: "{{ groups['webservers'] }}"
    workers:
      hosts: "{{ groups['workers'] }}"
      cmd: "{{ app_name }} worker"
  proxy: {host: hello.example.com, app_port: 80}
  registry: {server: "registry:4443", username: caravan, password: [REGISTRY_PASSWORD]}
  env: {secret: [GREETING]}
  readiness_delay: 0

kamal_secrets:
  REGISTRY_PASSWORD: "{{ lookup('env', 'LAB_REGISTRY_PASSWORD') }}"
  GREETING: "{{ 'Good ' ~ 'day' }}"
"""
OWN_PLAYBOOK = """\
- ansible.builtin.import_playbook: caravan.kamal.deploy
  vars:
    kamal_hosts: webservers:workers

- name: Afterwards
  hosts: webservers
  gather_facts: false
  tasks:
    - name: Say it
      ansible.builtin.debug:
        msg: Afterwards on {{ inventory_hostname }}
"""
CARAVAN = """\
plugin: caravan.kamal.deploy
config: config/deploy.yml
"""
PRODUCTION = {"builder": {"args": {"RELEASE": "production"}}}
STAGING = {
    "builder": {"args": {"RELEASE": "staging"}},
    "servers": {"web": ["worker1"], "workers": {"hosts": ["worker1"]}},
    "proxy": {"host": "staging.example.com"},
    "env": {"secret": ["GREETING"]},
    # Nobody listens on that port.
    "output": {"file": {"path": "log/deploys"}, "otel": {"endpoint": "http://127.0.0.1:9"}},
}


@pytest.fixture(scope="module")
def own(project: Project) -> Project:
    """The project as it is for people with an inventory: no config/deploy.yml, no ansible.cfg, no secrets file."""
    for name in ("config/deploy.yml", "ansible.cfg", ".kamal/secrets"):
        (project.root / name).rename(project.root / f"{name}.away")
    project.write("inventory/hosts.yml", OWN_HOSTS)
    project.write("inventory/group_vars/all/hello.yml", OWN_CONFIG)
    project.write("site.yml", OWN_PLAYBOOK)
    return project


def test_an_inventory_of_ones_own(own: Project, web1: Host, worker1: Host) -> None:
    run = own.play("deploy", inventory="inventory", kamal_hosts="webservers:workers", kamal_version="v1")
    assert run.ok
    assert {ask().version for _number in range(4)} == {"v1"}
    assert worker1.running == ["hello-workers-v1"]
    environment = web1.environment("hello-web-v1")
    assert environment["GREETING"] == "Good day"
    assert environment["KAMAL_HOST"] == "first"
    assert not web1.locked()


def test_a_playbook_of_ones_own(own: Project) -> None:
    run = own.run("ansible-playbook", "-i", "inventory", "site.yml", "-e", "kamal_version=v2")
    assert run.ok
    assert ask().version == "v2"
    assert "Afterwards on second" in run.output


def test_a_rollback_there(own: Project, web1: Host) -> None:
    assert own.play("rollback", inventory="inventory", kamal_hosts="webservers:workers").ok
    assert web1.running == ["hello-web-v1"]


@pytest.fixture(scope="module")
def kamals(project: Project) -> Project:
    """The project as Kamal has it, again."""
    for name in ("config/deploy.yml", ".kamal/secrets"):
        (project.root / f"{name}.away").rename(project.root / name)
    return project


def test_caravan_yml_needs_no_setting(kamals: Project, web1: Host) -> None:
    kamals.configure(PRODUCTION)
    kamals.write("caravan.yml", CARAVAN)
    assert not (kamals.root / "ansible.cfg").exists()
    run = kamals.play("deploy", inventory="caravan.yml", kamal_version="v3")
    assert run.ok
    assert web1.running == ["hello-web-v3"]
    assert {ask().version for _number in range(4)} == {"v3"}


@pytest.fixture(scope="module")
def staging(kamals: Project) -> Project:
    """The project with a destination, whose hosts and secrets are its own."""
    (kamals.root / "ansible.cfg.away").rename(kamals.root / "ansible.cfg")
    kamals.configure(STAGING, destination="staging")
    kamals.write(".kamal/secrets-common", "REGISTRY_PASSWORD=$LAB_REGISTRY_PASSWORD\n")
    kamals.write(".kamal/secrets.staging", "GREETING=Hello staging\n")
    return kamals


IMAGE = "registry:4443/stories/hello"
ON_STAGING = ["hello-web-staging-v3", "hello-workers-staging-v3", "hello-workers-v3"]


def in_registry(tag: str) -> str:
    """The digest that the registry has for a tag of the image."""
    return str(docker.from_env().images.get_registry_data(f"{IMAGE}:{tag}", auth_config=login()).id)


def login() -> dict[str, str]:
    return {"username": "caravan", "password": REGISTRY_PASSWORD.read_text().strip()}


def test_a_destination_has_hosts_names_and_secrets_of_its_own(staging: Project, web1: Host, worker1: Host) -> None:
    run = staging.deploy("v3", kamal_destination="staging")
    assert run.ok
    assert worker1.running == ON_STAGING
    assert worker1.environment("hello-web-staging-v3")["GREETING"] == "Hello staging"
    assert worker1.ask(host="staging.example.com").version == "v3"
    assert web1.running == ["hello-web-v3"]
    assert ask().version == "v3"
    assert "[staging]" in worker1.audit("hello-staging")[-1]
    assert "output/otel: http://127.0.0.1:9/v1/logs does not take what is sent: " in run.output
    (record,) = (staging.root / "log/deploys").iterdir()
    assert record.name.endswith("_staging_deploy.log")
    assert f"Logs written to {record}" in run.output
    assert "INFO [worker1] start container hello-web-staging-v3" in record.read_text()
    assert record.read_text().splitlines()[-1].startswith("# Completed in ")
    assert "Hello staging" not in record.read_text()


def test_the_same_version_is_built_with_its_own_arguments(worker1: Host) -> None:
    for release, answers in (("staging", (200, 404)), ("production", (404, 200))):
        path = f"/assets/hello-{release}.css"
        assert (worker1.ask(path, host="staging.example.com").status, ask(path).status) == answers


def test_each_destination_has_its_latest_in_the_registry() -> None:
    assert in_registry("latest-staging") == in_registry("v3") != in_registry("latest")


def test_what_the_registry_lost_is_pushed_again_and_a_destination_is_chosen_by_its_file(
    staging: Project, worker1: Host
) -> None:
    testinfra.get_host(f"docker://{lab_settings.PREFIX}registry").check_output("rm -rf /var/lib/registry/docker")
    run = staging.play("deploy", inventory="config/deploy.staging.yml", kamal_version="v3")
    assert run.ok
    assert list(run.actions.values()) == [[f"push {IMAGE}:v3 and :latest-staging"]]
    assert in_registry("latest-staging") == in_registry("v3")
    assert worker1.running == ON_STAGING


def test_a_tag_that_was_pushed_anew_is_deployed(staging: Project, worker1: Host) -> None:
    """As by a CI that builds, where hosts only pull."""
    client = docker.from_env()
    client.images.get(f"{IMAGE}:v2").tag(IMAGE, "v3")
    client.images.push(IMAGE, "v3", auth_config=login())
    run = staging.deploy("v3", kamal_destination="staging", kamal_build=False)
    assert run.ok
    assert run.actions["worker1"][0] == f"pull {IMAGE}:v3"
    assert worker1.ask("/assets/hello-staging.css", host="staging.example.com").status == 404
    again = staging.check("v3", kamal_destination="staging", kamal_build=False)
    assert (again.ok, again.actions) == (True, {})


def test_an_alias_may_name_the_destination_without_which_nothing_runs(kamals: Project) -> None:
    kamals.configure({"require_destination": True, "aliases": {"on_staging": "app version -d staging"}})
    assert "this configuration needs a destination" in kamals.play("app.version").output
    listed = kamals.play("alias", kamal_alias="on_staging")
    assert listed.ok and "worker1  web      v3\nworker1  workers  v3\n" in listed.output
    kamals.configure({"require_destination": None})


def test_an_alias_runs_a_command_in_a_role_and_what_is_beside_it_wins(kamals: Project) -> None:
    kamals.configure({"aliases": {"worker_hostname": "app exec -q -r workers hostname", "whose": "version"}})
    named = kamals.play("alias", kamal_alias="worker_hostname")
    assert re.search(r"^worker1-[0-9a-f]{12}$", named.output, flags=re.MULTILINE)
    assert re.findall(r"^(\w+ \w+) \(.*, exit code 0\)$", named.output, flags=re.MULTILINE) == ["worker1 workers"]
    beside = kamals.play("alias", kamal_alias="worker_hostname", kamal_cmd="uname -s")
    assert "\nLinux\n" in beside.output
    assert ", run by ansible-core " in kamals.play("alias", kamal_alias="whose").output


def test_a_private_key_is_a_secret_and_ssh_has_several_configurations(kamals: Project) -> None:
    ours = (LAB / "ssh_config").read_text().splitlines(keepends=True)
    addresses = "".join(line for line in ours if not line.strip().startswith("Identit"))
    kamals.write("ssh/addresses", addresses)
    kamals.write("ssh/nobody", "Host *\n  User nobody\n")
    kamals.configure({"aliases": {"versions": "app version -r workers"}})
    kamals.configure({"ssh": {"config": ["ssh/addresses", "ssh/nobody"], "key_data": ["LAB_KEY"], "keys_only": True}})
    kamals.secrets(REGISTRY_PASSWORD="$LAB_REGISTRY_PASSWORD", LAB_KEY=f"$(cat {LAB / 'id_ed25519'})")
    found = kamals.play("details")
    assert found.ok
    assert "worker1  workers  v3" in found.output
    alias = kamals.play("alias", kamal_alias="versions")
    assert alias.ok
    assert (
        "versions: ansible-playbook -e kamal_roles=workers -i config/deploy.yml caravan.kamal.app.version"
        in alias.output
    )
    assert "worker1  workers  v3" in alias.output and "web1     web" not in alias.output
    key = (LAB / "id_ed25519").read_bytes().splitlines()[1]
    assert not [path for path in Path.home().glob(".ansible/tmp/**/*") if path.is_file() and key in path.read_bytes()]
    kamals.secrets(REGISTRY_PASSWORD="$LAB_REGISTRY_PASSWORD", LAB_KEY="none")
    refused = kamals.play("details")
    assert not refused.ok
    assert "FAILED: ssh/key_data: LAB_KEY is no private key that ssh-add takes: " in refused.output
