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


def fetch(folder: Path, vendors: Vendors, *arguments: str) -> tuple[int, str]:
    return play("caravan.kamal.secrets.fetch", folder, vendors, *OF_THE_ITEM, *arguments)


def test_fetch_shows_what_is_there_and_no_value(folder: Path, vendors: Vendors) -> None:
    code, output = fetch(folder, vendors, "-e", "kamal_secrets_names=A,B", "-vvvv")
    assert code == 0, output
    assert '{\n  "Vault/Item/A": "[REDACTED]",\n  "Vault/Item/B": "[REDACTED]"\n}' in output
    assert VALUE not in output
    assert len(vendors.asked) == 2


def test_fetch_shows_values_to_those_who_ask(folder: Path, vendors: Vendors) -> None:
    code, output = fetch(folder, vendors, "-e", "kamal_secrets_names=A", *SHOW)
    assert code == 0, output
    assert f'{{\n  "Vault/Item/A": "{VALUE}"\n}}' in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-e", "adapter=1password"], "adapter: this variable is called kamal_secrets_adapter"),
        ([], "Which password manager is to be asked? Set adapter, or kamal_secrets_adapter: 1password, aws"),
        (
            ["-e", "kamal_secrets_adapter=lastpass"],
            "lastpass: the option --account is missing. Give the e-mail address",
        ),
    ],
    ids=["Kamal's name", "no adapter", "no account"],
)
def test_what_is_missing_is_told(folder: Path, vendors: Vendors, arguments: list[str], message: str) -> None:
    code, output = play("caravan.kamal.secrets.fetch", folder, vendors, *arguments)
    assert code == 2
    assert message in output
    assert "Traceback" not in output


@pytest.mark.parametrize("show", [False, True], ids=["redacted", "shown"])
def test_extract_of_a_store(folder: Path, vendors: Vendors, show: bool) -> None:
    arguments = ["-e", "kamal_secrets_names=A", *(SHOW if show else ["-vvvv"])]
    code, output = play("caravan.kamal.secrets.extract", folder, vendors, *OF_THE_ITEM, *arguments)
    assert code == 0, output
    assert ((VALUE in output), ("[REDACTED]" in output)) == (show, not show)


def test_extract_without_a_name_says_how_it_is_given(folder: Path, vendors: Vendors) -> None:
    code, output = play("caravan.kamal.secrets.extract", folder, vendors, *OF_THE_ITEM)
    assert code == 2 and "Say which secret: -e kamal_secrets_names=NAME" in output, output
    assert vendors.asked == []


@pytest.mark.parametrize("names", ["A,B", ["A", "B"]], ids=["with a comma", "a list"])
def test_extract_takes_one_name(folder: Path, vendors: Vendors, names: str | list[str]) -> None:
    asked = ("-e", json.dumps({"kamal_secrets_names": names}))
    code, output = play("caravan.kamal.secrets.extract", folder, vendors, *OF_THE_ITEM, *asked)
    assert code == 2 and "secrets.extract takes one name, not A, B. Run it for each" in output, output
    assert vendors.asked == []


def test_extract_of_what_was_fetched_before(folder: Path, vendors: Vendors) -> None:
    fetched = {"kamal_secrets_fetched": {"F/A": VALUE}, "kamal_secrets_names": "A"}
    (folder / "fetched.json").write_text(json.dumps(fetched))
    code, output = play("caravan.kamal.secrets.extract", folder, vendors, "-e", "@fetched.json", "-vvvv")
    assert code == 0, output
    assert "[REDACTED]" in output and VALUE not in output
    code, output = play("caravan.kamal.secrets.extract", folder, vendors, "-e", "@fetched.json", *SHOW)
    assert code == 0, output
    assert f"\n{VALUE}\n" in output
    assert vendors.asked == []


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
