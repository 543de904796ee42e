# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hooks are told: Kamal's variables under their names, the hosts, the roles, and why a run has failed."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.plugin_utils import hooks
from ansible_collections.caravan.kamal.plugins.plugin_utils.config.rules_sections import HOOKS
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import occasion
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan

MakePlan = Callable[..., Plan]
LEAST = occasion.Told(
    recorded_at="2026-01-31T12:00:00Z",
    performer="ada@example.com",
    version="0123456789abcdef",
    service_version="hello@0123456",
    service="hello",
    destination=None,
    hosts=["web1", "web2"],
    roles=None,
    lock=True,
    command="deploy",
    subcommand=None,
)
ALWAYS = {
    "KAMAL_RECORDED_AT": "2026-01-31T12:00:00Z",
    "KAMAL_PERFORMER": "ada@example.com",
    "KAMAL_VERSION": "0123456789abcdef",
    "KAMAL_SERVICE_VERSION": "hello@0123456",
    "KAMAL_SERVICE": "hello",
    "KAMAL_HOSTS": "web1,web2",
    "KAMAL_LOCK": "true",
    "KAMAL_COMMAND": "deploy",
}


@pytest.mark.parametrize(
    ("changes", "variables"),
    [
        ({}, {}),
        ({"destination": "staging"}, {"KAMAL_DESTINATION": "staging"}),
        ({"roles": ["web", "workers"]}, {"KAMAL_ROLES": "web,workers"}),
        ({"lock": False}, {"KAMAL_LOCK": "false"}),
        ({"command": "app", "subcommand": "boot"}, {"KAMAL_COMMAND": "app", "KAMAL_SUBCOMMAND": "boot"}),
        ({"runtime": 0}, {"KAMAL_RUNTIME": "0"}),
        ({"hosts": []}, {"KAMAL_HOSTS": ""}),
        (
            {"error": "it broke", "failed_hosts": ["web2"]},
            {"KAMAL_ERROR": "it broke", "KAMAL_FAILED_HOSTS": "web2"},
        ),
        ({"error": "a\0b\ud800c"}, {"KAMAL_ERROR": "ab?c"}),
    ],
)
def test_a_script_is_told_in_kamals_variables(changes: dict[str, Any], variables: dict[str, str]) -> None:
    assert replace(LEAST, **changes).variables() == {**ALWAYS, **variables}


def test_tasks_are_told_the_same_as_facts() -> None:
    facts = replace(LEAST, hosts=("web1",), runtime=3).facts("post-deploy")
    assert facts["name"] == "post-deploy"
    assert (facts["hosts"], facts["lock"], facts["runtime"], facts["destination"]) == (["web1"], True, 3, None)
    assert set(facts) - {"name"} == {field.name for field in fields(occasion.Told)}


def test_what_a_hook_is_told_is_not_inherited_by_hooks_of_a_run_that_it_starts() -> None:
    assert {f"KAMAL_{field.name.upper()}" for field in fields(occasion.Told)} == set(hooks.OF_A_HOOK)


def test_the_time_has_kamals_form() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", occasion.now())


def test_of_every_hook_it_is_known_what_follows_when_it_fails() -> None:
    assert sorted(occasion.EFFECTS) == sorted(HOOKS)
    assert occasion.effect("pre-app-boot", ["web1", "web2"]) == "The version does not go live on web1, web2."


@pytest.mark.parametrize(
    ("name", "limited", "hosts"),
    [
        ("pre-deploy", False, ["host1", "host2", "db1"]),
        ("pre-deploy", True, ["host1", "host2"]),
        ("pre-app-boot", False, ["host2"]),
        ("post-proxy-reboot", True, ["host2"]),
    ],
)
def test_the_hosts_are_those_of_the_run_or_of_the_batch(
    name: str, limited: bool, hosts: list[str], plan_of: MakePlan
) -> None:
    plan = replace(plan_of("v1"), order=["host1", "host2"], all_hosts=["host1", "host2", "db1"])
    assert occasion.hosts(plan, name, ["host2"], limited) == hosts


@pytest.mark.parametrize(
    ("limit", "roles"),
    [
        (None, None),
        ("", None),
        ("web", ["web"]),
        ("web,workers", ["web", "workers"]),
        ("web:workers", ["web", "workers"]),
        ("web1", None),
        ("web,web1", None),
        ("web:!web1", None),
    ],
)
def test_roles_are_told_where_the_run_was_limited_to_them(limit: str | None, roles: list[str] | None) -> None:
    assert occasion.roles(limit, ["web", "workers"]) == roles


def looped(*items: dict[str, Any]) -> dict[str, Any]:
    return {"failed": True, "msg": "One or more items failed", "results": list(items)}


@pytest.mark.parametrize(
    ("results", "error", "hosts"),
    [
        ({"web2": {"msg": "it exited"}}, "it exited", ["web2"]),
        ({"web1": {"msg": "full"}, "web2": {"msg": "full"}}, "full", ["web1", "web2"]),
        ({"web1": {"msg": "a"}, "web2": {"msg": "b"}}, "a\nb", ["web1", "web2"]),
        ({"web1": {"msg": "closed", "open": False, "missing": ["web3"]}}, "closed", ["web3"]),
        ({"web1": {"msg": "full", "missing": True, "results": 2}}, "full", ["web1"]),
        ({"web1": {"msg": "full", "missing": ["/srv/a"]}}, "full", ["web1"]),
        (
            {"web1": looped({"item": "web2", "failed": True, "msg": "it died"}, {"item": "web3"})},
            "it died",
            ["web2"],
        ),
        ({"web1": {"msg": "it said no", "hook": "pre-deploy"}}, "it said no", []),
        ({"web1": {}}, "no reason was given", ["web1"]),
        ({"web1": {"msg": "x" * 9000}}, "x" * 8000, ["web1"]),
        ({}, "", []),
    ],
    ids=["one", "the same", "two", "named", "a flag", "paths", "an item", "a hook", "no reason", "long", "none"],
)
def test_why_a_run_has_failed_and_where(results: dict[str, Any], error: str, hosts: list[str]) -> None:
    assert occasion.failure(results) == occasion.Failure(error, hosts)
