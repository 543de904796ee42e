# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""`kamal secrets` inside `$(…)` of a secrets file: it runs here, and its words may be values of the file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import SecretError
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks.memory import Memory
from ansible_collections.caravan.kamal.plugins.plugin_utils.secrets import kamal_command
from ansible_collections.caravan.kamal.plugins.plugin_utils.secrets.commands import Commands
from ansible_collections.caravan.kamal.plugins.plugin_utils.secrets.sources import Secrets

ENVIRON = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "ACCOUNT": "me"}
VALUES = {"A": "pa$word", "B": 'it\'s "so" `x` $(y)', "C": "two\n  lines", "shop/D": "日本語 (ä)"}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The words that `kamal secrets` gets. What it fetches is VALUES; `extract` is the real one."""
    calls: list[list[str]] = []
    run = kamal_command.run

    def recorded(argv: Sequence[str], environ: Mapping[str, str], folder: str, seconds: float) -> str:
        calls.append(list(argv))
        return (
            kamal_command.escaped(json.dumps(VALUES, ensure_ascii=False)) if argv[0] == "fetch" else run(argv, {}, "")
        )

    monkeypatch.setattr(kamal_command, "run", recorded)
    return calls


def read(folder: Path, text: str, name: str = "K") -> str:
    (folder / "secrets").write_text(text)
    return Secrets({}, [str(folder / "secrets")], Commands(str(folder), ENVIRON, seconds=60), (), Memory(2**22))[name]


FETCH = "SECRETS=$(kamal secrets fetch --adapter 1password --account $ACCOUNT --from Vault/Item A B C)\n"


@pytest.mark.parametrize("name", ["A", "B", "C", "D"])
@pytest.mark.parametrize("kamal", ["kamal", "bundle exec kamal", "bin/kamal", "./bin/kamal", " bundle  exec bin/kamal"])
@pytest.mark.parametrize("variable", ["$SECRETS", "${SECRETS}", '"$SECRETS"', "'$SECRETS'"])
def test_fetch_and_extract(tmp_path: Path, asked: list[list[str]], name: str, kamal: str, variable: str) -> None:
    text = f"{FETCH}K=$({kamal} secrets extract {name} {variable})"
    assert read(tmp_path, text) == VALUES.get(name, VALUES["shop/D"])
    assert asked[0] == ["fetch", "--adapter", "1password", "--account", "me", "--from", "Vault/Item", "A", "B", "C"]
    assert asked[1:] == [["extract", name, json.dumps(VALUES, ensure_ascii=False)]]


@pytest.mark.parametrize(
    "text",
    [
        "K=$(kamal secrets extract A $(kamal secrets fetch -a test A))",
        'K=$(kamal secrets extract A "$(kamal secrets fetch -a test A)")',
        'K="$(kamal secrets extract A $(kamal secrets fetch -a test A))"',
        'K=$(kamal secrets extract A $(echo \'{"A": "pa$word"}\'))',
        'K=$(kamal secrets extract A \'{"A": "pa\\$word"}\')',
        'J=\'{"A": "pa$word"}\'\nK=$(kamal secrets extract A $J)',
        "J=$(cat given.json)\nK=$(kamal secrets extract A $J)",
        "K=$(echo $(kamal secrets extract A $(kamal secrets fetch -a test A)))",
        "K=$(printf '%s' \"$(kamal secrets extract A $(kamal secrets fetch -a test A))\")",
        FETCH + "P=$(kamal secrets extract A $SECRETS)\nK=$P",
        FETCH + 'K=$(printf %s $SECRETS | sed \'s/.*"A": "//; s/".*//\')',
        FETCH + "N=A\nK=$(kamal secrets extract $N $SECRETS)",
    ],
)
def test_whatever_way_it_is_written(tmp_path: Path, asked: list[list[str]], text: str) -> None:
    (tmp_path / "given.json").write_text(json.dumps(VALUES))
    assert read(tmp_path, text) == VALUES["A"]


@pytest.mark.parametrize("use", ["$(echo $P)", '$(printf %s "$P")', "$(printf %s '$P')", "x://$P", "$(echo x://$P)"])
def test_an_extracted_value_is_not_looked_into_again(tmp_path: Path, asked: list[list[str]], use: str) -> None:
    assert read(tmp_path, f"{FETCH}P=$(kamal secrets extract A $SECRETS)\nK={use}").endswith("pa$word")


def test_names_in_a_variable_are_several_words(tmp_path: Path, asked: list[list[str]]) -> None:
    read(tmp_path, "NAMES='A  B'\nK=$(kamal secrets fetch -a test $NAMES \"$NAMES\" x$NAMES)")
    assert asked == [["fetch", "-a", "test", "A", "B", "A  B", "xA  B"]]


def test_what_was_fetched_is_plain_json(tmp_path: Path, asked: list[list[str]]) -> None:
    assert json.loads(read(tmp_path, FETCH, "SECRETS")) == VALUES


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "K=$(kamal secrets fetch A)",
            r"^No value for the secret K\. .*secrets:1: kamal secrets fetch: the option --adap",
        ),
        ("K=$(kamal secrets extract A '{\"B\": 1}')", r"secrets:1: kamal secrets extract: there is no secret A"),
        ("K=$(kamal secrets extract A 'x)", r"secrets:1: kamal secrets: No closing quotation"),
        ("K=$(kamal secrets extract A $NO)", r"secrets:1: K refers to NO, which is not set"),
        ("J=$(kamal secrets fetch A)\nK=$(kamal secrets extract A $J)", r"secret K\. .*secrets:1: kamal secrets fetch"),
        ("J=$(exit 4)\nK=$(kamal secrets extract A $J)", r"secret K\. .*secrets:1: the command ended with exit code 4"),
        ("K=$(kamal secrets extract A $(exit 4))", r"secrets:1: the command ended with exit code 4"),
        ("K=$(echo x$(kamal secrets fetch A))", r"secrets:1: kamal secrets fetch: the option --adapter"),
        ("K=$(kamal secrets print)", r"secrets:1: kamal secrets print cannot"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SecretError, match=message):
        read(tmp_path, text)


def test_a_program_by_another_name_is_not_ours(tmp_path: Path, asked: list[list[str]]) -> None:
    assert read(tmp_path, "K=$(echo kamal secrets fetch)") == "kamal secrets fetch"
    assert asked == []
