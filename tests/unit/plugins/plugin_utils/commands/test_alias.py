# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Aliases of the configuration, and the run that takes over."""

from __future__ import annotations

from pathlib import Path

import ansible_here
import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.commands import alias

ALIASES = {"boots": "docs boot", "st": "app version -d staging", "bad": "app logz"}
CONFIG = "service: hello\nimage: a/hello\nservers: [localhost]\nregistry: {username: a, password: [P]}\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("boot", "kamal_alias: there is no alias boot; did you mean boots?"),
        ("qqqq", "kamal_alias: there is no alias qqqq; the aliases are boots, st, bad"),
        ("bad", "aliases/bad: app logz: there is no command kamal app logz; did you mean kamal app logs?"),
    ],
)
def test_what_is_no_alias(name: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        alias.translated(ALIASES, name)
    assert error.value.message == message


@pytest.mark.parametrize(
    ("called", "words", "then"),
    [
        ("caravan.kamal.alias -e kamal_alias=st", "-e a=1 p", "-e a=1 p -e kamal_alias=st"),
        ("-i x caravan.kamal.alias -e a=2", "-e a=1 p", "-e a=1 -i x p -e a=2"),
        ("-i x caravan.kamal.alias --inventory=y --check", "-i z p", "-i z p --check"),
    ],
    ids=["in its place", "what was typed wins", "an inventory of its own"],
)
def test_the_arguments_of_the_run_that_takes_over(called: str, words: str, then: str) -> None:
    assert alias.in_place(["ansible-playbook", *called.split()], words.split()) == ["ansible-playbook", *then.split()]


def play(folder: Path, *arguments: str) -> tuple[int, str]:
    return ansible_here.play(folder, "caravan.kamal.alias", *arguments)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/deploy.yml").write_text(CONFIG + "aliases: {boots: docs boto, bad: app logz, t: docs -v}\n")
    return tmp_path


def test_an_alias_runs_what_is_beside_it_goes_along_and_the_exit_code_is_that_of_what_runs(project: Path) -> None:
    code, output = play(project, "-e", "kamal_alias=boots", "--check")
    assert code == 2
    assert (
        "boots: ansible-playbook -e kamal_docs_section=boto caravan.kamal.docs -e kamal_alias=boots --check\n" in output
    )
    assert "there is no section boto; did you mean `boot`?" in output


def test_one_that_cannot_be_run_is_an_error(project: Path) -> None:
    code, output = play(project, "-e", "kamal_alias=bad")
    assert code == 1
    assert "aliases/bad: app logz: there is no command kamal app logz; did you mean kamal app logs?" in output


@pytest.mark.parametrize("inventory", [(), ("-i", "config/deploy.yml")], ids=["without -i", "with -i"])
def test_they_are_listed_and_one_names_the_destination_without_which_nothing_is_right(
    project: Path, inventory: tuple[str, ...]
) -> None:
    (project / "ansible.cfg").write_text("[inventory]\nenable_plugins = caravan.kamal.deploy, host_list\n")
    whole = "require_destination: true\naliases: {st: config -d staging, boots: docs boot, bad: app logz}\n"
    (project / "config/deploy.yml").write_text(CONFIG.replace("servers: [localhost]\n", "") + whole)
    (project / "config/deploy.staging.yml").write_text("servers: [localhost]\n")
    code, output = play(project, *inventory, "-e", "kamal_alias=st")
    assert code == 0, output
    assert "st: ansible-playbook -e kamal_destination=staging caravan.kamal.config" in output
    assert "\ndestination: staging\n" in output
    code, output = play(project, *inventory)
    assert code == 0
    assert "The aliases of the configuration:\n  st: config -d staging\n  boots: docs boot\n" in output
