# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What playbooks say of themselves, all of them, and that each asks for it where its hosts are asked for."""

from __future__ import annotations

from pathlib import Path

import ansible_here
import pytest
import yaml
from ansible_collections.caravan.kamal.plugins.plugin_utils.commands import help as texts
from ansible_collections.caravan.kamal.plugins.plugin_utils.commands.takes import TAKES, of_its_own

PLAYBOOKS = Path(__file__).resolve().parents[5] / "playbooks"
FILES = sorted(path for path in PLAYBOOKS.rglob("*.yml") if path.stem not in ("rollout", "switch"))
OPERATING = (PLAYBOOKS.parent / "docs" / "operating.md").read_text(encoding="utf-8")
# Names of before, which only say what is called what now.
FORMER = ("logs",)
ASKING = tuple(f"{{{{ _kamal_{name} }}}}" for name in ("asked", "asked_or_beside", "controller", "aliased"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PLAYBOOKS).with_suffix("").parts)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_playbook_says_what_it_does_and_takes(path: Path) -> None:
    text = texts.of([name_of(path)])
    assert text.startswith(f"caravan.kamal.{name_of(path)}\n\n")
    assert len(texts.summary(name_of(path))) > 10
    assert f" caravan.kamal.{name_of(path)}" in text.partition("\nHow:\n")[2]
    assert all(f"\n  {variable.name}  (" in text for variable in of_its_own(name_of(path)))
    assert "`" not in text
    assert f"`{name_of(path)}`" in OPERATING or name_of(path) in FORMER


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_the_first_play_asks_for_help(path: Path) -> None:
    first = yaml.safe_load(path.read_text(encoding="utf-8"))[0]
    if "ansible.builtin.import_playbook" in first:
        return test_the_first_play_asks_for_help(path.parent / first["ansible.builtin.import_playbook"])
    assert first["hosts"] in ASKING
    return None


@pytest.mark.parametrize(
    ("playbook", "line"),
    [
        ("docs", "the section to explain"),
        ("secrets.fetch", "the account, where the adapter needs one"),
        ("secrets.print", "print the values too"),
        ("proxy.reboot", "one host after the other; false: all at once"),
        ("app.remove", "yes, do it"),
        ("accessory.remove", "…remove with kamal_accessory_data=delete: yes, the data too"),
        ("deploy", "false starts containers with the secrets in the hosts' own env files; the controller needs none"),
    ],
)
def test_which_playbooks_take_a_variable_is_not_said_by_one_of_them(playbook: str, line: str) -> None:
    assert f"\n      {line}\n" in texts.of([playbook])


@pytest.mark.parametrize(
    ("playbook", "line"),
    [
        ("deploy", "kamal_version  (str; default: environment VERSION, then the git commit)"),
        ("rollback", "kamal_version  (str; default: the one before)"),
        ("app.boot", "kamal_version  (str; default: the live one)"),
        ("app.exec", "kamal_version  (str; default: the live one)"),
        ("app.logs", "kamal_logs_lines  (int; default: 100; all with kamal_logs_since or kamal_logs_grep)"),
    ],
)
def test_a_default_is_that_of_the_playbook(playbook: str, line: str) -> None:
    assert f"\n  {line}\n" in texts.of([playbook])


@pytest.mark.parametrize(
    ("playbook", "needed"),
    [
        ("lock.acquire", "-i config/deploy.yml caravan.kamal.lock.acquire -e kamal_lock_message=…"),
        ("secrets.fetch", "caravan.kamal.secrets.fetch -e kamal_secrets_adapter=… -e kamal_secrets_names=…"),
        ("accessory.exec", "-i config/deploy.yml caravan.kamal.accessory.exec -e kamal_accessory=… -e kamal_cmd=…"),
    ],
)
def test_how_it_is_run_has_what_it_cannot_do_without(playbook: str, needed: str) -> None:
    assert f"\nHow:\n  ansible-playbook {needed}\n" in texts.of([playbook])


@pytest.mark.parametrize(
    ("playbook", "line"),
    [
        ("env.push", "kamal env push, of Kamal 1"),
        ("env.delete", "kamal env delete, of Kamal 1"),
        ("broadcast", "kamal broadcast, of Kamal before 1.0, when it was called MRSK"),
        ("lock.release", "kamal lock release"),
    ],
)
def test_a_command_that_kamal_2_does_not_have_is_called_one_of_before(playbook: str, line: str) -> None:
    assert texts.of([playbook]).endswith(f"\nIn Kamal:\n  {line}")


def test_without_a_playbook_all_are_listed() -> None:
    lines = texts.of([]).splitlines()
    assert [line.split()[0] for line in lines[2:]] == list(TAKES)
    assert "  app.version             Which version of each role runs on each host" in lines


@pytest.mark.parametrize(
    "arguments",
    [["app.logs"], ["init"], ["lock.status", "-i", "config/deploy.yml"], ["deploy", "-i", "localhost,", "--check"]],
    ids=["no inventory", "a playbook of the controller", "an inventory that is not there", "another inventory"],
)
def test_help_needs_no_project_and_does_nothing(arguments: list[str], tmp_path: Path) -> None:
    name, *more = arguments
    done = ansible_here.run(tmp_path, "ansible-playbook", f"caravan.kamal.{name}", "-e", "kamal_help=yes", *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == f"\n{texts.of([name])}\n"
    assert list(tmp_path.iterdir()) == []


def test_the_syntax_of_every_playbook_of_the_table_is_right(tmp_path: Path) -> None:
    names = [f"caravan.kamal.{name}" for name in TAKES]
    done = ansible_here.run(tmp_path, "ansible-playbook", *names, "-i", "localhost,", "--syntax-check")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("playbook: ") == len(TAKES)
