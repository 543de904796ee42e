# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host is handed, and what a module lets out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._data import to_data
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError, SecretError
from ansible_collections.caravan.kamal.plugins.module_utils._host.changes import Changes
from ansible_collections.caravan.kamal.plugins.module_utils._masks import masked
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan import handover
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.model import Plan

MakePlan = Callable[..., Plan]


def test_a_host_is_handed_just_the_secrets_that_its_roles_name(plan_of: MakePlan) -> None:
    plan = plan_of("v1")
    known = handover.secrets(plan, {"kamal_secrets": {"TOKEN": "t", "OTHER": "o"}}.get, print)
    assert json.loads(handover.values(known, [role.secrets for role in plan.hosts["host1"].roles])) == {"TOKEN": "t"}
    with pytest.raises(SecretError, match="TOKEN"):
        handover.values(
            handover.secrets(plan, {"kamal_secrets": {}}.get, print),
            [role.secrets for role in plan.hosts["host1"].roles],
        )


def test_numbers_among_given_secrets_are_text(plan_of: MakePlan) -> None:
    assert handover.secrets(plan_of("v1"), {"kamal_secrets": {"TOKEN": 5432}}.get, print)["TOKEN"] == "5432"


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        (None, None),
        ({"server": "r:1"}, None),
        ({"server": "r:1", "username": "u", "password": ["P"]}, {"username": "u", "password": "secret"}),
        (
            {"server": "r", "username": ["U"], "password": "plain"},
            {"username": "user", "password": "registry/password"},
        ),
    ],
)
def test_the_login_of_the_registry(plan_of: MakePlan, registry: Any, expected: Any) -> None:
    plan = plan_of("v1", **({"registry": registry} if registry else {}))
    assert (
        handover.login(
            plan.registry, handover.secrets(plan, {"kamal_secrets": {"P": "secret", "U": "user"}}.get, print), str
        )
        == expected
    )


def test_a_host_without_a_role_and_a_run_without_a_plan_are_told(plan_of: MakePlan) -> None:
    with pytest.raises(ConfigError, match="host9 has no role in this plan; it covers host1"):
        handover.host_share(plan_of("v1"), "host9")
    with pytest.raises(ConfigError, match="no plan in this run"):
        handover.plan_of({"hostvars": {"localhost": {}}, "inventory_hostname": "host1"})


def test_the_plan_is_found_on_the_host_or_on_localhost(plan_of: MakePlan) -> None:
    of_localhost, of_host = plan_of("v1"), plan_of("v2")
    hostvars: dict[str, Any] = {"localhost": {"kamal_plan": to_data(of_localhost)}, "host1": {}}
    variables = {"hostvars": hostvars, "inventory_hostname": "host1"}
    assert handover.plan_of(variables) == of_localhost
    hostvars["host1"]["kamal_plan"] = to_data(of_host)
    assert handover.plan_of(variables) == of_host


def test_the_secrets_of_a_role_or_an_accessory(plan_of: MakePlan) -> None:
    plan = plan_of("v1", accessories={"db": {"image": "p", "host": "host1", "env": {"secret": ["A:B"]}}})
    assert handover.wanted_secrets(plan, "host1", "web", None) == {"TOKEN": "TOKEN"}
    assert handover.wanted_secrets(plan, "host1", None, "db") == {"A": "B"}
    with pytest.raises(ConfigError, match="no role cron in this plan; it has web, worker"):
        handover.wanted_secrets(plan, "host1", "cron", None)


@pytest.mark.parametrize(
    ("value", "secrets", "expected"),
    [
        ("token is s3cr3t!", {"T": "s3cr3t"}, "token is ********!"),
        ({"a": ["x s3cr3t", 5], "s3cr3t": None}, {"T": "s3cr3t"}, {"a": ["x ********", 5], "s3cr3t": None}),
        ("abc", {"T": "abc"}, "abc"),
        ("a key1 b key1key2", {"A": "key1", "B": "key1key2"}, "a ******** b ********"),
        ("log: line-two", {"T": "line-one\nline-two"}, "log: ********"),
        ("nothing", {}, "nothing"),
        ("nothing", {"T": ""}, "nothing"),
    ],
    ids=["text", "deep", "too short to hide", "longest first", "line of a key", "none", "empty"],
)
def test_secrets_are_blacked_out(value: Any, secrets: dict[str, str], expected: Any) -> None:
    assert masked(value, secrets) == expected


# Changes


def test_in_check_mode_nothing_is_called_and_everything_is_told() -> None:
    done: list[str] = []
    for check_mode in (True, False):
        changes = Changes(check_mode)
        answer = changes.do("make it", lambda: done.append("made") or "answer")  # type: ignore[func-returns-value]
        assert (changes.changed, changes.actions) == (True, ["make it"])
        assert (answer, done) == ((None, []) if check_mode else ("answer", ["made"]))
    assert not Changes(False).changed


def test_an_action_that_fails_is_not_claimed() -> None:
    changes = Changes(check_mode=False)
    with pytest.raises(ZeroDivisionError):
        changes.do("divide", lambda: 1 / 0)
    assert changes.actions == []


def test_a_diff_is_one_line_for_each_value() -> None:
    changes = Changes(check_mode=True)
    changes.show("web", None, {"Env": ["A=1"], "HostConfig": {"Init": True, "Memory": None}})
    changes.show("old", {"a": 1}, None)
    assert changes.result(x=1)["diff"] == {
        "before": "old/a: 1\n",
        "after": "web/Env[0]: A=1\nweb/HostConfig/Init: True\n",
    }


def test_project_secrets_are_read_where_the_plan_says(plan_of: MakePlan, tmp_path: Path) -> None:
    (tmp_path / ".kamal").mkdir()
    (tmp_path / ".kamal/secrets").write_text("TOKEN=from the file")
    plan = replace(plan_of("v1"), project_root=str(tmp_path))
    assert handover.secrets(plan, {}.get, print)["TOKEN"] == "from the file"
    assert handover.secrets(plan, {"kamal_secrets": {"TOKEN": "given"}}.get, print)["TOKEN"] == "given"


@pytest.mark.parametrize(
    ("image", "own", "login"),
    [
        ("postgres", None, True),
        ("other.example.com/postgres", None, False),
        ("postgres", {"server": "other.example.com", "username": "you", "password": ["DB"]}, False),
    ],
    ids=["the app's login", "no login", "a login of its own"],
)
def test_the_login_of_an_accessory_is_used_for_kamal_proxy_only_where_it_is_that_of_its_registry(
    plan_of: MakePlan, image: str, own: Any, login: bool
) -> None:
    section = {
        "image": image,
        "host": "host1",
        "proxy": {"host": "db.example.com"},
        **({"registry": own} if own else {}),
    }
    registry = {"username": "me", "password": ["P"]}
    share = handover.accessory_share(plan_of("v1", registry=registry, accessories={"db": section}), "db", "host1")
    assert share.proxy is not None and share.proxy.login is login
