# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Command lines of Kamal's as those of ansible-playbook."""

from __future__ import annotations

import json
import re
import shlex
from importlib import import_module
from typing import Any

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.caravan.kamal.plugins.module_utils._errors import ConfigError
from ansible_collections.caravan.kamal.plugins.plugin_utils.commands import line
from ansible_collections.caravan.kamal.plugins.plugin_utils.commands.table import COMMANDS, FRAME, REST, UNUSED, Command
from ansible_collections.caravan.kamal.plugins.plugin_utils.variables import BY_NAME


@pytest.mark.parametrize(
    ("kamal", "words"),
    [
        ("details", "caravan.kamal.details"),
        ("app logs", "caravan.kamal.app.logs"),
        ("app logs -n 20 --since=1h", "-e kamal_logs_lines=20 -e kamal_logs_since=1h caravan.kamal.app.logs"),
        ("app logs --grep 'a b'", '-e \'{"kamal_logs_grep": "a b"}\' caravan.kamal.app.logs'),
        ("-d staging", None),
        ("deploy -d staging -P", "-e kamal_destination=staging -e kamal_build=false caravan.kamal.deploy"),
        ("deploy --hosts web1,web2 -v", "--limit web1,web2 -v caravan.kamal.deploy"),
        ("deploy -c config/other.yml", "-i config/other.yml caravan.kamal.deploy"),
        ("deploy -q --lock-wait-interval 5", "caravan.kamal.deploy"),
        ("rollback", "caravan.kamal.rollback"),
        ("rollback v1", "-e kamal_version=v1 caravan.kamal.rollback"),
        ("accessory exec", None),
        ("secrets fetch -a 1password A", None),
        ("deploy --skip_hooks", "-e kamal_skip_hooks=true caravan.kamal.deploy"),
        ("accessory boot-config", None),
        ("proxy boot-config get", "-e kamal_proxy_boot_config=get caravan.kamal.proxy.boot_config"),
        (
            'accessory exec db --reuse "psql -l"',
            '-e kamal_reuse=true -e kamal_accessory=db -e \'{"kamal_cmd": "psql -l"}\' caravan.kamal.accessory.exec',
        ),
        ("app logs -fn20", None),
        (
            "app logs -n20 -fT",
            "-e kamal_logs_lines=20 -e kamal_logs_follow=true -e kamal_logs_timestamps=false caravan.kamal.app.logs",
        ),
        ("app exec -qp ls -la /", '-e kamal_primary=true -e \'{"kamal_cmd": "ls -la /"}\' caravan.kamal.app.exec'),
        (
            "accessory exec db ls --all -r web",
            '-e kamal_roles=web -e kamal_accessory=db -e \'{"kamal_cmd": "ls --all"}\' caravan.kamal.accessory.exec',
        ),
        (
            "accessory exec db -- ls -la",
            '-e kamal_accessory=db -e \'{"kamal_cmd": "ls -la"}\' caravan.kamal.accessory.exec',
        ),
        (
            "app exec -i -p -r web -e A:1 --env=B:x:y bin/console",
            "-e kamal_interactive=true -e kamal_primary=true -e kamal_roles=web "
            '-e \'{"kamal_cmd_env": {"A": "1", "B": "x:y"}}\' -e kamal_cmd=bin/console caravan.kamal.app.exec',
        ),
        (
            "secrets fetch -a 1password --from V A B",
            "-e kamal_secrets_adapter=1password -e kamal_secrets_from=V -e kamal_secrets_names=A,B "
            "caravan.kamal.secrets.fetch",
        ),
    ],
)
def test_a_command_line(kamal: str, words: str | None) -> None:
    if words is None:
        with pytest.raises(ConfigError):
            line.translated(kamal + " --no-such")
    else:
        assert line.translated(kamal) == shlex.split(words)


@pytest.mark.parametrize(
    ("kamal", "message"),
    [
        ("", "there is no command kamal"),
        ("app logz", "there is no command kamal app logz; did you mean kamal app logs?"),
        ("qqqq", "there is no command kamal qqqq; docs/from-kamal.md has them all"),
        ("app logs --sinze 1h", "kamal app logs takes no --sinze here; did you mean --since?"),
        ("build push --output docker", "kamal build push takes no --output here; docs/from-kamal.md has them all"),
        ("app logs --since", "kamal app logs: --since needs a value"),
        ("app logs -fx", "kamal app logs takes no -fx here"),
        ("app exec --resue ls", "kamal app exec takes no --resue here; did you mean --reuse?"),
        ("accessory exec --ls db", "kamal accessory exec takes no --ls here"),
        ("details web", "kamal details takes no web here"),
        ("accessory boot", "kamal accessory boot lacks what kamal_accessory stands for"),
        ("accessory upload db", "kamal accessory upload has no playbook here: accessory.boot writes the files"),
        ("app logs 'x", '"app logs \'x" cannot be split into words: No closing quotation'),
    ],
)
def test_what_has_no_counterpart_is_named(kamal: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        line.translated(kamal)


# What a template is has to be said since ansible-core 2.19.
trusted: Any = getattr(import_module("ansible.template"), "trust_as_template", str)


@pytest.mark.parametrize(
    ("kamal", "variable", "value"),
    [
        ("server exec \"docker ps --format '{{.Names}}'\"", "kamal_cmd", "docker ps --format '{{.Names}}'"),
        ("server exec docker ps --format '{{ .Names }}'", "kamal_cmd", "docker ps --format {{ .Names }}"),
        ("server exec \"bash -c 'echo ${#HOME}'\"", "kamal_cmd", "bash -c 'echo ${#HOME}'"),
        ("server exec 'echo {% x'", "kamal_cmd", "echo {% x"),
        ("server exec \"echo {{ lookup('pipe', 'id') }}\"", "kamal_cmd", "echo {{ lookup('pipe', 'id') }}"),
        ("server exec '{{a\n\n}}\n'", "kamal_cmd", "{{a\n\n}}\n"),
        ("server exec 'echo {% endraw %}{{ 1 }}{%- raw -%} }}'", "kamal_cmd", "echo {% endraw %}{{ 1 }}{%- raw -%} }}"),
        ("app exec -e 'A:{{ x }}' -e B:2 ls", "kamal_cmd_env", {"A": "{{ x }}", "B": "2"}),
        ("lock acquire -m '{{ x }}'", "kamal_lock_message", "{{ x }}"),
    ],
)
def test_what_looks_like_a_template_stays_as_it_is(kamal: str, variable: str, value: Any) -> None:
    given = [json.loads(word) for word in line.translated(kamal) if word.startswith("{")]
    templar = Templar(loader=DataLoader(), variables={})
    assert templar.template(_trusted({**given[0]}))[variable] == value


def _trusted(value: Any) -> Any:
    return {key: _trusted(each) for key, each in value.items()} if isinstance(value, dict) else trusted(value)


WITH_PLAYBOOK = [command for command in COMMANDS if command.playbook]


@pytest.mark.parametrize("command", WITH_PLAYBOOK, ids=lambda command: str(command.words))
def test_every_line_of_the_tree_can_be_said_with_all_its_options(command: Command) -> None:
    words, wanted = command.words.split(), [f"caravan.kamal.{command.playbook}", *command.sets]
    for names, said in {**FRAME, **command.options}.items():
        takes_value = said and "=" not in said and said != "-v"
        if said in BY_NAME and BY_NAME[said].type == "dict":
            continue
        words += [names.split("/")[-1], *(["x"] if takes_value else [])]
        wanted += [] if said in ("", UNUSED) else [said if not takes_value or said[0] == "-" else f"{said}=x"]
    words += ["place"] * len(command.arguments)
    wanted += [f"{name.replace(REST, '')}=place" for name in command.arguments]
    assert [each for each in wanted if each not in line.translated(shlex.join(words))] == []
