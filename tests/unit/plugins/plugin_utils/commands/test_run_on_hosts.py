# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every line of Kamal's command tree that has a playbook is run on hosts, by a test that looks at what is shown."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils.commands.table import COMMANDS, FRAME, UNUSED, Command

STORIES = {path.name: path for path in Path(__file__).resolve().parents[5].glob("molecule/*/tests/test_*.py")}
# By the words after `kamal`: the tests that run its playbook.
RUN = {
    "init": "test_setup_remove.py::test_init_writes_what_is_missing_and_keeps_what_is_there",
    "setup": "test_setup_remove.py::test_setup_of_one_host_starts_its_accessories_as_its_dry_run_foretold",
    "deploy": "test_broken.py::test_a_version_that_exits_stops_the_rollout",
    "redeploy": "test_rolling.py::test_redeploy_does_not_touch_the_proxy",
    "rollback": "test_looking_again.py::test_a_rollback_goes_to_the_version_before_it_and_other_hosts_serve_on",
    "details": "test_setup_remove.py::test_details_tell_what_runs_where_and_the_audit_what_was_done",
    "audit": "test_setup_remove.py::test_details_tell_what_runs_where_and_the_audit_what_was_done",
    "config": "test_setup_remove.py::test_config_shows_what_was_understood",
    "docs": "test_setup_remove.py::test_what_reaches_no_host_needs_none",
    "remove": "test_setup_remove.py::test_data_goes_only_with_a_second_confirmation",
    "upgrade": "test_upgrade.py::test_without_a_confirmation_it_says_what_it_would_do",
    "version": "test_setup_remove.py::test_what_reaches_no_host_needs_none",
    "app logs": "test_every_day.py::test_logs_are_chosen_by_role_time_pattern_and_container",
    "app containers": "test_every_day.py::test_what_there_is_is_listed_by_host",
    "app images": "test_every_day.py::test_what_there_is_is_listed_by_host",
    "app version": "test_every_day.py::test_what_there_is_is_listed_by_host",
    "app details": "test_setup_remove.py::test_details_tell_what_runs_where_and_the_audit_what_was_done",
    "app maintenance": (
        "test_page_and_certificate.py::test_the_page_is_shown_during_maintenance_and_a_deploy_does_not_end_it"
    ),
    "app live": "test_page_and_certificate.py::test_the_app_is_back_afterwards",
    "app boot": "test_every_day.py::test_what_is_live_is_booted_with_the_settings_of_today",
    "app start": "test_every_day.py::test_the_app_stops_and_starts_in_its_own_containers",
    "app stop": "test_every_day.py::test_the_app_stops_and_starts_in_its_own_containers",
    "app exec": "test_every_day.py::test_a_command_runs_for_every_role_of_every_host",
    "app stale_containers": "test_every_day.py::test_stale_containers_are_listed_and_stopped",
    "app remove": "test_farewell.py::test_the_app_is_removed_and_kamal_proxy_stays",
    "proxy boot": "test_proxy_itself.py::test_stopped_and_started_it_serves_again",
    "proxy start": "test_proxy_itself.py::test_stopped_and_started_it_serves_again",
    "proxy stop": "test_proxy_itself.py::test_stopped_and_started_it_serves_again",
    "proxy restart": "test_proxy_itself.py::test_stopped_and_started_it_serves_again",
    "proxy reboot": "test_proxy_itself.py::test_a_reboot_goes_host_by_host_and_loses_no_request",
    "proxy details": "test_proxy_itself.py::test_details_show_it_with_its_routes",
    "proxy logs": "test_proxy_itself.py::test_logs_have_its_requests",
    "proxy boot_config": (
        "test_proxy_itself.py::test_what_kamal_left_on_a_host_counts_until_it_is_said_in_the_configuration"
    ),
    "proxy remove": "test_farewell.py::test_kamal_proxy_is_removed_once_it_routes_nothing",
    "proxy upgrade": "test_load_balancer.py::test_kamal_proxy_is_upgraded_host_by_host_without_a_hook",
    "accessory boot": "test_accessories.py::test_a_dry_run_shows_what_would_change",
    "accessory reboot": (
        "test_accessories.py::test_it_is_replaced_when_asked_for_and_upgraded_only_to_something_newer"
    ),
    "accessory start": "test_accessories.py::test_it_is_operated_by_name",
    "accessory stop": "test_accessories.py::test_it_is_operated_by_name",
    "accessory restart": "test_accessories.py::test_it_is_operated_by_name",
    "accessory details": "test_accessories.py::test_it_is_operated_by_name",
    "accessory exec": "test_accessories.py::test_it_is_operated_by_name",
    "accessory logs": "test_accessories.py::test_it_is_operated_by_name",
    "accessory upgrade": (
        "test_accessories.py::test_it_is_replaced_when_asked_for_and_upgraded_only_to_something_newer"
    ),
    "accessory remove": "test_accessories.py::test_removing_it_keeps_its_data_unless_that_is_to_go",
    "accessory pull_image": (
        "test_accessories.py::test_it_is_replaced_when_asked_for_and_upgraded_only_to_something_newer"
    ),
    "build deliver": "test_image_builds.py::test_how_far_it_is_is_told",
    "build push": "test_image_builds.py::test_a_build_that_fails_ends_with_its_last_lines",
    "build pull": "test_image_builds.py::test_a_pull_has_it_on_every_host",
    "build create": "test_image_builds.py::test_the_builder_is_made_shown_and_removed",
    "build remove": "test_image_builds.py::test_the_builder_is_made_shown_and_removed",
    "build details": "test_image_builds.py::test_the_working_tree_stays_here",
    "build dev": "test_image_builds.py::test_the_working_tree_stays_here",
    "registry setup": "test_without_a_registry.py::test_logins_that_others_left_on_hosts_go",
    "registry login": "test_without_a_registry.py::test_logins_that_others_left_on_hosts_go",
    "registry logout": "test_without_a_registry.py::test_logins_that_others_left_on_hosts_go",
    "registry remove": "test_without_a_registry.py::test_logins_that_others_left_on_hosts_go",
    "server bootstrap": "test_setup_remove.py::test_a_second_setup_changes_nothing",
    "server exec": "test_every_day.py::test_a_command_runs_on_hosts",
    "prune all": "test_every_day.py::test_what_nobody_needs_is_pruned",
    "prune containers": "test_every_day.py::test_what_nobody_needs_is_pruned",
    "prune images": "test_every_day.py::test_what_nobody_needs_is_pruned",
    "lock status": "test_setup_remove.py::test_a_lock_taken_by_hand_stops_a_deploy_and_names_its_holder",
    "lock acquire": "test_setup_remove.py::test_a_lock_taken_by_hand_stops_a_deploy_and_names_its_holder",
    "lock release": "test_setup_remove.py::test_a_lock_taken_by_hand_stops_a_deploy_and_names_its_holder",
    "secrets fetch": "test_default.py::test_a_password_manager_has_what_the_deploy_took",
    "secrets extract": "test_default.py::test_a_password_manager_has_what_the_deploy_took",
    "secrets print": "test_setup_remove.py::test_what_reaches_no_host_needs_none",
    "broadcast": "test_every_day.py::test_a_message_is_broadcast",
    "env push": "test_secrets_on_hosts.py::test_only_that_host_is_written_by_the_next_push",
    "env delete": "test_secrets_on_hosts.py::test_all_of_them_can_be_deleted_and_what_runs_runs_on",
}
# What a person or a program is told of a run.
TOLD = re.compile(r"\.(output|parts|actions|failures|changed)\b")
HELPERS = {"deploy": "deploy", "check": "deploy", "rollback": "rollback"}


@cache
def functions(file: str) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in ast.parse(STORIES[file].read_text()).body if isinstance(node, ast.FunctionDef)}


def named(reference: str) -> ast.FunctionDef:
    file, _colons, name = reference.partition("::")
    assert name in functions(file), f"{file} has no {name}"
    return functions(file)[name]


def calls(function: ast.FunctionDef) -> Iterator[tuple[str, ast.Call]]:
    """The calls of a project, by the name of the method."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func.attr, node


def playbooks(function: ast.FunctionDef) -> set[str]:
    """What it runs; a name that is put together in a loop is taken from the words in the function."""
    words = {str(node.value) for node in ast.walk(function) if isinstance(node, ast.Constant)}
    found = set()
    for method, call in calls(function):
        if method in HELPERS:
            found.add(HELPERS[method])
        elif method in ("play", "start"):
            name = call.args[0]
            begin = name.values[0] if isinstance(name, ast.JoinedStr) else name
            assert isinstance(begin, ast.Constant)
            found |= {f"{begin.value}{word}" for word in words} if begin is not name else {str(begin.value)}
        if method in (*HELPERS, "play", "start"):
            found |= {word for key in call.keywords if key.arg == "then" for word in ast.literal_eval(key.value)}
    return found


@pytest.mark.parametrize("command", [each for each in COMMANDS if each.playbook], ids=lambda command: command.words)
def test_its_playbook_is_run_on_hosts_by_a_test_that_looks_at_what_is_shown(command: Command) -> None:
    test = named(RUN[command.words])
    assert command.playbook in playbooks(test)
    assert TOLD.search(ast.unparse(test))


def test_the_list_has_every_command_that_has_a_playbook() -> None:
    assert set(RUN) == {command.words for command in COMMANDS if command.playbook}


SAID = {said for command in COMMANDS for said in command.options.values()} | {*FRAME.values()}


@pytest.mark.parametrize("variable", sorted({said.partition("=")[0] for said in SAID if said not in ("", UNUSED)}))
def test_what_an_option_stands_for_is_given_to_a_run_on_hosts(variable: str) -> None:
    """Once at least: whichever playbooks take it, one role or module reads it for all of them."""
    given = re.compile(rf'"{variable}' if variable.startswith("-") else rf'\b{variable}(=|": )')
    assert [file for file, path in STORIES.items() if given.search(path.read_text())]
