# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the operator typed: the playbook it means, tags that choose nothing, the version to go back to, two services."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils import invocation


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["caravan.kamal.deploy"], ["deploy"]),
        (["caravan.kamal.setup", "caravan.kamal.details"], ["setup", "details"]),
        (["site.yml"], []),
        (["caravan.kamal.deploy", "site.yml"], []),
        ([], []),
    ],
)
def test_only_playbooks_of_ours_are_known(arguments: list[str], expected: list[str]) -> None:
    assert invocation.running(arguments) == expected


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (["kamal_cmd=df -h"], ["kamal_cmd"]),
        (["kamal_cmd=rake db:migrate VERSION=3"], ["kamal_cmd"]),
        (["kamal_cmd=rake VERSION=3"], ["kamal_cmd"]),
        (["kamal_version=v1", "kamal_lock_message=The database is moving"], ["kamal_lock_message"]),
        (["kamal_cmd='df -h'"], []),
        (['kamal_cmd="rake VERSION=3"'], []),
        (["kamal_cmd=bash", "kamal_version=v1 kamal_roles=web other=1"], []),
        (['{"kamal_cmd": "df -h"}', "@with spaces.yml", "[a, b]"], []),
        (["words alone"], []),
    ],
)
def test_a_value_of_which_ansible_takes_the_first_word_alone_is_refused(given: list[str], names: list[str]) -> None:
    problems = [str(problem) for problem in invocation.cut_short(given)]
    expected = "Ansible ends a value at its first space, unless it has quotes of its own inside those of the shell: "
    assert [problem.partition(": ")[0] for problem in problems] == names
    for name, problem in zip(names, problems, strict=True):
        assert problem == f'{name}: {expected}-e "{name}=\'…\'", or as JSON: -e \'{{"{name}": "…"}}\''


@pytest.mark.parametrize(
    ("playbooks", "run", "skip", "expected"),
    [
        (["deploy"], ["all"], [], []),
        (["deploy"], ["build"], ["rollout"], []),
        (["deploy"], ["biuld"], [], ["--tags: biuld is no tag of deploy; the tags are build, rollout"]),
        (["deploy"], ["all"], ["proxy"], ["--skip-tags: proxy is no tag of deploy; the tags are build, rollout"]),
        (["setup"], ["all"], ["proxy"], []),
        (["logs"], ["web"], [], ["--tags: web is no tag of logs; it has no tags"]),
        ([], ["monitoring"], [], []),
    ],
)
def test_a_tag_that_chooses_nothing_is_refused(playbooks: Any, run: Any, skip: Any, expected: Any) -> None:
    problems = invocation.unknown_tags(playbooks, {"ansible_run_tags": run, "ansible_skip_tags": skip})
    assert [str(problem) for problem in problems] == expected


@pytest.mark.parametrize(
    ("inventory", "play", "extra", "expected"),
    [
        (None, None, None, None),
        ("v2", None, None, None),
        ("v2", "v1", None, "v1"),
        ("v2", None, "v2", "v2"),
        (None, None, "v1", "v1"),
    ],
    ids=["nothing", "of the inventory", "of a play", "extra, the same", "extra"],
)
def test_the_version_to_go_back_to(
    monkeypatch: pytest.MonkeyPatch, inventory: Any, play: Any, extra: Any, expected: Any
) -> None:
    """As Ansible has it: the variables of a host hold those of the inventory and extra ones, those of a task all."""
    monkeypatch.setattr(invocation, "load_extra_vars", lambda loader: {"kamal_version": extra} if extra else {})
    host = {"kamal_version": extra or inventory} if extra or inventory else {}
    task_vars = {"inventory_hostname": "h1", "hostvars": {"h1": host}}
    wanted = extra or play or inventory
    assert invocation.rollback_version(task_vars, None, lambda name: wanted) == expected


def config(service: str) -> dict[str, Any]:
    return {"kamal_config": {"service": service}}


@pytest.mark.parametrize(
    ("hosts", "task_vars", "words"),
    [
        ({"h1": config("shop"), "h2": config("shop")}, config("shop"), []),
        ({"h1": config("shop"), "h2": config("blog")}, config("shop"), ["shop (on h1) and blog (on h2)", "import_pl"]),
        ({"h1": config("shop"), "h2": {}}, config("shop"), []),
        ({"h1": {}, "h2": config("blog")}, config("shop"), []),
        ({"h1": {}, "h2": {}}, {}, []),
    ],
    ids=["one", "two", "a host without", "the play says which", "a file"],
)
def test_two_services_in_one_run_are_refused(hosts: Any, task_vars: Any, words: list[str]) -> None:
    variables = {**task_vars, "inventory_hostname": "h1", "hostvars": hosts, "ansible_play_hosts_all": list(hosts)}
    if not words:
        return invocation.require_one_service(variables)
    with pytest.raises(ConfigError) as raised:
        invocation.require_one_service(variables)
    assert not [word for word in words if word not in raised.value.message]
