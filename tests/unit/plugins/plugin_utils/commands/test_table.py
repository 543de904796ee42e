# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every line of Kamal's command tree has a playbook, or says what is different."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.commands import takes
from ansible_collections.caravan.kamal.plugins.plugin_utils.commands.table import COMMANDS, FRAME, REST, UNUSED, Command
from ansible_collections.caravan.kamal.plugins.plugin_utils.variables import BY_NAME

PLAYBOOKS = Path(__file__).resolve().parents[5] / "playbooks"
# Of Kamal 2.12, with those that its help does not show. What only parts of a run import is no playbook to run.
TREE = {
    "": "audit config deploy details docs init redeploy remove rollback setup upgrade version",
    "accessory": "boot details directories exec logs pull_image reboot remove remove_container remove_image "
    "remove_service_directory restart start stop upgrade upload",
    "app": "boot containers details exec images live logs maintenance remove remove_app_directories remove_container "
    "remove_containers remove_images stale_containers start stop version",
    "build": "create deliver details dev pull push remove",
    "lock": "acquire release status",
    "proxy": "boot boot_config details logs reboot remove remove_container remove_image remove_proxy_directory restart "
    "start stop upgrade",
    "prune": "all containers images",
    "registry": "login logout remove setup",
    "secrets": "extract fetch print",
    "server": "bootstrap exec",
}
_PUSH = "--skip-push --no-cache"
_LOGS = "--since --lines --grep --grep-options --follow --skip-timestamps"
_REGISTRY = "--skip-local --skip-remote"
OPTIONS = {
    "setup": _PUSH,
    "deploy": _PUSH,
    "redeploy": _PUSH,
    "init": "--bundle",
    "remove": "--confirmed",
    "upgrade": "--rolling --confirmed",
    "app exec": "--interactive --reuse --env --detach --raw",
    "app logs": f"{_LOGS} --container-id",
    "app maintenance": "--drain-timeout --message",
    "app stale_containers": "--stop",
    "proxy reboot": "--rolling --confirmed",
    "proxy upgrade": "--rolling --confirmed",
    "proxy logs": _LOGS,
    "proxy remove": "--force",
    "accessory exec": "--interactive --reuse --env --raw",
    "accessory logs": _LOGS,
    "accessory remove": "--confirmed",
    "accessory upgrade": "--rolling --confirmed",
    "build deliver": "--no-cache",
    "build push": "--output --no-cache",
    "build dev": "--output --no-cache",
    "registry setup": _REGISTRY,
    "registry login": _REGISTRY,
    "registry logout": _REGISTRY,
    "registry remove": _REGISTRY,
    "server exec": "--interactive --raw",
    "prune containers": "--retain",
    "lock acquire": "--message",
    "secrets fetch": "--adapter --account --from",
}
OF_ALL = (
    "--version --destination --config-file --hosts --roles --primary --skip-hooks --lock-wait --lock-wait-timeout "
    "--lock-wait-interval --verbose --quiet"
)
OF_KAMAL_1 = {"broadcast", "env push", "env delete"}
PARTS_AND_FORMER = {"rollout", "switch", "logs"}


def each_command() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command.words))


def test_every_line_of_kamals_tree_has_a_row_and_only_one() -> None:
    words = [command.words for command in COMMANDS]
    tree = {f"{group} {name}".strip() for group, names in TREE.items() for name in names.split()}
    assert sorted(words) == sorted(tree | OF_KAMAL_1)


@each_command()
def test_every_option_of_a_line_is_taken_or_its_note_says_why_not(command: Command) -> None:
    taken = [name.partition("/")[0] for name in command.options]
    told = [*taken, *re.findall(r"`(--[\w-]+)`", command.note)]
    assert sorted(told) == sorted(OPTIONS.get(command.words, "").split())


def test_every_option_of_all_lines_is_taken() -> None:
    assert [name.partition("/")[0] for name in FRAME] == OF_ALL.split()


@each_command()
def test_a_line_names_a_playbook_or_says_what_to_do_instead(command: Command) -> None:
    if command.playbook:
        assert PLAYBOOKS.joinpath(*command.playbook.split(".")).with_suffix(".yml").is_file()
    else:
        assert command.note
        assert not (command.options or command.arguments or command.sets)


@each_command()
def test_what_a_line_sets_are_variables(command: Command) -> None:
    said = [*command.options.values(), *command.sets, *command.arguments]
    for name, equals, value in (each.replace(REST, "").partition("=") for each in said if each):
        assert name in BY_NAME
        choices = BY_NAME[name].choices
        assert not (equals and choices) or value in choices


def test_the_options_of_all_commands_are_variables() -> None:
    said = [each.partition("=")[0] for each in FRAME.values() if each not in ("", UNUSED) and each[0] != "-"]
    assert [name for name in said if name not in BY_NAME] == []


def test_every_playbook_says_what_it_takes() -> None:
    files = {".".join(path.relative_to(PLAYBOOKS).with_suffix("").parts) for path in PLAYBOOKS.rglob("*.yml")}
    assert files - PARTS_AND_FORMER == set(takes.TAKES)


def test_every_variable_is_taken_by_a_playbook() -> None:
    taken = {variable.name for playbook in takes.TAKES for variable in takes.of_its_own(playbook)}
    assert set(BY_NAME) - taken - {*takes.CONFIGURATION, *takes.PLAN} == set()
