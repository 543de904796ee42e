# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""deploy.yml as an inventory: its groups, how hosts are reached, and which destination is meant."""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path

import ansible_here
import pytest
import yaml
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible_collections.caravan.kamal.plugins.inventory import deploy
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.load import from_mapping
from words import TRUE_OR_FALSE

TREE = Path(__file__).resolve().parents[4] / ".cache" / "import"
ALIVE = ["-o", "ServerAliveInterval=30"]


# How hosts are reached


def connection_of(text):
    """The connection variables of the app's hosts."""
    return inventory_of(f"servers: [h1]\nssh: {{{text}}}").groups["app"].vars


@pytest.mark.parametrize(
    "ssh, variables",
    [
        ("", {"ansible_user": "root"}),
        ("user: app", {"ansible_user": "app"}),
        ("port: 2222", {"ansible_user": "root", "ansible_port": 2222}),
        ("port: '2222'", {"ansible_user": "root", "ansible_port": 2222}),
        ("keys: [/a, /b]", {"ansible_user": "root", "ansible_ssh_private_key_file": "/a"}),
        ("keys: [~/a]", {"ansible_user": "root", "ansible_ssh_private_key_file": os.path.expanduser("~/a")}),
    ],
)
def test_connection(ssh, variables):
    found = connection_of(ssh)
    arguments = found.pop("ansible_ssh_common_args")
    assert shlex.split(arguments)[:2] == ALIVE
    assert found.pop("ansible_ssh_args") == "-o ControlMaster=auto -o ControlPersist=900s"
    assert found == {"ansible_pipelining": True, "ansible_python_interpreter": "/usr/bin/python3", **variables}


@pytest.mark.parametrize(("seconds", "persist"), [(60, "60s"), (0, "no")])
def test_a_connection_is_kept_open(seconds, persist):
    kept = inventory_of(f"servers: [h1]\nsshkit: {{pool_idle_timeout: {seconds}}}").groups["app"].vars
    assert kept["ansible_ssh_args"] == f"-o ControlMaster=auto -o ControlPersist={persist}"


def test_ssh_args_of_ones_own_win(monkeypatch):
    monkeypatch.setenv("ANSIBLE_SSH_ARGS", "-o ControlMaster=no")
    assert "ansible_ssh_args" not in connection_of("")


@pytest.mark.parametrize(
    "ssh, arguments",
    [
        ("", None),
        ("key_data: [A]", "-o IdentityAgent={{ lookup('caravan.kamal.ssh', 'agent') | quote }}"),
        ("config: [a, b]", "-F {{ lookup('caravan.kamal.ssh', 'config') | quote }}"),
        (
            "key_data: [A], config: [a, b]",
            "-o IdentityAgent={{ lookup('caravan.kamal.ssh', 'agent') | quote }} "
            "-F {{ lookup('caravan.kamal.ssh', 'config') | quote }}",
        ),
    ],
)
def test_what_is_made_for_a_run_is_asked_for_where_a_host_is_reached(ssh, arguments):
    assert connection_of(ssh).get("ansible_ssh_extra_args") == arguments


@pytest.mark.parametrize(
    "ssh, words",
    [
        ("", []),
        ("proxy: jump@192.0.2.1", ["-o", "ProxyJump=jump@192.0.2.1"]),
        ("proxy: 192.0.2.1", ["-o", "ProxyJump=root@192.0.2.1"]),
        ("proxy_command: ssh -W '%h:%p' jump", ["-o", "ProxyCommand=ssh -W '%h:%p' jump"]),
        ("proxy: a@b, proxy_command: nc", ["-o", "ProxyJump=a@b"]),
        ("keys: [/a, '/b c', ~/d]", ["-i", "/b c", "-i", os.path.expanduser("~/d")]),
        ("keys_only: true", ["-o", "IdentitiesOnly=yes"]),
        ("keys_only: false", []),
        ("forward_agent: true", ["-o", "ForwardAgent=yes"]),
        ("forward_agent: false", ["-o", "ForwardAgent=no"]),
        ("config: true", []),
        ("config: false", ["-F", "/dev/null"]),
        ("config: ~/ssh_config", ["-F", os.path.expanduser("~/ssh_config")]),
        ("config: [/one]", ["-F", "/one"]),
        ("config: [/one, /two]", []),
        ("config: []", []),
        ("log_level: debug", ["-o", "LogLevel=DEBUG"]),
        ("log_level: warn", ["-o", "LogLevel=ERROR"]),
        ("key_data: [A]", []),
        ("key_data: [A], keys_only: true", ["-o", "IdentitiesOnly=no", "-o", "IdentityFile=none"]),
        ("key_data: [A], keys: [/a], keys_only: true", ["-o", "IdentitiesOnly=no"]),
    ],
)
def test_ssh_arguments(ssh, words):
    arguments = connection_of(ssh)["ansible_ssh_common_args"]
    assert shlex.split(arguments) == ALIVE + words


# Groups


def inventory_of(text, path=None):
    plugin = deploy.InventoryModule()
    plugin.inventory = InventoryData()
    plugin._fill(from_mapping({"service": "app", **yaml.safe_load(text)}, None, "/project"))
    return plugin.inventory


def layout(inventory):
    return {
        name: sorted(host.name for host in group.get_hosts())
        for name, group in inventory.groups.items()
        if name not in ("all", "ungrouped")
    }


@pytest.mark.parametrize(
    "text, groups",
    [
        ("servers: [h1, h2]", {"app": ["h1", "h2"], "web": ["h1", "h2"], "accessories": []}),
        (
            "servers: {web: [h1], jobs: [h1, h2]}\naccessories: {db: {image: a, host: h3}, log: {image: a, role: web}}",
            {
                "app": ["h1", "h2"],
                "web": ["h1"],
                "jobs": ["h1", "h2"],
                "accessories": ["h1", "h3"],
                "db": ["h3"],
                "log": ["h1"],
            },
        ),
        (
            "servers: {web: [{h1: red}], jobs: [{h2: [red, blue]}]}\nenv: {tags: {red: {}, blue: {}}}",
            {
                "app": ["h1", "h2"],
                "web": ["h1"],
                "jobs": ["h2"],
                "red": ["h1", "h2"],
                "blue": ["h2"],
                "accessories": [],
            },
        ),
        (
            "servers: {web: [h1], my-jobs.x: [h2]}",
            {"app": ["h1", "h2"], "web": ["h1"], "my_jobs_x": ["h2"], "accessories": []},
        ),
        (
            "accessories: {db: {image: a, hosts: [h1, h2]}}",
            {"accessories": ["h1", "h2"], "db": ["h1", "h2"], "app": []},
        ),
    ],
    ids=["list", "roles and accessories", "tags", "names", "only accessories"],
)
def test_groups(text, groups):
    assert layout(inventory_of(text)) == groups


CLASHES = """
servers:
  web: [{h1: jobs}, {h2: [all, db]}]
  jobs: [{h3: app}]
  app: [h4]
  all: [h5]
  accessories: [h6]
  my-role: [h7]
  my_role: [h8]
env: {tags: {jobs: {}, all: {}, db: {}, app: {}}}
accessories: {db: {image: a, host: h9}, web: {image: a, host: h9}}
"""


def test_names_that_clash_stay_apart():
    inventory = inventory_of(CLASHES)
    assert layout(inventory) == {
        "app": [f"h{number}" for number in range(1, 9)],
        "web": ["h1", "h2"],
        "jobs": ["h3"],
        "role_app": ["h4"],
        "role_all": ["h5"],
        "role_accessories": ["h6"],
        "my_role": ["h7"],
        "role_my_role": ["h8"],
        "accessories": ["h9"],
        "db": ["h9"],
        "accessory_web": ["h9"],
        "tag_jobs": ["h1"],
        "tag_all": ["h2"],
        "tag_db": ["h2"],
        "tag_app": ["h3"],
    }


def test_how_hosts_are_reached_is_said_for_both_kinds_of_hosts():
    inventory = inventory_of("servers: [h1]\naccessories: {db: {image: a, host: h2}}\nssh: {user: app}")
    for group in ("app", "accessories"):
        assert inventory.groups[group].vars["ansible_user"] == "app"
    assert "ansible_user" not in inventory.groups["all"].vars


def test_localhost_needs_no_ssh():
    host = inventory_of("servers: [localhost, h1]").hosts
    assert host["localhost"].vars["ansible_connection"] == "local"
    assert host["localhost"].vars["ansible_python_interpreter"] == sys.executable
    assert "ansible_connection" not in host["h1"].vars


# Whose file it is


@pytest.mark.parametrize(
    "name, ours",
    [
        ("deploy.yml", True),
        ("deploy.yaml", True),
        ("deploy.staging.yml", True),
        ("deploy.prod.eu-1.yml", True),
        ("deploys.yml", False),
        ("my-deploy.yml", False),
        ("hosts.yml", False),
    ],
)
def test_a_file_is_known_by_its_name(tmp_path, name, ours):
    assert deploy.InventoryModule().verify_file(str(tmp_path / name)) is ours


@pytest.mark.parametrize(
    "text, ours",
    [
        ("plugin: caravan.kamal.deploy\n", True),
        ("---\nplugin: 'caravan.kamal.deploy'\n", True),
        ("plugin: caravan.kamal.deployed\n", False),
        ("# plugin: caravan.kamal.deploy\n", False),
        ("plugin: amazon.aws.aws_ec2\n", False),
    ],
)
def test_or_by_the_plugin_that_it_names(tmp_path, text, ours):
    (tmp_path / "caravan.yml").write_text(text)
    assert deploy.InventoryModule().verify_file(str(tmp_path / "caravan.yml")) is ours


# As ansible-inventory sees it


@pytest.fixture
def project(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "ansible.cfg").write_text("[inventory]\nenable_plugins = caravan.kamal.deploy, yaml, ini\n")
    (tmp_path / "caravan.yml").write_text("plugin: caravan.kamal.deploy\n")
    (tmp_path / "staging.yml").write_text("plugin: caravan.kamal.deploy\ndestination: staging\n")
    (tmp_path / "config/deploy.yml").write_text("service: app\nservers: [base1]\nssh: {user: app}\n")
    (tmp_path / "config/deploy.staging.yml").write_text("servers: [staging1]\n")
    (tmp_path / "config/deploy.empty.yml").write_text("# nothing is different here\n")
    return tmp_path


def listed(project, *arguments):
    done = ansible_here.run(project, "ansible-inventory", "--list", *arguments)
    return done.returncode, done.stdout, done.stderr


def as_text(value):
    """What comes from a file is marked as not to be templated."""
    return value["__ansible_unsafe"] if isinstance(value, dict) else value


@pytest.fixture
def read(project, monkeypatch):
    """What a run reads of an inventory, with extra variables: its group web and the variables of its first host."""

    def read(file, folder=project, **extra):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(deploy, "load_extra_vars", lambda _loader: extra)
        inventory = InventoryData()
        deploy.InventoryModule().parse(inventory, DataLoader(), str(project / file))
        inventory.reconcile_inventory()
        hosts = inventory.groups["web"].get_hosts()
        groups = sorted(hosts[0].get_groups(), key=lambda group: group.depth)
        variables = {name: value for group in groups for name, value in group.vars.items()}
        return [host.name for host in hosts], {**variables, **hosts[0].vars}

    return read


@pytest.mark.parametrize(
    "file, extra, hosts, destination",
    [
        ("config/deploy.staging.yml", {}, ["staging1"], "staging"),
        ("config/deploy.yml", {"kamal_destination": "staging"}, ["staging1"], "staging"),
        ("caravan.yml", {}, ["base1"], None),
        ("staging.yml", {"kamal_destination": "empty"}, ["base1"], "empty"),
    ],
)
def test_the_destination_chooses_the_hosts(read, file, extra, hosts, destination):
    found, variables = read(file, **extra)
    assert found == hosts
    assert variables["ansible_user"] == "app"
    assert variables.get("kamal_destination") == destination
    assert variables["kamal_config_file"] == "config/deploy.yml"


def test_a_configuration_elsewhere_is_named_in_full(project, read, tmp_path_factory):
    _hosts, variables = read("caravan.yml", folder=tmp_path_factory.mktemp("elsewhere"))
    assert variables["kamal_config_file"] == str(project / "config/deploy.yml")


def test_the_command_line_chooses_the_destination_and_allows_commands(project):
    (project / "config/deploy.staging.yml").write_text("servers: [<%= `echo staging1`.strip %>]\n")
    chosen = ("-e", "kamal_destination=staging", "-e", "kamal_erb_commands=on")
    code, output, errors = listed(project, "-i", "config/deploy.yml", *chosen)
    assert code == 0, errors
    found = json.loads(output)
    assert found["web"]["hosts"] == ["staging1"]
    variables = {name: as_text(value) for name, value in found["_meta"]["hostvars"]["staging1"].items()}
    assert (variables["ansible_user"], variables["kamal_destination"]) == ("app", "staging")
    assert variables["kamal_config_file"] == "config/deploy.yml"


@pytest.mark.parametrize(("value", "allowed"), TRUE_OR_FALSE)
def test_commands_are_allowed_by_the_same_words_as_everywhere(project, read, value, allowed):
    (project / "config/deploy.yml").write_text("service: app\nservers: [<%= `echo h1`.strip %>]\n")
    if allowed:
        assert read("config/deploy.yml", kamal_erb_commands=value)[0] == ["h1"]
        return
    with pytest.raises(SystemExit) as ended:
        read("config/deploy.yml", kamal_erb_commands=value)
    told = {False: "-e kamal_erb_commands=true", None: f"kamal_erb_commands: expected true or false, not {value!r}"}
    assert told[allowed] in str(ended.value.__cause__)


MISTAKES = {"config/deploy.broken.yml": "servers: 5\n", "misspelt.yml": "plugin: caravan.kamal.deploy\ndestnation: x\n"}


@pytest.mark.parametrize(
    "file, extra, said",
    [
        ("config/deploy.yml", {"kamal_destination": "stagin"}, "no destination stagin"),
        ("config/deploy.broken.yml", {}, "servers"),
        ("misspelt.yml", {}, "misspelt.yml: destnation: unknown key; did you mean `destination`?"),
    ],
)
def test_a_mistake_ends_the_run(project, read, capsys, file, extra, said):
    for name, text in MISTAKES.items():
        (project / name).write_text(text)
    with pytest.raises(SystemExit) as ended:
        read(file, **extra)
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (deploy.PARSER_ERROR, "")
    assert said in printed.err
    assert "Traceback" not in printed.err


def test_a_mistake_ends_a_run_of_ansible_too_and_no_command_is_run_that_is_not_allowed(project):
    (project / "config/deploy.yml").write_text("service: app\nservers: [<%= `touch ran`.strip %>]\n")
    code, output, errors = listed(project, "-i", "config/deploy.yml", "-e", "kamal_erb_commands=off")
    assert (code, output) == (deploy.PARSER_ERROR, "")
    assert "-e kamal_erb_commands=true" in errors
    assert "Traceback" not in errors and not (project / "ran").exists()


FOLDER = (
    "caravan.kamal.lock: no playbook, but a folder of them: "
    "caravan.kamal.lock.status, caravan.kamal.lock.acquire, caravan.kamal.lock.release"
)


def test_a_folder_of_playbooks_is_told_with_those_that_are_in_it(read, monkeypatch, capsys):
    """Ansible itself would only say that it is a directory."""
    monkeypatch.setattr(deploy.invocation, "playbooks", lambda: ["lock"])
    with pytest.raises(SystemExit) as ended:
        read("config/deploy.yml")
    assert ended.value.code == deploy.PARSER_ERROR and FOLDER in capsys.readouterr().err


def test_help_is_of_playbooks_and_not_of_a_folder_of_them(project):
    code, output = ansible_here.play(project, "-i", "config/deploy.yml", "caravan.kamal.lock", "-e", "kamal_help=true")
    assert code == deploy.PARSER_ERROR and FOLDER in output


def test_the_plugin_knows_the_keys_that_it_documents():
    assert set(deploy.OPTIONS) == set(yaml.safe_load(deploy.DOCUMENTATION)["options"])
