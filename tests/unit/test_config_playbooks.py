# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The playbooks docs, config and init, run as a user runs them, with nothing but localhost."""

from __future__ import annotations

import json
import os

import ansible.release
import ansible_here
import pytest
import yaml
from conftest import ROOT


def play(name, folder, *arguments):
    return ansible_here.play(folder, f"caravan.kamal.{name}", *arguments)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "deploy.yml").write_text(
        "service: hey\nservers: [192.0.2.1]\nx-note: y\nregistry: {username: me, password: hidden}\nimage: a/hey\n"
    )
    (tmp_path / "config" / "deploy.staging.yml").write_text("servers: [192.0.2.2]\n")
    return tmp_path


def site(folder, name, *imports):
    """A playbook that runs some of the collection, each with variables."""
    lines = [{"ansible.builtin.import_playbook": f"caravan.kamal.{each}", "vars": given} for each, given in imports]
    (folder / name).write_text(json.dumps(lines))
    return name


def test_the_version_is_told(folder):
    """In a collection that was built there is another file of it."""
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    (folder / "MANIFEST.json").write_text('{"collection_info": {"version": "9.8.7"}}')
    built = site(folder, "built.yml", ("version", {"_kamal_files": [f"{folder}/MANIFEST.json"]}))
    code, output = play("version", folder, built)
    assert code == 0, output
    for version in (galaxy["version"], "9.8.7"):
        assert f"\ncaravan.kamal {version}, run by ansible-core {ansible.release.__version__}\n" in output


def test_sections_are_listed_one_is_printed_and_an_unknown_one_is_told(folder):
    names = site(folder, "sections.yml", *(("docs", {"kamal_docs_section": name}) for name in ("boot", "boto")))
    code, output = play("docs", folder, names)
    assert code == 2
    assert "  accessory     Accessory\n" in output
    assert "ansible-playbook caravan.kamal.docs -e kamal_docs_section=proxy" in output
    assert "\n#: seconds, default 0\nwait: 10\n" in output
    assert "there is no section boto; did you mean `boot`?" in output


def test_the_configuration_as_yaml_has_what_follows_from_it_and_no_warning(folder):
    (folder / "ansible.cfg").write_text((ROOT / "playbooks/templates/ansible.cfg.j2").read_text())
    code, output = play("config", folder, "-i", "config/deploy.yml", "-e", "kamal_version=v1")
    assert code == 0
    assert "roles:\n  web:\n    - 192.0.2.1\n" in output
    assert "password: '[REDACTED]'" in output
    assert "hidden" not in output
    assert "\nabsolute_image: a/hey:v1\n" in output
    assert "\nprimary_host: 192.0.2.1\n" in output
    assert f"\nproject_root: {folder}\n" in output
    assert "WARNING" not in output


def test_the_file_that_is_named_as_inventory_counts_although_no_plugin_is_enabled(folder):
    (folder / "elsewhere").mkdir()
    code, output = play("config", folder / "elsewhere", "-i", str(folder / "config" / "deploy.yml"))
    assert code == 0
    assert f"\nproject_root: {folder}\n" in output


def test_a_program_reads_the_configuration_of_a_destination_as_json_and_nothing_else(folder):
    asked = ("caravan.kamal.config", "-e", "kamal_format=json", "-e", "kamal_destination=staging")
    done = ansible_here.run(folder, "ansible-playbook", *asked, ANSIBLE_STDOUT_CALLBACK="caravan.kamal.rollout")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["config"]["service"], found["config"]["servers"]) == ("hey", ["192.0.2.2"])
    assert (found["destination"], found["project_root"]) == ("staging", str(folder))
    assert "unchanged: localhost" in done.stderr


def test_everything_wrong_is_told_without_a_traceback(folder):
    (folder / "config" / "deploy.yml").write_text("service: a.b\nserverz: [h]\n")
    code, output = play("config", folder)
    assert code == 2
    assert "config/deploy.yml:1: service: found" in output
    assert "config/deploy.yml:2: serverz: unknown key; did you mean `servers`?" in output
    assert "Traceback" not in output


SAMPLES = ["pre-build", "pre-deploy", "pre-app-boot", "post-app-boot", "post-deploy", "on-failure"]


@pytest.mark.parametrize(
    ("playbook", "variable", "message"),
    [
        ("config", "kamal_format=xml", "kamal_format: expected text or json, not 'xml'"),
        ("config", "kamal_version=a/b", "kamal_version: 'a/b' cannot be the tag of an image"),
        ("init", "kamal_vresion=v1", "kamal_vresion: there is no such variable; did you mean kamal_version?"),
    ],
)
def test_a_mistyped_variable_is_told_by_its_own_name(folder, playbook, variable, message):
    code, output = play(playbook, folder, "-e", variable)
    assert code == 2
    assert message in output
    assert not (folder / "ansible.cfg").exists()


def changed_by(output):
    told = [line.split() for line in output.splitlines() if line.startswith("    localhost")]
    return [" ".join(line[1:]) for line in told]


def test_a_new_project_begins_with_its_files_and_less_to_type_comes_where_it_is_asked_for(folder, monkeypatch):
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "caravan.kamal.rollout")
    code, output = play("init", folder)
    assert code == 0
    assert (folder / "config" / "deploy.yml").read_text().startswith("service: hey\n")
    assert (folder / ".kamal" / "secrets").stat().st_mode & 0o777 == 0o600
    new = [".kamal", ".kamal/hooks", ".kamal/secrets", "ansible.cfg", *SAMPLES]
    assert changed_by(output) == [*(f"{name}: changed" for name in new), "changed"]
    hooks = folder / ".kamal" / "hooks"
    assert sorted(file.name for file in hooks.iterdir()) == sorted(f"{name}.sample" for name in SAMPLES)
    assert all(os.access(file, os.X_OK) for file in hooks.iterdir())
    (hooks / "pre-build.sample").write_text("mine")
    assert "TASK" not in output
    (folder / "caravan.just").write_text("mine")
    names = {"makefile": "caravan.mk", "justfile": "caravan.just", "completion": "caravan.bash"}
    asked = [word for kind, name in names.items() for word in ("-e", f"kamal_init_{kind}={name}")]
    code, output = play("init", folder, *asked)
    assert code == 0
    assert changed_by(output) == ["caravan.mk: changed", "caravan.bash: changed"]
    assert (hooks / "pre-build.sample").read_text() == "mine"
    assert "\napp-logs:\n" in (folder / "caravan.mk").read_text()
    assert (folder / "caravan.just").read_text() == "mine"
    assert "complete -o default" in (folder / "caravan.bash").read_text()


INVENTORY = "[inventory]\nenable_plugins = caravan.kamal.deploy\n"
LISTED = ("ansible-inventory", "-i", "config/deploy.yml", "--list")
SHOWN = ("ansible-playbook", "caravan.kamal.config", "caravan.kamal.docs")


@pytest.mark.parametrize("read", [LISTED, SHOWN], ids=["inventory", "config and docs"])
def test_reading_a_configuration_runs_nothing_of_the_project(folder, read):
    with (folder / "config" / "deploy.yml").open("a") as file:
        file.write("env: {secret: [TOKEN]}\n")
    (folder / "ansible.cfg").write_text(INVENTORY)
    (folder / ".kamal" / "hooks").mkdir(parents=True)
    (folder / ".kamal" / "secrets").write_text("TOKEN=$(touch ran; echo t)\n")
    (folder / ".kamal" / "hooks" / "pre-init").write_text("#!/bin/sh\ntouch hooked\n")
    (folder / ".kamal" / "hooks" / "pre-init").chmod(0o755)
    done = ansible_here.run(folder, *read)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (folder / "ran").exists() and not (folder / "hooked").exists()
