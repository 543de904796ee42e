# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The words after `kamal secrets`, and what they print."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import SecretError
from ansible_collections.caravan.kamal.plugins.plugin_utils.secrets import kamal_command

AWKWARD = "a\n'b' \"c\" $d `e` \\f (g) #h ; é 中 \t"


def run(words: str, *more: str) -> str:
    return kamal_command.run([*shlex.split(words), *more], {}, "/")


@pytest.mark.parametrize(
    "words",
    [
        "fetch --adapter test --account me --from F A B",
        "fetch A --adapter=test B --account=me --from=F",
        "fetch -a TEST A B --account me --from F --inline -v",
        "fetch -d staging -c config/deploy.yml -a test --account me --from F -- A B",
    ],
)
def test_options_stand_where_kamal_takes_them(words: str) -> None:
    assert json.loads(shlex.split(run(words))[0]) == {"F/A": "A/F", "F/B": "B/F"}


# Ruby's Shellwords.escape of the same text.
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"A":"b c"}', '\\{\\"A\\":\\"b\\ c\\"\\}'),
        ("a-b_c.d,e:f+g/h@i", "a-b_c.d,e:f+g/h@i"),
        ("a\nb", "a'\n'b"),
        ("é$`", "\\é\\$\\`"),
        ("", "''"),
    ],
)
def test_what_is_fetched_is_one_word_for_a_shell(text: str, word: str) -> None:
    assert kamal_command.escaped(text) == word
    assert shlex.split(word) == [text]


@pytest.mark.parametrize(
    ("name", "found", "value"),
    [
        ("A", {"A": "1", "F/A": "2"}, "1"),
        ("A", {"F/A": "2", "G/A": "3"}, "2"),
        ("F/A", {"E/F/A": "4", "A": "1"}, "4"),
        ("A", {"A": None, "F/A": "2"}, "2"),
        ("A", {"A": ""}, ""),
        ("A", {"A": AWKWARD}, AWKWARD),
        ("A", {"A": 5}, "5"),
    ],
)
def test_extract(name: str, found: dict[str, str], value: str) -> None:
    assert run("extract", name, json.dumps(found)) == value


def test_a_value_comes_through_both_commands_as_it_is() -> None:
    fetched = run("fetch -a test --account me", AWKWARD)
    assert run(f"extract {shlex.quote(AWKWARD)} {fetched}") == AWKWARD[::-1]
    assert run("extract", AWKWARD, fetched) == AWKWARD[::-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "There is no command kamal secrets . Those that there are: fetch, extract."),
        ("push", "There is no command kamal secrets push."),
        ("print", "cannot be part of a secrets file"),
        ("fetch A", "the option --adapter is missing"),
        ("fetch -a", "the option -a has no value"),
        ("fetch -a test --acount me A", "there is no option --acount. Use --adapter, --account and --from."),
        ("fetch -a keychain A", "There is no adapter keychain. Those that there are: 1password, aws_secrets_manager"),
        ("extract A", "expected a name and what fetch printed, not 1 words"),
        ("extract A b c", "not 3 words"),
        ("extract A {", "kamal secrets extract: that is not what kamal secrets fetch printed"),
        ("extract A 5", "kamal secrets extract: that is not what kamal secrets fetch printed"),
        ("extract A '\"'", "kamal secrets extract: that is not what kamal secrets fetch printed"),
        ('extract A \'{"F/B": "x", "BA": "y"}\'', "there is no secret A. Fetched was: F/B, BA."),
    ],
)
def test_what_cannot_be_done_says_why(words: str, message: str) -> None:
    with pytest.raises(SecretError) as raised:
        run(words)
    assert message in raised.value.message


def test_where_a_tool_is_looked_for_is_the_path_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lpass").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "lpass").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SecretError, match="its command lpass is not installed"):
        kamal_command.run(["fetch", "-a", "lastpass", "--account", "me", "A"], {"PATH": "/none"}, "/")
