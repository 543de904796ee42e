# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where secret values come from."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import SecretError
from ansible_collections.caravan.kamal.plugins.plugin_utils.forks.memory import Memory
from ansible_collections.caravan.kamal.plugins.plugin_utils.secrets.commands import Commands
from ansible_collections.caravan.kamal.plugins.plugin_utils.secrets.sources import Secrets, files, last_resorts

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRON = {"FROM_SHELL": "shell", "NAME": "shell's", "PATH": PATH}


def secrets(folder: Path, *paths: str, variable: Any = None, **options: Any) -> Secrets:
    """Those of a project that has these files."""
    settings = {"allowed": True, "seconds": 60, "tell": lambda _line: None, **options}
    memory = settings.pop("memory", None) or Memory(2**22)
    env_files = [str(folder / name) for name in settings.pop("env_files", ())]
    commands = Commands(str(folder), ENVIRON, **settings)
    return Secrets(variable or {}, [str(folder / path) for path in paths], commands, env_files, memory)


def read(tmp_path: Path, text: str, name: str = "K", **options: Any) -> str:
    (tmp_path / "secrets").write_text(text)
    return secrets(tmp_path, "secrets", **options)[name]


# What Ruby's dotenv 3 makes of the same text.
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K=v", "v"),
        ("K = v  ", "v"),
        ("K: v", "v"),
        ("export K=v", "v"),
        ("  K=v", "v"),
        ("K=a=b", "a=b"),
        ("K=v # why", "v"),
        ("K=v#why", "v"),
        ("K=v\r\nL=w\r\n", "v"),
        ("\ufeffK=v", "v"),
        ("# K=no\n\nK=v", "v"),
        ("K=one\nK=two", "two"),
        ("K='a # b $NAME \\n'", "a # b $NAME \\n"),
        ("K='it\\'s'", "it\\'s"),
        ('K="a # b"', "a # b"),
        ('K="a \\"b\\""', 'a "b"'),
        ('K="a\\nb"', "a\\nb"),
        ('K="a\\\\b"', "a\\b"),
        ('K="a" # why', "a"),
        ("K=\"a\"'b'", "\"a\"'b'"),
        ('K=a"b', 'a"b'),
        ("K=C:\\dir\\new", "C:dirnew"),
        ("K=a\\ b", "a b"),
        ('K="one\ntwo"\nL=3', "one\ntwo"),
        ("K='-----BEGIN\nKEY\n-----END'", "-----BEGIN\nKEY\n-----END"),
        ("K=$FROM_SHELL", "shell"),
        ("K=${FROM_SHELL}/x", "shell/x"),
        ("K=$FROM_SHELL}", "shell"),
        ("NAME=file\nK=$NAME", "file"),
        ("K=\\$NAME", "$NAME"),
        ("K=\\$(not run)", "$(not run)"),
        ("K=\\$(not closed", "\\$(not closed"),
        ("K='$(not closed'", "$(not closed"),
        ("K=\"$(echo 'a # b')\"", "a # b"),
        ("K='$(not run)'", "$(not run)"),
        ("K=$", "$"),
        ("K=v\nMY-KEY=1\nsome words\n=5\nL", "v"),
        ("K=v\nexport K", "v"),
        ('DOTENV_LINEBREAK_MODE=legacy\nK="a\\nb"', "a\nb"),
    ],
)
def test_values(tmp_path: Path, text: str, value: str) -> None:
    assert read(tmp_path, text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("L=1\nK='never\nclosed", r"secrets:2: the quote of K is never closed"),
        ('L=1\nK="', r"secrets:2: the quote of K is never closed"),
        ("L=1\nexport K", r"secrets:2: K is exported but has no value"),
        ("K=a\nK=$K$K" + "\nK=$K$K" * 30, r"secrets:2\d: the variables in this value make it longer"),
        # An error only because this secret is needed.
        ("L=1\nK=a\0b", r"secrets:2: K has a NUL character"),
        (f"K={'x' * 131000}", r"secrets:1: K is longer than 127 KiB"),
        ("L=1\nK=", r"secrets:2: the secret K is empty"),
        ("L=1\nK", r"secrets:2: the secret K is empty"),
        ("L=1\nK=$(jq '.a # b')", r"secrets:2: the command \$\( is never closed\. Outside quotes a # ends"),
        ("K=$(echo (", r"secrets:1: the command \$\( is never closed"),
        ("K=$UNKNOWN", r"secrets:1: K refers to UNKNOWN, which is not set"),
        ("K=$UNKNOWN.", r"secrets:1: K refers to UNKNOWN, which is not set"),
        ("L=$A$B\nK=x$L", r"secrets:2: K refers to A, B, which is not set"),
        ("MY-KEY=1\nL=1\ntwo words", r"No value for the secret K\.(.|\n)*passed over: .*secrets:1, .*secrets:3"),
    ],
)
def test_what_cannot_be_read_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SecretError, match=message):
        read(tmp_path, text)


def test_what_nobody_needs_may_be_unset_or_fail(tmp_path: Path) -> None:
    assert read(tmp_path, "K=v\nL=$UNKNOWN\nM=\nN=$(exit 1)\nO='\0'") == "v"


@pytest.mark.parametrize(
    ("given", "value"), [({"K": "v"}, "v"), ({"K": 5}, "5"), ({"K": True}, "true"), ({"K": "a\nb"}, "a\nb")]
)
def test_values_of_the_variable(tmp_path: Path, given: dict[str, object], value: str) -> None:
    assert secrets(tmp_path, variable=given)["K"] == value


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"K": None}, "kamal_secrets: the secret K is empty"),
        ({"K": ""}, "kamal_secrets: the secret K is empty"),
        ({"K": "a\0"}, "kamal_secrets: K has a NUL character"),
        ({"K": ["a"]}, "kamal_secrets: the secret K is a map or a list"),
        ({"K\0": "a"}, "cannot be the name of a secret"),
        ({"": "a"}, "cannot be the name of a secret"),
        ({5: "a"}, "cannot be the name of a secret"),
    ],
)
def test_wrong_values_of_the_variable(tmp_path: Path, given: dict[str, object], message: str) -> None:
    with pytest.raises(SecretError, match=message):
        secrets(tmp_path, variable=given)["K"]


def test_later_files_and_the_variable_win(tmp_path: Path) -> None:
    (tmp_path / "common").write_text("A=1\nB=1\nC=1")
    (tmp_path / "own").write_text("B=2\nC=2")
    known = secrets(tmp_path, "common", "own", "missing", variable={"C": "3"})
    assert known.values({"X": "A", "Y": "B", "Z": "C"}) == {"X": "1", "Y": "2", "Z": "3"}


def test_all_missing_secrets_are_named_at_once(tmp_path: Path) -> None:
    known = secrets(tmp_path, "secrets-common", "secrets", variable={"HAVE": "x"})
    with pytest.raises(SecretError, match=r"secrets A, B\. .*/secrets-common or .*/secrets.*kamal_secrets"):
        known.require(["B", "HAVE", "A"])


def test_with_a_destination_the_plain_file_does_not_count() -> None:
    assert files("/p", ".kamal/secrets", None) == ["/p/.kamal/secrets-common", "/p/.kamal/secrets"]
    assert files("/p", ".kamal/secrets", "staging") == ["/p/.kamal/secrets-common", "/p/.kamal/secrets.staging"]


# Commands


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K=$(echo v)", "v"),
        ('K="$(echo v)"', "v"),
        ("K=a$(echo b)c$(echo d)", "abcd"),
        ("K=$(printf 'a\\\\nb\\\\n\\\\n')", "a\nb\n"),
        ("K=$(printf 'v\\\\r\\\\n')", "v"),
        ("K=$(echo $(echo in))", "in"),
        ("K=$( (echo a); (echo b) )", "a\nb"),
        ('K="$(\necho a\necho b\n)"', "a\nb"),
        ("K=$(pwd | xargs basename)", "test_what_a_command_prints"),
        ("K=$(echo $FROM_SHELL ${FROM_SHELL})", "shell shell"),
        ("FROM_SHELL=file\nK=$(echo $FROM_SHELL; env | grep ^FROM_SHELL)", "file\nFROM_SHELL=shell"),
        ("K=$(printf \"%s\" '$FROM_SHELL')", "shell"),
        ("K=$(for x in a b; do echo $x; done)", "a\nb"),
        ("K=$(echo a b | awk '{print $2}')", "b"),
        ("K=$(echo a b | awk '{print \\$2}')", "b"),
        ("K=$(echo ${NOT_SET:-other})", "other"),
        ('L=file\nK="$(echo ${L:-other} ${L#f})"', "file ile"),
        ("K=$(echo a >&2; echo b)", "b"),
        ("K=$(cat)x", "x"),
        ("K=\\$(echo v)", "$(echo v)"),
        ("K='$(echo v)'", "$(echo v)"),
        ("K=$()", "$()"),
        # A variable that is several words is several words, as in Kamal.
        ("L='a   b'\nK=$(printf '[%s]' $L)", "[a][b]"),
        ("L='a   b'\nK=$(printf '[%s]' \"$L\")", "[a   b]"),
    ],
)
def test_what_a_command_prints(tmp_path: Path, text: str, value: str) -> None:
    folder = tmp_path / "test_what_a_command_prints"
    folder.mkdir()
    assert read(folder, text) == value


ODD = [
    "pa$word",
    "$(echo no)",
    "`echo no`",
    'it\'s "so"',
    "a\\nb\\",
    "*",
    "~ # ; & | > x",
    "日本語 ä",
    "${HOME}",
    " a ",
    "x" * 65536,
]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("use", ["$V", "${V}", '$(printf %s "$V")', "$(printf %s '$V')", '$(printf "%s" "${V}")'])
def test_what_was_printed_is_not_looked_into_again(tmp_path: Path, value: str, use: str) -> None:
    (tmp_path / "value").write_text(value + "\n")
    assert read(tmp_path, f"V=$(cat value)\nW={use}\nK=$W") == value


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "L=1\nK=$(echo hidden; echo why >&2; exit 3)",
            {},
            r"^No value for the secret K\. .*/secrets:2: the command ended with exit code 3\. It said:\n    why$",
        ),
        ("K=$(exit 1)", {}, r"secrets:1: the command ended with exit code 1\.$"),
        ("K=$(no-such-command x)", {}, r"exit code 127\. It said:\n    .*no-such-command"),
        ("K=$(echo 'never closed)", {}, r"secrets:1: the command ended with exit code 2"),
        ("K=$(op://$VAULT/$ITEM/x)", {}, r"exit code 127\. Nothing sets VAULT, ITEM, to which it refers\."),
        ("K=$(true)", {}, r"secrets:1: the secret K is empty"),
        ("K=$(echo x$(echo $NO)$NO1)$NO2", {}, r"refers to NO2"),
        ("L=$NO\nK=$(echo x$L)", {}, r"secrets:2: K refers to NO, which is not set"),
        (
            "K=$(sleep 600)",
            {"seconds": 0.5},
            r"secrets:1: the command did not end within 0\.5 seconds \(kamal_secrets_timeout\)",
        ),
        ("K=$(printf '\\\\377')", {}, r"secrets:1: the command printed what is no UTF-8 text\. Let it print base64"),
        ("K=$(printf 'a\\\\0b')", {}, r"secrets:1: K has a NUL character"),
        (
            "K=$(echo v)",
            {"allowed": False},
            r"secret K\. .*/secrets:1: it takes a command \$\(…\), and kamal_secrets_commands is false",
        ),
        ("K=$(echo x | kamal-secrets)", {}, r"exit code 127"),
    ],
)
def test_a_command_that_is_of_no_use(tmp_path: Path, text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(SecretError, match=message) as caught:
        read(tmp_path, text, **options)
    assert "hidden" not in caught.value.message


def test_everything_is_told_at_once_and_each_failure_once(tmp_path: Path) -> None:
    (tmp_path / "common").write_text("A=$(exit 1)\nB=x$A\nC=$(echo $A)\nUNUSED=$(exit 9)")
    (tmp_path / "own").write_text("D=$(exit 2)\nE=\nF=$NO\nG=fine")
    with pytest.raises(SecretError) as caught:
        secrets(tmp_path, "common", "own").require("ABCDEFGH")
    first, second, *others = caught.value.message.splitlines()
    assert first == f"No value for the secrets A, B, C. {tmp_path}/common:1: the command ended with exit code 1."
    assert second == f"No value for the secret D. {tmp_path}/own:1: the command ended with exit code 2."
    assert [line.partition(": ")[0] for line in others[:2]] == [f"{tmp_path}/own:2", f"{tmp_path}/own:3"]
    assert others[2].startswith("No value for the secret H. Add NAME=value")
    assert len(others) == 3


def test_without_a_switch_nothing_runs(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("K=v\nL=$(touch ran)\nM=x$L")
    known = secrets(tmp_path, "secrets", allowed=False)
    assert known["K"] == "v"
    with pytest.raises(SecretError, match=r"secrets L, M\. "):
        known.require(["K", "L", "M"])
    assert not (tmp_path / "ran").exists()


def test_what_a_command_says_is_told_at_once(tmp_path: Path) -> None:
    told: list[str] = []

    def tell(line: str) -> None:
        told.append(line)
        (tmp_path / "told").touch()

    text = "K=$(echo touch the key >&2; until [ -e told ]; do sleep 0.02; done; echo v)"
    assert read(tmp_path, text, tell=tell) == "v"
    assert told == ["touch the key"]


def test_a_value_that_a_command_was_given_is_not_shown_where_it_complains(tmp_path: Path) -> None:
    told: list[str] = []
    with pytest.raises(SecretError) as caught:
        read(tmp_path, "T=t0ken-1234\nK=$(echo refused: $T >&2; exit 1)", tell=told.append)
    for text in (*told, caught.value.message):
        assert "refused: " in text and "t0ken" not in text


COUNTED = "K=$(echo >> ran; echo v)\nL=$(echo >> ran; echo w)"


def test_a_file_is_read_when_a_secret_of_it_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text(COUNTED)
    known = secrets(tmp_path, "secrets", variable={"K": "mine"})
    known.require([])
    assert known["K"] == "mine" and known.notices(["K"]) == []
    assert not (tmp_path / "ran").exists()
    assert known["L"] == "w"


def test_a_command_runs_once_in_a_run(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text(COUNTED)
    memory = Memory(2**20)
    fork = multiprocessing.get_context("fork")
    workers = [
        fork.Process(target=lambda: secrets(tmp_path, "secrets", memory=memory).require(["K", "L"]))
        for _host in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    (tmp_path / "secrets").write_text("K=changed")
    assert secrets(tmp_path, "secrets", memory=memory).values({"A": "K", "B": "L"}) == {"A": "v", "B": "w"}
    assert (tmp_path / "ran").read_text() == "\n\n"
    assert secrets(tmp_path, "secrets")["K"] == "changed"


# The last resort


def test_what_no_other_source_has_comes_from_the_env_files_with_a_notice(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("A=1")
    (tmp_path / ".env").write_text("A=9\nB=2\nC=2\nD=$(echo 2)\nNAME=9")
    (tmp_path / ".env.staging").write_text("C=3")
    known = secrets(tmp_path, "secrets", env_files=[".env", ".env.staging"], variable={"E": "5"})
    wanted = ["A", "B", "C", "D", "E", "NAME"]
    assert [known[name] for name in wanted] == ["1", "2", "3", "2", "5", "shell's"]
    told = known.notices(wanted)
    assert [line.partition(",")[0] for line in told] == ["B", f"C comes from {tmp_path}/.env.staging"]
    assert told[0].startswith(f"B, D, NAME come from {tmp_path}/.env, where secrets are looked for last. Move them to ")


def test_an_env_file_that_nobody_needs_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("K=v")
    (tmp_path / ".env").write_text("X='never closed")
    known = secrets(tmp_path, "secrets", env_files=[".env"])
    assert known["K"] == "v" and known.notices(["K"]) == []
    with pytest.raises(SecretError, match=r"\.env:1: the quote of X is never closed"):
        known["L"]


def test_the_env_files_of_a_project() -> None:
    assert last_resorts("/p", None) == ["/p/.env"]
    assert last_resorts("/p", "staging") == ["/p/.env", "/p/.env.staging"]


def test_each_secret_has_a_place(tmp_path: Path) -> None:
    (tmp_path / "common").write_text("A=1\nB=1\nC=1")
    (tmp_path / "own").write_text("\nB=2\nC=$NOBODY")
    (tmp_path / ".env").write_text("X='never closed")
    known = secrets(tmp_path, "common", "own", env_files=[".env"], variable={"C": "3"})
    assert known.places == {"A": f"{tmp_path}/common:1", "B": f"{tmp_path}/own:2", "C": "kamal_secrets"}


def test_everything_is_what_has_a_value_in_the_files_and_the_variable(tmp_path: Path) -> None:
    (tmp_path / "common").write_text("A=common\nB=one\nUNSET=$NOWHERE\nBROKEN=$(exit 3)\n")
    (tmp_path / "secrets").write_text("B=two\nEMPTY=\n")
    (tmp_path / ".env").write_text("LAST=resort\n")
    found = secrets(tmp_path, "common", "secrets", variable={"A": "variable", "C": "NUL \0"}, env_files=[".env"])
    assert found.everything() == {"A": "variable", "B": "two", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("K=", "the secret K is empty. Give it a value"),
        ("K=pa$ss", "K refers to a variable that is not set here; -e kamal_secrets_show=true says to which."),
        (f"K={'v' * 200_000}", "K is longer than 127 KiB"),
    ],
)
def test_why_a_secret_has_no_value_is_told_by_a_list_too(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "secrets").write_text(text)
    assert f"{tmp_path}/secrets:1: {reason}" in secrets(tmp_path, "secrets", allowed=False).without_value["K"]


def test_a_list_says_nothing_of_secrets_with_a_value_or_a_command(tmp_path: Path) -> None:
    (tmp_path / "secrets").write_text("A=1\nB=$(echo)\nC=$B\n")
    assert secrets(tmp_path, "secrets", allowed=False).without_value == {}
