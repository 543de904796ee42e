# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The playbooks secrets.fetch, extract and print, run as a user runs them, and the lookup of a secret."""

from __future__ import annotations

import json
import os
from pathlib import Path

import ansible_here
import pytest
from vendors import Vendors, printed

VALUE = "s3ntinel-value"
ITEM = "op item get Item --vault Vault --format json --account acme"
ANSWERS = {
    "op account get --account acme": "",
    f"{ITEM} --fields label=A": printed({"reference": "op://Vault/Item/A", "value": VALUE}),
    f"{ITEM} --fields label=A,label=B": printed(
        [{"reference": f"op://Vault/Item/{name}", "value": VALUE} for name in "AB"]
    ),
}
OF_THE_ITEM = ["-e", "kamal_secrets_adapter=1password", "-e", "kamal_secrets_account=acme"]
OF_THE_ITEM += ["-e", "kamal_secrets_from=Vault/Item"]
SHOW = ["-e", "kamal_secrets_show=true"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def vendors(tmp_path: Path) -> Vendors:
    return Vendors.of(tmp_path, ANSWERS)


def play(name: str, folder: Path, vendors: Vendors, *arguments: str) -> tuple[int, str]:
    return ansible_here.play(folder, name, *arguments, PATH=f"{vendors.bin}{os.pathsep}{os.environ['PATH']}")


SITE = """\
- import_playbook: caravan.kamal.secrets.fetch
  vars: {kamal_secrets_names: "A,B"}
- import_playbook: caravan.kamal.secrets.extract
  vars: {kamal_secrets_names: A}
- import_playbook: caravan.kamal.secrets.extract
  vars: {kamal_secrets_names: A, kamal_secrets_fetched: {F/A: s3ntinel-value-2}}
"""


def test_what_is_fetched_and_extracted_is_shown_without_a_value(folder: Path, vendors: Vendors) -> None:
    (folder / "site.yml").write_text(SITE)
    code, output = play("site.yml", folder, vendors, *OF_THE_ITEM, "-vvvv")
    assert code == 0, output
    assert '{\n  "Vault/Item/A": "[REDACTED]",\n  "Vault/Item/B": "[REDACTED]"\n}' in output
    assert output.count("\n[REDACTED]\n") == 2
    assert VALUE not in output
    assert len(vendors.asked) == 4, "of the last one nobody is asked"


def test_values_are_shown_to_those_who_ask(folder: Path, vendors: Vendors) -> None:
    asked = ["caravan.kamal.secrets.extract", *OF_THE_ITEM, "-e", "kamal_secrets_names=A", *SHOW]
    code, output = play("caravan.kamal.secrets.fetch", folder, vendors, *asked)
    assert code == 0, output
    assert f'{{\n  "Vault/Item/A": "{VALUE}"\n}}' in output
    assert f"\n{VALUE}\n" in output and "[REDACTED]" not in output


def test_extract_of_what_was_fetched_before_asks_nobody(folder: Path, vendors: Vendors) -> None:
    fetched = {"kamal_secrets_fetched": {"F/A": VALUE}, "kamal_secrets_names": "A"}
    (folder / "fetched.json").write_text(json.dumps(fetched))
    code, output = play("caravan.kamal.secrets.extract", folder, vendors, "-e", "@fetched.json", *SHOW)
    assert code == 0, output
    assert f"\n{VALUE}\n" in output
    assert vendors.asked == []


TASKS = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - caravan.kamal.secrets_fetch: {names: A}
      ignore_errors: true
    - caravan.kamal.secrets_fetch: {adapter: lastpass}
      ignore_errors: true
    - caravan.kamal.secrets_extract: {name: "A,B", adapter: 1password, account: acme, from: Vault/Item}
      ignore_errors: true
    - caravan.kamal.secrets_extract: {name: [B, C], adapter: 1password, account: acme, from: Vault/Item}
      ignore_errors: true
- import_playbook: caravan.kamal.secrets.extract
"""
MISSING = [
    "Which password manager is to be asked? Set adapter, or kamal_secrets_adapter: 1password, aws",
    "lastpass: the option --account is missing. Give the e-mail address",
    "secrets.extract takes one name, not A, B. Run it for each",
    "secrets.extract takes one name, not B, C. Run it for each",
    "Say which secret: -e kamal_secrets_names=NAME",
]


def test_what_is_missing_or_too_much_is_told_and_nobody_is_asked(folder: Path, vendors: Vendors) -> None:
    (folder / "site.yml").write_text(TASKS)
    code, output = play("site.yml", folder, vendors)
    assert code == 2
    assert [message for message in MISSING if message not in output] == []
    assert "ignored=4" in output
    assert "Traceback" not in output
    assert vendors.asked == []


def test_kamals_name_of_a_variable_is_told_with_the_one_that_it_has_here(folder: Path, vendors: Vendors) -> None:
    code, output = play("caravan.kamal.secrets.fetch", folder, vendors, "-e", "adapter=1password")
    assert code == 2
    assert "adapter: this variable is called kamal_secrets_adapter" in output
    assert "Traceback" not in output


SECRETS = f"""\
WORD={VALUE}-1
ITEM=$(kamal secrets fetch -a 1password --account acme --from Vault/Item A B)
A=$(kamal secrets extract A $ITEM)
SHELL=$(touch ran; echo {VALUE}-2)
UNSET=$NOBODY_SETS_THIS
"""


@pytest.fixture
def project(folder: Path) -> Path:
    (folder / "config").mkdir()
    (folder / "config" / "deploy.yml").write_text("service: hey\nimage: a/hey\nservers: [192.0.2.1]\n")
    (folder / ".kamal").mkdir()
    (folder / ".kamal" / "secrets").write_text(SECRETS)
    return folder


def test_print_lists_names_and_places_and_runs_nothing(project: Path, vendors: Vendors) -> None:
    code, output = play("caravan.kamal.secrets.print", project, vendors, "-e", '{"kamal_secrets": {"MORE": 5}}', "-vvv")
    assert code == 0, output
    assert f"\nWORD=[REDACTED]  ({project}/.kamal/secrets:1)\n" in output
    assert "\nMORE=[REDACTED]  (kamal_secrets)\n" in output
    assert f"\nSHELL=[REDACTED]  ({project}/.kamal/secrets:4)\n" in output
    assert f"\nUNSET  has no value that can be used  ({project}/.kamal/secrets:5)\n" in output
    assert f"\n{project}/.kamal/secrets:5: UNSET refers to a variable that is not set here;" in output
    assert VALUE not in output
    assert (vendors.asked, (project / "ran").exists()) == ([], False)


def test_print_shows_values_to_those_who_ask_and_what_is_wrong_with_others(project: Path, vendors: Vendors) -> None:
    code, output = play("caravan.kamal.secrets.print", project, vendors, *SHOW)
    assert code == 0, output
    assert f"\nWORD={VALUE}-1\nITEM={{" in output
    assert f"\nA={VALUE}\nSHELL={VALUE}-2\nUNSET  has no value that can be used  (" in output
    assert f"{project}/.kamal/secrets:5: UNSET refers to NOBODY_SETS_THIS, which is not set here." in output


LOOKUPS = """\
- hosts: localhost
  gather_facts: false
  vars:
    item: {adapter: 1password, account: acme, from: Vault/Item}
    kamal_secrets: {B: "{{ lookup('caravan.kamal.secret', 'A', 'B', **item).split(',') | last }}"}
  tasks:
    - ansible.builtin.copy:
        content: >-
          {{ query('caravan.kamal.secret', 'WORD', 'A', 'B') | to_json }}
          {{ lookup('caravan.kamal.secret', 'A', adapter='1password', account='acme', from='Vault/Item') }}
        dest: "{{ playbook_dir }}/found"
      no_log: true
    - ansible.builtin.debug:
        msg: "{{ lookup('caravan.kamal.secret', 'NONE', 'UNSET') }}"
"""


def test_the_lookup_gives_secrets_of_the_project_and_of_a_store(project: Path, vendors: Vendors) -> None:
    (project / "site.yml").write_text(LOOKUPS)
    code, output = play("site.yml", project, vendors, "-vvvv")
    assert code == 2, output
    listed, alone = (project / "found").read_text().rsplit(" ", 1)
    assert (json.loads(listed), alone.strip()) == ([f"{VALUE}-1", VALUE, VALUE], VALUE)
    assert "UNSET refers to NOBODY_SETS_THIS, which is not set here." in output
    assert "No value for the secret NONE. Add NAME=value to" in output
    assert VALUE not in output
