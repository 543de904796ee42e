# Copyright: Caravan contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where secret values come from."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.caravan.kamal.plugins.module_utils._errors import SecretError
from ansible_collections.caravan.kamal.plugins.plugin_utils.plan.secrets import Secrets, files

ENVIRON = {"FROM_SHELL": "shell", "NAME": "shell's"}


def read(tmp_path: Path, text: str, name: str = "K") -> str:
    file = tmp_path / "secrets"
    file.write_text(text)
    return Secrets({}, [str(file)], ENVIRON)[name]


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
        ("K=$(op read x)", r"secrets:1: command substitution.*kamal_secrets"),
        ('L=1\nK="$(op read $(x))"', r"secrets:2: command substitution"),
        ("L=1\nK='never\nclosed", r"secrets:2: the quote of K is never closed"),
        ('L=1\nK="', r"secrets:2: the quote of K is never closed"),
        ("L=1\nexport K", r"secrets:2: K is exported but has no value"),
        ("L=1\nK=a\0b", r"secrets:2: K has a NUL character"),
        ("K=a\nK=$K$K" + "\nK=$K$K" * 30, r"secrets:2\d: the variables in this value make it longer"),
        # An error only because this secret is needed.
        ("L=1\nK=", r"secrets:2: the secret K is empty"),
        ("L=1\nK", r"secrets:2: the secret K is empty"),
        ("K=$UNKNOWN", r"secrets:1: K refers to UNKNOWN, which is not set"),
        ("K=$UNKNOWN.", r"secrets:1: K refers to UNKNOWN, which is not set"),
        ("L=$A$B\nK=x$L", r"secrets:2: K refers to A, B, which is not set"),
        ("MY-KEY=1\nL=1\ntwo words", r"No value for the secret K\.(.|\n)*passed over: .*secrets:1, .*secrets:3"),
    ],
)
def test_what_cannot_be_read_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SecretError, match=message):
        read(tmp_path, text)


def test_what_nobody_needs_may_be_unset(tmp_path: Path) -> None:
    assert read(tmp_path, "K=v\nL=$UNKNOWN\nM=") == "v"


@pytest.mark.parametrize(
    ("given", "value"), [({"K": "v"}, "v"), ({"K": 5}, "5"), ({"K": True}, "true"), ({"K": "a\nb"}, "a\nb")]
)
def test_values_of_the_variable(given: dict[str, object], value: str) -> None:
    assert Secrets(given, [], {})["K"] == value


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
def test_wrong_values_of_the_variable(given: dict[str, object], message: str) -> None:
    with pytest.raises(SecretError, match=message):
        Secrets(given, [], {})["K"]


def test_later_files_and_the_variable_win(tmp_path: Path) -> None:
    (tmp_path / "common").write_text("A=1\nB=1\nC=1")
    (tmp_path / "own").write_text("B=2\nC=2")
    known = Secrets({"C": "3"}, [str(tmp_path / name) for name in ("common", "own", "missing")], {})
    assert known.values({"X": "A", "Y": "B", "Z": "C"}) == {"X": "1", "Y": "2", "Z": "3"}


def test_all_missing_secrets_are_named_at_once(tmp_path: Path) -> None:
    known = Secrets({"HAVE": "x"}, [".kamal/secrets-common", ".kamal/secrets"], {})
    with pytest.raises(SecretError, match=r"secrets A, B\. .*\.kamal/secrets-common or \.kamal/secrets.*kamal_secrets"):
        known.require(["B", "HAVE", "A"])


def test_with_a_destination_the_plain_file_does_not_count() -> None:
    assert files("/p", ".kamal/secrets", None) == ["/p/.kamal/secrets-common", "/p/.kamal/secrets"]
    assert files("/p", ".kamal/secrets", "staging") == ["/p/.kamal/secrets-common", "/p/.kamal/secrets.staging"]
